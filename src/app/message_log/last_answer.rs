//! A log that continues behind a device's last message without its answer: the request failed on the server, or the log
//! lacks the answer.
//!
//! ```text
//! … recv <SyncML>…</SyncML>
//! … ERROR KeyError: policy-17
//! … "POST /dm HTTP/1.1" 500 -           {"msg": "response", "status": 500}
//! ```

use memchr::memmem;
use serde_json::Value;

use super::LoggedMessage;
use super::date::WrittenDate;
use super::order::exchange_key;
use crate::dm::Message;

/// Sets the reason why no answer came to the last message, if a device sent it, the log continues, and other messages have
/// answers. An HTTP error for its path is named.
pub(super) fn note_missing(text: &[u8], found: &mut [LoggedMessage]) {
    let has_answers = found.iter().any(|it| it.is_of_device() == Some(false));
    let is_bare = found.iter().all(|it| it.head.is_none());
    let Some((last, before)) = found.split_last_mut().filter(|_| has_answers && is_bare) else {
        return;
    };
    // The log may have the newest message first.
    let key = exchange_key(last);
    let is_answered = || before.iter().any(|it| exchange_key(it) == key);
    if last.is_of_device() != Some(true) || last.date.is_none() || is_answered() {
        return;
    }
    let Some((path, first)) = path_of(last).zip(last.line) else {
        return;
    };
    let lines = (1..).zip(text.split(|byte| *byte == b'\n'));
    let lines: Vec<_> = lines.filter(|(number, _)| *number > first).collect();
    // A message may have several lines.
    let end = lines
        .iter()
        .rposition(|(_, line)| memmem::find(line, b"SyncML>").is_some());
    let behind = &lines[end.map_or(0, |end| end + 1)..];
    let status = |(number, line): &(u64, &[u8])| Some((*number, status_in(line, &path)?));
    last.no_answer = match behind.iter().find_map(status) {
        // It was answered, but the log lacks the answer.
        Some((_, ..400)) => None,
        Some((line, status)) => Some(format!("line {line} of the file has HTTP {status} instead")),
        None if behind.iter().any(|(_, line)| is_logged(line)) => {
            Some("the file goes on without one".to_owned())
        }
        None => None,
    };
}

/// Returns the path of the server's address in a device's message.
fn path_of(found: &LoggedMessage) -> Option<String> {
    let target = Message::of(found.parsed.document()?)?.header()?.target()?;
    let (_, behind) = target.split_once("://")?;
    let (_, path) = behind.split_once('/')?;
    Some(format!("/{}", path.split('?').next()?))
}

fn is_logged(line: &[u8]) -> bool {
    WrittenDate::last_in(&String::from_utf8_lossy(line)).is_some()
}

/// Returns the HTTP status that a line has for this path: `"POST /dm HTTP/1.1" 500`, or in JSON.
fn status_in(line: &[u8], path: &str) -> Option<u16> {
    let line = String::from_utf8_lossy(line);
    if let Some(at) = line.find('{')
        && let Ok(value) = serde_json::from_str::<Value>(&line[at..])
    {
        let place = value["path"].as_str().or_else(|| value["uri"].as_str());
        let is_answer = || {
            value["msg"]
                .as_str()
                .is_some_and(|it| it.contains("response"))
        };
        let status = value["status"]
            .as_u64()
            .filter(|it| (100..600).contains(it))?;
        let is_for_it = place.map_or_else(is_answer, |place| place.split('?').next() == Some(path));
        return u16::try_from(status).ok().filter(|_| is_for_it);
    }
    let (request, behind) = line.split_once(" HTTP/")?;
    let target = request.rsplit(' ').next()?;
    let (_, status) = behind.split_once("\" ")?;
    let status = status.get(..3)?.parse().ok()?;
    (target.split('?').next() == Some(path)).then_some(status)
}
