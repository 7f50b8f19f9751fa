//! A check of the bytes of a body that tells whether the rule may have anything to do: it avoids decoding most bodies.
//!
//! A SyncML message concerns the rule if it names an account of the management tree (`DMAcc`, whose addresses may be
//! without a scheme), if a URL occurs outside a LocURI or namespace, or if it may contain a provisioning document. All
//! other documents that `stay` reads belong to enrollment, which is rare, so they are always decoded.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, BuildError, Match, MatchKind};
use memchr::memmem;

use super::Extent;
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
    let Search { signs, searcher } = &*SEARCH;
    let Ok(searcher) = searcher else {
        return true;
    };
    let is_for_stay = |found: Match| {
        let (before, behind) = (&body[..found.start()], &body[found.end()..]);
        match signs[found.pattern()] {
            Sign::Document => to == Side::Device,
            Sign::Url => is_followed(before),
            Sign::Account => behind
                .get(..2)
                .is_some_and(|cc| cc.eq_ignore_ascii_case(b"cc")),
            Sign::SplitText => !is_wbxml,
        }
    };
    (!is_wbxml && has_reference(body)) || searcher.find_iter(body).any(is_for_stay)
}

/// A sign that a body may contain something for the rule.
#[derive(Clone, Copy)]
enum Sign {
    /// A provisioning document inside a message: plain or escaped XML, WBXML, or base64 (`<?xml`, `<wap-`).
    Document,
    /// The end of a scheme.
    Url,
    /// The first letters of `DMAcc`.
    Account,
    /// In XML: markup that may split a text, such as the scheme of a URL.
    SplitText,
}

/// A search for all signs at once. The matcher compares three bytes of each sign at many places at a time.
struct Search {
    signs: Vec<Sign>,
    searcher: Result<AhoCorasick, BuildError>,
}

static SEARCH: LazyLock<Search> = LazyLock::new(|| {
    // Names of nodes may be in any case.
    let accounts = (0..1 << ACCOUNT.len()).map(|upper| {
        let letters = ACCOUNT.chars().enumerate();
        let letters = letters.map(|(at, letter)| match upper >> at & 1 {
            0 => letter,
            _ => letter.to_ascii_uppercase(),
        });
        (letters.collect::<String>(), Sign::Account)
    });
    let others = SIGNS.map(|(text, sign)| (text.to_owned(), sign));
    let (texts, signs): (Vec<_>, Vec<_>) = accounts.chain(others).unzip();
    let mut builder = AhoCorasick::builder();
    let searcher = builder.match_kind(MatchKind::LeftmostFirst).build(texts);
    Search { signs, searcher }
});

const ACCOUNT: &str = "dma";
const SIGNS: [(&str, Sign); 7] = [
    ("://", Sign::Url),
    ("wap-provisioningdoc", Sign::Document),
    ("DTD PROV", Sign::Document),
    ("PD94bWw", Sign::Document),
    ("PHdhcC", Sign::Document),
    ("<!--", Sign::SplitText),
    ("<![CDATA[", Sign::SplitText),
];

static ROOT: LazyLock<memmem::Finder<'_>> = LazyLock::new(|| memmem::Finder::new("SyncML"));

/// Whether this is a SyncML message in XML, in an encoding whose names are ASCII.
fn begins_as_syncml(body: &[u8]) -> bool {
    let start = &body[..body.len().min(START)];
    let at = ROOT.find(start);
    at.is_some_and(|at| memmem::find(&start[..at], b"Envelope").is_none())
}

/// Whether a peer may follow the URL whose scheme ends these bytes: it is one of HTTP, and neither in a LocURI nor a
/// namespace.
fn is_followed(before: &[u8]) -> bool {
    let ends = |scheme: &&[u8]| {
        let start = before.len().checked_sub(scheme.len());
        start.is_some_and(|start| before[start..].eq_ignore_ascii_case(scheme))
    };
    let scheme = [&b"https"[..], b"http"].into_iter().find(ends);
    scheme.is_some_and(|scheme| {
        let before = &before[..before.len() - scheme.len()];
        !(before.ends_with(b"LocURI>") || before.ends_with(LOC_URI_IN_LINE) || is_namespace(before))
    })
}

/// Whether the value of a namespace declaration begins after these bytes.
fn is_namespace(before: &[u8]) -> bool {
    let [name @ .., b'=', b'"' | b'\''] = before else {
        return false;
    };
    let name = &name[name.len().saturating_sub(LONGEST_NAME)..];
    let name = name.rsplit(|byte| byte.is_ascii_whitespace()).next();
    name.is_some_and(|name| name.starts_with(b"xmlns"))
}

/// Whether the text has a character reference, which may stand for any letter.
fn has_reference(body: &[u8]) -> bool {
    memchr::memchr_iter(b'&', body).any(|at| body.get(at + 1) == Some(&b'#'))
}

/// The public identifier of provisioning documents (WAP-PROV 1.0).
const PROVISIONING: u8 = 0x0b;
/// LocURI with content (SyncML Representation Protocol §8.2), and an inline string after it (WBXML 1.3 §7.1).
const LOC_URI_IN_LINE: &[u8] = &[0x57, 0x03];
/// The most bytes of an attribute name that are compared; what stands behind a longer one is decoded.
const LONGEST_NAME: usize = 64;
/// The number of bytes in which the root element has to begin; bodies with a later root are decoded.
const START: usize = 1 << 10;
