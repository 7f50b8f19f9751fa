//! Networks of IP addresses.

use std::net::IpAddr;
use std::str::FromStr;

/// An IP address, or a network such as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net {
    address: IpAddr,
    bits: u8,
}

/// Why a text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadNet {
    /// It is neither an address nor a network.
    #[error("neither an IP address nor a network")]
    Unreadable,
    /// Its address goes on behind its prefix.
    #[error("the address goes on behind the prefix")]
    Beyond {
        /// The network that was probably meant.
        meant: Net,
    },
}

impl Net {
    /// Whether an address is in it. An IPv4 address counts as itself in its IPv6 form, too.
    pub fn has(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && self.cut(address) == self.address
    }

    /// The address with all bits behind the prefix zero.
    fn cut(self, address: IpAddr) -> IpAddr {
        let bits = u32::from(self.bits);
        match address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
                IpAddr::V4((v4.to_bits() & mask).into())
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
                IpAddr::V6((v6.to_bits() & mask).into())
            }
        }
    }
}

impl FromStr for Net {
    type Err = BadNet;

    fn from_str(text: &str) -> Result<Self, BadNet> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| BadNet::Unreadable)?;
        let address = address.to_canonical();
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most),
            None => Some(most),
        };
        let net = Self {
            address,
            bits: bits.ok_or(BadNet::Unreadable)?,
        };
        let meant = Self {
            address: net.cut(address),
            ..net
        };
        if meant != net {
            return Err(BadNet::Beyond { meant });
        }
        Ok(net)
    }
}

impl std::fmt::Display for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
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
    fn what_is_no_network_is_told() {
        for text in [
            "",
            "localhost",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10/8",
            "::/129",
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
