//! Whether a body may contain anything for the rule, by its bytes: most bodies are never decoded for it.
//!
//! A SyncML message holds something if one of its LocURIs is a node of [`kind::NODES`], if a URL stands anywhere but
//! in a LocURI or a namespace, or if it may contain a provisioning document. Everything else that `stay` reads is
//! part of an enrollment, which is rare: it is decoded.

use memchr::memmem;

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
    let has = |needle: &str| memmem::find(body, needle.as_bytes()).is_some();
    let may_have_document = direction == Direction::ToDevice && DOCUMENTS.into_iter().any(has);
    let may_have_url = || direction == Direction::ToDevice && has_url(body);
    let names_a_place = || match is_wbxml {
        true => names_a_place_in_wbxml(body),
        false => has("&#") || names_a_place_in_xml(body),
    };
    may_have_document || may_have_url() || names_a_place()
}

/// Whether this is an XML message of SyncML in an encoding whose names are ASCII.
fn begins_as_syncml(body: &[u8]) -> bool {
    let start = &body[..body.len().min(START)];
    memmem::find(start, b"SyncML").is_some() && memmem::find(start, b"Envelope").is_none()
}

/// Whether a URL stands where the device may follow it.
fn has_url(body: &[u8]) -> bool {
    memmem::find_iter(body, b"://").any(|colon| {
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
    memmem::find_iter(body, LOC_URI).any(|at| {
        let behind = &body[at + LOC_URI.len()..];
        if body[..at].ends_with(b"</") {
            return false;
        }
        let Some(end) = memchr::memchr(b'>', behind) else {
            return false;
        };
        let text = &behind[end + 1..];
        let end = memchr::memchr(b'<', text).unwrap_or(text.len());
        // CDATA and comments begin with `<` as the end of the element does.
        text[end..].starts_with(b"<!") || is_place(&text[..end])
    })
}

fn names_a_place_in_wbxml(body: &[u8]) -> bool {
    let in_line = || {
        memmem::find_iter(body, LOC_URI_IN_LINE).any(|at| {
            let text = &body[at + LOC_URI_IN_LINE.len()..];
            is_place(&text[..memchr::memchr(0, text).unwrap_or(text.len())])
        })
    };
    // In the string table or as octets, or an element that has no token.
    let elsewhere = |form: &&[u8]| memmem::find(body, form).is_some();
    LOC_URI_ELSEWHERE.iter().any(elsewhere) || in_line()
}

fn is_place(loc_uri: &[u8]) -> bool {
    // Hundreds of LocURIs may stand in a message, and most end in a name of another length.
    let path = loc_uri.trim_ascii_end();
    let last = memchr::memrchr(b'/', path).map_or(path, |slash| &path[slash + 1..]);
    let is_odd = last.is_empty() || last == b"." || memchr::memchr(b'?', path).is_some();
    let is_last = |(path, _): &(&[&str], kind::Kind)| {
        let name = path.last();
        name.is_some_and(|name| name.as_bytes().eq_ignore_ascii_case(last))
    };
    let may_be =
        last.len() < 64 && LAST_NAMES >> last.len() & 1 == 1 && kind::NODES.iter().any(is_last);
    (may_be || is_odd) && {
        let loc_uri = String::from_utf8_lossy(loc_uri);
        kind::of_node(&kind::node_names(loc_uri.trim())).is_some()
    }
}

/// The lengths of the last names of all places, a bit each.
const LAST_NAMES: u64 = {
    let (mut lengths, mut at) = (0, 0);
    while at < kind::NODES.len() {
        let path = kind::NODES[at].0;
        lengths |= 1 << path[path.len() - 1].len();
        at += 1;
    }
    lengths
};

/// The public identifier of provisioning documents (WAP-PROV 1.0).
const PROVISIONING: u8 = 0x0b;
/// A provisioning document inside a message: as it is or escaped, in WBXML, and in base64 (`<?xml`, `<wap-`).
const DOCUMENTS: [&str; 4] = ["wap-provisioningdoc", "DTD PROV", "PD94bWw", "PHdhcC"];
const LOC_URI: &[u8] = b"LocURI";
/// LocURI with content, and a string in line (SyncML Representation Protocol §8.2; WBXML 1.3 §7.1).
const LOC_URI_IN_LINE: &[u8] = &[0x57, 0x03];
const LOC_URI_ELSEWHERE: [&[u8]; 3] = [&[0x57, 0x83], &[0x57, 0xc3], LOC_URI];
/// Where the root element of a message begins at the latest; what begins later is decoded.
const START: usize = 1 << 10;
