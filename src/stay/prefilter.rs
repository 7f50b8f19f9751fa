//! Whether a body may contain anything for the rule, by its bytes: most bodies are never decoded for it.
//!
//! A SyncML message holds something if one of its LocURIs is a node of [`kind::NODES`], if a URL stands anywhere but
//! in a LocURI or a namespace, or if it may contain a provisioning document. Everything else that `stay` reads is
//! part of an enrollment, which is rare: it is decoded.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, BuildError, MatchKind};
use memchr::memmem;

use super::{Extent, kind};
use crate::flow::Side;
use crate::markup::wbxml;

/// Whether a body on its way to a peer, without content coding, may hold anything for the rule.
pub fn may_hold(body: &[u8], to: Side, extent: Extent) -> bool {
    let is_wbxml = wbxml::looks_like(body);
    if extent == Extent::Full || !(is_wbxml || begins_as_syncml(body)) {
        return true;
    }
    if is_wbxml && body.get(1) == Some(&PROVISIONING) {
        return true;
    }
    let is_to_device = to == Side::Device;
    let is_for_stay = |sign, start, end| match sign {
        Sign::Document => is_to_device,
        Sign::Url => is_to_device && may_be_followed(&body[..start]),
        Sign::LastName => is_whole_name(&body[..start], &body[end..]),
        Sign::SplitText => is_in_loc_uri(&body[..start]),
        Sign::NoToken => true,
    };
    match is_wbxml {
        true => has_odd_loc_uri(body) || IN_WBXML.any(body, is_for_stay),
        false => has_reference(body) || IN_XML.any(body, is_for_stay),
    }
}

/// What may show that a body holds something.
#[derive(Clone, Copy)]
enum Sign {
    /// A provisioning document inside a message.
    Document,
    /// The scheme of a URL.
    Url,
    /// The last name of a node.
    LastName,
    /// In XML, what may split the text of a LocURI: it is decoded.
    SplitText,
    /// In WBXML, LocURI as an element that has no token: it is decoded.
    NoToken,
}

/// A search for all signs at once, without regard to case.
struct Search {
    signs: Vec<Sign>,
    /// Bytes of the longest one.
    longest: usize,
    searcher: Result<AhoCorasick, BuildError>,
}

impl Search {
    fn new(of_form: &[(&str, Sign)]) -> Self {
        let mut names: Vec<_> = kind::NODES
            .iter()
            .filter_map(|(path, _)| path.rsplit('/').next())
            .map(str::to_ascii_lowercase)
            .collect();
        names.sort_unstable();
        names.dedup();
        let names = names.iter().map(|name| (name.as_str(), Sign::LastName));
        let both = IN_BOTH.iter().chain(of_form).copied();
        let (texts, signs): (Vec<_>, Vec<_>) = both.chain(names).unzip();
        let mut builder = AhoCorasick::builder();
        builder.match_kind(MatchKind::LeftmostFirst);
        Self {
            signs,
            longest: texts.iter().map(|text| text.len()).max().unwrap_or(0),
            searcher: builder.build(texts.iter().map(|text| folded(text.as_bytes()))),
        }
    }

    /// Whether a sign in the body, from its start to its end, is one that counts.
    fn any(&self, body: &[u8], counts: impl Fn(Sign, usize, usize) -> bool) -> bool {
        let Ok(searcher) = &self.searcher else {
            return true;
        };
        (0..body.len()).step_by(BLOCK).any(|begin| {
            let block = &body[begin..body.len().min(begin + BLOCK + self.longest)];
            searcher.find_iter(&folded(block)).any(|found| {
                let sign = self.signs[found.pattern()];
                counts(sign, begin + found.start(), begin + found.end())
            })
        })
    }
}

/// Bytes in which letters have one case; a few others become one another, too.
fn folded(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte | 0x20).collect()
}

/// A document may stand as it is or escaped, in WBXML, and in base64 (`<?xml`, `<wap-`).
const IN_BOTH: [(&str, Sign); 6] = [
    ("wap-provisioningdoc", Sign::Document),
    ("DTD PROV", Sign::Document),
    ("PD94bWw", Sign::Document),
    ("PHdhcC", Sign::Document),
    ("http://", Sign::Url),
    ("https://", Sign::Url),
];
static IN_XML: LazyLock<Search> =
    LazyLock::new(|| Search::new(&[("<!--", Sign::SplitText), ("<![CDATA[", Sign::SplitText)]));
static IN_WBXML: LazyLock<Search> = LazyLock::new(|| Search::new(&[("LocURI", Sign::NoToken)]));

/// Whether this is an XML message of SyncML in an encoding whose names are ASCII.
fn begins_as_syncml(body: &[u8]) -> bool {
    let start = &body[..body.len().min(START)];
    let at = memmem::find(start, b"SyncML");
    at.is_some_and(|at| memmem::find(&start[..at], b"Envelope").is_none())
}

/// Whether a URL behind these bytes stands where the device may follow it: in no LocURI, and in no namespace.
fn may_be_followed(before: &[u8]) -> bool {
    !(before.ends_with(b"LocURI>") || before.ends_with(LOC_URI_IN_LINE) || is_namespace(before))
}

/// Whether the value of a declaration of a namespace begins behind these bytes.
fn is_namespace(before: &[u8]) -> bool {
    let [name @ .., b'=', b'"' | b'\''] = before else {
        return false;
    };
    let name = name.rsplit(|byte| byte.is_ascii_whitespace()).next();
    name.is_some_and(|name| name.starts_with(b"xmlns"))
}

/// Whether what stands between these bytes is a name of a path.
fn is_whole_name(before: &[u8], behind: &[u8]) -> bool {
    let goes_on = behind.first().is_some_and(u8::is_ascii_alphanumeric);
    before.ends_with(b"/") && !goes_on
}

/// Whether the last tag in front of here is that of a LocURI. Its text may contain `>`.
fn is_in_loc_uri(before: &[u8]) -> bool {
    let end = memchr::memrchr(b'>', before).unwrap_or_default();
    let tag = before[..end].rsplit(|byte| *byte == b'<').next();
    let ends_name = |byte: &u8| *byte == b'>' || byte.is_ascii_whitespace();
    let name = tag.and_then(|tag| tag.split(ends_name).next());
    name.is_some_and(|name| name.ends_with(b"LocURI"))
}

/// Whether text has a character reference, which may stand for any letter of a LocURI.
fn has_reference(body: &[u8]) -> bool {
    memchr::memchr_iter(b'&', body).any(|at| body.get(at + 1) == Some(&b'#'))
}

/// Whether a LocURI stands in the string table, or as octets.
fn has_odd_loc_uri(body: &[u8]) -> bool {
    let is_content = |at: usize| body[..at].last() == Some(&LOC_URI);
    memchr::memchr2_iter(STR_T, OPAQUE, body).any(is_content)
}

/// The public identifier of provisioning documents (WAP-PROV 1.0).
const PROVISIONING: u8 = 0x0b;
/// LocURI with content (SyncML Representation Protocol §8.2).
const LOC_URI: u8 = 0x57;
/// With a string in line behind it (WBXML 1.3 §7.1).
const LOC_URI_IN_LINE: &[u8] = &[LOC_URI, 0x03];
const STR_T: u8 = 0x83;
const OPAQUE: u8 = 0xc3;
/// Where the root element of a message begins at the latest; what begins later is decoded.
const START: usize = 1 << 10;
/// Bytes that are searched at a time, with as many behind them as a sign may have.
const BLOCK: usize = 4 << 10;
