//! A message as HTTP/1.1 text.

use crate::record::model::{EventRecord, HeadRecord, ParsedBodyRecord};

/// Header fields about the transfer of the body, not about its content.
const CARRIAGE: [&str; 5] = [
    "transfer-encoding",
    "content-length",
    "connection",
    "keep-alive",
    "host",
];

/// Returns the message as its receiver got it. The Content-Encoding field is left out if the recorded body is decoded.
pub(super) fn text(record: &EventRecord) -> Vec<u8> {
    let body = record.sent.as_ref().or(record.body.as_ref());
    let body = body.map_or(&[][..], |body| &body.0);
    let Some(head) = &record.head else {
        return body.to_vec();
    };
    let mut text = Vec::with_capacity(body.len() + 512);
    first_lines(&mut text, head);
    let reading = record.reading.as_ref();
    let plain = record.sent.is_some() || reading.is_some_and(ParsedBodyRecord::is_without_coding);
    for (name, value) in &head.headers {
        let coding = plain && name == "content-encoding";
        if !coding && !CARRIAGE.contains(&&**name) {
            line(&mut text, name, value);
        }
    }
    line(&mut text, "content-length", &body.len().to_string());
    text.extend_from_slice(b"\r\n");
    text.extend_from_slice(body);
    text
}

fn first_lines(text: &mut Vec<u8>, head: &HeadRecord) {
    let (Some(method), Some(uri)) = (&head.method, &head.uri) else {
        let status = head.status.unwrap_or_default();
        let known = http::StatusCode::from_u16(status).ok();
        let reason = known
            .and_then(|known| known.canonical_reason())
            .unwrap_or("-");
        text.extend_from_slice(format!("HTTP/1.1 {status} {reason}\r\n").as_bytes());
        return;
    };
    let rest = match uri.split_once("://") {
        Some((_, rest)) if !uri.starts_with('/') => rest,
        _ => uri,
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    text.extend_from_slice(format!("{method} {path} HTTP/1.1\r\n").as_bytes());
    let host = head.header("host").unwrap_or(authority);
    line(text, "host", host);
}

fn line(text: &mut Vec<u8>, name: &str, value: &str) {
    text.extend_from_slice(name.as_bytes());
    text.extend_from_slice(b": ");
    text.extend_from_slice(value.as_bytes());
    text.extend_from_slice(b"\r\n");
}
