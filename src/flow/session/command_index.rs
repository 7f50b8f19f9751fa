//! The commands of a message, indexed by what answers refer to.

use std::collections::HashMap;

use smol_str::SmolStr;

use crate::dm::{Command, CommandKind, Message};
use crate::markup::{Document, NodeId};

/// The commands of one message, indexed by CmdID and kind; `T` identifies a command. No answer refers to a Status, and
/// only a Status that names Results refers to Results.
#[derive(Debug)]
pub struct CommandIndex<T> {
    commands: Commands<T>,
    /// The commands without a CmdID, by kind.
    without_id: HashMap<CommandKind, Vec<T>>,
}

/// The thing in a message that a CmdRef refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Referred<T> {
    /// The SyncHdr.
    Header,
    /// A command.
    Command(T),
    /// One of several commands without a CmdID. Which one is unknown.
    WithoutId,
    /// Nothing in the message.
    Nothing,
}

/// A command that can be answered.
#[derive(Clone, Debug)]
pub struct Answerable<T> {
    /// The CmdID, if the command has one.
    pub cmd_id: Option<SmolStr>,
    /// The kind of the command.
    pub kind: CommandKind,
    /// The value that identifies the command.
    pub is: T,
}

/// The commands that have a CmdID. CmdIDs must be unique; if commands share one, the first of each kind counts.
#[derive(Debug)]
enum Commands<T> {
    /// The commands by number: almost every peer counts its commands.
    Counted(Vec<NumberedCommand<T>>),
    /// The commands by CmdID as written: some peers write UUIDs.
    Named(Named<T>),
}

/// A command whose CmdID is a greater number than the CmdID before it.
#[derive(Debug)]
struct NumberedCommand<T> {
    number: u64,
    entry: Entry<T>,
}

/// Commands whose CmdIDs do not count up.
#[derive(Debug)]
struct Named<T> {
    /// The first command of each CmdID.
    first: HashMap<SmolStr, T>,
    /// The first command of each CmdID and kind.
    of_kind: HashMap<(SmolStr, CommandKind), T>,
}

/// A command with its CmdID.
#[derive(Debug)]
struct Entry<T> {
    cmd_id: SmolStr,
    kind: CommandKind,
    is: T,
}

impl CommandIndex<NodeId> {
    pub(super) fn of(document: &Document) -> Self {
        Self::new(answerable(document))
    }
}

impl<T: Copy> CommandIndex<T> {
    /// Creates an index of the commands of one message, given in document order.
    pub fn new(commands: impl Iterator<Item = Answerable<T>>) -> Self {
        let mut without_id: HashMap<CommandKind, Vec<T>> = HashMap::new();
        let mut entries = Vec::with_capacity(commands.size_hint().0);
        for Answerable { cmd_id, kind, is } in commands {
            match cmd_id.filter(|id| !id.is_empty()) {
                _ if kind == CommandKind::Status => {}
                Some(cmd_id) => entries.push(Entry { cmd_id, kind, is }),
                None => without_id.entry(kind).or_default().push(is),
            }
        }
        Self {
            commands: Commands::of(entries),
            without_id,
        }
    }

    /// Returns the target of an answer that has this CmdRef. `asked` is the kind of command that the answer says it
    /// answers.
    pub fn refer(&self, cmd_ref: &str, asked: Option<CommandKind>) -> Referred<T> {
        let named = asked.and_then(|kind| self.find_named(cmd_ref, kind));
        let found = match cmd_ref {
            "0" | "" => named,
            _ => named.or_else(|| self.find(cmd_ref)),
        };
        // A command without a CmdID cannot be named: peers write nothing, 0 or a number of their own.
        match (found, self.refer_without_id(asked), cmd_ref) {
            (Some(command), ..) => Referred::Command(command),
            (None, Referred::Nothing, "0") => Referred::Header,
            (None, Referred::WithoutId, "0") if asked.is_none() => Referred::Header,
            (None, without_id, "0" | "") => without_id,
            (None, Referred::Nothing, _) => Referred::Nothing,
            (None, ..) => Referred::WithoutId,
        }
    }

    /// Returns the target of an answer to a command of the kind `asked` that has no CmdID.
    fn refer_without_id(&self, asked: Option<CommandKind>) -> Referred<T> {
        match self.without_id(asked) {
            [only] => Referred::Command(*only),
            [] if asked.is_some() || self.without_id.is_empty() => Referred::Nothing,
            [..] => Referred::WithoutId,
        }
    }

    /// Returns the command with this CmdID.
    fn find(&self, cmd_ref: &str) -> Option<T> {
        match &self.commands {
            Commands::Counted(commands) => {
                let found = counted(commands, cmd_ref)?;
                (found.kind != CommandKind::Results).then_some(found.is)
            }
            Commands::Named(commands) => commands.first.get(cmd_ref).copied(),
        }
    }

    /// Returns the command with this CmdID if it is of this kind.
    fn find_named(&self, cmd_ref: &str, kind: CommandKind) -> Option<T> {
        match &self.commands {
            Commands::Counted(commands) => {
                let found = counted(commands, cmd_ref)?;
                (found.kind == kind).then_some(found.is)
            }
            Commands::Named(commands) => {
                let key = (SmolStr::new(cmd_ref), kind);
                commands.of_kind.get(&key).copied()
            }
        }
    }

    /// Returns the commands of this kind that have no CmdID.
    pub fn without_id(&self, kind: Option<CommandKind>) -> &[T] {
        let found = kind.and_then(|kind| self.without_id.get(&kind));
        found.map_or(&[], Vec::as_slice)
    }
}

fn counted<'c, T>(commands: &'c [NumberedCommand<T>], cmd_ref: &str) -> Option<&'c Entry<T>> {
    let number: u64 = cmd_ref.parse().ok()?;
    let at = commands.binary_search_by_key(&number, |command| command.number);
    let entry = &commands.get(at.ok()?)?.entry;
    // The CmdID `07` differs from `7`.
    (entry.cmd_id == cmd_ref).then_some(entry)
}

impl<T: Copy> Commands<T> {
    fn of(entries: Vec<Entry<T>>) -> Self {
        let numbers: Vec<_> = entries
            .iter()
            .map_while(|it| it.cmd_id.parse().ok())
            .collect();
        let is_counted = numbers.is_sorted_by(|one: &u64, next| one < next);
        if numbers.len() < entries.len() || !is_counted {
            return Self::Named(Named::of(entries));
        }
        let numbered = numbers.into_iter().zip(entries);
        let numbered = numbered.map(|(number, entry)| NumberedCommand { number, entry });
        Self::Counted(numbered.collect())
    }
}

impl<T: Copy> Named<T> {
    fn of(entries: Vec<Entry<T>>) -> Self {
        let (mut first, mut of_kind) = (HashMap::new(), HashMap::new());
        for Entry { cmd_id, kind, is } in entries {
            if kind != CommandKind::Results {
                first.entry(cmd_id.clone()).or_insert(is);
            }
            of_kind.entry((cmd_id, kind)).or_insert(is);
        }
        Self { first, of_kind }
    }
}

/// Returns every command of a message that can be answered.
fn answerable(document: &Document) -> impl Iterator<Item = Answerable<NodeId>> {
    let commands = Message::of(document).into_iter();
    let commands = commands.flat_map(Message::all_commands);
    let commands = commands.filter(|command| command.kind() != CommandKind::Status);
    commands.map(|command: Command<'_>| Answerable {
        cmd_id: command.cmd_id().map(SmolStr::from),
        kind: command.kind(),
        is: command.element().id(),
    })
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
            let all: Vec<_> = answerable(&document).collect();
            for asked in ids.iter().chain(&["01", "+1", "0", "", "x", "9"]) {
                let first = all
                    .iter()
                    .find(|entry| entry.cmd_id.as_deref() == Some(*asked));
                let first = first.map(|entry| entry.is);
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
