//! What the proxy is told before it starts.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Everything the proxy needs to know; [`Settings::reverse`] and [`Settings::regular`] fill in the defaults.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How devices reach it.
    pub mode: Mode,
    /// Where it listens. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The largest body that is read, in bytes; a larger one streams through unread.
    pub max_body: usize,
    /// Which servers it believes.
    pub trust: Trust,
    /// Certificates to show to devices instead of leaves of dmtap's CA.
    pub certificates: Vec<OwnCertificate>,
    /// Whether bodies are decoded when no rule asks.
    pub look: Look,
    /// What bounds connections and waiting.
    pub limits: Limits,
}

impl Settings {
    /// The defaults, in front of one server.
    pub fn reverse(server: Upstream) -> Self {
        Self::of(Mode::Reverse { server })
    }

    /// The defaults, as a proxy that devices are configured to use.
    pub fn regular() -> Self {
        Self::of(Mode::Regular)
    }

    fn of(mode: Mode) -> Self {
        Self {
            mode,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            max_body: 16 << 20,
            trust: Trust::Platform,
            certificates: Vec::new(),
            look: Look::Annotate,
            limits: Limits::default(),
        }
    }
}

/// How devices reach the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Devices take the proxy for the server.
    Reverse {
        /// The server it stands in front of.
        server: Upstream,
    },
    /// Devices know the proxy, and name the server in `CONNECT` or in the request line.
    Regular,
}

/// A server: `https://host[:port]` or `http://host[:port]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Whether TLS is spoken to it.
    pub scheme: Scheme,
    /// Its name or address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl Upstream {
    /// Its authority as URLs and `Host` have it: the port only where it is not the scheme's own.
    pub fn authority(&self) -> String {
        let host = self.bracketed();
        match self.port == self.scheme.port() {
            true => host,
            false => format!("{host}:{}", self.port),
        }
    }

    fn bracketed(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        }
    }
}

impl fmt::Display for Upstream {
    /// `host:port`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.bracketed(), self.port)
    }
}

/// A scheme of URLs that the proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP in clear text.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// Its name in URLs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port URLs may leave out.
    pub fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Which server certificates are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Those the platform trusts.
    Platform,
    /// Those the platform trusts, and those of the CAs in this PEM file (`--server-ca`).
    PlatformAnd(PathBuf),
    /// Any at all (`-k`).
    Anything,
}

/// A certificate to show to devices (`--certs [domain=]path`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnCertificate {
    /// The name it is for, `*.` in front for one level below; `None`: any name.
    pub domain: Option<String>,
    /// A PEM file with the private key, the certificate and its chain.
    pub path: PathBuf,
}

/// Whether bodies are decoded when no rule asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// No: they stream through.
    Pass,
    /// Yes: they are collected, decoded and linked to their session.
    Annotate,
}

/// What bounds connections and waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections of devices at a time; more wait in the listener's queue.
    pub connections: usize,
    /// For the first byte and the TLS handshake of a device.
    pub handshake: Duration,
    /// For the head of a request, the silence before it included.
    pub head: Duration,
    /// For the TCP connection and the TLS handshake with a server.
    pub connect: Duration,
    /// For the head of a server's response, once it was connected.
    pub response: Duration,
    /// How long an unused connection to a server is kept.
    pub idle: Duration,
    /// How long running exchanges may take to finish at shutdown.
    pub grace: Duration,
    /// DM sessions remembered at a time.
    pub sessions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            handshake: Duration::from_secs(15),
            head: Duration::from_secs(90),
            connect: Duration::from_secs(15),
            response: Duration::from_secs(120),
            idle: Duration::from_secs(30),
            grace: Duration::from_secs(10),
            sessions: 10_000,
        }
    }
}
