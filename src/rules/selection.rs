//! A survey of one document: its commands, for the rules that may find something among them.

use super::matcher::{Kinds, MatchContext, Matcher, Seen};
use super::target_nodes::abouts;
use crate::dm::{Command, CommandKind, Message};
use crate::markup::{Document, NodeId};

/// An element a rule acts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selected {
    /// The element.
    pub(super) node: NodeId,
    /// Those of its Items that the matcher selected; empty: all.
    pub(super) items: Vec<NodeId>,
}

/// The commands of a document, in order.
#[derive(Debug)]
pub(super) struct Selection(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    node: NodeId,
    kind: CommandKind,
    /// Of a Status or an Alert.
    code: Option<u16>,
}

impl Selection {
    /// Looks at every command once.
    pub(super) fn of(document: &Document) -> Self {
        let commands = Message::of(document).into_iter();
        let entry = |command: Command<'_>| Entry {
            node: command.element().id(),
            kind: command.kind(),
            code: command.code(),
        };
        let commands = commands.flat_map(Message::all_commands);
        Self(commands.map(entry).collect())
    }

    /// The commands a matcher selects, in document order.
    pub(super) fn select(
        &self,
        kinds: Kinds,
        matcher: &Matcher,
        document: &Document,
        look: &MatchContext<'_>,
    ) -> Vec<Selected> {
        let asks_uris = matcher.asks_uris();
        let of_kind = self.0.iter().filter(|entry| kinds.has(entry.kind));
        let select = |entry: &Entry| {
            let command = Command::of(document.element(entry.node)?)?;
            let about = match look.answers.filter(|_| asks_uris) {
                Some(answers) => abouts(command, answers),
                None => Vec::new(),
            };
            let seen = Seen {
                command,
                kind: entry.kind,
                code: entry.code,
                about: &about,
            };
            let items = matcher.items_of(look, &seen)?;
            Some(Selected {
                node: entry.node,
                items: items.nodes().to_vec(),
            })
        };
        of_kind.filter_map(select).collect()
    }
}
