//! The rules for commands: CMD-02 to CMD-13, ATM-01 to ATM-03, ATM-06, URI-*, WIN-02.

use std::collections::BTreeMap;

use super::lint_session::{LintSession, Turn};
use super::{Findings, profile, uri, value};
use crate::dm::{Command, CommandKind, Item, locuri};
use crate::flow::{Severity, Side};
use crate::markup::{Element, tag};

pub(super) fn check(found: &mut Findings, turn: &Turn<'_>, seen: &LintSession) {
    for command in turn.message.all_commands() {
        let at = Some(command.element());
        let container = command.container().map(Command::kind);
        match command.kind() {
            CommandKind::Unknown => {
                let text = format!("{} is not a command", command.element().local());
                found.add("CMD-02", at, text);
                continue;
            }
            kind @ (CommandKind::Put
            | CommandKind::Search
            | CommandKind::Sync
            | CommandKind::Map) => {
                found.add("CMD-03", at, format!("{kind} is not used in DM"));
                continue;
            }
            _ => {}
        }
        if turn.side == Side::Device {
            of_device(found, command);
        }
        if !command.kind().is_answer() && command.element().child(tag::CRED).is_some() {
            found.add(
                "CMD-05",
                at,
                format!("{} has Cred, which belongs into SyncHdr", command.kind()),
            );
        }
        inside(found, command, container);
        if turn.side == Side::Server {
            of_server(found, command, seen);
        }
        if works_on_nodes(command.kind()) || command.kind() == CommandKind::Results {
            addresses(found, command);
        }
        if !matches!(command.kind(), CommandKind::Status) {
            value::check(found, command);
        }
    }
}

/// Checks CMD-04: a device sends Alert, Replace of DevInfo, Results and Status. Some devices add a node of their own to
/// the Replace of DevInfo.
fn of_device(found: &mut Findings, command: Command<'_>) {
    let kind = command.kind();
    let at = Some(command.element());
    if matches!(
        kind,
        CommandKind::Alert | CommandKind::Results | CommandKind::Status
    ) {
        return;
    }
    let is_of_devinfo = |item: &Item<'_>| {
        node(*item).is_none_or(|it| locuri::canonical(&it).starts_with("devinfo"))
    };
    let foreign = command.items().find(|item| !is_of_devinfo(item));
    match foreign {
        None if kind == CommandKind::Replace => {}
        Some(foreign)
            if kind == CommandKind::Replace && command.items().any(|it| is_of_devinfo(&it)) =>
        {
            let text = format!(
                "a device may replace only ./DevInfo; this command also has {}",
                node(foreign).unwrap_or_default()
            );
            found.add_as("CMD-04", Severity::Warning, Some(foreign.element()), text);
        }
        _ => found.add("CMD-04", at, format!("a device does not send {kind}")),
    }
}

fn node(item: Item<'_>) -> Option<std::borrow::Cow<'_, str>> {
    item.source().or_else(|| item.target())
}

/// Checks the rules for the content of Atomic and Sequence.
fn inside(found: &mut Findings, command: Command<'_>, container: Option<CommandKind>) {
    let at = Some(command.element());
    let kind = command.kind();
    if container == Some(CommandKind::Atomic) {
        match kind {
            CommandKind::Atomic => found.add(
                "ATM-01",
                at,
                "Atomic inside Atomic: Windows answers 500, and 507 for the outer one",
            ),
            CommandKind::Get => found.add("ATM-02", at, "Get inside Atomic: Windows answers 500"),
            // Microsoft's protocol allows it (MS-MDM 2.2.7.3), and Microsoft's own samples do it.
            CommandKind::Exec if !found.is_windows => {
                found.add("CMD-10", at, "Exec inside Atomic, which OMA does not allow")
            }
            _ => {}
        }
    }
    if container.is_some() && command.items().any(|item| item.more_data()) {
        found.add(
            "ATM-06",
            at,
            "a large object inside Atomic or Sequence: it would span messages",
        );
    }
    if kind != CommandKind::Atomic {
        return;
    }
    let mut nodes: BTreeMap<String, CommandKind> = BTreeMap::new();
    for child in command.nested() {
        let other = match child.kind() {
            CommandKind::Add => CommandKind::Replace,
            CommandKind::Replace => CommandKind::Add,
            _ => continue,
        };
        for node in child.items().filter_map(|item| item.target()) {
            let node = locuri::canonical(&node);
            if nodes.get(&node) == Some(&other) {
                found.add(
                    "ATM-03",
                    Some(child.element()),
                    format!("Add and Replace of {node} in one Atomic"),
                );
            }
            nodes.insert(node, child.kind());
        }
    }
}

fn works_on_nodes(kind: CommandKind) -> bool {
    matches!(
        kind,
        CommandKind::Add
            | CommandKind::Replace
            | CommandKind::Delete
            | CommandKind::Get
            | CommandKind::Exec
            | CommandKind::Copy
    )
}

fn of_server(found: &mut Findings, command: Command<'_>, seen: &LintSession) {
    let (at, kind) = (Some(command.element()), command.kind());
    if found.is_windows && command.correlator().is_some() {
        found.add("CMD-13", at, "Windows does not support Correlator");
    }
    if !works_on_nodes(kind) {
        return;
    }
    match command.items().count() {
        0 => found.add("CMD-06", at, format!("{kind} has no Item")),
        1 => {}
        items if kind == CommandKind::Exec && found.is_windows => {
            found.add(
                "CMD-06",
                at,
                format!("Exec has {items} Items; Windows takes one"),
            );
        }
        _ => {}
    }
    let common_format = command.meta().and_then(|meta| meta.format());
    for item in command.items() {
        let at = Some(item.element());
        let Some(target) = item.target().filter(|target| !target.is_empty()) else {
            found.add("CMD-07", at, format!("an Item of {kind} has no Target"));
            continue;
        };
        if kind == CommandKind::Delete && ["", "."].contains(&&*locuri::canonical(&target)) {
            found.add("CMD-12", at, "the root cannot be deleted");
        }
        if kind == CommandKind::Copy && !target.starts_with("./") {
            found.add("CMD-11", at, "Copy needs the whole LocURI");
        }
        if matches!(kind, CommandKind::Add | CommandKind::Replace) {
            has_value(found, common_format.as_deref(), item.element(), kind);
            profile::check(found, &target, item);
        }
        let is_user = locuri::is_of_user(&target);
        if is_user && seen.login.as_deref().is_some_and(|login| login != "user") {
            found.add(
                "WIN-02",
                at,
                format!(
                    "{} is a user's node, and LoginStatus is not user",
                    uri::without_query(&target)
                ),
            );
        }
    }
}

/// `common_format` is the Format of the command. It holds for the Items that have no Format of their own.
fn has_value(
    found: &mut Findings,
    common_format: Option<&str>,
    item: Element<'_>,
    kind: CommandKind,
) {
    let meta = item.child(tag::META).map(crate::dm::Meta::of);
    let format = meta.and_then(|meta| meta.format());
    let format = format.as_deref().or(common_format);
    let has_data = item.child(tag::DATA).is_some();
    let media_type = meta.and_then(|meta| meta.media_type());
    if media_type.is_some_and(|it| it == ABSENT_NODE) {
        return;
    }
    match format {
        None if kind == CommandKind::Add => {
            found.add("CMD-08", Some(item), "Add has no Format; chr is taken");
        }
        Some(format) if !has_data && !["null", "node"].contains(&format) => {
            found.add(
                "CMD-09",
                Some(item),
                format!("{kind} has the Format {format} and no Data"),
            );
        }
        _ => {}
    }
}

/// The Type of a value that NodeCache is to expect of a node that does not exist: it has no Data (NodeCache CSP).
const ABSENT_NODE: &str = "application/x-nodemon-nonexistent";

fn addresses(found: &mut Findings, command: Command<'_>) {
    for item in command.items() {
        let ends = [tag::TARGET, tag::SOURCE].map(|end| item.element().child(end));
        let places = ends.into_iter().flatten();
        for place in places.filter_map(|end| end.child(tag::LOC_URI)) {
            let text = place.text();
            if !text.trim().is_empty() && !text.contains("***") {
                uri::check(found, without_layout(&text), place);
            }
        }
    }
}

/// Returns a text without the line breaks and the indentation around it; blanks alone are part of it.
fn without_layout(text: &str) -> &str {
    match text.contains('\n') {
        true => text.trim_ascii(),
        false => text,
    }
}
