//! Sessions that do not end, because the server sends the same command in each message.

use std::collections::HashMap;

use super::words::{self, named};
use super::{Case, about};
use crate::flow::{SessionEnd, Side, Transaction};
use crate::record::model::SessionFinding;

impl Case<'_> {
    /// WHY-12 within one session.
    pub(super) fn endless(&self) -> Option<SessionFinding> {
        if matches!(self.end(), SessionEnd::Finished) {
            return None;
        }
        let mut alike: HashMap<_, Vec<&Transaction>> = HashMap::new();
        for it in self.transactions() {
            let is_command = !matches!(&*it.command, "Alert" | "Atomic" | "Sequence");
            let (Some(node), true) = (it.node(), is_command && it.from == Side::Server) else {
                continue;
            };
            let value = it.items.first().and_then(|item| item.value.as_deref());
            let known = alike.entry((&*it.command, node, value)).or_default();
            if known
                .last()
                .is_none_or(|last| last.asked.message != it.asked.message)
            {
                known.push(it);
            }
        }
        let most = alike.into_values();
        let most = most.max_by_key(|it| (it.len(), std::cmp::Reverse(it[0].number)))?;
        if most.len() < MANY {
            return None;
        }
        let mut finding = about("WHY-12", &most);
        let (first, last) = (most[0], most[most.len() - 1]);
        finding.what = format!(
            "{}: sent in {} messages of this session",
            named(first),
            most.len()
        );
        finding.blame("acted on this.", Side::Server);
        finding.why.push(format!("first {}", words::asked(first)));
        finding.why.push(format!("last {}", words::places(last)));
        finding.why.push(
            "A session ends when the server sends a message with Final and without commands."
                .into(),
        );
        finding.advise("see why the server does not take the answer for one: compare CmdRef and MsgRef of the Status, and its code", "");
        Some(finding)
    }
}

/// The number of messages with the same command that makes a finding.
const MANY: usize = 10;
