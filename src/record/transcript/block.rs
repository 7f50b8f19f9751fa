//! One event as a block of lines.

use super::page::{Ink, Page, WIDTH};
use super::{command, dump, rule};
use crate::record::telling::{
    Happening, HeadTold, MessageTold, NoteTold, OpTold, ReadingTold, Telling,
};

/// What stands in front of every line of a block but the first.
const GUTTER: &str = "  │ ";

/// The longest text that is written in full where nothing else is said, in columns.
const LONG: usize = 160;

/// The longest reason that is written, in columns: its end says what to do about it.
pub(super) const REASON: usize = 2_000;

/// A line across the page with words in it.
pub(super) fn rule_off(page: &mut Page, words: &[&str]) {
    page.put(Ink::Faint, "━━");
    for word in words {
        page.put(Ink::Text, " ").said(Ink::Strong, word, 60);
        page.put(Ink::Faint, " ━━");
    }
    let rest = "━".repeat(page.room());
    page.put(Ink::Faint, &rest).end();
    page.end();
}

/// A new line of a block.
pub(super) fn line(page: &mut Page) -> &mut Page {
    page.put(Ink::Faint, GUTTER)
}

pub(super) fn event(page: &mut Page, told: &Telling<'_>) {
    match told.event {
        Happening::Request | Happening::Response => passage(page, told),
        Happening::Opened => opened(page, told),
        Happening::Admitted => admitted(page, told),
        Happening::Refused => one_line(page, told, "✖", Ink::Bad, "connection refused"),
        Happening::Closed => one_line(page, told, "○", Ink::Faint, "connection closed"),
        Happening::Malformed => malformed(page, told),
        Happening::Failed => failed(page, told),
    }
    page.end();
}

fn failed(page: &mut Page, told: &Telling<'_>) {
    let Some(who) = told.from.as_deref() else {
        return one_line(page, told, "✖", Ink::Odd, "no response, dmtap stopped");
    };
    let why = told.why.as_deref();
    match why.and_then(|why| why.strip_suffix(" by a rule")) {
        Some(how) => {
            let what = format!("no response, a rule {how} the {who}'s connection");
            done(page, told, "✖", Ink::Rule, &what);
        }
        None => {
            let what = format!("no response, the {who} failed");
            one_line(page, told, "✖", Ink::Bad, &what);
        }
    }
}

fn malformed(page: &mut Page, told: &Telling<'_>) {
    let device = told.connection.device.as_deref().unwrap_or("?");
    let what = format!("what the device {device} sent is no HTTP");
    one_line(page, told, "✖", Ink::Bad, &what);
}

fn one_line(page: &mut Page, told: &Telling<'_>, sign: &str, ink: Ink, what: &str) {
    page.put(ink, sign);
    time(page, told);
    page.put(ink, what);
    if let Some(why) = &told.why {
        page.put(Ink::Text, ": ").said(Ink::Text, why, REASON);
    }
    numbers(page, told);
    page.end();
}

/// The same without the reason, which `what` tells.
fn done(page: &mut Page, told: &Telling<'_>, sign: &str, ink: Ink, what: &str) {
    page.put(ink, sign);
    time(page, told);
    page.put(ink, what);
    numbers(page, told);
    page.end();
}

fn admitted(page: &mut Page, told: &Telling<'_>) {
    one_line(page, told, "✎", Ink::Rule, "connection received by rules");
    for applied in &told.applied {
        line(page)
            .put(Ink::Rule, "✎ rule ")
            .said(Ink::Rule, &applied.rule, LONG);
        for change in &applied.changes {
            page.put(Ink::Text, "  ")
                .said(Ink::Text, &change.step, LONG);
            if !change.after.is_empty() {
                page.put(Ink::Text, " ")
                    .said(Ink::Text, &change.after, REASON);
            }
        }
        page.end();
    }
}

fn opened(page: &mut Page, told: &Telling<'_>) {
    let connection = &told.connection;
    page.put(Ink::Faint, "●");
    time(page, told);
    page.put(Ink::Text, "device ");
    page.said(
        Ink::Device,
        connection.device.as_deref().unwrap_or("?"),
        LONG,
    );
    page.put(Ink::Text, " connected, for server ");
    page.said(
        Ink::Server,
        connection.server.as_deref().unwrap_or("?"),
        LONG,
    );
    numbers(page, told);
    page.end();
    line(page);
    if let Some(tls) = &connection.tls {
        page.said(Ink::Faint, tls.version.as_deref().unwrap_or("TLS"), LONG);
        for (name, value) in [("ALPN", &tls.alpn), ("SNI", &tls.sni)] {
            let Some(value) = value else { continue };
            page.put(Ink::Faint, &format!(" · {name} "));
            page.said(Ink::Faint, value, LONG);
        }
    } else {
        page.put(Ink::Faint, "clear text");
    }
    if let Some(listener) = &connection.listener {
        page.put(Ink::Faint, " · at ")
            .said(Ink::Faint, listener, LONG);
    }
    page.end();
}

fn passage(page: &mut Page, told: &Telling<'_>) {
    first_line(page, told);
    facts(page, told);
    if let Some(head) = &told.head {
        auth(page, head);
    }
    rule::of_message(page, told);
    if let Some(message) = &told.message {
        header(page, message);
        rule::of_header(page, told);
        command::all(page, told);
        if message.is_final {
            line(page).put(Ink::Faint, "     Final").end();
        }
    } else {
        rule::of_document(page, told);
    }
    match (&told.reading, &told.body) {
        (Some(ReadingTold::Opaque { .. }), Some(body)) if told.own => {
            let words = body.text().unwrap_or_default();
            line(page).said(Ink::Text, words, REASON).end();
        }
        (Some(ReadingTold::Opaque { at, why }), _) => {
            line(page).put(Ink::Bad, "not readable");
            page.put(Ink::Text, &format!(" at byte {at}: "));
            page.said(Ink::Text, why, REASON).end();
            dump::around(page, told, *at);
        }
        _ => {}
    }
    for note in &told.notes {
        self::note(page, note);
    }
    for op in &told.delivery {
        delivery(page, *op);
    }
}

/// `▶ 10:15:32.123456  device → server  POST /path  HTTP/2.0`
fn first_line(page: &mut Page, told: &Telling<'_>) {
    let to_server = told.event == Happening::Request;
    let (sign, ink) = match to_server {
        true => ("▶", Ink::Device),
        false => ("◀", Ink::Server),
    };
    page.put(ink, sign);
    time(page, told);
    let speaker = match (told.own, to_server) {
        (true, _) => "dmtap",
        (false, true) => "device",
        (false, false) => "server",
    };
    page.put(if told.own { Ink::Rule } else { ink }, speaker);
    page.put(
        ink,
        if to_server {
            " → server  "
        } else {
            " → device  "
        },
    );
    if let Some(head) = &told.head {
        if let (Some(method), Some(uri)) = (&head.method, &head.uri) {
            page.said(Ink::Strong, method, 20).put(Ink::Text, " ");
            page.said(Ink::Strong, path_of(uri), LONG);
        }
        if let Some(status) = head.status {
            page.put(http_ink(status), &http_status(status));
        }
        page.put(Ink::Faint, "  ")
            .said(Ink::Faint, &head.version, 20);
    }
    if let Some(took) = told.took_us {
        page.put(Ink::Text, &format!("  after {}", duration(took)));
    }
    if told.own {
        page.put(Ink::Rule, "  dmtap's own answer");
    }
    page.end();
}

/// `session 1 · exchange 2 · XML 1,842 B application/vnd.syncml.dm+xml · mdm.example.com:443 · x4 c1`
fn facts(page: &mut Page, told: &Telling<'_>) {
    line(page);
    if let Some(session) = &told.session {
        let of = format!(
            "session {} · exchange {} · ",
            session.number, session.exchange
        );
        page.put(Ink::Text, &of);
    }
    if let Some(sent) = told.bytes_sent.filter(|_| is_own_alone(told)) {
        page.put(Ink::Rule, &format!("own answer, {}", size(sent)));
        return media_type_and_numbers(page, told);
    }
    form(page, told);
    if let Some(bytes) = told.bytes.filter(|bytes| *bytes > 0) {
        page.put(Ink::Text, &format!(" {}", size(bytes)));
    }
    if let Some(sent) = told.bytes_sent {
        page.put(Ink::Rule, &format!(", sent {}", size(sent)));
    }
    media_type_and_numbers(page, told);
}

/// Whether nothing but dmtap's own answer is there, of which only the size is known.
fn is_own_alone(told: &Telling<'_>) -> bool {
    let empty = matches!(told.reading, None | Some(ReadingTold::Empty));
    told.own && empty && told.bytes.unwrap_or(0) == 0
}

fn media_type_and_numbers(page: &mut Page, told: &Telling<'_>) {
    let media_type = told
        .head
        .as_ref()
        .and_then(|head| head.header("content-type"));
    if let Some(media_type) = media_type {
        page.put(Ink::Faint, " ").said(Ink::Faint, media_type, 60);
    }
    numbers(page, told);
    page.end();
}

/// What the body is.
fn form(page: &mut Page, told: &Telling<'_>) {
    match &told.reading {
        None | Some(ReadingTold::Empty) if told.bytes.unwrap_or(0) == 0 => {
            page.put(Ink::Text, "no body");
        }
        Some(ReadingTold::Unread { why }) => {
            page.put(Ink::Odd, "body not read")
                .put(Ink::Text, ": ")
                .said(Ink::Text, why, LONG);
        }
        Some(ReadingTold::Document {
            encoding,
            dialect,
            root,
            decoded,
        }) => {
            page.said(Ink::Strong, &encoding.to_uppercase(), 20);
            if dialect != "syncml" {
                page.put(Ink::Text, " ").said(Ink::Text, root, 40);
            }
            if *decoded {
                let coding = told
                    .head
                    .as_ref()
                    .and_then(|head| head.header("content-encoding"));
                page.put(Ink::Faint, " ")
                    .said(Ink::Faint, coding.unwrap_or("coded"), 20);
            }
        }
        _ => {
            page.put(if told.own { Ink::Text } else { Ink::Odd }, "undecoded");
        }
    }
}

fn auth(page: &mut Page, head: &HeadTold<'_>) {
    for (name, shown) in SHOWN_HEADERS {
        let Some(value) = head.header(name) else {
            continue;
        };
        line(page).put(Ink::Faint, shown).put(Ink::Faint, ": ");
        page.said(Ink::Faint, value, WIDTH - 30).end();
    }
}

/// Header fields that say who somebody is, or where to go.
const SHOWN_HEADERS: [(&str, &str); 6] = [
    ("authorization", "Authorization"),
    ("devicetoken", "DeviceToken"),
    ("x-syncml-hmac", "x-syncml-hmac"),
    ("ms-signature", "MS-Signature"),
    ("mdm-signature", "MDM-Signature"),
    ("location", "Location"),
];

fn header(page: &mut Page, message: &MessageTold<'_>) {
    line(page).put(Ink::Strong, "SyncHdr");
    if let Some(msg) = &message.msg {
        page.put(Ink::Text, " message ").said(Ink::Text, msg, 20);
    }
    if let Some(proto) = &message.proto {
        page.put(Ink::Faint, " ").said(Ink::Faint, proto, 20);
    }
    // The server's address is cut before the device's name is.
    let (source, target) = (message.source.as_deref(), message.target.as_deref());
    let wide = |uri: Option<&str>| uri.map_or(0, |uri| uri.chars().count());
    let room = page.room().saturating_sub("  from  to ".len());
    for (word, uri, other) in [("from", source, target), ("to", target, source)] {
        let Some(uri) = uri else { continue };
        let most = room.saturating_sub(wide(other)).max(room / 2);
        page.put(Ink::Faint, &format!("  {word} "))
            .said(Ink::Text, uri, most);
    }
    page.end();
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
        line(page)
            .put(Ink::Text, "        ")
            .said(Ink::Faint, &more.join(" · "), LONG)
            .end();
    }
}

fn note(page: &mut Page, note: &NoteTold<'_>) {
    let ink = match &*note.severity {
        "error" => Ink::Bad,
        "warning" => Ink::Odd,
        _ => Ink::Faint,
    };
    line(page).put(ink, "! ").said(ink, &note.severity, 10);
    page.put(ink, " ").said(ink, &note.id, 20);
    page.put(Ink::Text, ": ").said(Ink::Text, &note.text, LONG);
    if let Some(at) = note.at {
        page.put(Ink::Faint, &format!(" (at byte {at})"));
    }
    page.end();
}

fn delivery(page: &mut Page, op: OpTold) {
    let words = match op {
        OpTold::WaitUs(time) => format!("⧗ held back for {}", duration(time)),
        OpTold::BytesPerSecond(rate) => format!("⧗ at {rate} bytes a second"),
        OpTold::SlicesUs(size, pause) => {
            format!("⧗ in pieces of {size} bytes, one every {}", duration(pause))
        }
        OpTold::LengthWrong => "✖ the head tells a wrong length of the body".into(),
        OpTold::SentBytes(bytes) => format!("✖ only {bytes} bytes of the body were sent"),
        OpTold::SentWhole => "the message was sent".into(),
        OpTold::NoiseBytes(bytes) => format!("✖ {bytes} random bytes sent"),
        OpTold::Close => "✖ connection closed".into(),
        OpTold::Reset => "✖ connection to the device reset: the message did not arrive".into(),
        OpTold::Other => "delivered in a way that this version does not know".into(),
    };
    line(page).put(Ink::Rule, &words).end();
}

fn time(page: &mut Page, told: &Telling<'_>) {
    let time = told.at.split_once('T').map_or(&*told.at, |(_, time)| time);
    page.put(Ink::Text, " ")
        .said(Ink::Faint, time.trim_end_matches('Z'), 20)
        .put(Ink::Text, "  ");
}

fn numbers(page: &mut Page, told: &Telling<'_>) {
    if let Some(exchange) = told.exchange {
        page.put(Ink::Faint, &format!(" · x{exchange}"));
    }
    page.put(Ink::Faint, &format!(" · c{}", told.connection.id));
}

/// The path and query of an absolute address.
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

fn http_ink(status: u16) -> Ink {
    match status {
        200..=299 => Ink::Good,
        100..=399 => Ink::Odd,
        _ => Ink::Bad,
    }
}

/// `1,842 B`
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

fn duration(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{:.1} ms", micros as f64 / 1e3),
        _ => format!("{:.2} s", micros as f64 / 1e6),
    }
}
