//! Which elements of a document hold secrets.
//!
//! SyncML: Cred/Data, NextNonce, the Data of AADUserToken alerts, the Data of nodes that hold keys, queries of
//! addresses. Enrollment (MS-XCEP, MS-WSTEP): wsse:Password, wsse:BinarySecurityToken, EnrollmentData.
//! Provisioning: the parms AAUTHSECRET and AAUTHDATA.

use std::ops::Range;

use memchr::memmem;

use super::{Spots, fill, head};
use crate::dm::Meta;
use crate::markup::{Attribute, Document, Element, tag};
use crate::patch::Span;

/// The secrets of a document; their values are added to `values`.
pub(super) fn find(document: &Document, values: &mut Vec<String>) -> Spots {
    let mut spots = Spots::default();
    for element in document.elements() {
        if element.is(tag::LOC_URI) || element.is(tag::RESP_URI) {
            address(element, &mut spots, values);
        } else if element.is(tag::PARM) {
            parm(element, &mut spots, values);
        } else if is_secret(element) {
            remember(&element.text(), values);
            fill::element(element, &mut spots.fills);
            spots.elements.push(element.id());
        }
    }
    repeated(document, &mut spots, values);
    spots
}

/// The values found, where they stand in other texts as well: a secret told twice is told.
fn repeated(document: &Document, spots: &mut Spots, values: &[String]) {
    let source = document.source();
    for value in values {
        for at in memmem::find_iter(source, value) {
            let found = at..at + value.len();
            let known = |fill: &Range<usize>| fill.start <= found.start && found.end <= fill.end;
            if !spots.fills.iter().any(known) && in_text(document, &found) {
                spots.fills.push(found);
            }
        }
    }
}

fn in_text(document: &Document, found: &Range<usize>) -> bool {
    let around = Span::new(found.start as u32, found.end as u32);
    document.elements().any(|element| {
        element.texts().any(|text| text.span().covers(around))
            || element.attributes().any(|a| a.span().covers(around))
    })
}

fn is_secret(element: Element<'_>) -> bool {
    if element.is(tag::NEXT_NONCE) {
        return true;
    }
    let Some(parent) = element.parent() else {
        return false;
    };
    if element.is(tag::DATA) {
        return parent.is(tag::CRED) || parent.is(tag::ITEM) && is_secret_item(parent);
    }
    if element.space().is_some() {
        return false;
    }
    match element.local() {
        "Password" | "BinarySecurityToken" | "EnrollmentData" => true,
        // <ContextItem Name="EnrollmentData"><Value>…</Value></ContextItem>
        "Value" => parent.attributes().any(|a| a.value() == "EnrollmentData"),
        _ => false,
    }
}

fn is_secret_item(item: Element<'_>) -> bool {
    let uri_in = |name| Some(item.child(name)?.child(tag::LOC_URI)?.text());
    let named = [uri_in(tag::TARGET), uri_in(tag::SOURCE)];
    if named.iter().flatten().any(|uri| is_secret_node(uri)) {
        return true;
    }
    let Some(command) = item.parent() else {
        return false;
    };
    if command.is(tag::ALERT) {
        let meta = item.child(tag::META).map(Meta::of);
        let media_type = meta.and_then(Meta::media_type);
        return media_type.is_some_and(|t| t.to_ascii_lowercase().contains("aadusertoken"));
    }
    // A Results or Status may name the node outside its Item.
    named.iter().all(Option::is_none)
        && [tag::TARGET_REF, tag::SOURCE_REF].iter().any(|name| {
            let mut refs = command.children(*name);
            refs.any(|r| is_secret_node(&r.child(tag::LOC_URI).unwrap_or(r).text()))
        })
}

/// Whether a node of the management tree holds a key, a password or a profile with one inside.
pub(super) fn is_secret_node(uri: &str) -> bool {
    let path = uri.trim_ascii().as_bytes();
    let path = memchr::memchr(b'?', path).map_or(path, |mark| &path[..mark]);
    let is = |known: &[&str], segment: &[u8]| {
        let mut known = known.iter();
        known.any(|known| known.as_bytes().eq_ignore_ascii_case(segment))
    };
    let mut segments = path.split(|byte| *byte == b'/').filter(|s| !s.is_empty());
    let last = segments.clone().next_back().unwrap_or_default();
    is(&SECRET_LEAVES, last) || segments.any(|segment| is(&SECRET_BRANCHES, segment))
}

/// Branches of which everything is kept secret: profiles that carry keys inside (WiFi, VPN, VPNv2 and
/// ClientCertificateInstall CSPs; OMA's own Wi-Fi and VPN objects begin alike).
const SECRET_BRANCHES: [&str; 5] = [
    "WiFi",
    "VPN",
    "VPNv2",
    "PFXCertInstall",
    "RecoveryPasswords",
];

/// Leaves that hold a secret wherever they stand.
const SECRET_LEAVES: [&str; 11] = [
    "AAuthData",
    "AAuthSecret",
    "Challenge",
    "EnrollmentData",
    "Password",
    "Passphrase",
    "PFXCertBlob",
    "PFXCertPassword",
    "PreSharedKey",
    "RecoveryPassword",
    "WlanXml",
];

fn parm(element: Element<'_>, spots: &mut Spots, values: &mut Vec<String>) {
    let named = |name: &str| {
        let mut attributes = element.attributes();
        attributes.find(|attribute: &Attribute<'_>| attribute.name().eq_ignore_ascii_case(name))
    };
    let (Some(name), Some(value)) = (named("name"), named("value")) else {
        return;
    };
    let name = name.value();
    if SECRET_PARMS
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
    {
        remember(&value.value(), values);
        fill::node(element.document(), value.id(), &mut spots.fills);
    }
}

const SECRET_PARMS: [&str; 3] = ["AAUTHSECRET", "AAUTHDATA", "EnrollmentData"];

/// The query of an address; a LocURI of the tree has one too, which tells nothing.
fn address(element: Element<'_>, spots: &mut Spots, values: &mut Vec<String>) {
    // Nearly no address has a query, and in XML the bytes tell at once.
    let source = element.document().source();
    let plain = !element.document().is_wbxml();
    if plain && memchr::memchr(b'?', element.span().of(source)).is_none() {
        return;
    }
    let text = element.text();
    if !text.contains('?') || !element.is(tag::RESP_URI) && !text.contains("://") {
        return;
    }
    for value in head::query_values(text.as_bytes()) {
        remember(text.get(value).unwrap_or_default(), values);
    }
    for text in element.texts() {
        let first = spots.fills.len();
        fill::node(element.document(), text.id(), &mut spots.fills);
        let written = spots.fills.split_off(first);
        let source = element.document().source();
        for range in written {
            let values = head::query_values(source.get(range.clone()).unwrap_or_default());
            let moved = |v: Range<usize>| range.start + v.start..range.start + v.end;
            spots.fills.extend(values.into_iter().map(moved));
        }
    }
}

/// Values too short to tell from chance are not looked for elsewhere.
fn remember(value: &str, values: &mut Vec<String>) {
    let value = value.trim();
    if value.len() >= 4 && !values.iter().any(|known| known == value) {
        values.push(value.to_owned());
    }
}
