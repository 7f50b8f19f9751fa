//! Messages of HTTP in the form of the wire: in the SAZ files of Fiddler, in the items that Burp saves, in text.

use std::collections::HashMap;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Method, Uri, Version};
use memchr::memmem;

use super::LoggedMessage;
use super::date::WrittenDate;
use super::har::{exchange, half};
use crate::app::trial::header_map;
use crate::dm::carve::carve;
use crate::flow::{Head, NotParsed, ParsedBody, RequestHead, ResponseHead};
use crate::markup::Limits;
use crate::proxy::without_codings;

/// Returns the exchanges of a SAZ from its files: `raw/7_c.txt` is a request, `_s` its response, `_m.xml` has its times.
pub(super) fn saz(files: &[(String, Bytes)], limits: &Limits) -> Option<Vec<LoggedMessage>> {
    let numbered = files.iter().filter_map(|(name, request)| {
        let stem = name.strip_suffix("_c.txt")?;
        let number: u64 = stem.rsplit(['/', '\\']).next()?.parse().ok()?;
        Some((number, stem, request))
    });
    let mut numbered: Vec<_> = numbered.collect();
    numbered.sort_by_key(|(number, ..)| *number);
    let by_name: HashMap<&str, &Bytes> =
        files.iter().map(|(name, bytes)| (&**name, bytes)).collect();
    let other = |stem: &str, end: &str| {
        by_name
            .get(&*format!("{stem}{end}"))
            .map(|it| (*it).clone())
    };
    let found = numbered.iter().filter_map(|(_, stem, request)| {
        let times = other(stem, "_m.xml").unwrap_or_default();
        let times = String::from_utf8_lossy(&times).into_owned();
        let begun = times.split_once("ClientBeginRequest=\"");
        let begun = begun.and_then(|(_, behind)| behind.split('"').next());
        let date = begun.and_then(WrittenDate::last_in);
        let response = other(stem, "_s.txt").unwrap_or_default();
        raw_exchange(request, &response, None, date, limits)
    });
    (!numbered.is_empty()).then(|| found.flatten().collect())
}

/// Returns the exchanges of items that Burp saved.
pub(super) fn burp(text: &[u8], limits: &Limits) -> Option<Vec<LoggedMessage>> {
    let text = std::str::from_utf8(text).ok()?;
    let (_, items) = text.split_once("<items burpVersion")?;
    let items = items.split("<item>").skip(1);
    let found = items.filter_map(|item| {
        let url = field(item, "url").map(|url| String::from_utf8_lossy(&url).into_owned());
        let (request, response) = (field(item, "request")?, field(item, "response"));
        raw_exchange(
            &request,
            &response.unwrap_or_default(),
            url.as_deref(),
            None,
            limits,
        )
    });
    Some(found.flatten().collect())
}

/// Returns the content of an element of an item, which is in CDATA and perhaps in base64.
fn field(item: &str, name: &str) -> Option<Bytes> {
    // `<responselength>` stands in front of `<response>`.
    let tag = format!("<{name}");
    let mut tags = item
        .match_indices(&*tag)
        .map(|(at, _)| &item[at + tag.len()..]);
    let behind = tags.find(|behind| behind.starts_with(['>', ' ']))?;
    let (attributes, behind) = behind.split_once('>')?;
    let (content, _) = behind.split_once(&format!("</{name}>"))?;
    let inside = content.trim().strip_prefix("<![CDATA[");
    let content = inside.map_or(content, |inside| {
        inside.strip_suffix("]]>").unwrap_or(inside)
    });
    match attributes.contains("base64=\"true\"") {
        true => STANDARD.decode(content.trim()).ok().map(Bytes::from),
        false => Some(Bytes::copy_from_slice(content.as_bytes())),
    }
}

fn raw_exchange(
    request: &Bytes,
    response: &Bytes,
    url: Option<&str>,
    date: Option<WrittenDate>,
    limits: &Limits,
) -> Option<Vec<LoggedMessage>> {
    let (head, begins) = head_of(request, url)?;
    let mut asked = LoggedMessage {
        date,
        ..message(head, &request.slice(begins..), limits)
    };
    let answered = head_of(response, None);
    let answered = answered.map(|(head, begins)| message(head, &response.slice(begins..), limits));
    if answered.is_none() {
        asked.no_answer = Some("the file has no response".to_owned());
    }
    exchange(asked, answered)
}

/// Returns the head at the beginning of a message, and the offset of its body; `url` is the address of the request, if
/// the file has it outside the message.
fn head_of(raw: &[u8], url: Option<&str>) -> Option<(Head, usize)> {
    let begins = body_begins(&raw[..raw.len().min(LONGEST_HEAD)]).unwrap_or(raw.len());
    let head = String::from_utf8_lossy(raw.get(..begins.min(LONGEST_HEAD))?).into_owned();
    let (line, fields) = head.split_once('\n').unwrap_or((&head, ""));
    let headers = header_map(fields.lines().filter_map(|field| field.split_once(':')));
    let mut words = line.trim_end().split(' ');
    let (first, second) = (words.next()?, words.next()?);
    if first.starts_with("HTTP/") {
        let response = ResponseHead {
            status: second.parse().ok()?,
            version: Version::HTTP_11,
            headers,
        };
        return Some((Head::Response(response), begins));
    }
    let host = headers.get("host").and_then(|host| host.to_str().ok());
    let uri = match (url, second.starts_with('/'), host) {
        (Some(url), ..) => url.to_owned(),
        (None, true, Some(host)) => format!("https://{host}{second}"),
        _ => second.to_owned(),
    };
    let request = RequestHead {
        method: first.parse().unwrap_or(Method::POST),
        uri: uri.parse::<Uri>().unwrap_or_default(),
        version: Version::HTTP_11,
        headers,
    };
    Some((Head::Request(request.into()), begins))
}

/// Creates a message from this head, and this body with its framing and codings.
fn message(head: Head, body: &Bytes, limits: &Limits) -> LoggedMessage {
    let headers = head.headers();
    let field = |name| headers.get(name).and_then(|it| it.to_str().ok());
    let is_chunked = field("transfer-encoding") == Some("chunked");
    let chunks = is_chunked.then(|| without_chunks(body).ok()).flatten();
    let body = chunks.map_or(body.clone(), |(chunks, _)| chunks.into());
    let plain = without_codings(&body, headers, limits.bytes).map_err(NotParsed::Coding);
    half(head, plain, limits)
}

/// Adds to the messages of a text, each with its place in it, the heads of HTTP in front of them, and the other halves of
/// their exchanges that have no message, such as an error of HTTP.
pub(super) fn with_heads(
    text: &Bytes,
    messages: Vec<(Range<usize>, LoggedMessage)>,
    limits: &Limits,
) -> Vec<LoggedMessage> {
    let ranges: Vec<_> = messages.iter().map(|(range, _)| range.clone()).collect();
    let starts = head_starts(text, &ranges);
    // Heads of responses alone may belong to other services in a log.
    let is_traffic =
        starts.first() == Some(&0) || starts.iter().any(|at| !is_response(&text[*at..]));
    let is_of_dm = !messages.is_empty() || memmem::find(text, MEDIA_TYPE).is_some();
    if !is_traffic || !is_of_dm {
        return messages.into_iter().map(|(_, found)| found).collect();
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let mut messages = messages.into_iter().peekable();
    let mut halves = Vec::new();
    let (mut line, mut counted) = (1, 0);
    for (at, end) in starts.iter().copied().zip(ends) {
        while let Some((_, headless)) = messages.next_if(|(range, _)| range.start < at) {
            halves.push(headless);
        }
        line += memchr::memchr_iter(b'\n', &text[counted..at]).count() as u64;
        counted = at;
        let inside = messages.peek().filter(|(range, _)| range.start < end);
        let piece = text.slice(at..inside.map_or(end, |(range, _)| range.start));
        let Some((head, begins)) = head_of(&piece, None) else {
            continue;
        };
        let is_of = |message: &LoggedMessage| match &head {
            Head::Request(_) => message.is_of_device() != Some(false),
            Head::Response(_) => message.is_of_device() != Some(true),
        };
        match (inside.map(|(_, message)| is_of(message)), &head) {
            (Some(true), _) => halves.extend(messages.next().map(|(_, message)| LoggedMessage {
                head: Some(head),
                ..message
            })),
            // The log does not have its messages behind their heads.
            (Some(false), Head::Request(_)) => {}
            (Some(false), Head::Response(head)) if head.status.is_success() => {}
            _ => {
                let date = WrittenDate::last_in(&String::from_utf8_lossy(&piece[..begins]));
                let half = without_message(head, &piece.slice(begins..), limits);
                halves.extend(half.map(|half| LoggedMessage {
                    line: Some(line),
                    date,
                    ..half
                }));
            }
        }
    }
    halves.extend(messages.map(|(_, headless)| headless));
    in_exchanges(halves)
}

/// Joins requests in one text and responses in another in turns, as Wireshark saves the directions of a stream; `None`
/// for other texts.
pub(super) fn in_turns(one: &Bytes, other: &Bytes, limits: &Limits) -> Option<Bytes> {
    let pieces = |text: &Bytes| -> Vec<Bytes> {
        let messages: Vec<_> = carve(text, limits).map(|message| message.range).collect();
        let starts = head_starts(text, &messages);
        let ends = starts.iter().skip(1).copied().chain([text.len()]);
        let pieces = starts
            .iter()
            .zip(ends)
            .map(|(at, end)| text.slice(*at..end));
        // An informational response comes before the real one.
        pieces
            .filter(|piece| !piece.starts_with(b"HTTP/1.1 1"))
            .collect()
    };
    let (one, other) = (pieces(one), pieces(other));
    let is_only = |pieces: &[Bytes], of: bool| {
        !pieces.is_empty() && pieces.iter().all(|it| is_response(it) == of)
    };
    let (asked, answered) = match is_only(&one, true) {
        true => (other, one),
        false => (one, other),
    };
    if !is_only(&asked, false) || !is_only(&answered, true) {
        return None;
    }
    let turns =
        (0..asked.len().max(answered.len())).flat_map(|turn| [asked.get(turn), answered.get(turn)]);
    let mut text = Vec::new();
    for piece in turns.flatten() {
        text.extend_from_slice(piece);
        text.push(b'\n');
    }
    Some(text.into())
}

fn is_response(head: &[u8]) -> bool {
    head.starts_with(b"HTTP/")
}

/// Returns the messages of a text, and halves without a message if the other half has one.
fn in_exchanges(halves: Vec<LoggedMessage>) -> Vec<LoggedMessage> {
    let (mut found, mut asked) = (Vec::new(), None::<LoggedMessage>);
    let alone = |asked: Option<LoggedMessage>| asked.and_then(|asked| exchange(asked, None));
    for half in halves {
        let has_message = !matches!(half.parsed, ParsedBody::Empty | ParsedBody::Unread(_));
        match (&half.head, asked.take()) {
            (Some(Head::Response(_)), Some(request)) => {
                found.extend(exchange(request, Some(half)).into_iter().flatten());
            }
            (Some(Head::Response(_)), None) => found.extend(has_message.then_some(half)),
            (Some(Head::Request(_)), before) => {
                found.extend(alone(before).into_iter().flatten());
                asked = Some(half);
            }
            (None, before) => {
                found.extend(alone(before).into_iter().flatten());
                found.push(half);
            }
        }
    }
    found.extend(alone(asked).into_iter().flatten());
    // A message without a head names the server itself, perhaps by another name. A response without its request has the
    // server of the others.
    let is_headless = found.iter().any(|it| it.head.is_none());
    let server = found.iter().find_map(|it| it.server.clone());
    for half in &mut found {
        half.server = match is_headless {
            true => None,
            false => half.server.take().or_else(|| server.clone()),
        };
    }
    found
}

/// Returns a half of an exchange whose body is no message, as far as the text has it; `None` for an informational response.
fn without_message(head: Head, body: &Bytes, limits: &Limits) -> Option<LoggedMessage> {
    if let Head::Response(ResponseHead { status, .. }) = &head
        && status.is_informational()
    {
        return None;
    }
    let length = head.headers().get(CONTENT_LENGTH);
    let length = length.and_then(|it| it.to_str().ok()?.parse().ok());
    let is_line = |byte: &u8| *byte == b'-' || byte.is_ascii_whitespace();
    Some(match length.map(|length| (length, body.get(..length))) {
        Some((_, Some(whole))) => message(head, &body.slice_ref(whole), limits),
        // Fiddler writes a line between exchanges.
        _ if !body.iter().all(is_line) => message(head, &body.slice_ref(body.trim_ascii()), limits),
        Some((length, _)) => {
            let bytes = u64::try_from(length).ok();
            half(head, Err(NotParsed::NotRecorded { bytes }), limits)
        }
        None => half(head, Ok(Bytes::new()), limits),
    })
}

/// Returns the offsets of HTTP heads in a text: at the beginning of a line, or directly behind a body; never inside a
/// message.
fn head_starts(text: &[u8], messages: &[Range<usize>]) -> Vec<usize> {
    // A body that is not text may end within a line.
    let (mut starts, mut behind) = (Vec::new(), 0);
    for at in memmem::find_iter(text, b"HTTP/") {
        let next = messages.partition_point(|range| range.end <= at);
        let is_inside = messages.get(next).is_some_and(|range| range.contains(&at));
        let Some(begins) = head_start(text, at).filter(|_| !is_inside) else {
            continue;
        };
        let front = text[..begins].last();
        if begins == behind || front.is_none_or(|byte| b"\n>}".contains(byte)) {
            starts.push(begins);
            behind = body_end(&text[begins..]).map_or(0, |length| begins.saturating_add(length));
        }
    }
    starts
}

/// Returns the offset of the head whose first line has its version here.
fn head_start(text: &[u8], at: usize) -> Option<usize> {
    let line = &text[at..text.len().min(at + LONGEST_SIZE)];
    let line = line.split(|byte| *byte == b'\n').next()?.trim_ascii_end();
    let (version, status) = match line.iter().position(|byte| *byte == b' ') {
        Some(blank) => line.split_at(blank),
        None => (line, &line[..0]),
    };
    let mut version = version[b"HTTP/".len()..].iter();
    if !version.all(|it| b"0123.".contains(it)) {
        return None;
    }
    if status.len() > 3 && status[1..4].iter().all(u8::is_ascii_digit) {
        return Some(at);
    }
    let front = text[..at]
        .strip_suffix(b" ")
        .filter(|_| status.is_empty())?;
    let front = &front[front.len().saturating_sub(LONGEST_SIZE * 32)..];
    let target = front.iter().rposition(|byte| byte.is_ascii_whitespace())?;
    let method = METHODS
        .iter()
        .find(|method| front[..target].ends_with(method))?;
    Some(at - 1 - front.len() + target - method.len())
}

/// Returns the length of a message whose head has the length of its body.
fn body_end(text: &[u8]) -> Option<usize> {
    let begins = body_begins(&text[..text.len().min(LONGEST_HEAD)])?;
    let (head, _) = head_of(&text[..begins], None)?;
    let length = head.headers().get(CONTENT_LENGTH)?;
    begins.checked_add(length.to_str().ok()?.parse().ok()?)
}

/// Returns the offset behind the empty line after a head.
fn body_begins(text: &[u8]) -> Option<usize> {
    let ends =
        ["\r\n\r\n", "\n\n"].map(|end| Some(memmem::find(text, end.as_bytes())? + end.len()));
    ends.into_iter().flatten().min()
}

/// Returns a body without the sizes of its chunks (RFC 9112 §7.1), and its length with them. Line breaks may lack their
/// CR.
///
/// # Errors
/// The offset of the first mistake.
fn without_chunks(body: &[u8]) -> Result<(Vec<u8>, usize), usize> {
    let (mut joined, mut at) = (Vec::new(), 0);
    loop {
        let line = &body[at..body.len().min(at + LONGEST_SIZE)];
        let end = memchr::memchr(b'\n', line).ok_or(at)?;
        let size = str::from_utf8(&line[..end]).map_err(|_| at)?;
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| at)?;
        let begins = at + end + 1;
        if size == 0 {
            return Ok((joined, begins));
        }
        let ends = begins.checked_add(size).ok_or(at)?;
        joined.extend_from_slice(body.get(begins..ends).ok_or(at)?);
        at = match &body[ends..] {
            [b'\r', b'\n', ..] => ends + 2,
            [b'\n', ..] => ends + 1,
            _ => return Err(ends),
        };
    }
}

/// Removes the sizes of the chunks from the messages of HTTP in a text; `None` if there are none.
pub(super) fn with_chunks_joined(text: &[u8]) -> Option<Vec<u8>> {
    let (mut plain, mut taken, mut looked_at) = (Vec::new(), 0, 0);
    for at in memmem::find_iter(text, b"hunked") {
        let line = &text[at.saturating_sub(FIELD.len() + 8)..at];
        let is_field = memmem::find(&line.to_ascii_lowercase(), FIELD).is_some();
        if at < looked_at || !is_field {
            continue;
        }
        let head = &text[at..text.len().min(at + LONGEST_HEAD)];
        let Some(begins) = body_begins(head).map(|begins| at + begins) else {
            continue;
        };
        looked_at = begins;
        match without_chunks(&text[begins..]) {
            Ok((body, length)) => {
                plain.extend_from_slice(&text[taken..begins]);
                plain.extend(body);
                taken = begins + length;
                looked_at = taken;
            }
            Err(breaks) => looked_at += breaks,
        }
    }
    plain.extend_from_slice(&text[taken..]);
    (taken > 0).then_some(plain)
}

/// The methods of requests that devices and proxies send.
const METHODS: [&[u8]; 5] = [b"POST", b"GET", b"HEAD", b"OPTIONS", b"CONNECT"];
/// The beginning of the media types of DM.
const MEDIA_TYPE: &[u8] = b"application/vnd.syncml";
/// The field that announces chunks, in lower case.
const FIELD: &[u8] = b"transfer-encoding:";
/// The limit of the line with the size of a chunk, in bytes.
const LONGEST_SIZE: usize = 256;
/// The limit of a head, in bytes.
const LONGEST_HEAD: usize = 64 << 10;
