//! The settings of the proxy.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

pub use crate::flow::origin::{Origin, Scheme};

use super::client_certs::ClientCertSettings;
use crate::conversation::SessionLimits;
use crate::flow::origin::{OriginPair, plain_host};
use crate::identity::Strings;
use crate::stay::Extent;

/// All settings of the proxy. [`Settings::reverse`] and [`Settings::regular`] fill in the defaults.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How devices reach the proxy.
    pub mode: Mode,
    /// The address to listen at. Port 0 selects a free port.
    pub listen: SocketAddr,
    /// The largest body that is read, in bytes. A larger body streams through unread.
    pub max_body: usize,
    /// The server certificates that are accepted.
    pub trust: Trust,
    /// The HTTP version for servers.
    pub upstream_http: UpstreamHttp,
    /// The certificates to show to devices instead of leaves of dmtap's CA.
    pub certificates: Vec<OwnCertificate>,
    /// Whether bodies are decoded if no rule needs them.
    pub body_capture: BodyCapture,
    /// The limits on connections and waiting.
    pub limits: Limits,
    /// The listeners of this machine that no request may reach through the proxy.
    pub private: Vec<SocketAddr>,
    /// Whether requests may name a scope of rules, in a header field that servers do not get.
    pub scopes: bool,
    /// The settings that keep devices on the proxy, in reverse mode.
    pub stay: StaySettings,
    /// The addresses of servers whose names are not looked up.
    pub resolve: Vec<Resolve>,
    /// The folder of the CA, which also has the client identities; `None` if there are no identities.
    pub confdir: Option<PathBuf>,
    /// The servers where dmtap enrolls in place of devices.
    pub swap: SwapSettings,
    /// The string type in the certificate requests of these enrollments (`--csr-strict`).
    pub csr_strings: Strings,
    /// The client certificates, towards devices and towards servers.
    pub client_certs: ClientCertSettings,
    /// The accounts of devices, against which their credentials are checked.
    pub accounts: Vec<Account>,
}

/// A user of devices with the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The user.
    pub user: String,
    /// The password. It is never shown.
    pub password: String,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").finish_non_exhaustive()
    }
}

impl Settings {
    /// Returns the default settings for a proxy in front of one server.
    pub fn reverse(server: Origin) -> Self {
        Self::of(Mode::Reverse { server })
    }

    /// Returns the default settings for a proxy that devices are configured to use.
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
        /// The server behind the proxy.
        server: Origin,
    },
    /// Devices know the proxy, and name the server in `CONNECT` or in the request line.
    Regular,
}

impl fmt::Display for Mode {
    /// Writes the mode as `--mode` has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reverse { server } => write!(f, "reverse:{server}"),
            Self::Regular => f.write_str("regular"),
        }
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "regular" {
            return Ok(Self::Regular);
        }
        let server = text
            .strip_prefix("reverse:")
            .ok_or("one of reverse:https://host[:port], reverse:http://host[:port], regular")?;
        server_of(server).map(|server| Self::Reverse { server })
    }
}

/// Parses `https://host[:port]` or `http://host[:port]`. A path is an error, because the device chooses the path.
fn server_of(text: &str) -> Result<Origin, String> {
    let uri: http::Uri = text
        .parse()
        .map_err(|_| format!("`{text}` is not a URL: write https://host[:port]"))?;
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
    // The text has a user name, or a port that is not a number from 1 to 65535.
    if host.is_empty() || port == ":0" || authority != format!("{host}{port}") {
        return Err(format!(
            "`{text}` is not of the form {}://host[:port]",
            scheme.name()
        ));
    }
    let port = uri.port_u16().unwrap_or(scheme.port());
    Ok(Origin::new(scheme, host, port))
}

/// The settings that keep devices on the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaySettings {
    /// How much is rewritten; `None` if nothing is.
    pub extent: Option<Extent>,
    /// The public origin of the server; `None` stands for the origin that the device names.
    pub public: Option<Origin>,
    /// The other servers, each with its public origin.
    pub maps: Vec<OriginPair>,
    /// The file for the hosts that servers named; `None` keeps them for one run only.
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

/// The servers where dmtap enrolls in place of devices (`--swap-client-identity`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SwapSettings {
    /// No server.
    #[default]
    Off,
    /// Every server.
    All,
    /// The servers with these names.
    Hosts(Vec<String>),
}

/// The address of a server, as in curl's `HOST:PORT:ADDRESS`. The address may have a port of its own, or be a URL, which
/// may have a name, and says whether the server has TLS there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolve {
    host: String,
    port: u16,
    /// `host:port`
    address: String,
    /// The scheme of the address, if it is a URL.
    scheme: Option<Scheme>,
}

impl Resolve {
    /// Creates the entry for a host and a port.
    pub fn new(host: &str, port: u16, to: SocketAddr) -> Self {
        Self {
            host: plain_host(host),
            port,
            address: to.to_string(),
            scheme: None,
        }
    }

    /// Whether the entry is for this host and port.
    pub fn is_of(&self, host: &str, port: u16) -> bool {
        self.host == plain_host(host) && self.port == port
    }

    /// Returns the address as `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns the scheme that the server speaks at the address; `None` if it is that of the server's URLs.
    pub fn scheme(&self) -> Option<Scheme> {
        self.scheme
    }
}

impl FromStr for Resolve {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is not of the form HOST:PORT:ADDRESS, such as mdm.example.com:443:127.0.0.1 or \
                 mdm.example.com:443:http://127.0.0.1:8080"
            )
        };
        let (host, rest) = text.split_once(':').ok_or_else(wrong)?;
        let (port, to) = rest.split_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        let bare = to.strip_prefix('[').and_then(|to| to.strip_suffix(']'));
        let ip = bare.unwrap_or(to).parse::<IpAddr>();
        let (address, scheme) = match (ip, to.parse::<Origin>()) {
            (Ok(ip), _) => (SocketAddr::new(ip, port).to_string(), None),
            (_, Ok(url)) => (url.host_and_port(), Some(url.scheme)),
            _ => {
                let to: SocketAddr = to.parse().map_err(|_| wrong())?;
                (to.to_string(), None)
            }
        };
        let host = plain_host(host);
        let line = Self {
            host,
            port,
            address,
            scheme,
        };
        (!line.host.is_empty()).then_some(line).ok_or_else(wrong)
    }
}

/// The HTTP version for servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpstreamHttp {
    /// The version that the device uses. A server without HTTP/2 gets HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1 for every device.
    Http1,
    /// HTTP/2 for every device; without TLS with prior knowledge.
    Http2,
}

/// The server certificates that are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Those that the platform trusts.
    Platform,
    /// Those that the platform trusts, and those of the CAs in this PEM file (`--server-ca`).
    PlatformAnd(PathBuf),
    /// All certificates (`-k`).
    Anything,
}

impl Trust {
    /// Returns the trust in the CAs of a file, if one is given, or in all certificates if `is_insecure`.
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
    /// The name that the certificate is for; `*.` in front stands for one level below. `None` stands for any name.
    pub domain: Option<String>,
    /// A PEM file with the private key, the certificate and its chain.
    pub path: PathBuf,
}

/// Whether bodies are decoded if no rule needs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyCapture {
    /// Bodies stream through.
    Pass,
    /// Bodies are collected, decoded and linked to their session.
    Annotate,
}

/// The limits on connections and waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most connections of devices at a time. More connections wait in the listener's queue.
    pub connections: usize,
    /// The longest time for the first byte and the TLS handshake of a device.
    pub handshake: Duration,
    /// The longest time for the head of a request, including the silence before it. An inactive connection is closed
    /// when no byte moved on it for this time, or for `body` if that is longer.
    pub head: Duration,
    /// The longest time for the next bytes of a body, and for a peer to take bytes that are sent to it.
    pub body: Duration,
    /// The longest wait for the first bytes of a device that may wait for 100 (Continue) over HTTP/2, where dmtap sends
    /// none. Most clients wait for 1 s to 3 s. It is never more than `body`.
    pub expect: Duration,
    /// The longest time of all waits for one body together, in both directions. Bytes that move extend it again, so
    /// that only a peer slower than 1,024 bytes a second uses it up. A large body that is incomplete after this time
    /// streams through unread.
    pub slow: Duration,
    /// The most requests at a time on one HTTP/2 connection.
    pub streams: u32,
    /// The most bytes of memory for the bodies that are being read, over all connections: as received, as decompressed,
    /// and as a tree. It is never less than `max_body`. A quarter of it is reserved for small bodies.
    pub body_memory: usize,
    /// The longest time that a body waits for this memory. After it, the body streams through unread.
    pub memory_wait: Duration,
    /// The longest time for the TCP connection and the TLS handshake with a server.
    pub connect: Duration,
    /// The longest time for the head of a server's response, after the request was sent.
    pub response: Duration,
    /// The time for which an unused connection to a server is kept.
    pub idle: Duration,
    /// The time that running exchanges have to finish at shutdown.
    pub grace: Duration,
    /// The limits on DM sessions that are remembered at a time.
    pub sessions: SessionLimits,
    /// The most enrollments at a time in which dmtap enrolls in place of the device.
    pub enrollments: usize,
}

impl Limits {
    /// Returns the limits with this longest silence of a peer within an exchange.
    #[must_use]
    pub fn with_timeout(self, silence: Duration) -> Self {
        Self {
            body: silence,
            slow: self.slow.max(silence),
            response: silence,
            ..self
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            handshake: Duration::from_secs(15),
            head: Duration::from_secs(90),
            body: Duration::from_secs(60),
            expect: Duration::from_secs(5),
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
            let server = server_of(text).unwrap();
            assert_eq!(
                (server.authority(), server.host_and_port()),
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
            let error = server_of(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        check("mdm.example.com", "begins with neither");
        check("ftp://h", "begins with neither");
        check("https://h/path", "has a path");
        check("https://user@h", "not of the form");
        check("https://h:99999", "not of the form");
        check("https://h:0", "not of the form");
        check("https://h:", "not of the form");
        check("https://", "is not a URL");
    }
}
