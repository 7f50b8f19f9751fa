//! The answers for commands with several Items: STA-01 and RES-01 about one of those.

use std::collections::HashSet;

use super::results::Nodes;
use crate::dm::{Command, CommandKind, Status, StatusCode, locuri};

/// The answers so far to the Items of a command that has several.
#[derive(Clone, Debug, Default)]
pub(super) struct ItemAnswers {
    /// Of the Statuses that name no Item and are about all: whether each is 200.
    of_all: HashSet<bool>,
    /// The same of those that name Items, with each canonical node.
    of_some: HashSet<(String, bool)>,
    /// The canonical nodes of the Results.
    results: HashSet<String>,
}

impl ItemAnswers {
    /// Takes in a Status. Returns the bytes that are kept of it.
    pub(super) fn status(&mut self, status: Status<'_>) -> usize {
        let is_ok = status.code() == Some(StatusCode(200));
        let mut nodes = status.ref_nodes().peekable();
        if nodes.peek().is_none() {
            self.of_all.insert(is_ok);
        }
        let nodes = nodes.map(|node| locuri::canonical(&node.text()));
        let kept = nodes.map(|node| {
            let bytes = node.len();
            self.of_some.insert((node, is_ok));
            bytes
        });
        kept.sum()
    }

    /// Takes in Results. Returns the bytes that are kept of them.
    pub(super) fn results(&mut self, results: Command<'_>) -> usize {
        let sources = results.items().map(|item| item.source());
        let kept = sources.map(|source| {
            let node = locuri::canonical(&source.unwrap_or_default());
            let bytes = node.len();
            self.results.insert(node);
            bytes
        });
        kept.sum()
    }

    /// Returns the id and the text of a note on the first Item of a command of which an answer is missing for certain.
    pub(super) fn missing(&self, command: Command<'_>) -> Option<(&'static str, String)> {
        let has_some = !self.of_some.is_empty() || !self.results.is_empty();
        let mut items = command.items();
        if !has_some || !are_several(command) || items.any(|item| item.target().is_none()) {
            return None;
        }
        let nodes = Nodes::of(command);
        let around = |name: &str| nodes.around(name).collect::<Vec<_>>();
        let (mut stated, mut read) = (HashSet::new(), HashSet::new());
        for (name, is_ok) in &self.of_some {
            // An answer under another name may be about any of them.
            let asked = around(name);
            asked.first()?;
            stated.extend(asked.into_iter().map(|node| (node, *is_ok)));
        }
        for name in &self.results {
            let asked = around(name);
            asked.first()?;
            read.extend(asked);
        }
        let is_get = command.kind() == CommandKind::Get;
        command.items().find_map(|item| {
            let target = item.target()?;
            let node = locuri::canonical(&target);
            let is_stated = |is_ok| stated.contains(&(&*node, is_ok));
            let has = |is_ok| match is_stated(true) || is_stated(false) {
                true => is_stated(is_ok),
                false => self.of_all.contains(&is_ok),
            };
            let target = target.trim();
            match (has(true), has(false)) {
                _ if is_get && read.contains(&*node) => None,
                (false, false) => Some(("STA-01", format!("has no Status for {target}"))),
                (true, false) if is_get => {
                    let text = format!("has the Status 200 and no Results for {target}");
                    Some(("RES-01", text))
                }
                _ => None,
            }
        })
    }
}

/// Whether a command has several Items.
pub(super) fn are_several(command: Command<'_>) -> bool {
    command.items().nth(1).is_some()
}
