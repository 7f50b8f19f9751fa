//! A message of enrollment in words: who requests what, what is granted, and why it is refused.

use super::block::line;
use super::text_buffer::{Style, TextBuffer, WIDTH, safe};
use crate::dm::soap::action_name;
use crate::facts;
use crate::record::model::{EnrollmentRecord, EventRecord, FaultRecord, GrantRecord};

/// The words of one line of a block, and their style.
pub(super) type Line = (Style, Vec<String>);

/// Prints the lines of an event.
pub(super) fn of_event(out: &mut TextBuffer, event: &EventRecord) {
    let Some(record) = &event.enrollment else {
        return;
    };
    for (style, words) in lines(record, event.http_status()) {
        wrapped(out, style, &words);
    }
}

/// Returns the text of a message of enrollment that belongs to no exchange.
pub fn text(record: &EnrollmentRecord) -> String {
    let mut text = String::new();
    for (_, words) in lines(record, None) {
        for row in rows(&words, WIDTH) {
            text.push_str(row.trim_end());
            text.push('\n');
        }
    }
    text
}

fn lines(record: &EnrollmentRecord, status: Option<u16>) -> Vec<Line> {
    let mut lines = vec![(Style::Strong, first(record))];
    if !record.csr.is_empty() {
        lines.push((Style::Text, csr(record)));
    }
    for granted in &record.granted {
        lines.push((Style::Text, grant(granted)));
    }
    if let Some(fault) = &record.fault {
        lines.extend(self::fault(fault, record, status));
    }
    lines
}

/// Returns `RST/wstep, UsernameToken of anna@contoso.example, device 0011…, EnrollmentType Full, …`.
fn first(record: &EnrollmentRecord) -> Vec<String> {
    let message = record.message.as_deref();
    let action = record.action.as_deref().map(action_name);
    let mut words = vec![action.or(message).unwrap_or("SOAP envelope").to_owned()];
    // The action of a request may be missing or wrong, so the content of the body is shown, too.
    let is_repeated = |message: &str| {
        let known = [
            "RequestSecurityToken",
            "RequestSecurityTokenResponseCollection",
        ];
        action == Some(message) || known.contains(&message) || message == "Fault"
    };
    match (action, message) {
        (Some(_), Some(message)) if !is_repeated(message) => words.push(message.to_owned()),
        (Some(_), None) => words.push("an empty body".into()),
        _ => {}
    }
    match (&record.authentication, &record.user) {
        (Some(how), Some(user)) => words.push(format!("{how} of {user}")),
        (Some(how), None) => words.push(how.to_string()),
        (None, Some(user)) => words.push(format!("user {user}")),
        (None, None) => {}
    }
    let facts = &record.facts;
    let front = facts.get("DeviceID").map(|id| format!("device {id}"));
    words.extend(front);
    for name in FIRST {
        words.extend(facts.get(name).map(|value| format!("{name} {value}")));
    }
    for (name, value) in facts.iter() {
        // If there is a certificate request, its line shows the type.
        let is_elsewhere = name == REQUEST_TYPE && !record.csr.is_empty();
        if name != "DeviceID" && !FIRST.contains(&name) && !is_elsewhere {
            words.push(format!("{name} {value}"));
        }
    }
    words
}

const REQUEST_TYPE: &str = "RequestType";

/// The most important facts, which come first.
const FIRST: [&str; 7] = [
    "EnrollmentType",
    "DeviceType",
    "RequestVersion",
    "OSVersion",
    "OSEdition",
    "ApplicationVersion",
    "DeviceName",
];

/// Returns `asks for a certificate (Issue, PKCS10), subject CN=…, RSA 2048, SHA-256 with RSA`.
fn csr(record: &EnrollmentRecord) -> Vec<String> {
    let get = |name| record.csr.get(name).map(str::to_owned);
    let kind = [record.facts.get(REQUEST_TYPE), record.csr.get("type")];
    let kind: Vec<&str> = kind.into_iter().flatten().collect();
    let mut words = vec![match kind.is_empty() {
        true => "asks for a certificate".to_owned(),
        false => format!("asks for a certificate ({})", kind.join(", ")),
    }];
    match get("unreadable") {
        Some(size) => words.push(format!("its request ({size}) cannot be read")),
        None => words.extend(get("subject").map(|subject| format!("subject {subject}"))),
    }
    words.extend(get("key"));
    words.extend(get("signature"));
    words
}

fn grant(granted: &GrantRecord) -> Vec<String> {
    let mut words = vec![match &granted.name {
        Some(name) => format!("{} {name}", granted.kind),
        None => granted.kind.to_string(),
    }];
    let facts = &granted.facts;
    let dates = facts.get("not_before").zip(facts.get("not_after"));
    for (name, value) in facts.iter() {
        words.push(match name {
            "not_before" | "not_after" => continue,
            "ADDR" => format!("at {value}"),
            "node" => format!("but the node is {value}"),
            "unreadable" => format!("cannot be read ({value})"),
            "issuer" => format!("issued by {value}"),
            _ => format!("{name} {value}"),
        });
    }
    words.extend(dates.map(|(from, to)| format!("valid {from} to {to}")));
    words
}

/// Returns `fault s:Authentication (0x80180002): the reason`, and the other facts of the fault.
fn fault(fault: &FaultRecord, record: &EnrollmentRecord, status: Option<u16>) -> Vec<Line> {
    let code = fault.subcode.as_ref().or(fault.code.as_ref());
    let mut head = "fault".to_owned();
    for part in [code, fault.error_type.as_ref()].into_iter().flatten() {
        head.push(' ');
        head.push_str(part);
    }
    if let Some(result) = &fault.hresult {
        head.push_str(&format!(" ({result})"));
    }
    if let Some(reason) = &fault.reason {
        head.push_str(": ");
        head.push_str(reason);
    }
    let mut more = Vec::new();
    more.extend(
        fault
            .message
            .as_ref()
            .map(|message| format!("message {message}")),
    );
    more.extend(fault.trace_id.as_ref().map(|id| format!("TraceId {id}")));
    let result = fault.hresult.as_deref().and_then(facts::result_in_text);
    more.extend(result.map(|result| format!("Windows shows {}", result.words())));
    let version = record.soap.as_deref().unwrap_or("1.2");
    if let Some(status @ 200..=299) = status {
        more.push(format!(
            "the fault came with HTTP status {status} (SOAP {version} asks for 500)"
        ));
    }
    let mut lines = vec![(Style::Bad, vec![head])];
    if !more.is_empty() {
        lines.push((Style::Text, more));
    }
    lines
}

/// Prints words joined with commas, on as many lines as they need.
fn wrapped(out: &mut TextBuffer, style: Style, words: &[String]) {
    line(out);
    let room = out.room();
    for (number, row) in rows(words, room).iter().enumerate() {
        if number > 0 {
            line(out);
        }
        let style = if number == 0 { style } else { Style::Text };
        out.put(style, row).end();
    }
}

/// Splits words into rows of at most `width` columns, except for longer single words. All rows but the first are
/// indented.
fn rows(words: &[String], width: usize) -> Vec<String> {
    let mut rows = vec![String::new()];
    let mut columns = 0;
    for (number, word) in words.iter().enumerate() {
        let word = safe(word, LONGEST);
        let comma = if number + 1 < words.len() { "," } else { "" };
        let wide = word.chars().count() + comma.len();
        if columns > 0 && columns + 1 + wide > width {
            rows.push(INDENT.to_owned());
            columns = INDENT.len();
        } else if columns > 0 {
            columns += 1;
            if let Some(row) = rows.last_mut() {
                row.push(' ');
            }
        }
        if let Some(row) = rows.last_mut() {
            row.push_str(&word);
            row.push_str(comma);
        }
        columns += wide;
    }
    rows
}

const INDENT: &str = "  ";

/// The longest word printed in full, in columns.
const LONGEST: usize = 600;
