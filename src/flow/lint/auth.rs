//! The rules for credentials and challenges: AUT-01 to AUT-08.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::Findings;
use super::lint_session::{LintSession, Turn, is_short};
use crate::dm::{Meta, StatusCode};
use crate::flow::Side;
use crate::markup::{Element, tag};

pub(super) fn check(found: &mut Findings, turn: &Turn<'_>, seen: &mut LintSession) {
    credentials(found, turn, seen);
    for status in turn.message.statuses() {
        let Some(chal) = status.chal() else {
            continue;
        };
        let Some(element) = status.element().child(tag::CHAL) else {
            continue;
        };
        meta(found, element, "Chal");
        if let Some(nonce) = chal.next_nonce() {
            nonce_is_good(found, element, &nonce, seen);
        }
        let scheme = chal.scheme().filter(|scheme| is_short(scheme));
        let scheme = scheme.map(std::borrow::Cow::into_owned);
        let spoken = seen.of_mut(turn.side);
        spoken.asked_scheme = scheme.or_else(|| spoken.asked_scheme.take());
    }
    integrity(found, turn, seen);
    // After a refusal the device sends the message again with credentials.
    if turn.side == Side::Device && seen.server.has_refused && !seen.is_disturbed {
        let answers = turn.message.header_status().is_some();
        if !answers && !turn.message.is_first() {
            let text = "the repeat after the challenge has no Status for the SyncHdr";
            found.add("AUT-06", Some(turn.message.element()), text);
        }
    }
}

fn credentials(found: &mut Findings, turn: &Turn<'_>, seen: &mut LintSession) {
    let header = turn.message.header();
    let Some((header, cred)) = header.and_then(|header| Some((header, header.cred()?))) else {
        return;
    };
    let Some(element) = header.element().child(tag::CRED) else {
        return;
    };
    meta(found, element, "Cred");
    let scheme = cred.scheme().filter(|scheme| is_short(scheme));
    let scheme = scheme.unwrap_or_default().to_ascii_lowercase();
    let at = Some(element);
    match &*scheme {
        "syncml:auth-mac" => found.add(
            "AUT-02",
            at,
            "syncml:auth-MAC is not a scheme of Cred: the HMAC goes into x-syncml-hmac",
        ),
        "syncml:auth-md5" if header.source_name().is_none_or(|name| name.is_empty()) => {
            found.add(
                "AUT-07",
                at,
                "MD5 credentials without LocName in Source: they name no user",
            );
        }
        "syncml:auth-basic" => found.add(
            "AUT-08",
            at,
            "Basic credentials: whoever reads the message can read them",
        ),
        _ => {}
    }
    let asked = seen.of_mut(turn.side.other()).asked_scheme.take();
    let is_asked = asked
        .as_ref()
        .is_some_and(|asked| asked.eq_ignore_ascii_case(&scheme));
    // An HMAC stands in the head (AUT-03).
    let asked = asked.filter(|asked| !is_asked && !asked.eq_ignore_ascii_case("syncml:auth-MAC"));
    let spoken = seen.of_mut(turn.side);
    let before = spoken.scheme.replace(scheme.clone());
    if let Some(asked) = asked.filter(|_| !scheme.is_empty() && !seen.is_disturbed) {
        let text = format!("the other side asked for {asked}, and the credentials are of {scheme}");
        return found.add("AUT-05", at, text);
    }
    let changed = before.filter(|before| *before != scheme && !is_asked);
    if let Some(before) = changed.filter(|_| !seen.is_disturbed) {
        found.add(
            "AUT-05",
            at,
            format!("the scheme goes from {before} to {scheme} within the session"),
        );
    }
}

/// Checks the Meta of Cred and Chal: it needs a Type, and the Format b64.
fn meta(found: &mut Findings, element: Element<'_>, what: &str) {
    let meta = element.child(tag::META).map(Meta::of);
    let media_type = meta.and_then(|meta| meta.media_type());
    if media_type.is_none_or(|name| name.is_empty()) {
        found.add("AUT-01", Some(element), format!("{what} has no Type"));
    }
    let format = meta.and_then(|meta| meta.format());
    match format.as_deref() {
        Some("b64") => {}
        Some(other) => found.add(
            "AUT-01",
            Some(element),
            format!("{what} has the Format {other}, not b64"),
        ),
        None => found.add(
            "AUT-01",
            Some(element),
            format!("{what} has no Format; it is b64"),
        ),
    }
}

fn nonce_is_good(found: &mut Findings, at: Element<'_>, nonce: &str, seen: &mut LintSession) {
    // A record has masks in place of nonces.
    if nonce.contains('*') || nonce.is_empty() {
        return;
    }
    let octets = BASE64.decode(nonce);
    match octets {
        Err(_) => found.add("AUT-04", Some(at), "NextNonce is not base64"),
        Ok(octets) if octets.len() < 16 => {
            found.add(
                "AUT-04",
                Some(at),
                format!("NextNonce has {} octets, fewer than 16", octets.len()),
            );
        }
        Ok(_) if is_short(nonce) && !seen.nonces.insert(nonce.to_owned()) && !seen.is_retried => {
            found.add(
                "AUT-04",
                Some(at),
                "NextNonce was used before in the session",
            );
        }
        Ok(_) => {}
    }
    while seen.nonces.len() > MOST_NONCES {
        seen.nonces.pop_first();
    }
}

/// Checks AUT-03: once HMACs are agreed, every message has one, and the SyncHdr is answered with 200 and the next
/// nonce.
fn integrity(found: &mut Findings, turn: &Turn<'_>, seen: &LintSession) {
    let Some(head) = turn.linted.head.filter(|_| !seen.is_disturbed) else {
        return;
    };
    let asked = seen.of(turn.side.other()).asked_scheme.as_deref();
    let uses_mac = asked.is_some_and(|asked| asked.eq_ignore_ascii_case("syncml:auth-MAC"));
    let has_mac = head.field("x-syncml-hmac").is_some();
    if uses_mac && !has_mac {
        found.add(
            "AUT-03",
            None,
            "the other side asked for an HMAC, and x-syncml-hmac is missing",
        );
    }
    if has_mac && turn.message.header_code() == Some(StatusCode(212)) {
        found.add(
            "AUT-03",
            Some(turn.message.element()),
            "with an HMAC the Status of the SyncHdr is 200, not 212",
        );
    }
}

/// The most nonces of a session that are remembered.
const MOST_NONCES: usize = 64;
