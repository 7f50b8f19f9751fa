//! Hosts that a mapped server named and that are in no pair. A path of the public origin leads to each of them.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Origin, Scheme, split_authority};

/// The most hosts that are learned.
pub const MOST_LEARNED: usize = 64;

/// The longest host name (RFC 1035 §2.3.4).
const MAX_HOST_BYTES: usize = 253;

/// A host name and a port that are reached over https.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedHost(Origin);

/// The hosts that mapped servers named, in the order in which they were named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LearnedHosts(Vec<NamedHost>);

impl NamedHost {
    /// Returns the host of an https origin if it is a host name: not an IP address in any form that resolvers accept,
    /// and not `localhost`.
    pub fn of(origin: &Origin) -> Option<Self> {
        (origin.scheme == Scheme::Https && is_host_name(&origin.host)).then(|| Self(origin.clone()))
    }

    /// Parses `HOST[:PORT]`.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = split_authority(text)?;
        Self::of(&Origin::new(Scheme::Https, host, port.unwrap_or(443)))
    }

    /// Returns the origin of the host.
    pub fn origin(&self) -> &Origin {
        &self.0
    }
}

impl fmt::Display for NamedHost {
    /// `HOST[:PORT]`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.authority())
    }
}

impl LearnedHosts {
    /// Whether the list has a host.
    pub fn has(&self, host: &NamedHost) -> bool {
        self.0.contains(host)
    }

    /// Whether the list has a host, or has room for it.
    pub fn takes(&self, host: &NamedHost) -> bool {
        self.0.len() < MOST_LEARNED || self.has(host)
    }

    /// Adds a host. Returns `false` if the list has it already, or has no room for it.
    pub fn add(&mut self, host: NamedHost) -> bool {
        let is_new = self.takes(&host) && !self.has(&host);
        if is_new {
            self.0.push(host);
        }
        is_new
    }

    /// Iterates over the hosts.
    pub fn iter(&self) -> impl Iterator<Item = &NamedHost> {
        self.0.iter()
    }
}

fn is_host_name(host: &str) -> bool {
    let is_label = |label: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=63).contains(&label.len()) && label.bytes().all(fits)
    };
    let is_address = host.parse::<Ipv4Addr>().is_ok() || host.parse::<Ipv6Addr>().is_ok();
    let last = host.rsplit('.').next().unwrap_or_default();
    // Resolvers read `127.1`, `2130706433` and `0x7f000001` as addresses.
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last
            .strip_prefix("0x")
            .is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
    !is_address
        && !is_number
        && last != "localhost"
        && host.len() <= MAX_HOST_BYTES
        && host.split('.').all(is_label)
}
