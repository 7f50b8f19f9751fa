//! Whether a body may contain anything for the rule, by its bytes: most bodies are never decoded for it.

use aho_corasick::AhoCorasick;

use super::kind;
use crate::flow::origin::OriginMap;

/// The names that a body must have one of: of places, and of mapped hosts.
#[derive(Clone, Debug)]
pub struct Prefilter(AhoCorasick);

impl Prefilter {
    /// For these hosts.
    ///
    /// # Errors
    /// Where there are more names than an automaton can hold.
    pub fn new<'h>(hosts: impl Iterator<Item = &'h str>) -> Result<Self, String> {
        let mut names: Vec<&str> = hosts.collect();
        names.extend(kind::DISCOVERY.iter().map(|(name, _)| *name));
        names.extend(kind::POLICIES.iter().map(|(around, _, _)| *around));
        // The last names of nodes are long enough to be rare, those of addresses and ports are not.
        let last = kind::NODES
            .iter()
            .filter_map(|(path, _)| path.last().copied());
        names.extend(last.filter(|name| name.len() > SHORT));
        names.extend(OTHERS);
        let built = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(names);
        built.map(Self).map_err(|error| error.to_string())
    }

    /// Whether a body, without content coding, may hold anything for the rule, in an exchange with this map.
    pub fn may_hold(&self, body: &[u8], map: &OriginMap) -> bool {
        // In UTF-16 every name has zeros in it.
        let is_wide = body.starts_with(b"\xfe\xff")
            || body.starts_with(b"\xff\xfe")
            || matches!(body, [0, b'<', ..] | [b'<', 0, ..]);
        is_wide || self.0.is_match(body) || has_tokens(body) || has_host(body, &map.here().host)
    }
}

/// Whether a host stands in a body, in any case: that which the device named is known only now.
fn has_host(body: &[u8], host: &str) -> bool {
    let Some(first) = host.bytes().next() else {
        return false;
    };
    let is_at = |at: usize| {
        let there = body.get(at..at + host.len());
        there.is_some_and(|there| there.eq_ignore_ascii_case(host.as_bytes()))
    };
    memchr::memchr2_iter(first, first.to_ascii_uppercase(), body).any(is_at)
}

/// WBXML in which names are tokens: a provisioning document, by its public identifier (WAP-PROV 1.0), or a message
/// with RespURI, by its token with content and a string behind it (SyncML Representation Protocol §8.2).
fn has_tokens(body: &[u8]) -> bool {
    if !matches!(body.first(), Some(1..=3)) {
        return false;
    }
    let is_string = |at: usize| matches!(body.get(at + 1), Some(0x03 | 0x83 | 0xc3));
    body.get(1) == Some(&PROVISIONING) || memchr::memchr_iter(RESP_URI, body).any(is_string)
}

/// The public identifier of provisioning documents.
const PROVISIONING: u8 = 0x0b;
/// RespURI with content.
const RESP_URI: u8 = 0x61;
/// Names that no table has: elements around places, accounts, and base64 of `<?xml` and `<wap-`.
const OTHERS: [&str; 10] = [
    "DiscoverResult",
    "BinarySecurityToken",
    "wap-provisioningdoc",
    "RespURI",
    "SyncML/DMAcc",
    "APPADDR",
    "DTD PROV",
    "Install/ServerURL",
    "PD94bWw",
    "PHdhcC",
];
/// The longest name that is too common to look for.
const SHORT: usize = 9;
