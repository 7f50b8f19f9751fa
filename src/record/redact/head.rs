//! Secrets in header fields and URIs.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::MASK;
use super::known_value::KnownValues;
use super::secret_name::is_secret_name;
use crate::flow::Head;

/// Returns the value of a header field without secrets. `name` is in lower case.
pub(super) fn header<'v>(name: &str, value: &'v str) -> Cow<'v, str> {
    match name {
        "devicetoken" | "cookie" | "set-cookie" => Cow::Borrowed(MASK),
        // A challenge is public.
        _ if name.ends_with("-authenticate") => Cow::Borrowed(value),
        _ if is_public(name) => mask_lookalikes(value),
        "x-syncml-hmac" => mac(value),
        "location" | "content-location" | "referer" => target(value),
        _ if name.contains("authorization") => scheme_only(value),
        _ if is_secret_field(name) => Cow::Borrowed(MASK),
        _ => mask_lookalikes(value),
    }
}

fn is_secret_field(name: &str) -> bool {
    PARTS.is_match(name) || name.split('-').any(|word| SECRET_WORDS.contains(&word))
}

static PARTS: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let mut builder = AhoCorasick::builder();
    builder.kind(Some(AhoCorasickKind::DFA));
    builder.build(SECRET_PARTS).expect("a handful of words")
});

/// A field with one of these in its name is taken for a secret.
const SECRET_PARTS: [&str; 14] = [
    "token",
    "auth",
    "key",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "cookie",
    "credential",
    "session-id",
    "sessionid",
    "assertion",
    "nonce",
];

/// A field with one of these as a whole word of its name is taken for a secret.
const SECRET_WORDS: [&str; 8] = ["pin", "pw", "psk", "otp", "jwt", "cred", "sid", "ticket"];

/// Remembers the secrets of a head, because the body may repeat them.
pub(super) fn learn(head: &Head, values: &mut KnownValues) {
    for (name, value) in head.headers() {
        let name = name.as_str();
        match value.as_bytes() {
            value if name.contains("authorization") => credentials(value, values),
            value if matches!(name, "cookie" | "set-cookie") => cookies(value, values),
            value if name == "devicetoken" || is_secret_field(name) && !is_public(name) => {
                values.remember_long(value);
            }
            _ => {}
        }
    }
    if let Head::Request(head) = head {
        let uri = head.uri.to_string();
        for place in secrets(uri.as_bytes()) {
            values.remember_long(&uri.as_bytes()[place]);
        }
    }
}

/// Returns whether a field is public although its name contains a part of [`SECRET_PARTS`]: challenges, fields of the
/// WebSocket handshake, names of cached objects.
fn is_public(name: &str) -> bool {
    const NAMES: [&str; 4] = [
        "authority",
        "public-key-pins",
        "surrogate-key",
        "x-cache-key",
    ];
    name.starts_with("sec-websocket-") || name.ends_with("-authenticate") || NAMES.contains(&name)
}

/// Remembers the credentials after the scheme, and for Basic also the password alone (RFC 7617 §2).
fn credentials(value: &[u8], values: &mut KnownValues) {
    let mut parts = value.splitn(2, |byte| *byte == b' ');
    let (scheme, rest) = match (parts.next(), parts.next()) {
        (Some(scheme), Some(rest)) => (scheme, rest.trim_ascii()),
        (only, _) => (&b""[..], only.unwrap_or_default()),
    };
    values.remember_long(rest);
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return;
    }
    if let Ok(pair) = STANDARD.decode(rest)
        && let Some(colon) = memchr::memchr(b':', &pair)
    {
        values.remember_long(&pair[colon + 1..]);
    }
}

/// Remembers the value of each cookie; the attributes of cookies are public.
fn cookies(value: &[u8], values: &mut KnownValues) {
    for cookie in value.split(|byte| *byte == b';') {
        let mut parts = cookie.splitn(2, |byte| *byte == b'=');
        let name = parts.next().unwrap_or_default().trim_ascii();
        let attribute = |known: &&str| name.eq_ignore_ascii_case(known.as_bytes());
        if !COOKIE_ATTRIBUTES.iter().any(attribute) {
            values.remember_long(parts.next().unwrap_or_default());
        }
    }
}

/// The attributes of a cookie that have a value (RFC 6265 §4.1).
const COOKIE_ATTRIBUTES: [&str; 5] = ["path", "domain", "expires", "max-age", "samesite"];

/// Returns a text with a mask in place of each part that looks like a secret.
pub(super) fn mask_lookalikes(value: &str) -> Cow<'_, str> {
    with_masks(value, super::lookalike::places(value.as_bytes()))
}

/// Returns a URI without user information and without the values in its query and fragment. The values of
/// [`KNOWN_FIELDS`] stay.
pub(super) fn target(uri: &str) -> Cow<'_, str> {
    with_masks(uri, secrets(uri.as_bytes()))
}

fn with_masks(text: &str, secrets: Vec<Range<usize>>) -> Cow<'_, str> {
    if secrets.is_empty() {
        return Cow::Borrowed(text);
    }
    let masked = super::with_masks(text.as_bytes(), secrets);
    Cow::Owned(String::from_utf8_lossy(&masked).into_owned())
}

/// Returns the places of the secrets in a URI, whose `&` may be written as `&amp;`.
pub(super) fn secrets(uri: &[u8]) -> Vec<Range<usize>> {
    let mut values = Vec::new();
    if let Some(scheme) = memchr::memmem::find(uri, b"://") {
        let user = user_info(uri, scheme + 3);
        if !user.is_empty() {
            values.push(user);
        }
    }
    let mark = memchr::memchr2(b'?', b'#', uri);
    path_parameters(&uri[..mark.unwrap_or(uri.len())], &mut values);
    let Some(mark) = mark else {
        return values;
    };
    let mut at = mark + 1;
    while at < uri.len() {
        let end = at + end_of_field(&uri[at..]);
        let field = &uri[at..end];
        let name_len = memchr::memchr(b'=', field).map_or(0, |equals| equals + 1);
        let known = KNOWN_FIELDS
            .iter()
            .any(|known| field[..name_len].eq_ignore_ascii_case(known));
        if !known && name_len < field.len() {
            values.push(at + name_len..end);
        }
        let rest = &uri[end..];
        at = end + if rest.starts_with(b"&amp;") { 5 } else { 1 };
    }
    values
}

/// Adds the values of path parameters such as `;jsessionid=…`, which servers use instead of a cookie.
fn path_parameters(path: &[u8], values: &mut Vec<Range<usize>>) {
    for semicolon in memchr::memchr_iter(b';', path) {
        let rest = &path[semicolon + 1..];
        let ends = |byte: &u8| matches!(byte, b';' | b'/' | b'"' | b'<' | 0..=b' ');
        let field = rest.iter().position(ends).map_or(rest, |len| &rest[..len]);
        if let Some(equals) = memchr::memchr(b'=', field) {
            values.push(semicolon + 2 + equals..semicolon + 1 + field.len());
        }
    }
}

/// Returns the places of values that sign a URI in a text or name a session in it: long values, and values with such a
/// name.
pub(super) fn signatures(address: &[u8]) -> Vec<Range<usize>> {
    let mut places = secrets(address);
    places.retain(|place| {
        let value = &address[place.clone()];
        let front = &address[..place.start.saturating_sub(1)];
        let part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let name = &front[front.len() - front.iter().rev().take_while(part).count()..];
        let lower = name.to_ascii_lowercase();
        value.len() >= LONG_VALUE
            || is_secret_name(name)
            || lower.ends_with(b"signature")
            || lower.ends_with(b"sessionid")
            || [&b"code"[..], b"key", b"sid", b"policy"].contains(&&*lower)
    });
    places
}

/// A value of at least so many bytes in the query of a URI is taken for a secret.
const LONG_VALUE: usize = 24;

/// Returns the place of `user:password` in the authority that begins at `at`; an empty range if there is none.
pub(super) fn user_info(text: &[u8], at: usize) -> Range<usize> {
    let rest = &text[at..text.len().min(at + LONGEST_USER)];
    let ends = |byte: &u8| matches!(byte, b'/' | b'?' | b'#' | b'"' | b'<' | b'>' | 0..=b' ');
    let authority = rest.iter().position(ends).map_or(rest, |len| &rest[..len]);
    at..at + memchr::memrchr(b'@', authority).unwrap_or(0)
}

/// User information is searched for in so many bytes.
const LONGEST_USER: usize = 1024;

/// Returns the end of a field of a query or form.
pub(super) fn end_of_field(text: &[u8]) -> usize {
    let ends = |byte: &u8| matches!(byte, b'&' | b'#' | b'"' | b'<' | 0..=b' ');
    text.iter().position(ends).unwrap_or(text.len())
}

/// Fields whose values grant no access: of enrollment and device management (MS-MDE2 §3.1.4, MS-MDM §2.1), of sign-in
/// (MS-MDE2 §3.2, OpenID Connect Core §3.1.2.1), and of ActiveSync (MS-ASHTTP §2.2.1.1.1.2).
const KNOWN_FIELDS: [&[u8]; 13] = [
    b"mode=",
    b"platform=",
    b"api-version=",
    b"client-request-id=",
    b"appru=",
    b"login_hint=",
    b"cmd=",
    b"user=",
    b"deviceid=",
    b"devicetype=",
    b"collectionid=",
    b"itemid=",
    b"longid=",
];

/// Keeps the scheme and masks the rest: `Bearer ********`.
fn scheme_only(value: &str) -> Cow<'_, str> {
    match value.split_once(' ') {
        Some((scheme, _)) => Cow::Owned(format!("{scheme} {MASK}")),
        None => Cow::Borrowed(MASK),
    }
}

/// Masks the MAC: `algorithm=MD5, username="x", mac=********` (OMA-TS-DM_Security-V1_2_1 §5.4).
fn mac(value: &str) -> Cow<'_, str> {
    let is_public =
        |name: &str| ["algorithm", "username"].contains(&&*name.trim().to_ascii_lowercase());
    let parts = value.split(',').map(|part| match part.split_once('=') {
        Some((name, _)) if !is_public(name) => format!("{name}={MASK}"),
        Some(_) => part.to_owned(),
        None => MASK.to_owned(),
    });
    Cow::Owned(parts.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_fields_keep_what_is_no_secret() {
        let check = |name: &str, value: &str, expected: &str| {
            assert_eq!(header(name, value), expected, "{name}: {value}");
        };
        check("authorization", "Bearer abc.def", "Bearer ********");
        check("authorization", "abc", "********");
        check("devicetoken", "abc", "********");
        check("cookie", "a=b; c=d", "********");
        check(
            "x-syncml-hmac",
            "algorithm=MD5, username=\"joe\", mac=c2VjcmV0Cg==",
            "algorithm=MD5, username=\"joe\", mac=********",
        );
        check("ms-signature", "abc", "abc");
        check("x-api-key", "abc", "********");
        check("sec-websocket-key", "abc", "abc");
        check("x-auth-token", "abc", "********");
        check("x-ms-authorization", "Bearer abc", "Bearer ********");
        check("www-authenticate", "Basic realm=\"a\"", "Basic realm=\"a\"");
        check(
            "refresh",
            "0; url=/?access_token=abc",
            "0; url=/?access_token=********",
        );
        check(
            "content-type",
            "text/xml; charset=utf-8",
            "text/xml; charset=utf-8",
        );
        check(
            "location",
            "https://h/p?token=abc",
            "https://h/p?token=********",
        );
    }

    #[test]
    fn queries_keep_the_names_of_their_fields() {
        let check = |uri: &str, expected: &str| assert_eq!(target(uri), expected, "{uri}");
        check("/a/b", "/a/b");
        check(
            "/a?mode=Maintenance&Platform=WoA",
            "/a?mode=Maintenance&Platform=WoA",
        );
        check("/a?mode=x&s=1234&t=&u", "/a?mode=x&s=********&t=&********");
        check("/a?abc", "/a?********");
        check(
            "/Microsoft-Server-ActiveSync?Cmd=Ping&User=joe&DeviceId=a1&DeviceType=PocketPC&s=1",
            "/Microsoft-Server-ActiveSync?Cmd=Ping&User=joe&DeviceId=a1&DeviceType=PocketPC&s=********",
        );
        check(
            "/a#access_token=abc&mode=x",
            "/a#access_token=********&mode=x",
        );
        check("https://u:p@h/a", "https://********@h/a");
        check("https://h/a@b", "https://h/a@b");
        check("/a?s=1&amp;t=2", "/a?s=********&amp;t=********");
    }
}
