//! Messages of HTTP as they were on the wire: in the SAZ files of Fiddler, in the items that Burp saves, in text.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri, Version};
use memchr::memmem;

use super::Found;
use super::date::WrittenDate;
use super::har::{exchange, half};
use crate::app::dry_run::header_map;
use crate::flow::{Head, NotParsed, RequestHead, ResponseHead};
use crate::markup::Limits;
use crate::proxy::without_codings;

/// The exchanges of a SAZ, by the files in it: `raw/7_c.txt` is a request, `_s` its response, `_m.xml` has its times.
pub(super) fn saz(files: &[(String, Bytes)], limits: &Limits) -> Option<Vec<Found>> {
    let numbered = files.iter().filter_map(|(name, request)| {
        let stem = name.strip_suffix("_c.txt")?;
        let number: u64 = stem.rsplit(['/', '\\']).next()?.parse().ok()?;
        Some((number, stem, request))
    });
    let mut numbered: Vec<_> = numbered.collect();
    numbered.sort_by_key(|(number, ..)| *number);
    let by_name: HashMap<&str, &Bytes> = { files.iter() }
        .map(|(name, bytes)| (&**name, bytes))
        .collect();
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

/// The exchanges of items that Burp saved.
pub(super) fn burp(text: &[u8], limits: &Limits) -> Option<Vec<Found>> {
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

/// The content of an element of an item, which stands in CDATA and may be in base64.
fn field(item: &str, name: &str) -> Option<Bytes> {
    let (_, behind) = item.split_once(&format!("<{name}"))?;
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
) -> Option<Vec<Found>> {
    let (line, headers, body) = parsed(request, limits)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let host = headers.get("host").and_then(|host| host.to_str().ok());
    let uri = match (url, target.starts_with('/'), host) {
        (Some(url), ..) => url.to_owned(),
        (None, true, Some(host)) => format!("https://{host}{target}"),
        _ => target.to_owned(),
    };
    let asked = RequestHead {
        method: method.parse().unwrap_or(Method::POST),
        uri: uri.parse::<Uri>().unwrap_or_default(),
        version: Version::HTTP_11,
        headers,
    };
    let mut asked = Found {
        date,
        ..half(Head::Request(asked.into()), body, limits)
    };
    let answered = parsed(response, limits).and_then(|(line, headers, body)| {
        let status = line.split(' ').nth(1)?.parse().ok()?;
        let head = ResponseHead {
            status: StatusCode::from_u16(status).ok()?,
            version: Version::HTTP_11,
            headers,
        };
        Some(half(Head::Response(head), body, limits))
    });
    if answered.is_none() {
        asked.no_answer = Some("the file has no response".to_owned());
    }
    exchange(asked, answered)
}

/// The first line of a message, its fields, and its body without framing and codings.
fn parsed(raw: &Bytes, limits: &Limits) -> Option<(String, HeaderMap, Result<Bytes, NotParsed>)> {
    let begins = body_begins(raw)?;
    let head = String::from_utf8_lossy(&raw[..begins]).into_owned();
    let (line, fields) = head.split_once('\n')?;
    let headers = header_map(fields.lines().filter_map(|field| field.split_once(':')));
    let body = raw.slice(begins..);
    let is_chunked = headers
        .get("transfer-encoding")
        .is_some_and(|it| it == "chunked");
    let chunks = is_chunked.then(|| without_chunks(&body).ok()).flatten();
    let body = chunks.map_or(body, |(chunks, _)| chunks.into());
    let plain = without_codings(&body, &headers, limits.bytes);
    Some((
        line.trim_end().to_owned(),
        headers,
        plain.map_err(NotParsed::Coding),
    ))
}

/// Where the empty line behind a head ends.
fn body_begins(text: &[u8]) -> Option<usize> {
    let ends =
        ["\r\n\r\n", "\n\n"].map(|end| Some(memmem::find(text, end.as_bytes())? + end.len()));
    ends.into_iter().flatten().min()
}

/// A body without the sizes of its chunks (RFC 9112 §7.1), and how long it was with them. Line breaks may have lost their CR.
///
/// # Errors
/// Where it breaks.
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

/// A text with messages of HTTP whose bodies are in chunks, without the sizes of those; `None` where there are none.
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

/// The field that announces chunks, in lower case.
const FIELD: &[u8] = b"transfer-encoding:";
/// Bytes of the line with the size of a chunk, and of a head.
const LONGEST_SIZE: usize = 256;
const LONGEST_HEAD: usize = 64 << 10;
