//! Executes commands on the device's tree.

use std::collections::HashSet;

use super::{Device, Outcome};
use crate::dm::compose::ItemRef;
use crate::dm::{AlertCode, Command, CommandKind, Item, StatusCode, locuri};
use crate::peer::large::{BUFFERED, LargeObject, MAX_VALUE_BYTES, TOO_LARGE};
use crate::peer::tree::Found;

impl Device {
    /// Executes a command. A command that cannot continue the large object under way ends that object (PRO 7).
    pub(super) fn carry_out(&mut self, command: Command<'_>) -> Vec<Outcome> {
        let Some(cmd_id) = command.cmd_id() else {
            // A command without CmdID gets 400 and a blank reference (MicrosoftDocs, OMA DM protocol support).
            return vec![outcome(command, "", StatusCode(400))];
        };
        let goes_on = matches!(
            command.kind(),
            CommandKind::Add | CommandKind::Alert | CommandKind::Exec | CommandKind::Replace
        );
        if !goes_on {
            self.lost.extend(self.incoming.give_up(None));
        }
        match command.kind() {
            CommandKind::Atomic => self.atomic(command),
            CommandKind::Sequence => {
                let mut all = vec![outcome(command, &cmd_id, StatusCode(200))];
                all.extend(command.nested().flat_map(|inner| self.carry_out(inner)));
                all
            }
            CommandKind::Unknown => vec![outcome(command, &cmd_id, StatusCode(400))],
            CommandKind::Alert => {
                let code = command.as_alert().and_then(|alert| alert.code());
                let known = code.is_some_and(|AlertCode(code)| matches!(code, 1222 | 1225));
                let code = StatusCode(if known { 200 } else { 406 });
                vec![outcome(command, &cmd_id, code)]
            }
            _ => self.items(command, &cmd_id),
        }
    }

    /// Returns one outcome for the command if all items have the same code, otherwise one outcome for each item.
    fn items(&mut self, command: Command<'_>, cmd_id: &str) -> Vec<Outcome> {
        let mut found = Vec::new();
        let codes: Vec<(String, StatusCode)> = command
            .items()
            .map(|item| {
                let uri = item.target().unwrap_or_default().into_owned();
                let code = match self.apply(command, item, &uri) {
                    Ok(Some(value)) => {
                        found.push((uri.clone(), value));
                        StatusCode(200)
                    }
                    Ok(None) => StatusCode(200),
                    Err(code) => code,
                };
                (uri, code)
            })
            .collect();
        let first = codes.first().map_or(StatusCode(400), |(_, code)| *code);
        if codes.iter().all(|(_, code)| *code == first) {
            return vec![Outcome {
                found,
                ..outcome(command, cmd_id, first)
            }];
        }
        let mut each: Vec<Outcome> = codes
            .into_iter()
            .map(|(uri, code)| Outcome {
                target: Some(ItemRef::Target(uri.as_str().into())),
                uri,
                ..outcome(command, cmd_id, code)
            })
            .collect();
        if let Some(last) = each.last_mut() {
            last.found = found;
        }
        each
    }

    fn apply(
        &mut self,
        command: Command<'_>,
        item: Item<'_>,
        uri: &str,
    ) -> Result<Option<Found>, StatusCode> {
        if uri.starts_with('/') {
            // Not allowed on Windows; Microsoft's page on OMA DM protocol support gives no code.
            return Err(StatusCode(404));
        }
        let format = || {
            item.meta()
                .or(command.meta())
                .and_then(|meta| meta.format())
        };
        let value = match command.kind() {
            CommandKind::Get => return self.get(uri).map(Some),
            CommandKind::Delete => return self.tree.delete(uri).map(|()| None),
            CommandKind::Add | CommandKind::Replace | CommandKind::Exec => {
                self.value(command, item, uri)?
            }
            _ => return Err(StatusCode(406)),
        };
        let done = match command.kind() {
            CommandKind::Add => self
                .tree
                .add(uri, &format().unwrap_or("chr".into()), &value),
            CommandKind::Replace => self.tree.replace(uri, &value),
            _ => self.tree.exec(uri),
        };
        done.map(|()| None)
    }

    /// Reads a node, unless its value is longer than the server accepts.
    fn get(&self, uri: &str) -> Result<Found, StatusCode> {
        match self.tree.get(uri)? {
            Found::Leaf(_, value) if self.theirs.exceeds(value.len()) => Err(TOO_LARGE),
            found => Ok(found),
        }
    }

    /// Returns the value of an Item once all of its chunks are there. Until then the command is not executed (PRO 7).
    fn value(
        &mut self,
        command: Command<'_>,
        item: Item<'_>,
        uri: &str,
    ) -> Result<String, StatusCode> {
        let what = LargeObject {
            command: command.element().local().into(),
            uri: uri.into(),
        };
        self.lost.extend(self.incoming.give_up(Some(&what)));
        let around = command.element().parent().and_then(Command::of);
        if item.more_data() && around.is_some_and(|around| around.kind().is_container()) {
            // An Atomic or a Sequence must be complete in one message (PRO 6).
            return Err(StatusCode(400));
        }
        let own = self.profile.sizes.object;
        let most = own.map_or(MAX_VALUE_BYTES, |own| (own as usize).min(MAX_VALUE_BYTES));
        self.incoming
            .take(what, command, item, most)?
            .ok_or(BUFFERED)
    }

    /// Executes all commands or none: if one fails, returns 507 and restores the tree (DREP 6.6.3).
    fn atomic(&mut self, command: Command<'_>) -> Vec<Outcome> {
        let before = self.tree.clone();
        let mut inner: Vec<Outcome> = Vec::new();
        let mut failed = false;
        let mut added = HashSet::new();
        for child in command.nested() {
            let cmd_id = child.cmd_id().unwrap_or_default();
            let mut outcomes = match child.kind() {
                _ if failed => vec![outcome(child, &cmd_id, StatusCode(215))],
                CommandKind::Atomic | CommandKind::Get => {
                    vec![outcome(child, &cmd_id, StatusCode(500))]
                }
                // Not supported on Windows; Microsoft's page on OMA DM protocol support gives no code.
                CommandKind::Replace if targets(child).any(|uri| added.contains(&uri)) => {
                    vec![outcome(child, &cmd_id, StatusCode(406))]
                }
                _ => self.carry_out(child),
            };
            if child.kind() == CommandKind::Add {
                added.extend(targets(child));
            }
            failed |= outcomes.iter().any(|o| !o.code.is_success());
            inner.append(&mut outcomes);
        }
        if failed {
            self.tree = before;
            for undone in inner.iter_mut().filter(|o| o.code == StatusCode(200)) {
                undone.code = StatusCode(216);
            }
        }
        let own = StatusCode(if failed { 507 } else { 200 });
        inner.insert(
            0,
            outcome(command, &command.cmd_id().unwrap_or_default(), own),
        );
        inner
    }
}

/// Returns the nodes of all Items.
fn targets(command: Command<'_>) -> impl Iterator<Item = String> {
    let uris = command.items().filter_map(|item| item.target());
    uris.map(|uri| locuri::canonical(&uri))
}

fn outcome(command: Command<'_>, cmd_id: &str, code: StatusCode) -> Outcome {
    let alert = command.as_alert().and_then(|alert| alert.code());
    let uri = command.loc_uri().unwrap_or_default();
    let uri = match alert {
        Some(AlertCode(code)) => format!("{code} {uri}").trim_end().to_owned(),
        None => uri.into(),
    };
    Outcome {
        cmd: cmd_id.into(),
        name: command.element().local().into(),
        target: None,
        uri,
        code,
        found: Vec::new(),
    }
}
