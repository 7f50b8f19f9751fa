//! The meaning of `Content-Type` for a body.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::markup::Hint;

/// Returns the media type and its charset, as written but without quotes (RFC 9110 §8.3; some devices use single
/// quotes).
pub fn hint(headers: &HeaderMap) -> Hint<'_> {
    let value = headers.get(CONTENT_TYPE);
    let value = value.and_then(|value| value.to_str().ok());
    value.map(hint_of).unwrap_or_default()
}

/// Returns the media type as written; empty if there is none.
fn media_type(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE);
    let value = value.and_then(|value| value.to_str().ok()).unwrap_or("");
    value.split(';').next().unwrap_or("").trim()
}

/// Returns the media type and the charset of a Content-Type value.
pub fn hint_of(content_type: &str) -> Hint<'_> {
    let mut parts = content_type.split(';').map(str::trim);
    let media_type = parts.next().filter(|media_type| !media_type.is_empty());
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        let is_charset = name.trim().eq_ignore_ascii_case("charset");
        is_charset.then(|| value.trim().trim_matches(['"', '\'']))
    });
    Hint {
        media_type,
        charset,
    }
}

/// Whether the media type of a body is one that SOAP or SyncML uses.
pub fn is_message(headers: &HeaderMap) -> bool {
    let media_type = media_type(headers);
    let is = |message: &&str| media_type.eq_ignore_ascii_case(message);
    let start = media_type.get(..SYNCML.len());
    MESSAGES.iter().any(is) || start.is_some_and(|start| start.eq_ignore_ascii_case(SYNCML))
}

/// Whether the media type of a body is that of a provisioning document: `text/vnd.wap.connectivity-xml` or
/// `application/vnd.wap.connectivity-wbxml`.
pub fn is_provisioning(headers: &HeaderMap) -> bool {
    mentions(headers, "vnd.wap.connectivity")
}

/// Whether the media type of a body is HTML or XHTML.
pub fn is_page(headers: &HeaderMap) -> bool {
    mentions(headers, "html")
}

/// Whether a body is a stream of events (WHATWG HTML §9.2), which may never end.
pub fn is_event_stream(headers: &HeaderMap) -> bool {
    media_type(headers).eq_ignore_ascii_case("text/event-stream")
}

/// Whether the media type of a body contains a word, in any case. It does not allocate, because it runs for every
/// message.
pub fn mentions(headers: &HeaderMap, word: &str) -> bool {
    let mut parts = media_type(headers).as_bytes().windows(word.len());
    parts.any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

/// The beginning of SyncML media types.
const SYNCML: &str = "application/vnd.syncml";
/// The media types of SOAP 1.1 and 1.2, and other types that servers use for SyncML.
const MESSAGES: [&str; 3] = ["application/soap+xml", "text/xml", "application/xml"];

/// Returns the text of note HTTP-02 if the media type names the encoding that the body does not have.
pub fn note_other_encoding(media_type: &str, is_wbxml: bool) -> Option<String> {
    let named = media_type.to_ascii_lowercase();
    let says_wbxml = named.contains("wbxml");
    let says_xml = named.ends_with("xml") && !says_wbxml;
    if says_wbxml == is_wbxml || !(says_wbxml || says_xml) {
        return None;
    }
    let is = if is_wbxml { "WBXML" } else { "XML" };
    Some(format!("the body is {is}, but its media type is {named}"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn content_types_are_read_in_all_their_forms() {
        let check = |value, expected| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(value));
            let hint = hint(&headers);
            assert_eq!((hint.media_type, hint.charset), expected);
        };
        check("text/xml", (Some("text/xml"), None));
        check(
            "application/vnd.syncml.dm+xml; charset=UTF-8",
            (Some("application/vnd.syncml.dm+xml"), Some("UTF-8")),
        );
        check(
            "text/xml;q=1;Charset=\"utf-16\"",
            (Some("text/xml"), Some("utf-16")),
        );
        check(
            "text/xml; charset='utf-8'",
            (Some("text/xml"), Some("utf-8")),
        );
        check("", (None, None));
        assert!(hint(&HeaderMap::new()).media_type.is_none());
    }

    #[test]
    fn soap_and_syncml_are_known_by_their_media_types() {
        let check = |value, expected| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(value));
            assert_eq!(is_message(&headers), expected, "{value}");
        };
        for message in [
            "application/soap+xml; charset=utf-8",
            "Text/XML",
            "application/xml",
            "application/vnd.syncml.dm+xml",
            "application/vnd.syncml.dm+wbxml;charset=utf-8",
            "application/vnd.syncml+xml",
            "application/vnd.syncml.notification",
        ] {
            check(message, true);
        }
        for other in [
            "",
            "text/html",
            "image/svg+xml",
            "application/json",
            "application/octet-stream",
            "application/vnd.ms-sync.wbxml",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ] {
            check(other, false);
        }
    }
}
