//! Header fields: removal of hop-by-hop fields, and of fields that do not fit a changed body.

use http::Version;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::framing;
use crate::flow::{Note, RequestHead};
use crate::stay::signing_fields;

/// Returns the fields to send on, in their order, without the fields for one connection only (RFC 9110 §7.6.1), those
/// that `Connection` names, and those that `dropped` selects.
///
/// If `Transfer-Encoding` frames the body, a `Content-Length` is removed: another reader could take it for the length,
/// and the rest of the body for the next message (RFC 9112 §6.3).
pub(super) fn forwarded(
    headers: &HeaderMap,
    dropped: impl Fn(&HeaderName, &HeaderValue) -> bool,
) -> HeaderMap {
    let named = named_by_connection(headers);
    let mut overruled = headers.contains_key(header::TRANSFER_ENCODING);
    // Removing a field from a map moves the last field to its place, so fields are copied to keep their order.
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let is_length = *name == header::CONTENT_LENGTH;
        let hop = HOP_BY_HOP.contains(name) || named.contains(name);
        if !(hop || is_length && overruled || dropped(name, value)) {
            let once = is_length.then(|| framing::one_length(value)).flatten();
            kept.append(name.clone(), once.unwrap_or_else(|| value.clone()));
            // hyper accepts a length that is stated twice with the same value.
            overruled |= is_length;
        }
    }
    kept
}

fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(header::CONNECTION).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        // A message must not lose its framing or its target to a careless peer.
        .filter(|name| *name != header::HOST && *name != header::CONTENT_LENGTH)
        .collect()
}

/// Adapts the fields to a body that a rule changed: sets its length, and removes the fields that describe the old
/// bytes. The other fields keep their order.
pub(super) fn fit_changed_body(headers: &mut HeaderMap, length: usize) {
    if VOUCHERS.iter().any(|name| headers.contains_key(name)) {
        *headers = forwarded(headers, |name, _| VOUCHERS.contains(name));
    }
    set_length(headers, length);
}

/// Sets the length of a body.
pub(super) fn set_length(headers: &mut HeaderMap, length: usize) {
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
}

/// Returns a warning if a changed body has a signature that was not recomputed.
pub(super) fn note_signature(headers: &HeaderMap, renewed: &[&str]) -> Option<Note> {
    let name = signing_fields(headers).find(|name| !renewed.contains(name))?;
    Some(Note::new(
        "SIG-01",
        format!("the body was changed: the signature in {name} no longer fits it"),
    ))
}

/// Whether a device may wait for 100 (Continue) before it sends its body. hyper sends that only over HTTP/1.1.
pub(super) fn may_wait_for_continue(head: &RequestHead) -> bool {
    let mut expected = head.headers.get_all(header::EXPECT).iter();
    head.version == Version::HTTP_2
        && expected.any(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Returns note HTTP-10 on a request whose device may have waited for 100 (Continue).
pub(super) fn note_expectation(head: &RequestHead) -> Option<Note> {
    let text = format!("Expect: 100-continue: {NO_CONTINUE}");
    may_wait_for_continue(head).then(|| Note::new("HTTP-10", text))
}

/// The reason why a device waits in vain.
pub(super) const NO_CONTINUE: &str =
    "over HTTP/2 dmtap sends no 100 (Continue), for which the device may wait";

/// The most bytes of a head in HTTP/2, on both sides. HTTP/1.1 accepts more.
pub(super) const MAX_HEAD_BYTES: u32 = 128 << 10;
/// The most fields of a head in HTTP/1.1.
pub(super) const MOST_FIELDS: usize = 512;

/// The fields for one connection only: RFC 9110 §7.6.1, and those that HTTP/1.1 proxies inherited.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    // dmtap answers it itself: hyper sends 100 over HTTP/1.1 when the body is polled.
    header::EXPECT,
];

/// The fields that describe the exact bytes of a body.
const VOUCHERS: [HeaderName; 6] = [
    header::CONTENT_ENCODING,
    header::ETAG,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let fields = fields.iter().map(|&(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(name, value);
        }
        map
    }

    #[test]
    fn fields_of_one_connection_stay_on_it() {
        let mut headers = map(&[
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("te", "trailers"),
            ("content-length", "3"),
            ("x-end", "2"),
        ]);
        headers = forwarded(&headers, |_, _| false);
        assert_eq!(headers, map(&[("content-length", "3"), ("x-end", "2")]));
    }

    #[test]
    fn fields_keep_their_order() {
        let headers = map(&[("a", "1"), ("te", "x"), ("b", "2"), ("c", "3"), ("b", "4")]);
        let kept = forwarded(&headers, |name, _| name == "a");
        let names: Vec<_> = kept.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["b", "b", "c"]);
    }

    #[test]
    fn connection_cannot_remove_the_framing() {
        let mut headers = map(&[("connection", "content-length"), ("content-length", "3")]);
        headers = forwarded(&headers, |_, _| false);
        assert_eq!(headers, map(&[("content-length", "3")]));
    }

    #[test]
    fn a_transfer_coding_overrules_the_length_beside_it() {
        let headers = map(&[
            ("content-length", "3"),
            ("transfer-encoding", "chunked"),
            ("x-end", "2"),
        ]);
        let kept = forwarded(&headers, |_, _| false);
        assert_eq!(kept, map(&[("x-end", "2")]));
    }

    #[test]
    fn a_changed_body_loses_what_vouched_for_the_old_one() {
        let mut headers = map(&[
            ("content-encoding", "gzip"),
            ("etag", "\"1\""),
            ("content-length", "9"),
        ]);
        fit_changed_body(&mut headers, 12);
        assert_eq!(headers, map(&[("content-length", "12")]));
    }

    #[test]
    fn the_other_fields_of_a_changed_body_keep_their_order() {
        let mut headers = map(&[
            ("digest", "x"),
            ("a", "1"),
            ("etag", "x"),
            ("content-length", "9"),
            ("b", "2"),
            ("content-md5", "x"),
            ("c", "3"),
        ]);
        fit_changed_body(&mut headers, 12);
        let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "content-length", "b", "c"]);
    }
}
