//! The commands of a message, indexed by what answers refer to.

use std::collections::HashMap;

use smol_str::SmolStr;

use crate::dm::{Command, CommandKind, Message};
use crate::markup::{Document, NodeId};

/// The commands of one message, indexed by CmdID and kind; `T` identifies a command. No answer refers to a Status, and
/// only a Status that names Results refers to Results.
#[derive(Debug)]
pub struct CommandIndex<T> {
    /// The commands with a CmdID, in the order of [`sort_key`]. CmdIDs must be unique; of commands that share one, the
    /// first of each kind is here, in document order.
    with_id: Vec<Answerable<T>>,
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
    /// The CmdID; empty if the command has none.
    pub cmd_id: SmolStr,
    /// The kind of the command.
    pub kind: CommandKind,
    /// The value that identifies the command.
    pub is: T,
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
        let mut with_id = Vec::with_capacity(commands.size_hint().0);
        for command in commands.filter(|command| command.kind != CommandKind::Status) {
            match command.cmd_id.is_empty() {
                true => without_id.entry(command.kind).or_default().push(command.is),
                false => with_id.push(command),
            }
        }
        with_id.sort_by(|one, other| sort_key(&one.cmd_id).cmp(&sort_key(&other.cmd_id)));
        let (mut last, mut kinds) = (SmolStr::default(), Vec::new());
        with_id.retain(|command| {
            if command.cmd_id != last {
                last = command.cmd_id.clone();
                kinds.clear();
            }
            let is_first = !kinds.contains(&command.kind);
            kinds.extend(is_first.then_some(command.kind));
            is_first
        });
        Self {
            with_id,
            without_id,
        }
    }

    /// Returns the target of an answer that has this CmdRef. `asked` is the kind of command that the answer says it
    /// answers.
    pub fn refer(&self, cmd_ref: &str, asked: Option<CommandKind>) -> Referred<T> {
        let named = self.find(cmd_ref, |kind| Some(kind) == asked);
        let found = match cmd_ref {
            "0" | "" => named,
            _ => named.or_else(|| self.find(cmd_ref, |kind| kind != CommandKind::Results)),
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

    /// Returns the first command with this CmdID and such a kind.
    fn find(&self, cmd_ref: &str, fits: impl Fn(CommandKind) -> bool) -> Option<T> {
        let is_before = |it: &Answerable<T>| sort_key(&it.cmd_id) < sort_key(cmd_ref);
        let first = self.with_id.partition_point(is_before);
        let alike = self.with_id[first..].iter();
        let mut alike = alike.take_while(|it| it.cmd_id == cmd_ref);
        alike.find(|it| fits(it.kind)).map(|it| it.is)
    }

    /// Returns the commands of this kind that have no CmdID.
    pub fn without_id(&self, kind: Option<CommandKind>) -> &[T] {
        let found = kind.and_then(|kind| self.without_id.get(&kind));
        found.map_or(&[], Vec::as_slice)
    }
}

/// Returns the key that orders CmdIDs. Almost every peer counts its commands, and ascending numbers are in this order.
fn sort_key(cmd_id: &str) -> (usize, &str) {
    (cmd_id.len(), cmd_id)
}

/// Returns every command of a message that can be answered.
fn answerable(document: &Document) -> impl Iterator<Item = Answerable<NodeId>> {
    let commands = Message::of(document).into_iter();
    let commands = commands.flat_map(Message::all_commands);
    commands.map(|command: Command<'_>| Answerable {
        cmd_id: command.cmd_id().map(SmolStr::from).unwrap_or_default(),
        kind: command.kind(),
        is: command.element().id(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markup::{Hint, Limits, decode};

    fn index(commands: &str) -> (Document, CommandIndex<NodeId>) {
        let text =
            format!(r#"<SyncML xmlns="SYNCML:SYNCML1.2"><SyncBody>{commands}</SyncBody></SyncML>"#);
        let document = decode(text.into(), Hint::default(), &Limits::default()).unwrap();
        let index = CommandIndex::of(&document);
        (document, index)
    }

    #[test]
    fn the_first_command_of_a_cmd_id_is_found_however_the_peer_writes_them() {
        let cases: [&[&str]; 6] = [
            &[],
            &["1", "2", "3", "10", "11"],
            &["7", "07", "8"],
            &["2", "1", "2"],
            &["1", "2", "a4c0-11", "3", "a4c0-11", "1"],
            &["18446744073709551616", "1"],
        ];
        for ids in cases {
            let get = |id: &&str| format!("<Get><CmdID>{id}</CmdID></Get>");
            let (document, index) = index(&ids.iter().map(get).collect::<String>());
            let all: Vec<_> = answerable(&document).collect();
            for asked in ids.iter().chain(&["01", "+1", "0", "", "x", "9"]) {
                let first = all.iter().find(|entry| entry.cmd_id == *asked);
                let expected = match first {
                    Some(first) if !asked.is_empty() => Referred::Command(first.is),
                    _ if *asked == "0" => Referred::Header,
                    _ => Referred::Nothing,
                };
                assert_eq!(index.refer(asked, None), expected, "{asked:?} in {ids:?}");
            }
        }
    }

    #[test]
    fn of_commands_that_share_a_cmd_id_the_one_that_is_named_is_found_and_never_a_status() {
        let kinds = |names: &[&str], asked: CommandKind| {
            let one = |name: &&str| format!("<{name}><CmdID>1</CmdID></{name}>");
            let (document, index) = index(&names.iter().map(one).collect::<String>());
            [None, Some(asked)].map(|asked| match index.refer("1", asked) {
                Referred::Command(node) => document.element(node).unwrap().local().to_owned(),
                _ => String::new(),
            })
        };
        let (get, results) = (CommandKind::Get, CommandKind::Results);
        assert_eq!(kinds(&["Status"], get), ["", ""]);
        assert_eq!(kinds(&["Status", "Get"], get), ["Get", "Get"]);
        assert_eq!(kinds(&["Results"], get), ["", ""]);
        assert_eq!(kinds(&["Results"], results), ["", "Results"]);
        assert_eq!(kinds(&["Results", "Add"], results), ["Add", "Results"]);
        assert_eq!(kinds(&["Add", "Get", "Add", "Get"], get), ["Add", "Get"]);
        assert_eq!(kinds(&["Add", "Exec"], get), ["Add", "Add"]);
    }
}
