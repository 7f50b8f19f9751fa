//! The rules for packages and sessions: PKG-01 to PKG-11, WIN-01.

use hashlink::LinkedHashMap;

use super::Findings;
use super::lint_session::{LintSession, Turn, answers, explains_missing_final, is_short};
use crate::dm::{AlertCode, Command, CommandKind, Message};
use crate::flow::{SessionKey, SessionTag, Side};

pub(super) fn check(found: &mut Findings, turn: &Turn<'_>, seen: &mut LintSession) {
    match turn.side {
        Side::Device => of_device(found, turn, seen),
        Side::Server => of_server(found, turn, seen),
    }
    let at = Some(turn.message.element());
    let aborts = turn.message.has_alert(AlertCode::SESSION_ABORT);
    if aborts && !turn.message.is_final() {
        found.add(
            "PKG-10",
            at,
            "the session is aborted (1223) in a message without Final",
        );
    }
    if seen.is_disturbed {
        return;
    }
    match turn.side {
        Side::Device if seen.server.has_aborted => {
            found.add(
                "PKG-11",
                at,
                "the server aborted the session (1223), and the device answers",
            );
        }
        Side::Server if seen.device.has_aborted && new_commands(turn).next().is_some() => {
            found.add(
                "PKG-11",
                at,
                "the device aborted the session (1223), and the server sends commands",
            );
        }
        _ => {}
    }
}

fn of_device(found: &mut Findings, turn: &Turn<'_>, seen: &mut LintSession) {
    let message = turn.message;
    let at = Some(message.element());
    let opens = message.opens_session();
    let is_first = message.is_first() && seen.device.messages == 0;
    if is_first && !opens {
        found.add(
            "PKG-01",
            at,
            "the first message has neither Alert 1200 nor 1201",
        );
    }
    if message.has_alert(AlertCode(1200)) {
        let id = message
            .header()
            .and_then(|header| header.session_id())
            .unwrap_or_default();
        let is_of_notification = (1..=4).contains(&id.len())
            && !id.starts_with('0')
            && id
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'));
        if !is_of_notification {
            let text = format!(
                "Alert 1200 with the SessionID {id}, which no notification has (1 to 4 hexadecimal digits)"
            );
            found.add("PKG-03", at, text);
        }
    }
    note_device(seen, message);
    if !seen.is_opened && message.is_final() && seen.is_whole && (opens || is_first) {
        seen.is_opened = true;
        let missing: Vec<&str> = DEV_INFO
            .into_iter()
            .filter(|name| !seen.dev_info.contains(&name.to_ascii_lowercase()))
            .collect();
        if !missing.is_empty() {
            found.add(
                "PKG-02",
                at,
                format!("package 1 lacks ./DevInfo/{}", missing.join(", ")),
            );
        }
        if found.is_windows && seen.login.is_none() {
            found.add("WIN-01", at, "package 1 has no LoginStatus");
        }
    }
    if seen.is_disturbed {
        return;
    }
    if message.is_final() && seen.server_goes_on() && !seen.server.has_refused {
        found.add(
            "PKG-04",
            at,
            "the device closes its package before the server has closed its own",
        );
    }
    let mut commands = message.commands();
    let only = commands.next().and_then(Command::as_status);
    let is_header_alone = only.is_some_and(|status| {
        status.is_for_header() && status.code().is_some_and(crate::dm::StatusCode::is_success)
    });
    // To get the next message of an unfinished package, the device sends an alert or only the header's Status.
    if is_header_alone && commands.next().is_none() && seen.server.is_final {
        found.add(
            "PKG-08",
            at,
            "the message has nothing but the Status of the SyncHdr: a device does not send it",
        );
    }
}

const DEV_INFO: [&str; 5] = ["DevId", "Man", "Mod", "DmV", "Lang"];

/// Remembers the LoginStatus and the DevInfo nodes of a message.
fn note_device(seen: &mut LintSession, message: Message<'_>) {
    for command in message.commands().filter(|it| !it.kind().is_answer()) {
        for item in command.items() {
            let media_type = item.meta().and_then(|meta| meta.media_type());
            if media_type.is_some_and(|name| name.ends_with("/LoginStatus")) {
                let data = item.data().map(|data| data.text().trim().to_owned());
                seen.login = data.filter(|login| is_short(login));
                continue;
            }
            if command.kind() != CommandKind::Replace {
                continue;
            }
            let node = item.source().or_else(|| item.target());
            let name = node.map(|node| node.to_ascii_lowercase());
            let name = name
                .as_deref()
                .and_then(|node| node.strip_prefix("./devinfo/"));
            if let Some(name) =
                name.filter(|name| is_short(name) && seen.dev_info.len() < MOST_NODES)
            {
                seen.dev_info.insert(name.to_owned());
            }
        }
    }
}

fn of_server(found: &mut Findings, turn: &Turn<'_>, seen: &mut LintSession) {
    let message = turn.message;
    let at = Some(message.element());
    if let Some(delivered) = turn
        .linted
        .delivered
        .and_then(|document| Message::of(document))
    {
        let uri = delivered.header().and_then(|header| header.resp_uri());
        if let Some(uri) = uri.filter(|uri| !uri.is_empty()) {
            seen.resp_uri = is_short(&uri).then(|| uri.into_owned());
        }
    }
    // Commands without a SyncHdr are not a package.
    let is_alone = message.header().is_none();
    if seen.is_disturbed || seen.device.messages == 0 || is_alone {
        return;
    }
    if seen.device.is_final {
        if !message.is_final() && !explains_missing_final(message) {
            found.add("PKG-05", at, "the server's message has no Final");
        }
        return;
    }
    if !seen.device_goes_on() {
        return;
    }
    // If the device has more to send, the server asks for it and sends nothing else, or it aborts the session.
    if message.is_final() && !message.has_alert(AlertCode::SESSION_ABORT) {
        found.add(
            "PKG-06",
            at,
            "the device's message has no Final, so its package goes on, and the server's answer has Final: if the device \
             has nothing more to send, its own Final is missing",
        );
    }
    if let Some(command) = new_commands(turn).next() {
        let text = format!(
            "the device's package goes on, and the server sends {}",
            command.kind()
        );
        found.add("PKG-07", Some(command.element()), text);
    }
}

/// Returns the commands that ask the device to do something.
fn new_commands<'m>(turn: &'m Turn<'m>) -> impl Iterator<Item = Command<'m>> {
    turn.requests()
        .filter(|command| command.kind() != CommandKind::Alert)
}

/// Returns the newest session of the same device with the same server.
pub(super) fn before(
    sessions: &LinkedHashMap<SessionKey, LintSession>,
    key: &SessionKey,
) -> Option<SessionKey> {
    let is_same = |known: &&SessionKey| known.server == key.server && known.device == key.device;
    sessions.keys().rev().find(is_same).cloned()
}

/// Returns the session that a device goes on with under another SessionID, or with its name in other case: its message
/// has the next MsgID, and answers the open commands of the server there and nothing else. Another session of the device
/// at the same time, recorded from its middle, answers others.
pub(super) fn continued(
    sessions: &LinkedHashMap<SessionKey, LintSession>,
    key: &SessionKey,
    message: Message<'_>,
) -> Option<SessionKey> {
    let number = SessionTag::number_of(message).filter(|_| !message.opens_session())?;
    let answers = answers(message);
    let is_it = |(known, seen): &(&SessionKey, &LintSession)| {
        let is_same = known.server == key.server && known.device.eq_ignore_ascii_case(&key.device);
        let is_next = seen.device.msg_id.and_then(|last| last.checked_add(1)) == Some(number);
        is_same && is_next && seen.is_answered_by(&answers)
    };
    let (known, _) = sessions.iter().rev().find(is_it)?;
    Some(known.clone())
}

/// Checks PKG-09: a device begins a session while commands of the session before wait for an answer.
pub(super) fn left_open(found: &mut Findings, before: &SessionKey, seen: &LintSession) {
    let waits = seen
        .server
        .pending
        .values()
        .any(|pending| !pending.is_answered);
    if waits && seen.is_comparable() && !seen.device.has_aborted && !seen.server.has_aborted {
        let text = format!(
            "the session before ({}) was left with commands of the server unanswered",
            before.id
        );
        found.add("PKG-09", None, text);
    }
}

/// The most DevInfo nodes that are remembered.
const MOST_NODES: usize = 64;
