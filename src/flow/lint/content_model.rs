//! The content models of SyncML: XML-04 and XML-09.

use super::Findings;
use crate::dm::Command;
use crate::flow::Severity;
use crate::markup::{Element, NameId, tag};

/// What an element holds, in the order of the DTD (SyncML Representation Protocol 1.2.2, OMA DM Representation Protocol
/// §6, MS-MDM 2.2.3 to 2.2.7). A name with `*` may come more than once. An element without a name holds text alone, or
/// nothing. The commands of SyncBody, Atomic and Sequence are checked by CMD-02. Data and Meta may hold anything.
const MODELS: [(NameId, &str); 34] = [
    (tag::SYNC_ML, "SyncHdr SyncBody"),
    (
        tag::SYNC_HDR,
        "VerDTD VerProto SessionID MsgID Target Source RespURI NoResp Cred Meta",
    ),
    (tag::SYNC_BODY, "Final"),
    (tag::ATOMIC, "CmdID NoResp Meta"),
    (tag::SEQUENCE, "CmdID NoResp Meta"),
    (
        tag::STATUS,
        "CmdID MsgRef CmdRef Cmd TargetRef* SourceRef* Cred Chal Data Item*",
    ),
    (
        tag::RESULTS,
        // The DTD has no Cmd here; Windows and MS-MDM 2.2.7.9 have it.
        "CmdID MsgRef CmdRef Cmd Meta TargetRef* SourceRef* Item*",
    ),
    (tag::ALERT, "CmdID NoResp Cred Data Correlator Item*"),
    (tag::EXEC, "CmdID NoResp Cred Meta Correlator Item*"),
    (tag::GET, "CmdID NoResp Lang Cred Meta Item*"),
    (tag::DELETE, "CmdID NoResp Archive SftDel Cred Meta Item*"),
    (tag::ADD, "CmdID NoResp Cred Meta Item*"),
    (tag::REPLACE, "CmdID NoResp Cred Meta Item*"),
    (tag::COPY, "CmdID NoResp Cred Meta Item*"),
    (
        tag::ITEM,
        "Target Source SourceParent TargetParent Meta Data MoreData",
    ),
    (tag::TARGET, "LocURI LocName Filter"),
    (tag::SOURCE, "LocURI LocName"),
    (tag::CRED, "Meta Data"),
    (tag::CHAL, "Meta"),
    (tag::CMD, ""),
    (tag::CMD_ID, ""),
    (tag::CMD_REF, ""),
    (tag::CORRELATOR, ""),
    (tag::FINAL, ""),
    (tag::LOC_NAME, ""),
    (tag::LOC_URI, ""),
    (tag::MORE_DATA, ""),
    (tag::MSG_ID, ""),
    (tag::MSG_REF, ""),
    (tag::NO_RESP, ""),
    (tag::RESP_URI, ""),
    (tag::SESSION_ID, ""),
    (tag::VER_DTD, ""),
    (tag::VER_PROTO, ""),
];

/// Checks one element and the names of its children.
pub(super) fn check(found: &mut Findings, element: Element<'_>) {
    if [tag::SIZE, tag::MAX_MSG_SIZE, tag::MAX_OBJ_SIZE].contains(&element.name()) {
        return number(found, element);
    }
    let mut models = MODELS.iter();
    let Some((_, model)) = models.find(|(name, _)| element.is(*name)) else {
        return;
    };
    let local = element.local();
    let is_empty = [tag::FINAL, tag::MORE_DATA].contains(&element.name());
    // Documentation writes dots for what it leaves out.
    let is_layout = |it: char| it.is_whitespace() || matches!(it, '.' | '…');
    let has_text = || element.texts().any(|it| !it.value().chars().all(is_layout));
    if (is_empty || !model.is_empty()) && has_text() {
        let text = match is_empty {
            true => format!("{local} has a text, and stands for itself"),
            false => format!("a text stands between the elements of {local}"),
        };
        found.add("XML-09", Some(element), text);
    }
    children(found, element, model);
    if [tag::SYNC_HDR, tag::STATUS, tag::ITEM].contains(&element.name()) {
        ordered(found, element, model);
    }
    if element.is(tag::SYNC_ML) && element.child(tag::SYNC_BODY).is_none() {
        let text = "SyncML has no SyncBody, so the message has no commands";
        found.add_as("XML-09", Severity::Error, Some(element), text);
    }
}

/// Checks which children an element has.
fn children(found: &mut Findings, element: Element<'_>, model: &str) {
    let local = element.local();
    let is_body = element.is(tag::SYNC_BODY);
    let holds_commands = is_body || [tag::ATOMIC, tag::SEQUENCE].contains(&element.name());
    let (mut seen, mut is_over) = (Vec::new(), false);
    for child in element.elements() {
        let name = child.local();
        let mut error = |text| found.add_as("XML-09", Severity::Error, Some(child), text);
        if let Some(command) = Command::of(child).filter(|_| holds_commands) {
            if seen.contains(&tag::FINAL) && !std::mem::replace(&mut is_over, true) {
                error(format!(
                    "{name} stands behind Final, which ends the message"
                ));
            }
            if !is_body && command.kind().is_answer() {
                error(format!(
                    "{name} stands in {local}, and belongs into SyncBody"
                ));
            }
            continue;
        }
        let known = model.split(' ').find(|it| it.trim_end_matches('*') == name);
        match known {
            Some(_) if seen.contains(&child.name()) => {
                error(format!("{local} has more than one {name}"));
            }
            Some(known) if known.ends_with('*') => {}
            Some(_) => seen.push(child.name()),
            None if model.is_empty() => error(format!("{local} has an element {name} in its text")),
            None => {
                let mut names = model.split([' ', '*']);
                let text = match names.find(|it| it.eq_ignore_ascii_case(name)) {
                    Some(meant) => format!("{local} has {name}, which SyncML writes {meant}"),
                    None => format!("{local} has {name}, which does not belong there"),
                };
                found.add("XML-09", Some(child), text);
            }
        }
    }
}

/// Checks whether a size is a number of bytes.
fn number(found: &mut Findings, element: Element<'_>) {
    let text = element.text();
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|it| it.is_ascii_digit() || it == b'*') {
        let text = format!("{} is {text:?}, not a number of bytes", element.local());
        found.add_as("XML-09", Severity::Error, Some(element), text);
    }
}

/// Checks XML-04: the children stand in the order of the model.
fn ordered(found: &mut Findings, element: Element<'_>, model: &str) {
    let order: Vec<&str> = model
        .split(' ')
        .map(|it| it.trim_end_matches('*'))
        .collect();
    let (mut last, mut is_noted) = (0, false);
    for child in element.elements() {
        let local = child.local();
        let (before, from) = order.split_at(last);
        let behind = from.iter().position(|name| *name == local);
        let place = behind.map(|at| last + at);
        let Some(place) = place.or_else(|| before.iter().position(|name| *name == local)) else {
            continue;
        };
        if place < last {
            let text = format!(
                "{} stands behind {} in {}",
                child.local(),
                order[last],
                element.local()
            );
            // The examples of OMA DM Protocol 1.2 do the same, against the DTD.
            let is_printed = element.is(tag::STATUS) && last < STATUS_REFS_COUNT;
            if !is_printed {
                return found.add("XML-04", Some(child), text);
            }
            if !std::mem::replace(&mut is_noted, true) {
                found.add_as("XML-04", Severity::Info, Some(child), text);
            }
            continue;
        }
        last = place;
    }
}

/// The number of the elements CmdID, MsgRef, CmdRef and Cmd.
const STATUS_REFS_COUNT: usize = 4;
