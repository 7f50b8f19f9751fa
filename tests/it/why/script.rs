//! Conversations in a short notation, as the proxy would report them.
//!
//! ```text
//! session 1 09:12:00            a session begins, at this time
//! > 1                           the device's message 1
//!   2 Alert 1201
//!   3 Alert 1226 ./A type=T 0     about a node
//!   4 Replace ./DevInfo/DevId = X
//! < 1                           the server's
//!   1 Status 1/0 SyncHdr 200    for CmdID 0 of message 1
//!   5 Atomic
//!   6   Get ./DevDetail/SwV     inside of it
//!   <Get>…</Get>                as it stands
//! + 30s                         time passes
//! - 3600s                       somebody sets the clock back
//! enroll > discover.xml         a message of enrollment: a file of tests/data/enrollment
//! enroll < fault.xml http=500
//! enroll > request-issue.xml on=2 device=PC-2
//! enroll < response.xml x=3     the answer to this exchange
//! ```
//! `on=2` is another connection of the same address, `device=` another DeviceID.
//! A word behind the MsgID says what else is so: `not-final`, `cut` (the message did not arrive), `cred` (it has
//! credentials), `max=2048` (MaxMsgSize), `http=503`, `retry-after=30`,
//! `late=RULE` (a rule held it back).

use std::fmt::Write as _;

use dmtap::flow::{
    CapturedMessage, ConnectionId, DeliveryStep, EffectDetail, EffectKind, Event, ExchangeId, Head,
    Note, RuleEffect, Session, SessionKey, Side, Timestamp,
};
use dmtap::patch::Patch;
use dmtap::record::{EventRecord, Masking};
use http::{HeaderValue, StatusCode};

use crate::record::stage::{BEGIN, Stage, change, read};

/// The records of a conversation.
pub(super) fn records(script: &str) -> Vec<EventRecord> {
    let mut stage = Stage::new();
    let mut now = BEGIN;
    let (mut exchange, mut tag) = (0, None);
    let mut lines = script.lines().peekable();
    while let Some(line) = lines.next() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [first, rest @ ..] = &words[..] else {
            continue;
        };
        match *first {
            "#" => {}
            "session" => {
                now = BEGIN / DAY * DAY + time(rest[1]);
                let key = SessionKey {
                    server: crate::record::stage::SERVER.into(),
                    device: rest.get(2).unwrap_or(&"urn:uuid:0001").to_string().into(),
                    id: rest[0].into(),
                };
                stage.session = Session::new(rest[0].parse().unwrap(), key);
            }
            "+" => now += time_span(rest[0]),
            "-" => now -= time_span(rest[0]),
            "enroll" => {
                let headers = [("content-type", "application/soap+xml; charset=utf-8")];
                let word = |name| rest[2..].iter().find_map(|it| it.strip_prefix(name));
                let mut body = crate::enrollment::data(rest[1]);
                if let Some(device) = word("device=") {
                    let text = String::from_utf8(body).unwrap();
                    body = text.replace(DEVICE_ID, device).into_bytes();
                }
                exchange += u64::from(rest[0] == ">");
                let message = match rest[0] {
                    ">" => stage.request(&headers, body),
                    _ => stage.response(&headers, body),
                };
                message.at = Timestamp(now);
                now += 12_000;
                if let Some(number) = word("x=") {
                    message.exchange = ExchangeId(number.parse().unwrap());
                }
                if let Some(number) = word("on=") {
                    let mut connection = (*message.connection).clone();
                    connection.id = ConnectionId(number.parse().unwrap());
                    message.connection = connection.into();
                }
                if let (Some(status), Head::Response(head)) = (word("http="), &mut message.head) {
                    head.status = StatusCode::from_bytes(status.as_bytes()).unwrap();
                }
            }
            "close" => stage.events.push(Event::Closed {
                connection: ConnectionId(1),
                at: Timestamp(now),
            }),
            "fail" => {
                let side = match rest[0] {
                    "device" => Some(Side::Device),
                    "server" => Some(Side::Server),
                    _ => None,
                };
                // `fail server cause=not-connected WHY; HELP`
                let (cause, words) = match rest[1..] {
                    [cause, ref words @ ..] if cause.starts_with("cause=") => {
                        (Some(&cause[6..]), words)
                    }
                    ref words => (None, words),
                };
                let why = words.join(" ");
                let help = why.split_once("; ").map(|(_, help)| help.to_owned());
                stage.events.push(Event::Failed {
                    exchange: ExchangeId(exchange),
                    connection: ConnectionId(1),
                    at: Timestamp(now),
                    side,
                    is_answered: false,
                    by_rule: false,
                    cause: cause.map(|name| serde_json::from_value(name.into()).unwrap()),
                    why,
                    help,
                });
            }
            "rule" => {
                let (
                    Some(Event::Request(message) | Event::Response(message)),
                    [name, path, after, step @ ..],
                ) = (stage.events.last_mut(), rest)
                else {
                    panic!("{line}");
                };
                let message = std::sync::Arc::get_mut(message).unwrap();
                let step = match step.first() {
                    None => "set-status",
                    Some(&"max-obj-size") => "max-obj-size",
                    Some(&"break-msgid") => "break-msgid",
                    Some(step) => panic!("{step}"),
                };
                change(message, name, step, path, after);
            }
            // `replace-text NAME FROM TO`: a rule puts a text in the place of another in the message before.
            "replace-text" => replace_text(newest(&mut stage), rest),
            "note" => {
                let note = Note::new(HTTP_08, "the request was sent once more");
                assert_eq!(rest, [HTTP_08], "{line}");
                newest(&mut stage).notes.push(note);
            }
            ">" | "<" => {
                let mut commands = Vec::new();
                while let Some(next) = lines.peek().filter(|line| line.starts_with("  ")) {
                    commands.push(*next);
                    lines.next();
                }
                let from = if *first == ">" {
                    Side::Device
                } else {
                    Side::Server
                };
                let body = message(&stage.session.key, from, rest, &commands);
                exchange += u64::from(from == Side::Device);
                let captured = match from {
                    Side::Device => stage.request(&[("content-type", XML)], body),
                    Side::Server => stage.response(&[("content-type", XML)], body),
                };
                match &captured.session {
                    Some(session) => tag = Some(session.clone()),
                    None => captured.session = tag.clone(),
                }
                captured.at = Timestamp(now);
                now += 12_000;
                for word in &rest[1..] {
                    match (word.split_once('='), &mut captured.head) {
                        (Some(("http", status)), Head::Response(head)) => {
                            head.status = StatusCode::from_bytes(status.as_bytes()).unwrap();
                        }
                        (Some(("retry-after", value)), Head::Response(head)) => {
                            let value = HeaderValue::from_str(value).unwrap();
                            head.headers.insert("retry-after", value);
                        }
                        (Some(("late", rule)), _) => {
                            let wait = std::time::Duration::from_secs(3);
                            captured.delivery.ops = vec![DeliveryStep::Wait(wait)];
                            let delayed =
                                EffectDetail::of_message(EffectKind::Delayed, "delay", "", "3s");
                            captured.applied.push(RuleEffect::new(rule, vec![delayed]));
                        }
                        (Some(("max", _)), _) => {}
                        (None, _) if *word == "cut" => {
                            captured.delivery.ops =
                                vec![DeliveryStep::Send(200), DeliveryStep::Reset];
                        }
                        _ => assert!(["not-final", "cred"].contains(word), "{line}"),
                    }
                }
            }
            _ => panic!("{line}"),
        }
    }
    let events = stage.events.iter().enumerate();
    let records = events.map(|(at, event)| EventRecord::of(at as u64 + 1, event, Masking::Masked));
    records.collect()
}

fn message(key: &SessionKey, from: Side, words: &[&str], commands: &[&str]) -> String {
    if words.first() == Some(&"-") {
        return String::new();
    }
    if words.first() == Some(&"broken") {
        return "<SyncML><SyncHdr>".to_owned();
    }
    let (target, source) = match from {
        Side::Device => (SERVER_URI, &*key.device),
        Side::Server => (&*key.device, SERVER_URI),
    };
    let mut body = format!(
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\" xmlns:msft=\"http://schemas.microsoft.com/MobileDevice/MDM\"><SyncHdr>\
         <VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>{}</SessionID><MsgID>{}</MsgID>\
         <Target><LocURI>{target}</LocURI></Target><Source><LocURI>{source}</LocURI></Source>{}{}</SyncHdr><SyncBody>",
        key.id,
        words[0],
        if words.contains(&"cred") { CRED } else { "" },
        words
            .iter()
            .find_map(|it| it.strip_prefix("max="))
            .map_or_else(String::new, |max| format!(
                "<Meta><MaxMsgSize xmlns=\"syncml:metinf\">{max}</MaxMsgSize></Meta>"
            ))
    );
    let mut open: Option<&str> = None;
    for line in commands {
        if line.trim_start().starts_with('<') {
            body.push_str(line.trim());
            continue;
        }
        let behind_id = line
            .trim_start()
            .trim_start_matches(|c: char| c.is_ascii_digit() || c == '-');
        let is_inside = behind_id.starts_with("   ");
        let words: Vec<&str> = line.split_whitespace().collect();
        if !is_inside && let Some(name) = open.take() {
            let _ = write!(body, "</{name}>");
        }
        command(&mut body, &words);
        if let "Atomic" | "Sequence" = words[1] {
            open = Some(words[1]);
        }
    }
    if let Some(name) = open {
        let _ = write!(body, "</{name}>");
    }
    if !words.contains(&"not-final") {
        body.push_str("<Final/>");
    }
    body + "</SyncBody></SyncML>"
}

/// The message before.
fn newest(stage: &mut Stage) -> &mut CapturedMessage {
    match stage.events.last_mut() {
        Some(Event::Request(message) | Event::Response(message)) => {
            std::sync::Arc::get_mut(message).unwrap()
        }
        event => panic!("{event:?}"),
    }
}

/// A rule puts a text in the place of another.
fn replace_text(message: &mut CapturedMessage, words: &[&str]) {
    let (rule, from, to) = match *words {
        [rule, from] => (rule, from, ""),
        [rule, from, to] => (rule, from, to),
        _ => panic!("{words:?}"),
    };
    let body = String::from_utf8(message.body.sent.to_vec()).unwrap();
    assert!(body.contains(from), "{from}: {body}");
    let sent: bytes::Bytes = body.replace(from, to).into();
    message.body.sent_document = read(&sent).document().cloned();
    message.body.sent = sent;
    message.applied.push(RuleEffect {
        rule: rule.into(),
        changes: vec![EffectDetail::of_message(
            EffectKind::Replaced,
            "replace-text",
            from,
            to,
        )],
        patch: Patch::default(),
    });
}

fn command(body: &mut String, words: &[&str]) {
    let (id, kind, rest) = (words[0].trim_matches('-'), words[1], &words[2..]);
    let start = body.len();
    let _ = match (kind, rest) {
        ("Status", [refs, cmd, code, more @ ..]) => {
            let (msg, cmd_ref) = refs.trim_end_matches('-').split_once('/').unwrap();
            let native = more.iter().find(|word| word.starts_with("0x"));
            let native = native
                .map(|error| format!(" msft:originalerror=\"{error}\""))
                .unwrap_or_default();
            let target = more.iter().find(|word| word.starts_with('.'));
            let target = target
                .map(|node| format!("<TargetRef>{node}</TargetRef>"))
                .unwrap_or_default();
            write!(
                body,
                "<Status><CmdID>{id}</CmdID><MsgRef>{msg}</MsgRef><CmdRef>{cmd_ref}</CmdRef><Cmd>{cmd}</Cmd>\
                 {target}<Data{native}>{code}</Data></Status>"
            )
        }
        ("Results", [refs, node, "=", value @ ..]) => {
            let (msg, cmd_ref) = refs.split_once('/').unwrap();
            write!(
                body,
                "<Results><CmdID>{id}</CmdID><MsgRef>{msg}</MsgRef><CmdRef>{cmd_ref}</CmdRef><Item><Source><LocURI>{node}\
                 </LocURI></Source><Data>{}</Data></Item></Results>",
                value.join(" ")
            )
        }
        ("Alert", [code]) => write!(
            body,
            "<Alert><CmdID>{id}</CmdID><Data>{code}</Data></Alert>"
        ),
        ("Alert", [code, media_type, value @ ..]) => {
            let source = match media_type.starts_with('.') {
                true => format!("<Source><LocURI>{media_type}</LocURI></Source>"),
                false => String::new(),
            };
            let (meta, value) = match value {
                [word, rest @ ..] if word.starts_with("type=") => (&word[5..], rest),
                _ if media_type.starts_with('.') => ("com.microsoft:mdm.done", value),
                _ => (*media_type, value),
            };
            write!(
                body,
                "<Alert><CmdID>{id}</CmdID><Data>{code}</Data><Item>{source}<Meta><Format xmlns=\"syncml:metinf\">chr</Format>\
                 <Type xmlns=\"syncml:metinf\">{meta}</Type></Meta><Data>{}</Data></Item></Alert>",
                value.join(" ")
            )
        }
        ("Atomic" | "Sequence", _) => write!(body, "<{kind}><CmdID>{id}</CmdID>"),
        (_, [one, "and", other]) => write!(
            body,
            "<{kind}><CmdID>{id}</CmdID><Item><Target><LocURI>{one}</LocURI></Target></Item><Item><Target><LocURI>{other}\
             </LocURI></Target></Item></{kind}>"
        ),
        (_, [node, value @ ..]) => {
            let (more, value) = match value {
                ["+", rest @ ..] => ("<MoreData/>", rest),
                rest => ("", rest),
            };
            let (size, value) = match value {
                [size, rest @ ..] if size.starts_with("size=") => (
                    format!(
                        "<Meta><Size xmlns=\"syncml:metinf\">{}</Size></Meta>",
                        &size[5..]
                    ),
                    rest,
                ),
                rest => (String::new(), rest),
            };
            let data = match value {
                ["=", value @ ..] => format!("<Data>{}</Data>", value.join(" ")),
                _ => String::new(),
            };
            write!(
                body,
                "<{kind}><CmdID>{id}</CmdID><Item><Target><LocURI>{node}</LocURI></Target>{size}{data}{more}</Item></{kind}>"
            )
        }
        _ => panic!("{words:?}"),
    };
    if id.is_empty() {
        let without = body[start..].replacen("<CmdID></CmdID>", "", 1);
        body.replace_range(start.., &without);
    }
}

/// Microseconds into the day of `09:12:00`.
fn time(text: &str) -> u64 {
    let parts: Vec<u64> = text.split(':').map(|part| part.parse().unwrap()).collect();
    (parts[0] * 3600 + parts[1] * 60 + parts[2]) * 1_000_000
}

fn time_span(text: &str) -> u64 {
    let seconds: f64 = text.trim_end_matches('s').parse().unwrap();
    (seconds * 1e6) as u64
}

const DAY: u64 = 86_400_000_000;
const XML: &str = "application/vnd.syncml.dm+xml";
const CRED: &str = "<Cred><Meta><Type xmlns=\"syncml:metinf\">syncml:auth-basic</Type></Meta><Data>QnJ1Y2UyOk9oQmVoYXZl</Data></Cred>";
/// The DeviceID in the requests of `tests/data/enrollment`.
const DEVICE_ID: &str = "00112233445566778899AABBCCDDEEFF";
const HTTP_08: &str = "HTTP-08";
const SERVER_URI: &str = "https://mdm.example.com/MDM.svc";
