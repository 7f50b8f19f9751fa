//! A connection a device opened.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::ClientCertificate;

/// Counts connections from 1 in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.0)
    }
}

/// A moment: microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The time from `earlier` to this moment; zero where the clock went back.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// A connection from a device, with all that is known when its first request comes.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its number.
    pub id: ConnectionId,
    /// When it was accepted.
    pub opened: Timestamp,
    /// The device's address.
    pub device: SocketAddr,
    /// The address it was accepted at.
    pub listener: SocketAddr,
    /// The server it is for: `host:port`.
    pub server: String,
    /// TLS as agreed with the device, without any fact where its bytes go to the server unread; `None` for clear text.
    pub tls: Option<TlsDetails>,
}

/// What a TLS handshake agreed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsDetails {
    /// The name the device asked for.
    pub sni: Option<String>,
    /// The protocol agreed by ALPN, such as `h2`.
    pub alpn: Option<String>,
    /// The version, such as `TLSv1.3`.
    pub version: Option<String>,
    /// The client certificate that the device presented.
    pub client: Option<Arc<ClientCertificate>>,
}
