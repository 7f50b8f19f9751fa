//! `hide-status`: answers that never arrive.

use std::collections::{BTreeMap, BTreeSet};

use super::StepContext;
use crate::dm::{Command, Refs, locuri};
use crate::flow::EffectKind;
use crate::markup::NodeId;
use crate::markup::edit::Edit;
use crate::rules::act::Planned;
use crate::rules::act::edit::summary;
use crate::rules::selector::Selected;

/// The answers to hide, each with the nodes they are about where they name some.
type Hidden<'d> = BTreeMap<Refs<'d>, Option<BTreeSet<String>>>;

impl Planned {
    pub(super) fn hide(
        &mut self,
        context: &StepContext<'_>,
        selection: &[Selected],
    ) -> Result<(), String> {
        let message = context.message().ok_or("this is no SyncML message")?;
        let selected = context.commands(selection);
        let hidden = hidden(&selected);
        if hidden.is_empty() {
            return Err("no Status or Results was selected".into());
        }
        let mut gone: BTreeSet<NodeId> = selected
            .iter()
            .filter(|command| Refs::of(**command).is_some())
            .map(|command| command.element().id())
            .collect();
        for results in message.commands().filter(|c| c.as_results().is_some()) {
            if !gone.contains(&results.element().id()) {
                gone.extend(parts_of(results, &hidden));
            }
        }
        for node in gone {
            if let Some(element) = context.document.element(node) {
                let kind = EffectKind::Removed;
                self.detail(element, kind, summary(element), String::new());
                self.own.push(Edit::Remove { node });
            }
        }
        Ok(())
    }
}

/// What the selected answers are about.
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

/// What goes of Results: all of them where their command is hidden, the Items of the nodes that a Status names
/// where it names some.
fn parts_of<'d>(results: Command<'d>, hidden: &Hidden<'d>) -> Vec<NodeId> {
    let whole = vec![results.element().id()];
    let named = match Refs::of(results).and_then(|refs| hidden.get(&refs)) {
        None => return Vec::new(),
        Some(None) => return whole,
        Some(Some(named)) => named,
    };
    let is_named = |uri: &str| named.contains(&locuri::canonical(uri));
    let items = results.items().filter(|item| {
        let uri = item.node().map(|uri| uri.text());
        uri.is_some_and(|uri| is_named(&uri))
    });
    let items: Vec<NodeId> = items.map(|item| item.element().id()).collect();
    match items.len() == results.items().count() {
        true => whole,
        false => items,
    }
}
