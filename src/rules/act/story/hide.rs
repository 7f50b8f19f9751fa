//! `hide-status`: answers that never arrive.

use std::collections::BTreeSet;

use super::Scene;
use crate::dm::{Message, Refs};
use crate::markup::NodeId;
use crate::markup::edit::Edit;
use crate::rules::act::Planned;
use crate::rules::act::edit::summary;
use crate::rules::survey::Selected;

impl Planned {
    pub(super) fn hide(&mut self, scene: &Scene<'_>, selection: &[Selected]) -> Result<(), String> {
        let message = scene.message().ok_or("this is no SyncML message")?;
        let selected = scene.commands(selection);
        let hidden: BTreeSet<_> = selected.iter().filter_map(|c| Refs::of(*c)).collect();
        if hidden.is_empty() {
            return Err("no Status or Results was selected".into());
        }
        let mut gone: BTreeSet<NodeId> = selected
            .iter()
            .filter(|command| Refs::of(**command).is_some())
            .map(|command| command.element().id())
            .collect();
        gone.extend(results_to(message, &hidden));
        for node in gone {
            if let Some(element) = scene.document.element(node) {
                self.tell(element, "hide-status", summary(element), String::new());
                self.own.push(Edit::Remove { node });
            }
        }
        Ok(())
    }
}

/// The Results that answer the same commands.
fn results_to<'d>(
    message: Message<'d>,
    hidden: &'d BTreeSet<Refs<'d>>,
) -> impl Iterator<Item = NodeId> {
    let results = message.commands().filter(|c| c.as_results().is_some());
    let same = results.filter(|c| Refs::of(*c).is_some_and(|refs| hidden.contains(&refs)));
    same.map(|command| command.element().id())
}
