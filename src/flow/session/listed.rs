//! The commands of a message that answers refer to.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::dm::{Command, Message};
use crate::markup::{Document, NodeId};

/// The commands of one message that have a CmdID. Of commands that share one, which no message may have, the first
/// counts.
pub(super) enum Listed<'l> {
    /// By number: nearly every peer counts its commands.
    Counted(Vec<Counted<'l>>),
    /// By CmdID as written; some peers write UUIDs.
    Named(HashMap<Cow<'l, str>, NodeId>),
}

/// A command whose CmdID is a greater number than that of the one before it.
pub(super) struct Counted<'l> {
    number: u64,
    cmd_id: Cow<'l, str>,
    node: NodeId,
}

impl<'l> Listed<'l> {
    pub(super) fn of(document: &'l Document) -> Self {
        let mut counted: Vec<Counted<'l>> = Vec::new();
        let mut all = commands(document);
        while let Some((cmd_id, node)) = all.next() {
            let last = counted.last().map(|last| last.number);
            match cmd_id.parse().ok().filter(|number| Some(*number) > last) {
                Some(number) => counted.push(Counted {
                    number,
                    cmd_id,
                    node,
                }),
                None => {
                    let counted = counted.into_iter().map(|c| (c.cmd_id, c.node));
                    let rest = std::iter::once((cmd_id, node)).chain(all);
                    return Self::named(counted.chain(rest));
                }
            }
        }
        Self::Counted(counted)
    }

    fn named(commands: impl Iterator<Item = (Cow<'l, str>, NodeId)>) -> Self {
        let mut named = HashMap::new();
        for (cmd_id, node) in commands {
            named.entry(cmd_id).or_insert(node);
        }
        Self::Named(named)
    }

    /// The command with this CmdID.
    pub(super) fn find(&self, cmd_ref: &str) -> Option<NodeId> {
        match self {
            Self::Counted(commands) => {
                let number: u64 = cmd_ref.parse().ok()?;
                let at = commands.binary_search_by_key(&number, |command| command.number);
                let command = commands.get(at.ok()?)?;
                // `07` is another CmdID than `7`.
                (command.cmd_id == cmd_ref).then_some(command.node)
            }
            Self::Named(commands) => commands.get(cmd_ref).copied(),
        }
    }
}

fn commands<'d>(document: &'d Document) -> impl Iterator<Item = (Cow<'d, str>, NodeId)> {
    let commands = Message::of(document).into_iter();
    let listed = |command: Command<'d>| Some((command.cmd_id()?, command.element().id()));
    commands.flat_map(Message::all_commands).filter_map(listed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markup::{Hint, Limits, decode};

    #[test]
    fn the_first_command_of_a_cmd_id_is_found_however_the_peer_writes_them() {
        let cases: [(&[&str], bool); 6] = [
            (&[], true),
            (&["1", "2", "3", "10", "11"], true),
            (&["7", "07", "8"], false),
            (&["2", "1", "2"], false),
            (&["1", "2", "a4c0-11", "3", "a4c0-11", "1"], false),
            (&["18446744073709551616", "1"], false),
        ];
        for (ids, is_counted) in cases {
            let gets: String = ids
                .iter()
                .map(|id| format!("<Get><CmdID>{id}</CmdID></Get>"))
                .collect();
            let text =
                format!(r#"<SyncML xmlns="SYNCML:SYNCML1.2"><SyncBody>{gets}</SyncBody></SyncML>"#);
            let document = decode(text.into(), Hint::default(), &Limits::default()).unwrap();
            let listed = Listed::of(&document);
            assert_eq!(matches!(listed, Listed::Counted(_)), is_counted, "{ids:?}");
            let all: Vec<_> = commands(&document).collect();
            for asked in ids.iter().chain(&["01", "+1", "0", "", "x", "9"]) {
                let first = all.iter().find(|(id, _)| id == asked).map(|found| found.1);
                assert_eq!(listed.find(asked), first, "{asked:?} in {ids:?}");
            }
        }
    }
}
