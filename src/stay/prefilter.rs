//! Whether a body may contain anything for the rule, by its bytes: most bodies are never decoded for it.
//!
//! A SyncML message holds something if one of its LocURIs is a node of [`kind::NODES`], if a URL stands anywhere but
//! in a LocURI or a namespace, or if it may contain a provisioning document. Everything else that `stay` reads is
//! part of an enrollment, which is rare: it is decoded.

use std::sync::LazyLock;

use memchr::memmem::{self, Finder};

use super::{Direction, Extent, kind};
use crate::markup::wbxml;

/// Whether a body, without content coding, may hold anything for the rule.
pub fn may_hold(body: &[u8], direction: Direction, extent: Extent) -> bool {
    let is_wbxml = wbxml::looks_like(body);
    if extent == Extent::Full || !(is_wbxml || begins_as_syncml(body)) {
        return true;
    }
    if is_wbxml && body.get(1) == Some(&PROVISIONING) {
        return true;
    }
    let finders = &*FINDERS;
    let is_to_device = direction == Direction::ToDevice;
    let may_have_document = is_to_device && has(body, &finders.documents);
    let may_have_url = || is_to_device && has_url(body);
    let names_a_place = || match is_wbxml {
        true => names_a_place_in_wbxml(body),
        false => names_a_place_in_xml(body),
    };
    may_have_document || may_have_url() || names_a_place()
}

/// Searches that are prepared once: a message is short, and preparing takes as long as searching it.
struct Finders {
    documents: [Finder<'static>; DOCUMENTS.len()],
    url: Finder<'static>,
    odd_in_xml: [Finder<'static>; ODD_IN_XML.len()],
    end_of_loc_uri: Finder<'static>,
    loc_uri_in_line: Finder<'static>,
    loc_uri_elsewhere: [Finder<'static>; LOC_URI_ELSEWHERE.len()],
}

static FINDERS: LazyLock<Finders> = LazyLock::new(|| Finders {
    documents: DOCUMENTS.map(|document| Finder::new(document.as_bytes())),
    url: Finder::new(b"://"),
    odd_in_xml: ODD_IN_XML.map(Finder::new),
    end_of_loc_uri: Finder::new(END_OF_LOC_URI),
    loc_uri_in_line: Finder::new(LOC_URI_IN_LINE),
    loc_uri_elsewhere: LOC_URI_ELSEWHERE.map(Finder::new),
});

fn has(body: &[u8], needles: &[Finder<'_>]) -> bool {
    needles.iter().any(|needle| needle.find(body).is_some())
}

/// Whether this is an XML message of SyncML in an encoding whose names are ASCII.
fn begins_as_syncml(body: &[u8]) -> bool {
    let start = &body[..body.len().min(START)];
    memmem::find(start, b"SyncML").is_some() && memmem::find(start, b"Envelope").is_none()
}

/// Whether a URL stands where the device may follow it.
fn has_url(body: &[u8]) -> bool {
    FINDERS.url.find_iter(body).any(|colon| {
        let before = &body[..colon];
        let scheme = before
            .iter()
            .rev()
            .take_while(|byte| byte.is_ascii_alphanumeric());
        let before = &before[..colon - scheme.count()];
        !(before.ends_with(b"LocURI>") || before.ends_with(LOC_URI_IN_LINE) || is_namespace(before))
    })
}

/// Whether the value of a declaration of a namespace begins behind these bytes.
fn is_namespace(before: &[u8]) -> bool {
    let [name @ .., b'=', b'"' | b'\''] = before else {
        return false;
    };
    let name = name.rsplit(|byte| byte.is_ascii_whitespace()).next();
    name.is_some_and(|name| name.starts_with(b"xmlns"))
}

fn names_a_place_in_xml(body: &[u8]) -> bool {
    let names_a_place = |at: usize| {
        // Else it is text, such as the last name of a path.
        let Some(before) = body[..at].strip_suffix(b"<") else {
            return false;
        };
        let start = memchr::memrchr(b'>', before).map_or(0, |end| end + 1);
        // Text alone is judged here; CDATA, comments, attributes and `>` are decoded.
        !before[..start].ends_with(b"LocURI>") || is_place(&before[start..])
    };
    let mut ends = FINDERS.end_of_loc_uri.find_iter(body);
    has(body, &FINDERS.odd_in_xml) || ends.any(names_a_place)
}

fn names_a_place_in_wbxml(body: &[u8]) -> bool {
    let mut in_line = FINDERS.loc_uri_in_line.find_iter(body);
    let names_a_place = |at: usize| {
        let text = &body[at + LOC_URI_IN_LINE.len()..];
        is_place(&text[..memchr::memchr(0, text).unwrap_or(text.len())])
    };
    // In the string table or as octets, or an element that has no token.
    has(body, &FINDERS.loc_uri_elsewhere) || in_line.any(names_a_place)
}

fn is_place(loc_uri: &[u8]) -> bool {
    let path = loc_uri.trim_ascii_end();
    let last = memchr::memrchr(b'/', path).map_or(path, |slash| &path[slash + 1..]);
    let is_odd = last.is_empty() || last == b"." || memchr::memchr(b'?', path).is_some();
    let is_last = |name: &&str| name.as_bytes().eq_ignore_ascii_case(last);
    (is_odd || LAST_NAMES.iter().any(is_last)) && {
        let loc_uri = String::from_utf8_lossy(loc_uri);
        kind::of_node(&kind::node_names(loc_uri.trim())).is_some()
    }
}

static LAST_NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let names = kind::NODES.iter().map(|(path, _)| path.rsplit('/').next());
    names.flatten().collect()
});

/// The public identifier of provisioning documents (WAP-PROV 1.0).
const PROVISIONING: u8 = 0x0b;
/// A provisioning document inside a message: as it is or escaped, in WBXML, and in base64 (`<?xml`, `<wap-`).
const DOCUMENTS: [&str; 4] = ["wap-provisioningdoc", "DTD PROV", "PD94bWw", "PHdhcC"];
/// A character reference in a LocURI may stand for any letter, and its name may have a prefix: both are decoded.
const ODD_IN_XML: [&[u8]; 2] = [b"&#", b":LocURI"];
const END_OF_LOC_URI: &[u8] = b"/LocURI";
/// LocURI with content, and a string in line (SyncML Representation Protocol §8.2; WBXML 1.3 §7.1).
const LOC_URI_IN_LINE: &[u8] = &[0x57, 0x03];
const LOC_URI_ELSEWHERE: [&[u8]; 3] = [&[0x57, 0x83], &[0x57, 0xc3], b"LocURI"];
/// Where the root element of a message begins at the latest; what begins later is decoded.
const START: usize = 1 << 10;
