//! The settings of the proxy.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

pub use crate::flow::origin::Scheme;

use super::client_certs::ClientCertSettings;
use crate::conversation::SessionLimits;
use crate::flow::origin::{Origin, OriginPair};
use crate::identity::Strings;
use crate::stay::Extent;

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
    /// The HTTP version spoken to servers.
    pub upstream_http: UpstreamHttp,
    /// Certificates to show to devices instead of leaves of dmtap's CA.
    pub certificates: Vec<OwnCertificate>,
    /// Whether bodies are decoded when no rule asks.
    pub body_capture: BodyCapture,
    /// What bounds connections and waiting.
    pub limits: Limits,
    /// Listeners of this machine that no request may reach through the proxy.
    pub private: Vec<SocketAddr>,
    /// Whether requests may name a scope of rules, in a field that no server gets.
    pub scopes: bool,
    /// What keeps devices on the proxy, in reverse mode.
    pub stay: StaySettings,
    /// Addresses of servers that are not to be looked up.
    pub resolve: Vec<Resolve>,
    /// The folder of the CA, which holds client identities, too; `None`: there are none.
    pub confdir: Option<PathBuf>,
    /// Where dmtap enrolls in place of devices.
    pub swap: SwapSettings,
    /// How the strings of certificate requests are written then (`--csr-strict`).
    pub csr_strings: Strings,
    /// Client certificates, on both legs.
    pub client_certs: ClientCertSettings,
    /// Accounts of devices, to hold their credentials against.
    pub accounts: Vec<Account>,
}

/// A user of devices and the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The user.
    pub user: String,
    /// The password, which is never shown.
    pub password: String,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").finish_non_exhaustive()
    }
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
            upstream_http: UpstreamHttp::Auto,
            certificates: Vec::new(),
            body_capture: BodyCapture::Annotate,
            limits: Limits::default(),
            private: Vec::new(),
            scopes: false,
            stay: StaySettings::default(),
            resolve: Vec::new(),
            confdir: None,
            swap: SwapSettings::Off,
            csr_strings: Strings::Kept,
            client_certs: ClientCertSettings::default(),
            accounts: Vec::new(),
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

impl fmt::Display for Mode {
    /// As `--mode` has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reverse { server } => write!(f, "reverse:{}", server.url()),
            Self::Regular => f.write_str("regular"),
        }
    }
}

/// What keeps devices on the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaySettings {
    /// How much is rewritten; `None`: nothing.
    pub extent: Option<Extent>,
    /// The public origin of the server; `None`: what the device names.
    pub public: Option<Origin>,
    /// More servers, each with its public origin.
    pub maps: Vec<OriginPair>,
    /// Where the hosts are kept that servers named; `None`: for one run only.
    pub learned_file: Option<PathBuf>,
}

impl Default for StaySettings {
    fn default() -> Self {
        Self {
            extent: Some(Extent::Followed),
            public: None,
            maps: Vec::new(),
            learned_file: None,
        }
    }
}

/// Where dmtap enrolls in place of devices (`--swap-client-identity`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SwapSettings {
    /// Nowhere.
    #[default]
    Off,
    /// At every server.
    All,
    /// At servers of these names.
    Hosts(Vec<String>),
}

/// Where a server is: curl's `HOST:PORT:ADDRESS`, whose address may have a port of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolve {
    host: String,
    port: u16,
    to: SocketAddr,
}

impl Resolve {
    /// This host and port lead there.
    pub fn new(host: &str, port: u16, to: SocketAddr) -> Self {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        Self { host, port, to }
    }

    /// Where it leads, if it is about this host and port.
    pub fn of(&self, host: &str, port: u16) -> Option<SocketAddr> {
        let host = host.strip_suffix('.').unwrap_or(host);
        let is_this = self.host.eq_ignore_ascii_case(host) && self.port == port;
        is_this.then_some(self.to)
    }
}

impl FromStr for Resolve {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is not of the form HOST:PORT:ADDRESS, such as mdm.example.com:443:127.0.0.1"
            )
        };
        let (host, rest) = text.split_once(':').ok_or_else(wrong)?;
        let (port, to) = rest.split_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        let bare = to.strip_prefix('[').and_then(|to| to.strip_suffix(']'));
        let to = match bare.unwrap_or(to).parse::<IpAddr>() {
            Ok(ip) => SocketAddr::new(ip, port),
            Err(_) => to.parse().map_err(|_| wrong())?,
        };
        match host {
            "" => Err(wrong()),
            host => Ok(Self::new(host, port, to)),
        }
    }
}

/// The HTTP version spoken to servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpstreamHttp {
    /// The version the device speaks; a server without HTTP/2 gets HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1 for every device.
    Http1,
    /// HTTP/2 for every device; without TLS with prior knowledge.
    Http2,
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

    /// As a URL without a path.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme.name(), self.authority())
    }

    pub(super) fn bracketed(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        }
    }
}

impl FromStr for Upstream {
    type Err = String;

    /// Reads `https://host[:port]` or `http://host[:port]`; no path is taken, since paths are the device's.
    fn from_str(text: &str) -> Result<Self, String> {
        let uri: http::Uri = text
            .parse()
            .map_err(|_| format!("`{text}` is no URL: write https://host[:port]"))?;
        let scheme = match uri.scheme_str() {
            Some("https") => Scheme::Https,
            Some("http") => Scheme::Http,
            _ => return Err(format!("`{text}` begins with neither https:// nor http://")),
        };
        if uri
            .path_and_query()
            .is_some_and(|path| path.as_str() != "/")
        {
            return Err(format!(
                "`{text}` has a path; the path is the device's choice"
            ));
        }
        let host = uri.host().unwrap_or_default();
        let port = uri
            .port_u16()
            .map_or_else(String::new, |port| format!(":{port}"));
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        // A user name, or a port that is no number up to 65535.
        if host.is_empty() || authority != format!("{host}{port}") {
            return Err(format!(
                "`{text}` is not of the form {}://host[:port]",
                scheme.name()
            ));
        }
        Ok(Self {
            scheme,
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(scheme.port()),
        })
    }
}

impl fmt::Display for Upstream {
    /// `host:port`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.bracketed(), self.port)
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

impl Trust {
    /// Trust in the CAs of a file, too, if there is one, or in anybody.
    pub fn of(file: Option<&Path>, is_insecure: bool) -> Self {
        match file {
            Some(file) => Self::PlatformAnd(file.to_owned()),
            None if is_insecure => Self::Anything,
            None => Self::Platform,
        }
    }
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
pub enum BodyCapture {
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
    /// For the head of a request, the silence before it included. A connection on which nothing runs is closed
    /// when no byte moved on it for this time, or for `body` if that is longer.
    pub head: Duration,
    /// For the next bytes of a body, and for a peer to take what it is sent.
    pub body: Duration,
    /// For all waiting for one body together, in both directions. Bytes that move earn it back, so that only a peer
    /// uses it up that moves fewer than 1,024 bytes a second. A large body that is still not here after this time
    /// streams through unread.
    pub slow: Duration,
    /// Requests at a time on one connection of HTTP/2.
    pub streams: u32,
    /// Bytes that bodies under reading may take at a time, over all connections: as received, unfolded, and as a
    /// tree; never less than `max_body`. A quarter of it is for small bodies alone.
    pub body_memory: usize,
    /// For a body to get its part of that; then it streams through unread.
    pub memory_wait: Duration,
    /// For the TCP connection and the TLS handshake with a server.
    pub connect: Duration,
    /// For the head of a server's response, once the request was sent.
    pub response: Duration,
    /// How long an unused connection to a server is kept.
    pub idle: Duration,
    /// How long running exchanges may take to finish at shutdown.
    pub grace: Duration,
    /// DM sessions remembered at a time.
    pub sessions: SessionLimits,
    /// Enrollments at a time in which dmtap stands in for the device.
    pub enrollments: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            handshake: Duration::from_secs(15),
            head: Duration::from_secs(90),
            body: Duration::from_secs(60),
            slow: Duration::from_secs(120),
            streams: 100,
            body_memory: 192 << 20,
            memory_wait: Duration::from_secs(10),
            connect: Duration::from_secs(15),
            response: Duration::from_secs(120),
            idle: Duration::from_secs(30),
            grace: Duration::from_secs(10),
            sessions: SessionLimits::default(),
            enrollments: 256,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_written_as_urls() {
        let check = |text: &str, authority: &str, shown: &str| {
            let server: Upstream = text.parse().unwrap();
            assert_eq!(
                (server.authority(), server.to_string()),
                (authority.into(), shown.into())
            );
        };
        check(
            "https://mdm.example.com",
            "mdm.example.com",
            "mdm.example.com:443",
        );
        check(
            "https://mdm.example.com/",
            "mdm.example.com",
            "mdm.example.com:443",
        );
        check("https://h:8443", "h:8443", "h:8443");
        check("http://h:80", "h", "h:80");
        check("https://[::1]:9", "[::1]:9", "[::1]:9");
    }

    #[test]
    fn what_is_no_server_is_named() {
        let check = |text: &str, expected: &str| {
            let error = text.parse::<Upstream>().unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        check("mdm.example.com", "begins with neither");
        check("ftp://h", "begins with neither");
        check("https://h/path", "has a path");
        check("https://user@h", "not of the form");
        check("https://h:99999", "not of the form");
        check("https://h:", "not of the form");
        check("https://", "is no URL");
    }
}
