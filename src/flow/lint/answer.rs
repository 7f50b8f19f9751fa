//! The rules for answers: STA-01 to STA-12, RES-01, ATM-04, ATM-05, SEQ-01, SEQ-02, WIN-03.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::lint_session::{LintSession, Place, Turn};
use super::stray::Strays;
use super::{Findings, results};
use crate::dm::{AlertCode, Command, CommandKind, Message, Refs, Status, StatusCode, locuri};
use crate::flow::{AnswerTarget, Severity, Side};
use crate::markup::{Document, Element};

pub(super) fn check(found: &mut Findings, turn: &Turn<'_>, seen: &mut LintSession) {
    header_status(found, turn, seen);
    let mut answered = Answered::default();
    let mut last: Option<Place> = None;
    let mut containers = Containers::default();
    let mut gets = results::Gets::default();
    let mut returned = Vec::new();
    let mut requests = turn.requests();
    let has_requests = requests.any(|command| command.kind() != CommandKind::Alert);
    let mut strays = Strays::default();
    let mut shared: Option<HashSet<String>> = None;
    let mut shares_id = |asked: Command<'_>| {
        let id = asked.cmd_id().unwrap_or_default();
        shared
            .get_or_insert_with(|| shared_ids(asked))
            .contains(&*id)
    };
    let other = turn.side.other();
    for command in turn.message.commands() {
        let Some(refs) = Refs::of(command) else {
            continue;
        };
        let at = Some(command.element());
        let target = turn.answered(command.element());
        let Some(status) = command.as_status() else {
            let is_behind = refs.cmd_ref.is_some() && answered.first.contains_key(&refs);
            // A Get in a message that was not seen may have been answered before.
            let get = target.and_then(|(place, _)| seen.of(other).pending.get(&place));
            let is_open = get.is_some_and(|get| !get.is_answered);
            if is_open && !is_behind && !strays.may_be_of_get(&refs) {
                found.add("RES-01", at, "Results come before the Status of their Get");
            }
            results::check(found, turn, &mut gets, command);
            if let Some((place, asked)) = target {
                seen.note_items(turn.side, place, asked, |items| items.results(command));
                returned.push(place);
            }
            continue;
        };
        self::status(found, turn, seen, status, has_requests);
        strays.enter(turn, &refs, status);
        // Of commands with one CmdID each may have its Status.
        let mut is_of_shared = || target.is_some_and(|(_, asked)| shares_id(asked));
        if answered.is_repeated(refs, status) && !is_of_shared() {
            found.add("STA-03", at, "a second Status for the same command");
        }
        let Some((place, asked)) = target else {
            continue;
        };
        let is_before = last.is_some_and(|last| last.0 == place.0 && last.1 > place.1);
        if is_before && !shares_id(asked) {
            let text = "Statuses do not come in the order of their commands";
            found.add("STA-05", at, text);
        }
        last = Some(place);
        containers.enter(place, asked, status);
        if let Some(pending) = seen.of_mut(other).pending.get_mut(&place) {
            pending.is_answered = true;
            let is_get = asked.kind() == CommandKind::Get;
            pending.lacks_results |= is_get && status.code() == Some(StatusCode(200));
        }
        seen.note_items(turn.side, place, asked, |items| items.status(status));
    }
    strays.settle(turn, seen);
    for place in returned {
        if let Some(pending) = seen.of_mut(other).pending.get_mut(&place) {
            pending.lacks_results = false;
        }
    }
    containers.check(found);
    unanswered(found, turn, seen);
}

/// The CmdIDs that more than one command of the message with this one has.
fn shared_ids(command: Command<'_>) -> HashSet<String> {
    let message = Message::of(command.element().document());
    let commands = message.into_iter().flat_map(Message::all_commands);
    let mut known = HashSet::new();
    let ids = commands.filter_map(|it| it.cmd_id());
    let shared = ids.filter(|id| !known.insert(id.to_string()));
    shared.map(Cow::into_owned).collect()
}

/// The commands that the Statuses of a message answer.
#[derive(Default)]
struct Answered<'m> {
    first: HashMap<Refs<'m>, Aspect<'m>>,
    /// The further parts of commands that have more than one Status.
    others: HashSet<(Refs<'m>, Aspect<'m>)>,
}

/// The part of a command that a Status is about: its Cmd, and the nodes that it names.
type Aspect<'m> = (Cow<'m, str>, Vec<Cow<'m, str>>);

impl<'m> Answered<'m> {
    /// Whether an earlier Status was about the same part of the same command.
    fn is_repeated(&mut self, refs: Refs<'m>, status: Status<'m>) -> bool {
        let is_nameless = refs.cmd_ref.as_deref().is_none_or(str::is_empty);
        let nodes = status.ref_nodes().map(Element::text).collect();
        let aspect = (status.cmd().unwrap_or_default(), nodes);
        match self.first.entry(refs) {
            Entry::Vacant(first) => {
                first.insert(aspect);
                false
            }
            Entry::Occupied(_) if is_nameless => false,
            Entry::Occupied(first) if *first.get() == aspect => true,
            Entry::Occupied(first) => !self.others.insert((first.key().clone(), aspect)),
        }
    }
}

/// Checks STA-02: the Status of the SyncHdr comes first.
fn header_status(found: &mut Findings, turn: &Turn<'_>, seen: &LintSession) {
    let first = turn.message.statuses().next();
    let at = Some(turn.message.element());
    let answers_something = turn.message.header().is_some()
        && match turn.side {
            // A message that answers nothing may be a bootstrap: the server sends the first message.
            Side::Server => seen.device.messages > 0 || first.is_some(),
            Side::Device => !turn.message.is_first() && seen.server.messages > 0,
        };
    match (turn.message.header_status(), first) {
        // A header that a rule broke cannot be answered.
        (None, None) if seen.of(turn.side.other()).is_altered => {}
        (None, _) if answers_something && !turn.is_keep_alive() => {
            found.add("STA-02", at, "there is no Status for the SyncHdr");
        }
        (Some(status), Some(first)) if status.element().id() != first.element().id() => {
            found.add(
                "STA-02",
                Some(status.element()),
                "the Status for the SyncHdr is not the first one",
            );
        }
        _ => {}
    }
}

/// Checks one Status. `has_requests` says whether the message has commands other than answers and alerts.
fn status(
    found: &mut Findings,
    turn: &Turn<'_>,
    seen: &LintSession,
    status: Status<'_>,
    has_requests: bool,
) {
    let at = Some(status.element());
    let answered = turn.answered(status.element()).map(|(_, command)| command);
    let cmd = status.cmd().unwrap_or_default();
    match answered {
        _ if matches!(turn.target(status.element()), Some(AnswerTarget::WithoutId)) => {}
        Some(command) if !cmd.is_empty() && cmd != command.element().local() => {
            let text = format!(
                "Cmd is {cmd}, the command it answers is {}",
                command.element().local()
            );
            found.add("STA-04", at, text);
        }
        None if status.is_for_header() && status.cmd_ref().is_none_or(|it| it.is_empty()) => {
            let text = "the Status for the SyncHdr has no CmdRef; it is 0";
            found.add_as("STA-04", Severity::Warning, at, text);
        }
        None if status.is_for_header() && !cmd.is_empty() && cmd != "SyncHdr" => {
            found.add(
                "STA-04",
                at,
                format!("CmdRef is 0, which is the SyncHdr, and Cmd is {cmd}"),
            );
        }
        _ => {}
    }
    references(found, status, answered);
    let Some(code) = status.code().filter(|code| code.name().is_some()) else {
        let text = match status.code() {
            Some(code) => format!("{} is not a code of a Status", code.0),
            None => "the Status has no code".to_owned(),
        };
        return found.add("STA-07", at, text);
    };
    if cmd == "Results" && code.0 == 200 {
        found.add(
            "STA-08",
            at,
            "the Results got Status 200, and get a Status only if something is wrong with them",
        );
    }
    // The peer sends the whole message again, so the Chal of one Status serves all.
    let header = turn.message.header_status();
    let has_chal = status.chal().or_else(|| header?.chal()).is_some();
    if code.is_challenge() && !has_chal {
        found.add("STA-09", at, format!("Status {code} has no Chal"));
    }
    if code.is_challenge() && status.is_for_header() && has_requests {
        found.add(
            "STA-10",
            at,
            format!("the SyncHdr is refused with {code}, and the message has commands"),
        );
    }
    if code.0 == 212 {
        let msg_ref = status.msg_ref().unwrap_or_default();
        let had_cred = seen.of(turn.side.other()).with_cred.get(&*msg_ref);
        if answered.is_some() {
            found.add("STA-11", at, "212 answers a command; it is for a SyncHdr");
        } else if had_cred == Some(&false) && !seen.is_disturbed {
            // OMA DM Protocol 1.2 prints 212 for the second message of a session whose first message had Cred.
            let is_known = seen.of(turn.side.other()).scheme.is_some();
            let severity = match is_known {
                true => Severity::Info,
                false => Severity::Error,
            };
            let text = format!("212 for message {msg_ref}, which had no Cred");
            found.add_as("STA-11", severity, at, text);
        }
    }
    if DS_ONLY.contains(&code.0) {
        found.add(
            "STA-12",
            at,
            format!("Status {code} is of data synchronization"),
        );
    }
    if let Some(command) = answered {
        let container = command.container().map(Command::kind);
        let kind = command.kind();
        let whose = match code.0 {
            216 | 516 if container != Some(CommandKind::Atomic) => {
                Some("a command that is in no Atomic".to_owned())
            }
            507 | 517 if kind != CommandKind::Atomic => {
                Some(format!("{kind}, which is not an Atomic"))
            }
            _ => None,
        };
        if let Some(whose) = whose {
            found.add("ATM-05", at, format!("Status {code} for {whose}"));
        }
    }
    if let Some(error) = status.original_error() {
        let words = crate::facts::result_in_text(&error);
        let words = words
            .map(|fact| format!(": {}", fact.words()))
            .unwrap_or_default();
        found.add("WIN-03", at, format!("Windows met {error}{words}"));
    }
}

/// Checks STA-06. MS-MDM 2.2.6.1 allows TargetRef and SourceRef only for commands with several Items. Examples of OMA
/// DM Protocol 1.2 have them in the Status of the SyncHdr, and in the Status of a command with one Item.
fn references(found: &mut Findings, status: Status<'_>, answered: Option<Command<'_>>) {
    let Some(command) = answered.filter(|_| !found.is_windows) else {
        return;
    };
    let mut items = command.items();
    let (Some(item), None) = (items.next(), items.next()) else {
        return;
    };
    let at = Some(status.element());
    let own: Vec<String> = { [item.target(), item.source()].into_iter().flatten() }
        .map(|node| locuri::canonical(&node))
        .collect();
    let mut named = status.ref_nodes().map(|node| node.text());
    let Some(first) = named.next() else { return };
    let is_other = |node: &Cow<'_, str>| !own.contains(&locuri::canonical(node.trim()));
    match std::iter::once(first).chain(named).find(is_other) {
        Some(other) => {
            let text = format!(
                "the Status names {}, which the command does not",
                other.trim()
            );
            found.add("STA-06", at, text);
        }
        None => {
            let text = "TargetRef and SourceRef are for commands with several Items";
            found.add_as("STA-06", Severity::Info, at, text);
        }
    }
}

const DS_ONLY: [u16; 19] = [
    201, 205, 206, 207, 208, 209, 210, 211, 409, 419, 421, 423, 426, 427, 428, 508, 512, 203, 300,
];

/// The codes of Atomics and Sequences, and of the commands in them. Each code is the worst of the Statuses of a
/// command.
#[derive(Default)]
struct Containers<'m> {
    codes: HashMap<Place, u16>,
    containers: BTreeMap<Place, (Element<'m>, CommandKind)>,
    children: HashMap<Place, Vec<Place>>,
}

impl<'m> Containers<'m> {
    fn enter(&mut self, place: Place, command: Command<'_>, status: Status<'m>) {
        let Some(code) = status.code() else {
            return;
        };
        let parent = command.container().map(|it| (place.0, it.element().id()));
        if command.kind().is_container() {
            self.containers
                .insert(place, (status.element(), command.kind()));
        } else if parent.is_none() {
            return;
        }
        let worst = self.codes.entry(place).or_insert(code.0);
        *worst = (*worst).max(code.0);
        if let Some(parent) = parent {
            self.children.entry(parent).or_default().push(place);
        }
    }

    /// Checks ATM-04 and SEQ-01: the code of a container must fit the codes of its children.
    fn check(&self, found: &mut Findings) {
        for (container, (element, kind)) in &self.containers {
            let Some(children) = self.children.get(container) else {
                continue;
            };
            let code = self.codes[container];
            let mut children = children.iter().map(|child| self.codes[child]);
            let is_atomic = *kind == CommandKind::Atomic;
            let is_sequence = *kind == CommandKind::Sequence;
            if is_atomic && code < 400 {
                if let Some(failed) = children.find(|code| *code >= 400) {
                    let text = format!(
                        "the Atomic has {code}, a command in it {failed}: the Atomic has 507"
                    );
                    found.add("ATM-04", Some(*element), text);
                }
            } else if is_sequence
                && !matches!(code, 200 | 101 | 202)
                && children.any(|it| it != 215)
            {
                let text =
                    format!("the Sequence has {code}, though commands in it were carried out");
                found.add("SEQ-01", Some(*element), text);
            }
        }
    }
}

/// Checks STA-01, SEQ-02 and RES-01: at the end of a package every command of the other side is answered.
fn unanswered(found: &mut Findings, turn: &Turn<'_>, seen: &mut LintSession) {
    let is_over = turn.message.is_final() && !turn.message.has_alert(AlertCode::SESSION_ABORT);
    let refused = turn.message.header_code();
    let is_refused = refused.is_some_and(|code| !code.is_success());
    let comparable = seen.is_comparable();
    let other = seen.of_mut(turn.side.other());
    if !is_over || is_refused || !comparable || other.is_in_package || other.has_aborted {
        return;
    }
    other.pending_bytes = 0;
    let mut left: Vec<_> = other.pending.drain().map(|(_, pending)| pending).collect();
    left.sort_by_key(|pending| pending.node);
    let at = Some(turn.message.element());
    let mut shared: HashMap<*const Document, HashSet<String>> = HashMap::new();
    for pending in left {
        let Some(command) = pending.command() else {
            continue;
        };
        // Of commands with one CmdID nobody knows which has the Status (CMD-01).
        let of_message = shared.entry(Arc::as_ptr(&pending.document));
        let of_message = of_message.or_insert_with(|| shared_ids(command));
        if !pending.is_answered && of_message.contains(&*command.cmd_id().unwrap_or_default()) {
            continue;
        }
        // The next message itself answers a request for it.
        let alert = command.as_alert().and_then(|alert| alert.code());
        if alert == Some(AlertCode::NEXT_MESSAGE) {
            continue;
        }
        let id = command.cmd_id().unwrap_or_default();
        let asked = turn.side.other().name();
        let named = format!("{} {id} of the {asked}", command.kind());
        let container = command.container().map(Command::kind);
        let (id, text) = match pending.is_answered {
            false if container == Some(CommandKind::Sequence) => (
                "SEQ-02",
                "of a Sequence has no Status; a skipped one has 215".to_owned(),
            ),
            false => ("STA-01", "has no Status".to_owned()),
            true if pending.lacks_results => {
                ("RES-01", "has the Status 200 and no Results".to_owned())
            }
            true => match pending.items.missing(command) {
                Some(missing) => missing,
                None => continue,
            },
        };
        found.add(id, at, format!("{named} {text}"));
    }
}
