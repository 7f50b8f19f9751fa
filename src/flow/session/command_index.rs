//! The commands of a message that answers refer to.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::dm::{Command, CommandKind, Message};
use crate::markup::{Document, NodeId};

/// The commands of one message. A Status is answered by nobody, and Results only by a Status that names them.
pub(super) struct CommandIndex<'l> {
    commands: Commands<'l>,
    /// Those without a CmdID, by kind.
    without_id: HashMap<CommandKind, Vec<NodeId>>,
}

/// Those that have a CmdID. Of commands that share one, which no message may have, the first of a kind counts.
enum Commands<'l> {
    /// By number: nearly every peer counts its commands.
    Counted(Vec<NumberedCommand<'l>>),
    /// By CmdID as written; some peers write UUIDs.
    Named(Named<'l>),
}

/// A command whose CmdID is a greater number than that of the one before it.
struct NumberedCommand<'l> {
    number: u64,
    entry: Entry<'l>,
}

/// Commands whose CmdIDs are not counted.
#[derive(Default)]
struct Named<'l> {
    /// The first command of each CmdID.
    first: HashMap<Cow<'l, str>, NodeId>,
    /// The first command of each CmdID and kind.
    of_kind: HashMap<(Cow<'l, str>, CommandKind), NodeId>,
}

/// A command and its CmdID.
struct Entry<'l> {
    cmd_id: Cow<'l, str>,
    kind: CommandKind,
    node: NodeId,
}

impl<'l> CommandIndex<'l> {
    pub(super) fn of(document: &'l Document) -> Self {
        let mut without_id: HashMap<CommandKind, Vec<NodeId>> = HashMap::new();
        for command in answerable(document) {
            if command.cmd_id().is_none_or(|id| id.is_empty()) {
                let of_kind = without_id.entry(command.kind()).or_default();
                of_kind.push(command.element().id());
            }
        }
        Self {
            commands: Commands::of(document),
            without_id,
        }
    }

    /// The command with this CmdID.
    pub(super) fn find(&self, cmd_ref: &str) -> Option<NodeId> {
        match &self.commands {
            Commands::Counted(commands) => {
                let found = counted(commands, cmd_ref)?;
                (found.kind != CommandKind::Results).then_some(found.node)
            }
            Commands::Named(commands) => commands.first.get(cmd_ref).copied(),
        }
    }

    /// The command with this CmdID, if it is of this kind.
    pub(super) fn find_named(&self, cmd_ref: &str, kind: CommandKind) -> Option<NodeId> {
        match &self.commands {
            Commands::Counted(commands) => {
                let found = counted(commands, cmd_ref)?;
                (found.kind == kind).then_some(found.node)
            }
            Commands::Named(commands) => {
                let key = (Cow::Borrowed(cmd_ref), kind);
                commands.of_kind.get(&key).copied()
            }
        }
    }

    /// The commands of this kind that have no CmdID.
    pub(super) fn without_id(&self, kind: Option<CommandKind>) -> &[NodeId] {
        let found = kind.and_then(|kind| self.without_id.get(&kind));
        found.map_or(&[], Vec::as_slice)
    }
}

fn counted<'c, 'l>(commands: &'c [NumberedCommand<'l>], cmd_ref: &str) -> Option<&'c Entry<'l>> {
    let number: u64 = cmd_ref.parse().ok()?;
    let at = commands.binary_search_by_key(&number, |command| command.number);
    let entry = &commands.get(at.ok()?)?.entry;
    // `07` is another CmdID than `7`.
    (entry.cmd_id == cmd_ref).then_some(entry)
}

impl<'l> Commands<'l> {
    fn of(document: &'l Document) -> Self {
        let mut counted: Vec<NumberedCommand<'l>> = Vec::new();
        let mut all = entries(document);
        while let Some(entry) = all.next() {
            let last = counted.last().map(|last| last.number);
            let number = entry.cmd_id.parse().ok();
            match number.filter(|number| Some(*number) > last) {
                Some(number) => counted.push(NumberedCommand { number, entry }),
                None => {
                    let counted = counted.into_iter().map(|counted| counted.entry);
                    let rest = std::iter::once(entry).chain(all);
                    return Self::named(counted.chain(rest));
                }
            }
        }
        Self::Counted(counted)
    }

    fn named(entries: impl Iterator<Item = Entry<'l>>) -> Self {
        let mut named = Named::default();
        for Entry { cmd_id, kind, node } in entries {
            if kind != CommandKind::Results {
                named.first.entry(cmd_id.clone()).or_insert(node);
            }
            named.of_kind.entry((cmd_id, kind)).or_insert(node);
        }
        Self::Named(named)
    }
}

fn entries<'d>(document: &'d Document) -> impl Iterator<Item = Entry<'d>> {
    let entry = |command: Command<'d>| {
        Some(Entry {
            cmd_id: command.cmd_id().filter(|id| !id.is_empty())?,
            kind: command.kind(),
            node: command.element().id(),
        })
    };
    answerable(document).filter_map(entry)
}

/// Every command but Statuses.
fn answerable(document: &Document) -> impl Iterator<Item = Command<'_>> {
    let commands = Message::of(document).into_iter();
    let commands = commands.flat_map(Message::all_commands);
    commands.filter(|command| command.kind() != CommandKind::Status)
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
            let listed = CommandIndex::of(&document);
            assert_eq!(
                matches!(listed.commands, Commands::Counted(_)),
                is_counted,
                "{ids:?}"
            );
            let all: Vec<_> = entries(&document).collect();
            for asked in ids.iter().chain(&["01", "+1", "0", "", "x", "9"]) {
                let first = all.iter().find(|entry| entry.cmd_id == *asked);
                let first = first.map(|entry| entry.node);
                assert_eq!(listed.find(asked), first, "{asked:?} in {ids:?}");
            }
        }
    }

    #[test]
    fn of_commands_that_share_a_cmd_id_the_one_that_is_named_is_found_and_never_a_status() {
        let kinds = |commands: &str, asked: CommandKind| {
            let text = format!(
                r#"<SyncML xmlns="SYNCML:SYNCML1.2"><SyncBody>{commands}</SyncBody></SyncML>"#
            );
            let document = decode(text.into(), Hint::default(), &Limits::default()).unwrap();
            let listed = CommandIndex::of(&document);
            let name = |node: Option<NodeId>| {
                let element = node.and_then(|node| document.element(node));
                element.map_or(String::new(), |element| element.local().to_owned())
            };
            [listed.find("1"), listed.find_named("1", asked)].map(name)
        };
        let of = |names: &[&str]| -> String {
            let one = |name: &&str| format!("<{name}><CmdID>1</CmdID></{name}>");
            names.iter().map(one).collect()
        };
        let (get, results) = (CommandKind::Get, CommandKind::Results);
        assert_eq!(kinds(&of(&["Status"]), get), ["", ""]);
        assert_eq!(kinds(&of(&["Status", "Get"]), get), ["Get", "Get"]);
        assert_eq!(kinds(&of(&["Results"]), get), ["", ""]);
        assert_eq!(kinds(&of(&["Results"]), results), ["", "Results"]);
        assert_eq!(kinds(&of(&["Results", "Add"]), results), ["Add", "Results"]);
        assert_eq!(kinds(&of(&["Add", "Get"]), get), ["Add", "Get"]);
        assert_eq!(kinds(&of(&["Add", "Exec"]), get), ["Add", ""]);
    }
}
