//! What `Content-Type` says of a body.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::markup::Hint;

/// The media type and its charset, as written but for quotes (RFC 9110 §8.3; some devices use single ones).
pub fn hint(headers: &HeaderMap) -> Hint<'_> {
    let value = headers.get(CONTENT_TYPE);
    let value = value.and_then(|value| value.to_str().ok());
    value.map(hint_of).unwrap_or_default()
}

/// The same of the value of a Content-Type.
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

/// The media type as written, without parameters; empty where there is none.
fn media_type(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE);
    let value = value.and_then(|value| value.to_str().ok());
    let media_type = value.and_then(|value| value.split(';').next());
    media_type.unwrap_or_default().trim()
}

/// Whether SOAP or SyncML travels under the media type of a body.
pub fn is_message(headers: &HeaderMap) -> bool {
    let media_type = media_type(headers);
    let is = |message: &&str| media_type.eq_ignore_ascii_case(message);
    let start = media_type.get(..SYNCML.len());
    MESSAGES.iter().any(is) || start.is_some_and(|start| start.eq_ignore_ascii_case(SYNCML))
}

/// Whether a provisioning document travels under the media type of a body: `text/vnd.wap.connectivity-xml`,
/// `application/vnd.wap.connectivity-wbxml`.
pub fn is_provisioning(headers: &HeaderMap) -> bool {
    mentions(headers, "vnd.wap.connectivity")
}

/// Whether a body is a page of HTML, or XHTML, by its media type.
pub fn is_page(headers: &HeaderMap) -> bool {
    mentions(headers, "html")
}

/// Whether the media type of a body contains a word, in any case. Every message is asked, so it takes no memory.
pub fn mentions(headers: &HeaderMap, word: &str) -> bool {
    let mut parts = media_type(headers).as_bytes().windows(word.len());
    parts.any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

/// How media types of SyncML begin.
const SYNCML: &str = "application/vnd.syncml";
/// Media types of SOAP 1.1 and 1.2, and other types that servers use for SyncML.
const MESSAGES: [&str; 3] = ["application/soap+xml", "text/xml", "application/xml"];

/// HTTP-02 in words: the media type names the other encoding than the body has.
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
