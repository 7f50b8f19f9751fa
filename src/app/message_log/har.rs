//! The exchanges of a HAR (HTTP Archive 1.2), as browsers, Fiddler and mitmproxy save them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version};
use serde_json::Value;

use super::Found;
use super::date::WrittenDate;
use crate::dm::Dialect;
use crate::flow::{Head, NotParsed, ParsedBody, RequestHead, ResponseHead, media};
use crate::markup::utf16::in_utf8;
use crate::markup::{Limits, decode};

/// Request and response of each entry that has to do with OMA DM; `None` if this is no HAR.
pub(super) fn messages(archive: &Value, limits: &Limits) -> Option<Vec<Found>> {
    let entries = archive.pointer("/log/entries")?.as_array()?;
    let found = entries.iter().filter_map(|entry| exchange(entry, limits));
    Some(found.flatten().collect())
}

fn exchange(entry: &Value, limits: &Limits) -> Option<[Found; 2]> {
    let (request, response) = (entry.get("request")?, entry.get("response")?);
    let date = entry["startedDateTime"]
        .as_str()
        .and_then(WrittenDate::last_in);
    let millis = entry["time"].as_f64().filter(|millis| *millis >= 0.0);
    let took = Duration::try_from_secs_f64(millis.unwrap_or(0.0) / 1e3).unwrap_or_default();
    let asked = RequestHead {
        method: request["method"].as_str()?.parse().unwrap_or(Method::POST),
        uri: request["url"].as_str()?.parse::<Uri>().unwrap_or_default(),
        version: version(request),
        headers: headers(request),
    };
    let status = response["status"]
        .as_u64()
        .and_then(|it| u16::try_from(it).ok());
    let answered = ResponseHead {
        // A browser writes 0 where no response came.
        status: StatusCode::from_u16(status?).unwrap_or(StatusCode::BAD_GATEWAY),
        version: version(response),
        headers: headers(response),
    };
    let (asked_body, answered_body) = (body(&request["postData"]), body(&response["content"]));
    let asked_reading = reading(&asked_body, &asked.headers, limits);
    let answered_reading = reading(&answered_body, &answered.headers, limits);
    let is_of_dm = |reading: &ParsedBody, headers: &HeaderMap| {
        let is_known =
            matches!(reading, ParsedBody::Document(_, dialect) if *dialect != Dialect::Other);
        is_known || media::is_message(headers)
    };
    if !is_of_dm(&asked_reading, &asked.headers) && !is_of_dm(&answered_reading, &answered.headers)
    {
        return None;
    }
    let server = server(&asked.uri);
    let found = |bytes, reading, head, took| Found {
        bytes,
        reading,
        date,
        line: None,
        head: Some(head),
        server: Some(server.clone()),
        took,
    };
    Some([
        found(
            asked_body,
            asked_reading,
            Head::Request(asked),
            Duration::ZERO,
        ),
        found(
            answered_body,
            answered_reading,
            Head::Response(answered),
            took,
        ),
    ])
}

/// Host and port of the server.
fn server(uri: &Uri) -> String {
    let port = uri.port_u16().unwrap_or(match uri.scheme_str() {
        Some("http") => 80,
        _ => 443,
    });
    format!("{}:{port}", uri.host().unwrap_or_default())
}

/// The body of a request or response.
fn body(content: &Value) -> Bytes {
    let text = content["text"].as_str().unwrap_or_default();
    let is_base64 = content["encoding"] == "base64";
    let decoded = is_base64.then(|| STANDARD.decode(text).ok()).flatten();
    decoded.unwrap_or_else(|| text.as_bytes().to_vec()).into()
}

fn reading(body: &Bytes, headers: &HeaderMap, limits: &Limits) -> ParsedBody {
    if body.is_empty() {
        return ParsedBody::Empty;
    }
    let hint = media::hint(headers);
    let decoded = in_utf8(body.clone()).and_then(|text| decode(text, hint, limits));
    match decoded {
        Ok(document) => super::find::read(document),
        Err(error) if media::is_message(headers) => ParsedBody::Undecodable(error),
        Err(_) => {
            let media_type = hint.media_type.unwrap_or("a body without a media type");
            ParsedBody::Unread(NotParsed::MediaType(media_type.to_owned()))
        }
    }
}

fn headers(message: &Value) -> HeaderMap {
    let fields = message["headers"].as_array().into_iter().flatten();
    let fields = fields.filter_map(|field| {
        let name = HeaderName::try_from(field["name"].as_str()?).ok()?;
        Some((name, HeaderValue::try_from(field["value"].as_str()?).ok()?))
    });
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(name, value);
    }
    headers
}

fn version(message: &Value) -> Version {
    match message["httpVersion"].as_str() {
        Some("h2" | "HTTP/2" | "HTTP/2.0" | "http/2.0") => Version::HTTP_2,
        _ => Version::HTTP_11,
    }
}
