//! Matchers of connections. When a connection arrives, only its addresses and its ClientHello are known.

use schemars::JsonSchema;
use serde::Deserialize;

use super::message::{any, any_glob};
use crate::rules::ConnectionInput;
use crate::rules::value::{Listener, Net, ServerName};

/// The conditions on connections: all keys must match.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename = "`match`", deny_unknown_fields, default)]
#[schemars(rename = "connection-match")]
pub struct ConnectionMatcher {
    /// The IP address of the device, or a network that contains it.
    #[schemars(extend("examples" = ["192.0.2.7", "10.0.0.0/8"]))]
    pub peer: Vec<Net>,
    /// The address at which dmtap accepted the device: a port, or a pattern for `ip:port`.
    #[schemars(extend("examples" = [8443, "127.0.0.1:*"]))]
    pub listener: Vec<Listener>,
    /// The server name (SNI) in the device's ClientHello; `*` matches any characters.
    #[schemars(extend("examples" = ["mdm.example.com"]))]
    pub sni: Vec<ServerName>,
    /// The host of the server, from CONNECT or from `--mode reverse:`, without port; `*` matches any characters.
    #[schemars(extend("examples" = ["*.windowsupdate.com"]))]
    pub host: Vec<ServerName>,
}

impl ConnectionMatcher {
    /// Whether the matcher needs only the addresses of a connection.
    pub fn asks_addresses_only(&self) -> bool {
        self.sni.is_empty() && self.host.is_empty()
    }

    pub(in crate::rules) fn holds(&self, input: &ConnectionInput<'_>) -> bool {
        any(&self.peer, || Some(input.peer.ip()), |net, ip| net.has(*ip))
            && any_glob(&self.listener, || Some(input.listener.to_string()))
            && any_glob(&self.sni, || input.sni)
            && any_glob(&self.host, || input.host)
    }
}
