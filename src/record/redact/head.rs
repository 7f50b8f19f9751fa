//! Secrets in header fields and addresses.

use std::borrow::Cow;
use std::ops::Range;

use super::MASK;

/// A header field's value without secrets. `name` is in lower case.
pub(super) fn header<'v>(name: &str, value: &'v str) -> Cow<'v, str> {
    match name {
        "devicetoken" | "cookie" | "set-cookie" => Cow::Borrowed(MASK),
        "x-syncml-hmac" => mac(value),
        "location" | "content-location" | "referer" => target(value),
        // A challenge is there to be seen by everybody.
        "www-authenticate" | "proxy-authenticate" => Cow::Borrowed(value),
        _ if name.contains("authorization") => scheme_only(value),
        _ if SECRET_PARTS.iter().any(|part| name.contains(part)) => Cow::Borrowed(MASK),
        _ if value.contains('=') => by_looks(value),
        _ => Cow::Borrowed(value),
    }
}

/// What the name of a field has in it whose value is taken for a secret.
const SECRET_PARTS: [&str; 6] = ["token", "auth", "key", "secret", "password", "cookie"];

fn by_looks(value: &str) -> Cow<'_, str> {
    with_masks(value, super::looks::places(value.as_bytes()))
}

/// An address without user information and the values of its query and fragment; those that every Windows device
/// sends alike stay.
pub(super) fn target(uri: &str) -> Cow<'_, str> {
    with_masks(uri, secrets(uri.as_bytes()))
}

fn with_masks(text: &str, secrets: Vec<Range<usize>>) -> Cow<'_, str> {
    if secrets.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut masked = String::new();
    let mut from = 0;
    for secret in super::merged(secrets) {
        masked.push_str(text.get(from..secret.start).unwrap_or_default());
        masked.push_str(MASK);
        from = secret.end;
    }
    masked.push_str(text.get(from..).unwrap_or_default());
    Cow::Owned(masked)
}

/// Where the secrets of an address stand, in text that may have its `&` written `&amp;`.
pub(super) fn secrets(uri: &[u8]) -> Vec<Range<usize>> {
    let mut values = Vec::new();
    if let Some(scheme) = memchr::memmem::find(uri, b"://") {
        let user = user_info(uri, scheme + 3);
        if !user.is_empty() {
            values.push(user);
        }
    }
    let Some(mark) = memchr::memchr2(b'?', b'#', uri) else {
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

/// `user:password` of the authority that begins at `at`; empty where there is none.
pub(super) fn user_info(text: &[u8], at: usize) -> Range<usize> {
    let rest = &text[at..text.len().min(at + LONGEST_USER)];
    let ends = |byte: &u8| matches!(byte, b'/' | b'?' | b'#' | b'"' | b'<' | b'>' | 0..=b' ');
    let authority = rest.iter().position(ends).map_or(rest, |len| &rest[..len]);
    at..at + memchr::memrchr(b'@', authority).unwrap_or(0)
}

/// User information is looked for in so many bytes.
const LONGEST_USER: usize = 1024;

/// Where a field of a query or form ends.
pub(super) fn end_of_field(text: &[u8]) -> usize {
    let ends = |byte: &u8| matches!(byte, b'&' | b'#' | b'"' | b'<' | 0..=b' ');
    text.iter().position(ends).unwrap_or(text.len())
}

/// Fields whose values say nothing about whom they are for (MS-MDE2 3.1.4, MS-MDM 2.1).
const KNOWN_FIELDS: [&[u8]; 3] = [b"mode=", b"platform=", b"api-version="];

/// `Bearer ********`: the scheme helps, the rest does not.
fn scheme_only(value: &str) -> Cow<'_, str> {
    match value.split_once(' ') {
        Some((scheme, _)) => Cow::Owned(format!("{scheme} {MASK}")),
        None => Cow::Borrowed(MASK),
    }
}

/// `algorithm=MD5, username="x", mac=********` (OMA-TS-DM_Security-V1_2_1 §5.4).
fn mac(value: &str) -> Cow<'_, str> {
    let parts = value.split(',').map(|part| match part.split_once('=') {
        Some((name, _)) if !harmless_in_mac(name) => format!("{name}={MASK}"),
        Some(_) => part.to_owned(),
        None => MASK.to_owned(),
    });
    Cow::Owned(parts.collect::<Vec<_>>().join(","))
}

fn harmless_in_mac(name: &str) -> bool {
    ["algorithm", "username"].contains(&name.trim().to_ascii_lowercase().as_str())
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
            "/a#access_token=abc&mode=x",
            "/a#access_token=********&mode=x",
        );
        check("https://u:p@h/a", "https://********@h/a");
        check("https://h/a@b", "https://h/a@b");
        check("/a?s=1&amp;t=2", "/a?s=********&amp;t=********");
    }
}
