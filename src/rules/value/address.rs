//! Addresses of devices and of dmtap.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::{Scalar, any_form, written, wrong};
use crate::rules::glob::Glob;
use crate::rules::mistake::{KEY, Mistake};

/// An IP address, or a network such as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net(IpNet);

impl Net {
    /// Whether an address is in the network. An IPv4-mapped IPv6 address counts as the IPv4 address.
    pub fn has(self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    fn parse(text: &str) -> Result<Self, Mistake> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(address.to_canonical().into()));
        }
        let mistake = wrong(format!("`{text}` is not an address of a device"));
        match text.parse::<IpNet>() {
            Ok(net) if net.trunc() != net => Err(mistake
                .label("the address goes on behind the prefix")
                .help(format!("write the network: peer = \"{}\"", net.trunc()))),
            Ok(net) if net.addr().to_canonical() == net.addr() => Ok(Self(net)),
            _ => Err(mistake
                .label("neither an IP address nor a network")
                .help("write peer = \"192.0.2.7\", \"10.0.0.0/8\" or \"2001:db8::/32\"")),
        }
    }
}

impl std::fmt::Display for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

written!(
    Net,
    Self::parse,
    {"type": "string", "pattern": "^[0-9a-fA-F.:]+(/[0-9]{1,3})?$"}
);

/// An address at which dmtap listens: a port, or a pattern for `ip:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener(pub Glob);

impl AsRef<Glob> for Listener {
    fn as_ref(&self) -> &Glob {
        &self.0
    }
}

any_form!(
    Listener,
    |value| match value {
        Scalar::Number { value: port @ 1..=0xffff, .. } => Ok(Self(Glob::new(&format!("*:{port}")))),
        Scalar::Number { value: port, .. } => Err(wrong(format!("`{KEY}` cannot be {port}")).label("from 1 to 65535")),
        Scalar::Text(text) if is_socket(&text) => Ok(Self(Glob::new(&text))),
        Scalar::Text(text) => Err(no_listener(&text)),
        other => Err(no_listener(&other.text()?)),
    },
    {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 65535}, {"type": "string"}]}
);

fn no_listener(text: &str) -> Mistake {
    wrong(format!("`{text}` is not an address that dmtap listens at"))
        .label("neither a port nor an IP address with its port")
        .help(match (text.parse::<u16>(), text.parse::<IpAddr>()) {
            (Ok(port), _) => format!("write the port as a number: listener = {port}"),
            (_, Ok(IpAddr::V6(ip))) => {
                format!("write listener = \"[{ip}]:*\" for all of its ports")
            }
            (_, Ok(ip)) => format!("write listener = \"{ip}:*\" for all of its ports"),
            _ => "write listener = 8080, \"127.0.0.1:8080\", \"127.0.0.1:*\" or \"[::1]:8080\""
                .into(),
        })
}

fn is_socket(pattern: &str) -> bool {
    let Some((address, port)) = pattern.rsplit_once(':') else {
        return pattern.contains('*');
    };
    let starred = |text: &str| text.contains('*');
    let is_port = port.parse::<u16>().is_ok()
        || starred(port) && port.chars().all(|c| c == '*' || c.is_ascii_digit());
    let fits = |c: char| c.is_ascii_hexdigit() || "*.:[]".contains(c);
    let is_address = match address.strip_prefix('[').and_then(|a| a.strip_suffix(']')) {
        Some(inner) if !starred(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None if !starred(address) => address.parse::<Ipv4Addr>().is_ok(),
        _ => address.chars().all(fits),
    };
    is_port && is_address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_its_networks_only() {
        let check = |net: &str, address: &str, expected: bool| {
            let net = Net::parse(net).unwrap();
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
            let mistake = Net::parse(text).unwrap_err().to_string();
            assert!(mistake.contains("neither an IP address nor"), "{mistake}");
        }
        let mistake = Net::parse("10.1.2.3/8").unwrap_err().to_string();
        assert!(mistake.contains("10.0.0.0/8"), "{mistake}");
    }
}
