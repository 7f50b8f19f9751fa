//! What Wireshark and tshark print: streams that they follow, as hex, and packets in JSON.
//!
//! ```text
//! 00000000  50 4f 53 54 20 2f 64 6d  20 48 54 54 50 2f 31 2e  POST /dm  HTTP/1.   follow, hex dump
//!     00000000  48 54 54 50 …                                 the other side has an indent
//! 504f5354202f646d…                                           follow, raw
//!       data: !!binary |                                      follow, YAML
//!     0x0000:  4500 0232 …                                  tcpdump -X
//! {"_source": {"layers": {"http": {"http.file_data": …        -T json, -T jsonraw
//! {"layers": {"http": {"http_http_file_data": …               -T ek
//! ```

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hashlink::LinkedHashMap;
use memchr::memmem;
use serde_json::{Value, json};

use crate::dm::pasted::{arrays, dumps, octets, row_of_dump};

/// Returns the bytes of a stream that Wireshark followed, both sides as they came; `None` for any other text.
pub(super) fn followed(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let begin = text.trim_start().as_bytes();
    if begin.starts_with(b"char peer") || begin.starts_with(b"unsigned char peer") {
        let bytes: Vec<u8> = arrays(text).flat_map(|(_, bytes)| bytes).collect();
        return is_http(&bytes).then_some(bytes);
    }
    if let Some(stream) = in_segments(text).or_else(|| in_packets(text)) {
        return Some(stream);
    }
    let is_yaml = begin.starts_with(b"peers:") || text.contains("data: !!binary |");
    let mut bytes = Vec::new();
    for line in text.lines() {
        let read = match is_yaml {
            true => {
                line.starts_with("  ")
                    .then(|| STANDARD.decode(line.trim()).ok())
            }
            .flatten(),
            false => row_of_dump(line)
                .map(|(_, row)| row)
                .or_else(|| octets(line.trim().as_bytes())),
        };
        // In front of the stream and behind it stand lines about it.
        bytes.extend(read.unwrap_or_default());
        if bytes.len() >= LONGEST_METHOD && !is_http(&bytes) {
            return None;
        }
    }
    is_http(&bytes).then_some(bytes)
}

/// Returns the bytes of a stream that tshark followed as text: in front of each segment stands its length.
fn in_segments(text: &str) -> Option<Vec<u8>> {
    let (_, behind) = text.split_once("\nNode 1: ")?;
    let (_, mut rest) = behind.split_once('\n')?;
    let mut bytes = Vec::new();
    while let Some((length, behind)) = rest.split_once('\n')
        && let Ok(length) = length.trim().parse::<usize>()
    {
        bytes.extend(behind.get(..length)?.bytes());
        rest = behind.get(length..)?.strip_prefix('\n')?;
    }
    (rest.starts_with("===") && is_http(&bytes)).then_some(bytes)
}

/// Returns the bytes of the streams of HTTP in a dump of packets (`tshark -x`, `tcpdump -X`), one stream behind another,
/// both sides as they came; `None` for any other text, and if a packet is cut.
fn in_packets(text: &str) -> Option<Vec<u8>> {
    if !begins_with_packet(text) {
        return None;
    }
    let mut streams = LinkedHashMap::new();
    let mut directions: HashMap<_, Direction> = HashMap::new();
    for (_, packet) in dumps(text) {
        let Some(segment) = segment(&packet) else {
            continue;
        };
        let payload = segment.payload?;
        let mut of_both = segment.ends.clone();
        of_both.sort();
        let stream: &mut Vec<u8> = streams.entry(of_both).or_insert_with(Vec::new);
        if segment.is_first {
            let next = segment.number.wrapping_add(1);
            let before = directions.insert(segment.ends, Direction::new(next));
            before.into_iter().for_each(|mut it| it.end(stream));
            continue;
        }
        // The other side answers what it has received: what is still missing there is missing in the file.
        let [from, to] = &segment.ends;
        let other = directions.get_mut(&[to.clone(), from.clone()]);
        if let Some(other) = other.filter(|_| !payload.is_empty()) {
            other.end(stream);
        }
        let direction = directions.entry(segment.ends);
        let direction = direction.or_insert_with(|| Direction::new(segment.number));
        direction.take(segment.number, payload, stream);
    }
    for (ends, mut direction) in directions {
        let mut of_both = ends;
        of_both.sort();
        direction.end(streams.entry(of_both).or_insert_with(Vec::new));
    }
    let streams = streams.values().filter(|it| is_http(it));
    let bytes: Vec<u8> = streams.flatten().copied().collect();
    (!bytes.is_empty()).then_some(bytes)
}

/// One direction of a connection.
struct Direction {
    /// The sequence number that comes next.
    next: u32,
    /// Segments that came too early.
    early: Vec<(u32, Vec<u8>)>,
}

impl Direction {
    fn new(next: u32) -> Self {
        Self {
            next,
            early: Vec::new(),
        }
    }

    /// Takes in a segment. Adds what is now in order to the stream.
    fn take(&mut self, number: u32, payload: &[u8], stream: &mut Vec<u8>) {
        let ahead = number.wrapping_sub(self.next) as usize;
        if (1..LARGEST_WINDOW).contains(&ahead) {
            if !payload.is_empty() {
                self.early.push((number, payload.to_vec()));
            }
            if self.early.len() > MOST_EARLY {
                self.end(stream);
            }
            return;
        }
        self.add(number, payload, stream);
        let is_due = |next: u32, number: u32| (next.wrapping_sub(number) as usize) < LARGEST_WINDOW;
        while let Some(at) = { self.early.iter() }.position(|(it, _)| is_due(self.next, *it)) {
            let (number, payload) = self.early.swap_remove(at);
            self.add(number, &payload, stream);
        }
    }

    /// Adds the segments that came too early: the file lacks what stands in front of them.
    fn end(&mut self, stream: &mut Vec<u8>) {
        let mut early = std::mem::take(&mut self.early);
        early.sort_by_key(|(number, _)| number.wrapping_sub(self.next));
        for (number, payload) in early {
            self.add(number, &payload, stream);
        }
    }

    fn add(&mut self, number: u32, payload: &[u8], stream: &mut Vec<u8>) {
        // What was sent again, or captured twice, comes but once.
        let again = self.next.wrapping_sub(number) as usize;
        let again = if again < LARGEST_WINDOW { again } else { 0 };
        if let Some(new @ [_, ..]) = payload.get(again..) {
            self.next = number.wrapping_add(payload.len() as u32);
            stream.extend(new);
        }
    }
}

/// A packet of TCP.
struct Segment<'p> {
    /// The sender and the receiver, as address and port.
    ends: [Vec<u8>; 2],
    /// The sequence number.
    number: u32,
    /// Whether it begins a connection (SYN).
    is_first: bool,
    /// `None` if the packet is cut.
    payload: Option<&'p [u8]>,
}

fn segment(packet: &[u8]) -> Option<Segment<'_>> {
    let ip = packet.get(LINKS.into_iter().find(|at| is_ip(packet, *at))?..)?;
    let number = |at: usize| {
        Some(usize::from(u16::from_be_bytes([
            *ip.get(at)?,
            *ip.get(at + 1)?,
        ])))
    };
    let (head, before, length, address) = match ip.first()? >> 4 {
        4 => (usize::from(ip[0] & 15) * 4, 0, number(2)?, 12..20),
        _ => (40, 40, number(4)?, 8..40),
    };
    let tcp = ip.get(head..)?;
    let (from, to) = ip.get(address.clone())?.split_at(address.len() / 2);
    let ends = [
        [from, tcp.get(..2)?].concat(),
        [to, tcp.get(2..4)?].concat(),
    ];
    let begins = head + usize::from(tcp.get(12)? >> 4) * 4;
    // A network card may cut large segments later, and the length is then 0.
    let ends_at = match length {
        0 => ip.len(),
        _ => before + length,
    };
    (begins >= head + 20).then_some(Segment {
        ends,
        number: u32::from_be_bytes(tcp[4..8].try_into().ok()?),
        is_first: tcp.get(13)? & SYN != 0,
        payload: ip.get(begins..ends_at),
    })
}

/// Whether a text is a print of packets that lacks the bytes of their messages, or has them between headers of TCP: a tree
/// (`-V`), a dump of packets that are cut (`-x`, also of tcpdump), a stream in characters, JSON with bodies that end at a
/// zero.
pub(super) fn is_without_bytes(text: &[u8]) -> bool {
    let has = |what: &str| memmem::find(text, what.as_bytes()).is_some();
    let text_of = || std::str::from_utf8(text).ok();
    // WBXML, of which tshark prints what stands in front of its first zero.
    let mut cut = memmem::find_iter(text, "http_file_data\":")
        .chain(memmem::find_iter(text, "http.file_data\":"));
    let is_cut = |at: usize| {
        let value = &text[at + "http_file_data\":".len()..];
        ["\"\\u0001", "\"\\u0002", "\"\\u0003"]
            .iter()
            .any(|begin| value.trim_ascii_start().starts_with(begin.as_bytes()))
    };
    !has("file_data_raw")
        && (has(" Level | State | Codepage | WBXML Token Description")
            || text_of().is_some_and(|it| begins_with_packet(it) && in_packets(it).is_none())
            || has("dm+wbxml") && !text.contains(&3) && has("\n...j")
            || cut.any(is_cut))
}

/// Whether a text begins with a dump of packets.
fn begins_with_packet(text: &str) -> bool {
    let begin = &text[..text.floor_char_boundary(LONGEST_BEGIN)];
    let mut rows = begin.lines().filter_map(row_of_dump);
    rows.any(|(at, row)| at == 0 && is_packet(&row))
}

/// Whether the first octets of a packet are those of TCP in IP.
fn is_packet(row: &[u8]) -> bool {
    LINKS.into_iter().any(|at| is_ip(row, at))
}

/// Whether a header of IP with TCP begins at this offset.
fn is_ip(packet: &[u8], at: usize) -> bool {
    let octet = |at: usize| packet.get(at).copied();
    let is_four = octet(at) == Some(0x45) && octet(at + 9).is_none_or(|it| it == TCP);
    let is_six = octet(at) == Some(0x60) && octet(at + 6).is_none_or(|it| it == TCP);
    let kind = at.checked_sub(2).and_then(|kind| packet.get(kind..at));
    match at {
        14 | 16 => (is_four || is_six) && matches!(kind, Some([8, 0] | [0x86, 0xdd])),
        _ => is_four || is_six,
    }
}

/// Whether a stream begins with a head of HTTP.
fn is_http(stream: &[u8]) -> bool {
    let begins = ["POST ", "GET ", "HEAD ", "OPTIONS ", "CONNECT ", "HTTP/1."];
    begins
        .iter()
        .any(|begin| stream.starts_with(begin.as_bytes()))
}

/// Returns the exchanges of packets in JSON as a HAR; `None` for any other text.
pub(super) fn as_har(text: &[u8]) -> Option<Value> {
    let is_of_packets = |name: &&str| memmem::find(text, name.as_bytes()).is_some();
    ["\"http.", "\"http_http_"]
        .iter()
        .find(|it| is_of_packets(it))?;
    // tshark cuts a long comment of a packet within a character.
    let text = String::from_utf8_lossy(text);
    let packets = serde_json::from_str::<Vec<Value>>(&text)
        .unwrap_or_else(|_| text.lines().flat_map(serde_json::from_str).collect());
    let mut exchanges: Vec<(String, Value)> = Vec::new();
    for packet in &packets {
        let layers = packet
            .pointer("/_source/layers")
            .unwrap_or(&packet["layers"]);
        let mut fields = Fields::default();
        ["frame", "tcp", "http"]
            .iter()
            .for_each(|layer| fields.add(&layers[layer]));
        let stream = fields.text("stream").to_owned();
        let at = fields.text("time_epoch").parse::<f64>().ok();
        let status = fields.text("response_code").parse::<u16>().ok();
        if let Some(status) = status.filter(|status| *status >= 200) {
            let is_asked =
                |(of, entry): &(String, Value)| *of == stream && entry["response"].is_null();
            let place = exchanges.iter().rposition(is_asked).unwrap_or_else(|| {
                exchanges.push((
                    stream.clone(),
                    json!({"request": {"method": "POST", "url": ""}}),
                ));
                exchanges.len() - 1
            });
            let entry = &mut exchanges[place].1;
            let took = at.zip(entry["begun"].as_f64());
            entry["time"] = took.map(|(at, begun)| (at - begun) * 1e3).into();
            entry["response"] =
                json!({"status": status, "headers": fields.head(), "content": fields.body()});
        } else if !fields.text("request_method").is_empty() {
            let date = |at: f64| jiff::Timestamp::from_microsecond((at * 1e6) as i64).ok();
            let entry = json!({
                "begun": at,
                "startedDateTime": at.and_then(date).map(|date| date.to_string()),
                "request": {
                    "method": fields.text("request_method"),
                    "url": fields.text("request_full_uri"),
                    "headers": fields.head(),
                    "postData": fields.body(),
                },
            });
            exchanges.push((stream, entry));
        }
    }
    let entries: Vec<Value> = exchanges.into_iter().map(|(_, entry)| entry).collect();
    (!entries.is_empty()).then(|| json!({"log": {"entries": entries}}))
}

/// The fields of a packet by their names without the protocol, with `_` in place of dots.
#[derive(Default)]
struct Fields(HashMap<String, String>);

impl Fields {
    fn add(&mut self, layer: &Value) {
        for (name, value) in layer.as_object().into_iter().flatten() {
            self.add(value);
            let name = name.replace('.', "_");
            let name = PROTOCOLS
                .iter()
                .find_map(|it| name.strip_prefix(it))
                .unwrap_or(&name);
            // `-x` and `jsonraw` write the octets in hex, with place and length.
            let (value, name) = match (value[0].as_str(), name.strip_suffix("_raw")) {
                (Some(hex), Some(plain)) if name != BODY => (line_of(hex), plain),
                (Some(hex), _) => (hex.to_owned(), name),
                _ => (value.as_str().unwrap_or_default().to_owned(), name),
            };
            if !value.is_empty() {
                self.0.entry(name.to_owned()).or_insert(value);
            }
        }
    }

    fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn head(&self) -> Value {
        let fields = FIELDS
            .iter()
            .filter(|(name, _)| !self.text(name).is_empty());
        fields
            .map(|(name, field)| json!({"name": field, "value": self.text(name)}))
            .collect()
    }

    /// Returns the body of a message. tshark cuts one that is not text at its first zero.
    fn body(&self) -> Value {
        let (raw, text) = (self.text(BODY), self.text("file_data"));
        if raw.is_empty() && text.is_empty() {
            return Value::Null;
        }
        // Since version 4.2 a body is in hex, with colons.
        let hex = if raw.is_empty() {
            &text.replace(':', "")
        } else {
            raw
        };
        let is_hex = !raw.is_empty() || text.as_bytes().get(2) == Some(&b':');
        let body = octets(hex.as_bytes()).filter(|_| is_hex);
        let body = body.unwrap_or_else(|| text.as_bytes().to_vec());
        let length = self.text("content_length_header").parse::<usize>();
        let length = length.unwrap_or_default();
        match body.len() < length && self.text("content_encoding").is_empty() {
            true => json!({"size": length}),
            false => {
                json!({"size": body.len(), "encoding": "base64", "text": STANDARD.encode(body)})
            }
        }
    }
}

/// Returns the text of octets in hex; of a header field only its value.
fn line_of(hex: &str) -> String {
    let octets = octets(hex.as_bytes()).unwrap_or_default();
    let text = String::from_utf8_lossy(&octets);
    let value = text
        .strip_suffix("\r\n")
        .and_then(|line| line.split_once(": "));
    value.map_or(&*text, |(_, value)| value).to_owned()
}

/// The octets of a body.
const BODY: &str = "file_data_raw";
/// The prefixes of fields; Elasticsearch (`-T ek`) has them with the layer.
const PROTOCOLS: [&str; 6] = [
    "http_http_",
    "frame_frame_",
    "tcp_tcp_",
    "http_",
    "frame_",
    "tcp_",
];
/// The fields of heads that matter, by the names of Wireshark and of HTTP.
const FIELDS: [(&str, &str); 6] = [
    ("content_type", "content-type"),
    ("host", "host"),
    ("location", "location"),
    ("server", "server"),
    ("user_agent", "user-agent"),
    ("www_authenticate", "www-authenticate"),
];
/// The lengths of what stands in front of IP: Ethernet, Linux's own header, nothing, that of a loopback.
const LINKS: [usize; 4] = [14, 16, 0, 4];
/// The number of TCP in a header of IP.
const TCP: u8 = 6;
/// The flag of TCP that begins a connection.
const SYN: u8 = 2;
/// The most octets that a peer of TCP sends again.
const LARGEST_WINDOW: usize = 16 << 20;
/// The limit of segments of one direction that came too early.
const MOST_EARLY: usize = 256;
/// The limit of the beginning of a text that shows its first packet, in bytes.
const LONGEST_BEGIN: usize = 64 << 10;
/// The length of the longest method with its blank, in bytes.
const LONGEST_METHOD: usize = 8;
