//! Prints one event as a block of lines.

use smol_str::{SmolStr, ToSmolStr};

use super::text_buffer::{REASON, Style, TextBuffer, duration};
use super::{
    client_certificate, command, enrollment, head, hex_dump, rule, session, undecoded, whole_value,
};
use crate::dm::Hresult;
use crate::flow::FailureCause;
use crate::printable::counted;
use crate::record::model::{
    DeliveryStepRecord, EventKind, EventRecord, MessageRecord, NoteRecord, ParsedBodyRecord,
};

/// The beginning of every line of a block but the first.
const GUTTER: &str = "  │ ";

/// The longest text that is printed in full unless another limit is given, in columns.
pub(super) const LONG: usize = 160;

/// The least width for the address of a server, in columns.
const LEAST_ADDRESS: usize = 24;

/// Prints a line across the page with words in it.
pub(super) fn across(out: &mut TextBuffer, words: &[impl AsRef<str>]) {
    out.put(Style::Faint, "━━");
    for word in words {
        out.put(Style::Text, " ")
            .quoted(Style::Strong, word.as_ref(), REASON);
        out.put(Style::Faint, " ━━");
    }
    let rest = "━".repeat(out.room());
    out.put(Style::Faint, &rest).end();
}

/// Begins a new line of a block.
pub(super) fn line(out: &mut TextBuffer) -> &mut TextBuffer {
    out.put(Style::Faint, GUTTER)
}

/// Prints an event. `server` is the server of the exchange, if it differs from that of the connection.
pub(super) fn event(out: &mut TextBuffer, record: &EventRecord, server: Option<&str>) {
    match record.event {
        EventKind::Request | EventKind::Response => captured(out, record, server),
        EventKind::Opened => opened(out, record),
        EventKind::ConnectionDecided => connection_decided(out, record),
        EventKind::Refused => one_line(out, record, "✖", Style::Bad, "connection not served"),
        EventKind::Closed => one_line(out, record, "○", Style::Faint, "connection closed"),
        EventKind::Malformed => malformed(out, record),
        EventKind::Failed => failed(out, record),
        EventKind::Session => session::of_event(out, record),
    }
    out.end();
}

fn failed(out: &mut TextBuffer, record: &EventRecord) {
    if record.cause == Some(FailureCause::NotTaken) {
        let what = "the response did not arrive whole";
        return one_line(out, record, "✖", Style::Bad, what);
    }
    let Some(who) = record.from.as_deref() else {
        let what = match record.cause {
            Some(_) => "no response",
            None => "no whole response, dmtap stopped",
        };
        return one_line(out, record, "✖", Style::Odd, what);
    };
    match record.why.as_deref().filter(|_| record.by_rule) {
        Some(how) => {
            let what = format!("no response, the {who}'s connection was {how}");
            done(out, record, "✖", Style::Rule, &what, None);
        }
        None => {
            let what = format!("no response, the {who} failed");
            one_line(out, record, "✖", Style::Bad, &what);
        }
    }
}

fn malformed(out: &mut TextBuffer, record: &EventRecord) {
    let what = format!("what the device {} sent is not HTTP", device(record));
    one_line(out, record, "✖", Style::Bad, &what);
}

fn one_line(out: &mut TextBuffer, record: &EventRecord, sign: &str, style: Style, what: &str) {
    done(out, record, sign, style, what, record.why.as_deref());
}

fn done(
    out: &mut TextBuffer,
    record: &EventRecord,
    sign: &str,
    style: Style,
    what: &str,
    why: Option<&str>,
) {
    out.put(style, sign);
    time(out, record);
    out.quoted(style, what, REASON);
    if let Some(why) = why {
        out.put(Style::Text, ": ").quoted(Style::Text, why, REASON);
    }
    numbers(out, record);
    out.end();
}

fn connection_decided(out: &mut TextBuffer, record: &EventRecord) {
    let what = "rules acted on this connection";
    one_line(out, record, "✎", Style::Rule, what);
    for applied in &record.applied {
        line(out)
            .put(Style::Rule, "✎ rule ")
            .quoted(Style::Rule, &applied.rule, LONG);
        for (number, change) in applied.changes.iter().enumerate() {
            out.put(Style::Text, if number == 0 { ": " } else { ", " });
            super::rule::sentence(out, change, "");
        }
        out.end();
    }
}

fn opened(out: &mut TextBuffer, record: &EventRecord) {
    let connection = &record.connection;
    out.put(Style::Faint, "●");
    time(out, record);
    out.put(Style::Text, "device ");
    out.quoted(Style::Device, &device(record), LONG);
    out.put(Style::Text, " connected, for server ");
    out.quoted(
        Style::Server,
        connection.server.as_deref().unwrap_or("?"),
        LONG,
    );
    numbers(out, record);
    out.end();
    line(out);
    if let Some(tls) = &connection.tls {
        let unread = "TLS, tunnelled without decryption";
        out.quoted(Style::Faint, tls.version.as_deref().unwrap_or(unread), LONG);
        for (name, value) in [("ALPN", &tls.alpn), ("SNI", &tls.sni)] {
            let Some(value) = value else { continue };
            out.put(Style::Faint, &format!(" · {name} "));
            out.quoted(Style::Faint, value, LONG);
        }
    } else {
        out.put(Style::Faint, "clear text");
    }
    if let Some(listener) = &connection.listener {
        out.put(Style::Faint, " · at ")
            .quoted(Style::Faint, &listener.to_smolstr(), LONG);
    }
    out.end();
    client_certificate::lines(out, connection);
}

fn device(record: &EventRecord) -> SmolStr {
    let device = record.connection.device;
    device.map_or(SmolStr::new_static("?"), |device| device.to_smolstr())
}

fn captured(out: &mut TextBuffer, record: &EventRecord, server: Option<&str>) {
    first_line(out, record);
    facts(out, record, server);
    if let Some(head) = &record.head {
        head::fields(out, head);
    }
    if let Some(auth) = &record.client_auth {
        client_certificate::of_response(out, auth);
    }
    rule::of_message(out, record);
    if let Some(message) = &record.message {
        header(out, message, record.event);
        rule::of_header(out, record);
        command::all(out, record);
        if message.is_final {
            line(out).put(Style::Faint, "     Final").end();
        }
    } else {
        enrollment::of_event(out, record);
        whole_value::enrollment(out, record);
        rule::of_document(out, record);
    }
    undecoded::first_lines(out, record);
    match (&record.reading, &record.body) {
        (Some(ParsedBodyRecord::Broken { .. }), Some(body)) if record.own => {
            let words = body.text().unwrap_or_default();
            line(out).quoted(Style::Text, words, REASON).end();
        }
        (Some(ParsedBodyRecord::Broken { at, why, .. }), _) => {
            line(out).put(Style::Bad, "not readable");
            out.put(Style::Text, &format!(" at byte {at}: "));
            out.quoted(Style::Text, why, REASON).end();
            hex_dump::around(out, record, *at);
        }
        _ => {}
    }
    for note in &record.notes {
        self::note(out, note);
    }
    for op in &record.delivery {
        delivery(out, *op);
    }
}

/// Prints `▶ 10:15:32.123456  device → server  POST /path  HTTP/2.0`.
fn first_line(out: &mut TextBuffer, record: &EventRecord) {
    let to_server = record.event == EventKind::Request;
    let (sign, style) = match to_server {
        true => ("▶", Style::Device),
        false => ("◀", Style::Server),
    };
    out.put(style, sign);
    time(out, record);
    let speaker = match (record.own, to_server) {
        (true, _) => "dmtap",
        (false, true) => "device",
        (false, false) => "server",
    };
    out.put(if record.own { Style::Rule } else { style }, speaker);
    out.put(
        style,
        if to_server {
            " → server  "
        } else {
            " → device  "
        },
    );
    if let Some(head) = &record.head {
        if let (Some(method), Some(uri)) = (&head.method, &head.uri) {
            out.quoted(Style::Strong, method, 20).put(Style::Text, " ");
            out.quoted(Style::Strong, path_of(uri), LONG);
        }
        if let Some(status) = head.status {
            out.put(http_style(status), &http_status(status));
            windows_result(out, record, status);
        }
        out.put(Style::Faint, "  ")
            .quoted(Style::Faint, &head.version, 20);
    }
    if let Some(took) = record.took_us {
        out.put(Style::Text, &format!("  after {}", duration(took)));
    }
    if record.own {
        out.put(Style::Rule, "  dmtap's own answer");
    }
    out.end();
}

/// Prints the error that Windows shows for an HTTP error status, unless a fault is more precise.
fn windows_result(out: &mut TextBuffer, record: &EventRecord, status: u16) {
    let fault = record.enrollment.as_ref().and_then(|e| e.fault.as_ref());
    let says_more = fault.is_some_and(|fault| fault.hresult.is_some());
    if status >= 400 && !says_more {
        out.put(Style::Faint, &format!(" ({})", Hresult::of_http(status)));
    }
}

/// Prints `server mdm.example.com:443 · session 1 · exchange 2 · XML 1,842 B application/vnd.syncml.dm+xml · x4 · c1`.
fn facts(out: &mut TextBuffer, record: &EventRecord, server: Option<&str>) {
    line(out);
    if let Some(server) = server {
        out.put(Style::Text, "server ")
            .quoted(Style::Server, server, LONG)
            .put(Style::Text, " · ");
    }
    if let Some(session) = &record.session {
        let of = format!(
            "session {} · exchange {} · ",
            session.number, session.exchange
        );
        out.put(Style::Text, &of);
    }
    if let Some(sent) = record.bytes_sent.filter(|_| is_own_alone(record)) {
        out.put(Style::Rule, &format!("own answer, {}", size(sent)));
        return media_type_and_numbers(out, record);
    }
    if undecoded::is_undecoded(record) {
        return undecoded::first_line(out, record);
    }
    form(out, record);
    if let Some(bytes) = record.bytes.filter(|bytes| *bytes > 0) {
        out.put(Style::Text, &format!(" {}", size(bytes)));
    }
    if let Some(sent) = record.bytes_sent {
        out.put(Style::Rule, &format!(", sent {}", size(sent)));
    }
    media_type_and_numbers(out, record);
}

/// Returns whether there is only dmtap's own answer, of which only the size is known.
fn is_own_alone(record: &EventRecord) -> bool {
    let empty = matches!(record.reading, None | Some(ParsedBodyRecord::Empty));
    record.own && empty && record.bytes.unwrap_or(0) == 0
}

fn media_type_and_numbers(out: &mut TextBuffer, record: &EventRecord) {
    let media_type = record.header("content-type");
    if let Some(media_type) = media_type {
        out.put(Style::Faint, " ")
            .quoted(Style::Faint, media_type, 60);
    }
    numbers(out, record);
    out.end();
}

/// Prints the kind of the body.
fn form(out: &mut TextBuffer, record: &EventRecord) {
    match &record.reading {
        None | Some(ParsedBodyRecord::Empty) if record.bytes.unwrap_or(0) == 0 => {
            out.put(Style::Text, "no body");
            if record.announces_soap() {
                out.put(Style::Odd, ", though a SOAP envelope is expected:");
            }
        }
        Some(ParsedBodyRecord::Unread { why, .. }) => {
            out.put(Style::Odd, "body not read")
                .put(Style::Text, ": ")
                .quoted(Style::Text, why, LONG);
        }
        Some(ParsedBodyRecord::Document {
            encoding,
            dialect,
            root,
            without_coding,
        }) => {
            out.quoted(Style::Strong, &encoding.to_uppercase(), 20);
            if dialect != "syncml" {
                out.put(Style::Text, " ").quoted(Style::Text, root, 40);
            }
            if *without_coding {
                let coding = record.header("content-encoding");
                out.put(Style::Faint, " ")
                    .quoted(Style::Faint, coding.unwrap_or("coded"), 20);
            }
        }
        // The caller handles these.
        _ => {}
    }
}

fn header(out: &mut TextBuffer, message: &MessageRecord, event: EventKind) {
    line(out).put(Style::Strong, "SyncHdr");
    if let Some(msg) = &message.msg {
        out.put(Style::Text, " message ")
            .quoted(Style::Text, msg, 20);
    }
    if let Some(proto) = &message.proto {
        out.put(Style::Faint, " ").quoted(Style::Faint, proto, 20);
    }
    // The server's address may be cut, the device's is not.
    let (source, target) = (message.source.as_deref(), message.target.as_deref());
    let of_device = match event {
        EventKind::Request => source,
        _ => target,
    };
    let wide = of_device.map_or(0, |uri| uri.chars().count());
    let room = out.room().saturating_sub("  from   to ".len() + wide);
    for (word, uri) in [("from", source), ("to", target)] {
        let Some(uri) = uri else { continue };
        let most = match uri == of_device.unwrap_or_default() {
            true => REASON,
            false => room.max(LEAST_ADDRESS),
        };
        out.put(Style::Faint, &format!("  {word} "))
            .quoted(Style::Text, uri, most);
    }
    out.end();
    let mut more = Vec::new();
    if let Some(scheme) = &message.cred {
        let scheme = if scheme.is_empty() {
            "no scheme"
        } else {
            scheme
        };
        more.push(format!("Cred {scheme}"));
    }
    if let Some(uri) = &message.resp_uri {
        more.push(format!("RespURI {uri}"));
    }
    let sizes = [
        ("MaxMsgSize", message.max_msg_size),
        ("MaxObjSize", message.max_obj_size),
    ];
    for (name, bytes) in sizes {
        more.extend(bytes.map(|bytes| format!("{name} {}", size(bytes))));
    }
    if !more.is_empty() {
        line(out)
            .put(Style::Text, "        ")
            .quoted(Style::Faint, &more.join(" · "), REASON)
            .end();
    }
}

fn note(out: &mut TextBuffer, note: &NoteRecord) {
    let style = match &*note.severity {
        "error" => Style::Bad,
        "warning" => Style::Odd,
        _ => Style::Faint,
    };
    line(out).put(style, "! ").quoted(style, &note.severity, 10);
    out.put(style, " ").quoted(style, &note.id, 20);
    out.put(Style::Text, ": ")
        .quoted(Style::Text, &note.text, REASON);
    if let Some(at) = note.at {
        out.put(Style::Faint, &format!(" (at byte {at})"));
    }
    out.end();
}

fn delivery(out: &mut TextBuffer, op: DeliveryStepRecord) {
    let words = match op {
        DeliveryStepRecord::WaitUs(time) => format!("⧗ held back for {}", duration(time)),
        DeliveryStepRecord::BytesPerSecond(rate) => {
            format!("⧗ at {} a second", counted(rate, "byte"))
        }
        DeliveryStepRecord::SlicesUs(size, pause) => {
            format!(
                "⧗ in pieces of {}, one every {}",
                counted(size, "byte"),
                duration(pause)
            )
        }
        DeliveryStepRecord::LengthWrong => "✖ Content-Length is wrong, as a rule wants it".into(),
        DeliveryStepRecord::SentBytes(bytes) => format!(
            "✖ only the first {} of the body sent",
            counted(bytes, "byte")
        ),
        DeliveryStepRecord::SentWhole => "the message was sent".into(),
        DeliveryStepRecord::NoiseBytes(bytes) => {
            format!("✖ {} sent", counted(bytes, "random byte"))
        }
        DeliveryStepRecord::Close => "✖ connection closed".into(),
        DeliveryStepRecord::Reset => {
            "✖ connection to the device reset: the message did not arrive".into()
        }
        DeliveryStepRecord::Other => "delivered in a way that this version does not know".into(),
    };
    line(out).put(Style::Rule, &words).end();
}

fn time(out: &mut TextBuffer, record: &EventRecord) {
    // Imported logs may have no times.
    if record.at_us == 0 {
        out.put(Style::Text, " ");
        return;
    }
    let time = record
        .at
        .split_once('T')
        .map_or(&*record.at, |(_, time)| time);
    out.put(Style::Text, " ")
        .quoted(Style::Faint, time.trim_end_matches('Z'), 20)
        .put(Style::Text, "  ");
}

pub(super) fn numbers(out: &mut TextBuffer, record: &EventRecord) {
    if let Some(exchange) = record.exchange {
        out.put(Style::Faint, &format!(" · x{exchange}"));
    }
    out.put(Style::Faint, &format!(" · c{}", record.connection.id));
}

/// Returns the path and query of an absolute URI.
fn path_of(uri: &str) -> &str {
    match uri.split_once("://") {
        Some((_, rest)) if !uri.starts_with('/') => rest.find('/').map_or("/", |at| &rest[at..]),
        _ => uri,
    }
}

fn http_status(status: u16) -> String {
    let name = http::StatusCode::from_u16(status).ok();
    match name.and_then(|status| status.canonical_reason()) {
        Some(name) => format!("{status} {name}"),
        None => status.to_string(),
    }
}

fn http_style(status: u16) -> Style {
    match status {
        200..=299 => Style::Good,
        100..=399 => Style::Odd,
        _ => Style::Bad,
    }
}

/// Formats a size: `1,842 B`.
pub(super) fn size(bytes: u64) -> String {
    let digits = bytes.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + " B"
}
