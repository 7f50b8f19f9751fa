//! Networks of IP addresses.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// An IP address, or a network such as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net(IpNet);

/// Why a text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadNet {
    /// It is neither an address nor a network.
    #[error("neither an IP address nor a network")]
    Unreadable,
    /// Its address has bits behind its prefix.
    #[error("the address goes on behind the prefix")]
    Beyond {
        /// The network that was probably meant.
        meant: Net,
    },
}

impl Net {
    /// Whether an address is in it. An IPv4 address counts as itself in its IPv6 form, too.
    pub fn has(self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Net {
    type Err = BadNet;

    fn from_str(text: &str) -> Result<Self, BadNet> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(address.to_canonical().into()));
        }
        let net: IpNet = text.parse().map_err(|_| BadNet::Unreadable)?;
        match net.trunc() {
            meant if meant != net => Err(BadNet::Beyond { meant: Self(meant) }),
            net if net.addr().to_canonical() != net.addr() => Err(BadNet::Unreadable),
            net => Ok(Self(net)),
        }
    }
}

impl std::fmt::Display for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_its_networks_only() {
        let check = |net: &str, address: &str, expected: bool| {
            let net: Net = net.parse().unwrap();
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(net.has(address), expected, "{net} {address}");
        };
        check("127.0.0.1", "127.0.0.1", true);
        check("127.0.0.1", "127.0.0.2", false);
        check("10.0.0.0/8", "10.200.3.4", true);
        check("10.0.0.0/8", "11.0.0.0", false);
        check("0.0.0.0/0", "8.8.8.8", true);
        check("0.0.0.0/0", "::1", false);
        check("::/0", "fe80::1", true);
        check("fe80::/10", "fe80::1", true);
        check("fe80::/10", "2001:db8::1", false);
        check("192.0.2.0/24", "::ffff:192.0.2.9", true);
    }

    #[test]
    fn a_text_that_is_no_network_is_refused() {
        for text in [
            "",
            "localhost",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10/8",
            "::/129",
            "::ffff:192.0.2.0/120",
        ] {
            assert_eq!(text.parse::<Net>(), Err(BadNet::Unreadable), "{text}");
        }
        let beyond = "10.1.2.3/8".parse::<Net>();
        let Err(BadNet::Beyond { meant }) = beyond else {
            panic!("{beyond:?}");
        };
        assert_eq!(meant.to_string(), "10.0.0.0/8");
    }
}
