//! `hide-status`: answers that their receiver never gets.

use std::collections::{BTreeMap, BTreeSet};

use crate::dm::{Command, CommandKind, Refs, locuri};
use crate::markup::NodeId;
use crate::rules::act::Planning;

/// The commands whose answers are hidden, each with the nodes that the answers name; `None` hides all answers.
type Hidden<'d> = BTreeMap<Refs<'d>, Option<BTreeSet<String>>>;

impl Planning<'_, '_> {
    pub(super) fn hide(&mut self) -> Result<(), String> {
        let message = self.message()?;
        let selected = self.commands();
        let hidden = hidden(&selected);
        if hidden.is_empty() {
            return Err("no Status or Results was selected".into());
        }
        let answers = selected.iter().filter(|c| Refs::of(**c).is_some());
        let mut gone: BTreeSet<NodeId> = answers.map(|c| c.element().id()).collect();
        for results in message
            .commands()
            .filter(|c| c.kind() == CommandKind::Results)
        {
            if !gone.contains(&results.element().id()) {
                gone.extend(parts_of(results, &hidden));
            }
        }
        for node in gone {
            if let Some(element) = self.document.element(node) {
                self.take_away(element);
            }
        }
        Ok(())
    }
}

/// Returns the commands and nodes that the selected answers are about.
fn hidden<'d>(selected: &[Command<'d>]) -> Hidden<'d> {
    let mut hidden = Hidden::new();
    for command in selected {
        let Some(refs) = Refs::of(*command) else {
            continue;
        };
        let named: BTreeSet<String> = match command.as_status() {
            Some(status) => status
                .target_refs()
                .map(|uri| locuri::canonical(&uri))
                .collect(),
            None => BTreeSet::new(),
        };
        let entry = hidden.entry(refs).or_insert_with(|| Some(BTreeSet::new()));
        match entry {
            Some(all) if !named.is_empty() => all.extend(named),
            _ => *entry = None,
        }
    }
    hidden
}

/// Returns the nodes to remove from a Results: all of it if the answers to its command are hidden, or only the Items
/// about the nodes that a hidden Status names.
fn parts_of<'d>(results: Command<'d>, hidden: &Hidden<'d>) -> Vec<NodeId> {
    let whole = vec![results.element().id()];
    let named = match Refs::of(results).and_then(|refs| hidden.get(&refs)) {
        None => return Vec::new(),
        Some(None) => return whole,
        Some(Some(named)) => named,
    };
    let is_named = |uri: &str| named.contains(&locuri::canonical(uri));
    let items = results.items().filter(|item| {
        let uri = item.loc_uri_element().map(|uri| uri.text());
        uri.is_some_and(|uri| is_named(&uri))
    });
    let items: Vec<NodeId> = items.map(|item| item.element().id()).collect();
    match items.len() == results.items().count() {
        true => whole,
        false => items,
    }
}
