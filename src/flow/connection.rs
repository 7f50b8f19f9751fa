//! A connection that a device opened.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::ClientCertificate;

/// The number of a connection, counted from 1 in one run.
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
    /// Returns the time from `earlier` to this moment; zero if the clock went back.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// A connection from a device, with everything that is known when its first request comes.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The number of the connection.
    pub id: ConnectionId,
    /// The time at which the connection was accepted.
    pub opened: Timestamp,
    /// The device's address.
    pub device: SocketAddr,
    /// The local address that accepted the connection.
    pub listener: SocketAddr,
    /// The server that the connection is for, as `host:port`.
    pub server: String,
    /// The TLS facts of the handshake with the device. All of them are empty if the connection is tunnelled; `None` for
    /// clear text.
    pub tls: Option<TlsDetails>,
}

/// The facts of a TLS handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsDetails {
    /// The server name that the device asked for.
    pub sni: Option<String>,
    /// The protocol that ALPN agreed on, such as `h2`.
    pub alpn: Option<String>,
    /// The TLS version, such as `TLSv1.3`.
    pub version: Option<String>,
    /// The client certificate that the device presented.
    pub client: Option<Arc<ClientCertificate>>,
}
