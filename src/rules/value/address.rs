//! Addresses of devices and of dmtap.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Scalar, any_form, written, wrong};
use crate::rules::glob::Glob;
use crate::rules::matcher::{BadNet, Net};
use crate::rules::mistake::{KEY, Mistake};

written!(
    Net,
    |text| text.parse::<Self>().map_err(|bad| {
        let mistake = wrong(format!("`{text}` is no address of a device")).label(bad.to_string());
        mistake.help(match bad {
            BadNet::Beyond { meant } => format!("write the network: peer = \"{meant}\""),
            BadNet::Unreadable => "write peer = \"192.0.2.7\", \"10.0.0.0/8\" or \"2001:db8::/32\"".into(),
        })
    }),
    {"type": "string", "pattern": "^[0-9a-fA-F.:]+(/[0-9]{1,3})?$"}
);

/// An address that dmtap listens at: a port, or `ip:port` with stars.
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
        Scalar::Number(port) if (1..=i64::from(u16::MAX)).contains(&port) => Ok(Self(Glob::new(&format!("*:{port}")))),
        Scalar::Number(port) => Err(wrong(format!("`{KEY}` cannot be {port}")).label("from 1 to 65535")),
        Scalar::Text(text) if is_socket(&text) => Ok(Self(Glob::new(&text))),
        Scalar::Text(text) => Err(no_listener(&text)),
        other => Err(no_listener(&other.text()?)),
    },
    {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 65535}, {"type": "string"}]}
);

fn no_listener(text: &str) -> Mistake {
    wrong(format!("`{text}` is no address that dmtap listens at"))
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
