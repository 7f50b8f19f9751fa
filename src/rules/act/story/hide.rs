//! `hide-status`: answers that never arrive.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::Scene;
use crate::dm::{Command, Message};
use crate::markup::NodeId;
use crate::markup::edit::Edit;
use crate::rules::act::Planned;
use crate::rules::act::edit::summary;
use crate::rules::survey::Selected;

impl Planned {
    pub(super) fn hide(&mut self, scene: &Scene<'_>, selection: &[Selected]) -> Result<(), String> {
        let message = scene.message().ok_or("this is no SyncML message")?;
        let selected = scene.commands(selection);
        let hidden: BTreeSet<_> = selected.iter().filter_map(|c| refs(*c)).collect();
        if hidden.is_empty() {
            return Err("no Status or Results was selected".into());
        }
        let mut gone: BTreeSet<NodeId> = selected
            .iter()
            .filter(|command| refs(**command).is_some())
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

type Refs<'d> = (Cow<'d, str>, Cow<'d, str>);

/// The Results that answer the same commands.
fn results_to<'d>(
    message: Message<'d>,
    hidden: &'d BTreeSet<Refs<'d>>,
) -> impl Iterator<Item = NodeId> {
    let results = message.commands().filter(|c| c.as_results().is_some());
    let same = results.filter(|c| refs(*c).is_some_and(|refs| hidden.contains(&refs)));
    same.map(|command| command.element().id())
}

/// What an answer refers to; `None` for what is none.
fn refs(command: Command<'_>) -> Option<Refs<'_>> {
    match (command.as_status(), command.as_results()) {
        (Some(s), _) => Some((
            s.msg_ref().unwrap_or_default(),
            s.cmd_ref().unwrap_or_default(),
        )),
        (_, Some(r)) => Some((r.msg_ref(), r.cmd_ref().unwrap_or_default())),
        _ => None,
    }
}
