//! A check of the bytes of a body that tells whether the rule may have anything to do: it avoids decoding most bodies.
//!
//! A SyncML message concerns the rule if one of its LocURIs is a node of [`kind::NODES`], if a URL occurs outside a
//! LocURI or namespace, or if it may contain a provisioning document. All other documents that `stay` reads belong to
//! enrollment, which is rare, so they are always decoded.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, BuildError, MatchKind};
use memchr::memmem;

use super::{Extent, kind};
use crate::flow::Side;
use crate::markup::wbxml;

/// Whether a body on its way to a peer, without content coding, may contain anything for the rule.
pub fn may_contain_urls(body: &[u8], to: Side, extent: Extent) -> bool {
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

/// A sign that a body may contain something for the rule.
#[derive(Clone, Copy)]
enum Sign {
    /// A provisioning document inside a message.
    Document,
    /// The scheme of a URL.
    Url,
    /// The last name in the path of a node.
    LastName,
    /// In XML: markup that may split the text of a LocURI, so the body is decoded.
    SplitText,
    /// In WBXML: LocURI as an element without a token, so the body is decoded.
    NoToken,
}

/// A search for all signs at once; case does not matter.
struct Search {
    signs: Vec<Sign>,
    /// The length of the longest sign in bytes.
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

    /// Whether some sign in the body counts, given its start and end.
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

/// Folds the case of letters; a few other bytes become equal, too.
fn folded(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte | 0x20).collect()
}

/// An embedded document may be plain or escaped XML, WBXML, or base64 (`<?xml`, `<wap-`).
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

/// Whether this is a SyncML message in XML, in an encoding whose names are ASCII.
fn begins_as_syncml(body: &[u8]) -> bool {
    let start = &body[..body.len().min(START)];
    let at = memmem::find(start, b"SyncML");
    at.is_some_and(|at| memmem::find(&start[..at], b"Envelope").is_none())
}

/// Whether the device may follow a URL after these bytes: not in a LocURI or a namespace.
fn may_be_followed(before: &[u8]) -> bool {
    !(before.ends_with(b"LocURI>") || before.ends_with(LOC_URI_IN_LINE) || is_namespace(before))
}

/// Whether the value of a namespace declaration begins after these bytes.
fn is_namespace(before: &[u8]) -> bool {
    let [name @ .., b'=', b'"' | b'\''] = before else {
        return false;
    };
    let name = name.rsplit(|byte| byte.is_ascii_whitespace()).next();
    name.is_some_and(|name| name.starts_with(b"xmlns"))
}

/// Whether the text between these bytes is a whole name of a path.
fn is_whole_name(before: &[u8], behind: &[u8]) -> bool {
    let goes_on = behind.first().is_some_and(u8::is_ascii_alphanumeric);
    before.ends_with(b"/") && !goes_on
}

/// Whether the last tag before this place is that of a LocURI. The text after it may contain `>`.
fn is_in_loc_uri(before: &[u8]) -> bool {
    let end = memchr::memrchr(b'>', before).unwrap_or_default();
    let tag = before[..end].rsplit(|byte| *byte == b'<').next();
    let ends_name = |byte: &u8| *byte == b'>' || byte.is_ascii_whitespace();
    let name = tag.and_then(|tag| tag.split(ends_name).next());
    name.is_some_and(|name| name.ends_with(b"LocURI"))
}

/// Whether the text has a character reference, which may stand for any letter of a LocURI.
fn has_reference(body: &[u8]) -> bool {
    memchr::memchr_iter(b'&', body).any(|at| body.get(at + 1) == Some(&b'#'))
}

/// Whether a LocURI is in the string table, or in OPAQUE.
fn has_odd_loc_uri(body: &[u8]) -> bool {
    let is_content = |at: usize| body[..at].last() == Some(&LOC_URI);
    memchr::memchr2_iter(STR_T, OPAQUE, body).any(is_content)
}

/// The public identifier of provisioning documents (WAP-PROV 1.0).
const PROVISIONING: u8 = 0x0b;
/// LocURI with content (SyncML Representation Protocol §8.2).
const LOC_URI: u8 = 0x57;
/// LocURI with an inline string after it (WBXML 1.3 §7.1).
const LOC_URI_IN_LINE: &[u8] = &[LOC_URI, 0x03];
const STR_T: u8 = 0x83;
const OPAQUE: u8 = 0xc3;
/// The number of bytes in which the root element has to begin; bodies with a later root are decoded.
const START: usize = 1 << 10;
/// The number of bytes searched at a time; the length of the longest sign is added.
const BLOCK: usize = 4 << 10;
