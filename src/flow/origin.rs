//! Origins, and the map from public origins to server origins, which keeps a device on the proxy.
//!
//! ```text
//! device ── https://mdm.lab/path ──► dmtap ── https://mdm.example.com/path ──► server
//!           public origin                     server origin               one pair of the map
//!           https://mdm.lab/.dmtap/at/other.example.com/path              a host in no pair, under a public origin
//! ```
//!
//! Only the origin of a URL changes; path and query stay as they are written.

mod learned;
mod map;

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

pub use learned::{LearnedHosts, MOST_LEARNED, NamedHost};
pub use map::{AT, OriginMap, OriginPair, Origins, Reach, Turned, host_in_path};

/// A URL scheme that the proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP in clear text.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// Returns the name of the scheme in URLs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Returns the default port of the scheme, which URLs may leave out.
    pub fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Scheme, host and port of a URL (RFC 6454 §4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The scheme.
    pub scheme: Scheme,
    /// The host in lower case, without a trailing dot and without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// The error for a text that is not an origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not of the form https://host[:port]")]
pub struct OriginError(String);

impl Origin {
    /// Creates an origin. The host may have any case, brackets and a trailing dot.
    pub fn new(scheme: Scheme, host: &str, port: u16) -> Self {
        let host = plain_host(host);
        Self { scheme, host, port }
    }

    /// Returns the origin that a `Host` or `:authority` value names under a scheme.
    pub fn of_authority(scheme: Scheme, authority: &str) -> Option<Self> {
        let (host, port) = split_authority(authority)?;
        Some(Self::new(scheme, host, port.unwrap_or(scheme.port())))
    }

    /// Returns the authority of the origin. The port is written only if it is not the default port of the scheme.
    pub fn authority(&self) -> String {
        self.authority_with(self.port != self.scheme.port())
    }

    /// Returns `host:port`.
    pub fn host_and_port(&self) -> String {
        self.authority_with(true)
    }

    fn authority_with(&self, has_port: bool) -> String {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        match has_port {
            true => format!("{host}:{}", self.port),
            false => host,
        }
    }

    /// Returns the origin as URLs have it. `has_port` writes the scheme's default port, too.
    fn written(&self, has_port: bool) -> String {
        let has_port = has_port || self.port != self.scheme.port();
        format!("{}://{}", self.scheme.name(), self.authority_with(has_port))
    }
}

impl fmt::Display for Origin {
    /// `https://host[:port]`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written(false))
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    /// Parses `https://host[:port]` or `http://host[:port]`, with at most a `/` behind it.
    fn from_str(text: &str) -> Result<Self, OriginError> {
        let url = UrlOrigin::of(text).filter(|url| matches!(&text[url.end..], "" | "/"));
        url.map(|url| url.origin)
            .ok_or_else(|| OriginError(text.to_owned()))
    }
}

/// Returns a host in lower case, without the dot at the end; an IPv6 address in its shortest form, without brackets.
pub fn plain_host(host: &str) -> String {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<Ipv6Addr>() {
        Ok(address) => address.to_string(),
        Err(_) => host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase(),
    }
}

/// The origin at the beginning of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlOrigin {
    /// The origin.
    pub origin: Origin,
    /// Whether the URL writes the port.
    pub has_port: bool,
    /// The byte offset in the URL at which the origin ends.
    pub end: usize,
}

impl UrlOrigin {
    /// Returns the origin of a URL that begins with `http://` or `https://`; `None` for any other text, and if a user
    /// name stands in front of the host.
    pub fn of(url: &str) -> Option<Self> {
        let begins = |scheme: &str| {
            let start = url.get(..scheme.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        };
        let (scheme, start) = match () {
            () if begins("https://") => (Scheme::Https, "https://".len()),
            () if begins("http://") => (Scheme::Http, "http://".len()),
            () => return None,
        };
        Self::behind_scheme(scheme, url, start)
    }

    /// Returns the origin of a text without a scheme: `host[:port][/path]`. The scheme is https, and the host must have
    /// a dot.
    pub fn of_bare(text: &str) -> Option<Self> {
        let found = Self::behind_scheme(Scheme::Https, text, 0)?;
        let is_name = found.origin.host.contains('.') && !text.contains("://");
        is_name.then_some(found)
    }

    /// Returns the origin of a URL in which a user name stands in front of the host.
    pub fn behind_user(url: &str) -> Option<Origin> {
        let (scheme, rest) = url.split_once("://")?;
        let authority = rest.split(ends_authority).next()?;
        let (_, host) = authority.rsplit_once('@')?;
        Self::of(&format!("{scheme}://{host}")).map(|url| url.origin)
    }

    fn behind_scheme(scheme: Scheme, url: &str, start: usize) -> Option<Self> {
        let rest = &url[start..];
        let length = rest.find(ends_authority).unwrap_or(rest.len());
        let (host, port) = split_authority(&rest[..length])?;
        Some(Self {
            origin: Origin::new(scheme, host, port.unwrap_or(scheme.port())),
            has_port: port.is_some(),
            end: start + length,
        })
    }
}

/// Whether a character ends the authority of a URL: it begins the path, query or fragment, or separates the URLs of a
/// list.
fn ends_authority(c: char) -> bool {
    matches!(
        c,
        '/' | '?' | '#' | '\\' | '<' | '>' | ';' | ',' | '"' | '\''
    ) || c.is_whitespace()
}

/// Returns the host and the port of an authority. An empty port counts as no port (RFC 3986 §3.2.3).
fn split_authority(authority: &str) -> Option<(&str, Option<u16>)> {
    let behind_host = match authority.starts_with('[') {
        true => authority.find(']')? + 1,
        false => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at(behind_host);
    let port = match rest {
        "" | ":" => None,
        _ => Some(rest.strip_prefix(':')?.parse().ok()?),
    };
    let fits =
        |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | '[' | ']' | ':' | '%');
    let is_host = !host.trim_matches(['[', ']', '.']).is_empty() && host.chars().all(fits);
    is_host.then_some((host, port))
}
