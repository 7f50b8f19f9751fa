//! The exchanges of a HAR (HTTP Archive 1.2), as browsers, Fiddler and mitmproxy save them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method, StatusCode, Uri, Version};
use serde_json::Value;

use super::LoggedMessage;
use super::date::WrittenDate;
use crate::app::dial::port_of;
use crate::app::trial::header_map;
use crate::dm::Dialect;
use crate::flow::{
    ConnectionId, Event, ExchangeId, FailureCause, Head, NotParsed, ParsedBody, RequestHead,
    ResponseHead, Side, Timestamp, media,
};
use crate::markup::utf16::in_utf8;
use crate::markup::{Limits, decode};
use crate::record::{EventRecord, Masking};

/// Returns request and response of each entry with messages of OMA DM; `None` if this is no HAR.
pub(super) fn messages(archive: &Value, limits: &Limits) -> Option<Vec<LoggedMessage>> {
    let entries = archive.pointer("/log/entries")?.as_array()?;
    let found = entries.iter().filter_map(|entry| of_entry(entry, limits));
    Some(found.flatten().collect())
}

/// Returns the reason why a text that begins like a HAR is not one; `None` for a whole HAR, and for any other text.
pub(super) fn broken(text: &[u8]) -> Option<String> {
    let mut rest = text;
    for token in [&b"{"[..], b"\"log\"", b":", b"{"] {
        rest = rest.trim_ascii_start().strip_prefix(token)?;
    }
    let whole = with_whole_characters(text);
    let text = whole.as_ref().map_or(text, |(text, _)| text);
    let error = serde_json::from_slice::<Value>(text).err()?;
    let (line, column) = (error.line(), error.column());
    Some(match error.is_eof() {
        true => format!(
            "this is a HAR that breaks off in line {line}, column {column}: copy or save it once more, whole"
        ),
        false => format!(
            "this is a HAR whose JSON breaks in line {line}, column {column}: save it once more, with bodies that are not \
             text in base64"
        ),
    })
}

/// Returns JSON with U+FFFD in place of each half of a pair of UTF-16 (`\ud800` alone), and the line of the first; `None`
/// if there is none. JSON may not have them, but programs that cut texts write them.
pub(super) fn with_whole_characters(json: &[u8]) -> Option<(Vec<u8>, usize)> {
    let unit = |at: usize| {
        let digits = json.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
    };
    let (mut plain, mut taken, mut first, mut behind) = (Vec::new(), 0, None, 0);
    for at in memchr::memchr_iter(b'\\', json) {
        if at < behind {
            continue;
        }
        let is_low = |unit: &u16| (0xdc00..0xe000).contains(unit);
        behind = at
            + match unit(at) {
                Some(0xd800..0xdc00) if unit(at + 6).is_some_and(|it| is_low(&it)) => 12,
                Some(0xd800..0xe000) => {
                    plain.extend_from_slice(&json[taken..at]);
                    plain.extend_from_slice(b"\\ufffd");
                    taken = at + 6;
                    first = first.or(Some(at));
                    6
                }
                _ => 2,
            };
    }
    plain.extend_from_slice(&json[taken..]);
    first.map(|at| (plain, 1 + memchr::memchr_iter(b'\n', &json[..at]).count()))
}

fn of_entry(entry: &Value, limits: &Limits) -> Option<Vec<LoggedMessage>> {
    let (request, response) = (entry.get("request")?, &entry["response"]);
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
    let asked_body = body(&request["postData"], request);
    let no_answer = no_answer(entry);
    let status = response["status"].as_u64().and_then(|status| {
        let status = u16::try_from(status).ok()?;
        StatusCode::from_u16(status).ok()
    });
    let answered = match status.filter(|_| no_answer.is_none()) {
        None => None,
        Some(status) => {
            let head = Head::Response(ResponseHead {
                status,
                version: version(response),
                headers: headers(response),
            });
            let body = body(&response["content"], response);
            Some(LoggedMessage {
                took,
                ..half(head, body, limits)
            })
        }
    };
    // A server answers a message with a message, so the request had a body, which the exporter left out.
    let is_message =
        |it: &LoggedMessage| matches!(it.parsed, ParsedBody::Document(_, Dialect::SyncMl));
    let asked_body = match asked_body {
        Ok(body) if body.is_empty() && answered.as_ref().is_some_and(is_message) => {
            Err(NotParsed::NotRecorded { bytes: None })
        }
        asked_body => asked_body,
    };
    let no_status = || format!("its status {} is not one of HTTP", response["status"]);
    let no_answer = no_answer.or_else(|| answered.is_none().then(no_status));
    let asked = LoggedMessage {
        date,
        no_answer,
        ..half(Head::Request(asked.into()), asked_body, limits)
    };
    exchange(asked, answered)
}

/// Returns a request and its response, if one of them has to do with OMA DM.
pub(super) fn exchange(
    asked: LoggedMessage,
    answered: Option<LoggedMessage>,
) -> Option<Vec<LoggedMessage>> {
    if !is_of_dm(&asked) && !answered.as_ref().is_some_and(is_of_dm) {
        return None;
    }
    let server = match &asked.head {
        Some(Head::Request(head)) => server(&head.uri),
        _ => None,
    };
    let answered = answered.map(|it| LoggedMessage {
        is_answer: true,
        ..it
    });
    let halves = std::iter::once(asked)
        .chain(answered)
        .map(|half| LoggedMessage {
            server: server.clone(),
            ..half
        });
    Some(halves.collect())
}

/// Returns the reason why no answer came, if the file has it: a browser writes the status 0.
fn no_answer(entry: &Value) -> Option<String> {
    let response = &entry["response"];
    let words = [
        "/response/_error",
        "/response/_failureText",
        "/response/comment",
        "/comment",
    ];
    let words = words
        .iter()
        .find_map(|at| entry.pointer(at)?.as_str().filter(|it| !it.is_empty()));
    let has_status = response["status"]
        .as_i64()
        .is_some_and(|status| status >= 100);
    let is_empty = response
        .pointer("/content/text")
        .is_none_or(|text| text == "");
    let is_broken = response["_error"].is_string() && is_empty;
    (!has_status || is_broken).then(|| words.unwrap_or("the file does not say why").to_owned())
}

/// Returns the event of a request without an answer; the reason is in the words of the program that saved the file.
pub(super) fn failed(
    seq: u64,
    at: Timestamp,
    request: &EventRecord,
    words: &str,
    masking: Masking,
) -> EventRecord {
    // Names such as `ConnectionResetError` are split into words.
    let (mut spaced, mut before) = (String::with_capacity(words.len()), ' ');
    for character in words.chars() {
        if before.is_ascii_lowercase() && character.is_ascii_uppercase() {
            spaced.push(' ');
        }
        spaced.push(character.to_ascii_uppercase());
        before = character;
    }
    let has = |names: &[&str]| {
        let mut words = spaced.split(|it: char| !it.is_alphanumeric());
        words.any(|word| names.iter().any(|name| word.starts_with(name)))
    };
    let side = match () {
        () if has(&OF_DEVICE) => Some(Side::Device),
        () if has(&OF_SERVER) => Some(Side::Server),
        () => None,
    };
    let event = Event::Failed {
        exchange: ExchangeId(request.exchange.unwrap_or_default()),
        connection: ConnectionId(request.connection.id),
        at,
        side,
        by_rule: false,
        is_answered: false,
        cause: Some(match has(&NOT_CONNECTED) {
            true => FailureCause::NotConnected,
            false => FailureCause::NotRecorded,
        }),
        why: format!("no answer came ({words})"),
        help: None,
    };
    EventRecord::of(seq, &event, masking)
}

/// Creates a request or response from its body, or from the reason why it has none.
pub(super) fn half(head: Head, body: Result<Bytes, NotParsed>, limits: &Limits) -> LoggedMessage {
    let parsed = match &body {
        Ok(body) => parse_body(body, head.headers(), limits),
        Err(why) => ParsedBody::Unread(why.clone()),
    };
    LoggedMessage {
        parsed,
        head: Some(head),
        ..LoggedMessage::of(body.unwrap_or_default())
    }
}

fn is_of_dm(found: &LoggedMessage) -> bool {
    let is_known = match &found.parsed {
        ParsedBody::Document(_, dialect) => *dialect != Dialect::Other,
        ParsedBody::Broken(_) => true,
        _ => false,
    };
    is_known
        || found
            .head
            .as_ref()
            .is_some_and(|head| media::is_message(head.headers()))
}

/// Returns host and port of the server, if the address has a host.
fn server(uri: &Uri) -> Option<String> {
    Some(format!("{}:{}", uri.host()?, port_of(uri)))
}

/// Returns the body of a request or response. An exporter may leave it out, or write an empty text; its sizes show that.
fn body(content: &Value, message: &Value) -> Result<Bytes, NotParsed> {
    let text = content["text"].as_str();
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        let is_base64 = content["encoding"] == "base64";
        let decoded = is_base64.then(|| STANDARD.decode(text).ok()).flatten();
        return Ok(decoded.unwrap_or_else(|| text.as_bytes().to_vec()).into());
    }
    let length = headers(message).get(CONTENT_LENGTH).cloned();
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let written = [&content["size"], &message["bodySize"]];
    let sizes = written
        .iter()
        .filter_map(|size| size.as_i64())
        .chain(length);
    let sizes: Vec<i64> = match (text, content["size"].as_i64()) {
        // A coded body of no bytes may have some on the wire.
        (Some(_), Some(0)) => vec![0],
        _ => sizes.collect(),
    };
    match sizes.iter().max() {
        Some(0) | None => Ok(Bytes::new()),
        // The size -1 is an unknown one.
        Some(&bytes) => Err(NotParsed::NotRecorded {
            bytes: u64::try_from(bytes).ok(),
        }),
    }
}

fn parse_body(body: &Bytes, headers: &HeaderMap, limits: &Limits) -> ParsedBody {
    if body.is_empty() {
        return ParsedBody::Empty;
    }
    let hint = media::hint(headers);
    let decoded = in_utf8(body.clone()).and_then(|text| decode(text, hint, limits));
    match decoded {
        Ok(document) => super::find::read(document),
        Err(error) if media::is_message(headers) => ParsedBody::Broken(error),
        Err(_) => {
            let media_type = hint.media_type.unwrap_or("a body without a media type");
            ParsedBody::Unread(NotParsed::MediaType(media_type.to_owned()))
        }
    }
}

fn headers(message: &Value) -> HeaderMap {
    let fields = message["headers"].as_array().into_iter().flatten();
    header_map(fields.filter_map(|it| Some((it["name"].as_str()?, it["value"].as_str()?))))
}

fn version(message: &Value) -> Version {
    match message["httpVersion"].as_str() {
        Some("h2" | "HTTP/2" | "HTTP/2.0" | "http/2.0") => Version::HTTP_2,
        _ => Version::HTTP_11,
    }
}

/// The beginnings of words for an exchange that the device ended.
const OF_DEVICE: [&str; 4] = ["ABORTED", "ECONNABORTED", "CANCEL", "BLOCKED"];
/// The beginnings of words for an exchange that the server ended.
const OF_SERVER: [&str; 9] = [
    "RESET",
    "ECONNRESET",
    "REFUSED",
    "ECONNREFUSED",
    "CLOSED",
    "EMPTY",
    "TIMED",
    "TIMEOUT",
    "ETIMEDOUT",
];
/// The beginnings of words for a connection that failed, or its TLS.
const NOT_CONNECTED: [&str; 8] = [
    "CERT",
    "SSL",
    "TLS",
    "NAME",
    "ENOTFOUND",
    "REFUSED",
    "ECONNREFUSED",
    "DISCONNECTED",
];
