//! The commands of one document, which are read once for all rules.

use std::collections::BTreeSet;

use super::answers::LinkedAnswers;
use super::index::Index;
use super::items::Selected;
use super::matcher::{Kinds, MatchContext, Matcher, ReadCommand, any_code};
use super::target_nodes;
use crate::dm::{Command, CommandKind, Message};
use crate::markup::{Document, NodeId};

/// The commands of a document, in order.
#[derive(Debug)]
pub(super) struct Commands {
    entries: Vec<Entry>,
    /// The kinds of the commands; `codes` has the codes of Statuses and Alerts, each once.
    pub(super) kinds: Kinds,
    codes: Vec<(CommandKind, u16)>,
    /// The rules that have a LocURI or a value of a command as an index key.
    pub(super) by_key: BTreeSet<usize>,
}

#[derive(Debug)]
struct Entry {
    node: NodeId,
    kind: CommandKind,
    /// The code of a Status or an Alert.
    code: Option<u16>,
}

impl Commands {
    pub(super) fn of(document: &Document, answers: &LinkedAnswers<'_>, index: &Index) -> Self {
        let mut commands = Self {
            entries: Vec::new(),
            kinds: Kinds::NONE,
            codes: Vec::new(),
            by_key: BTreeSet::new(),
        };
        let mut search = (!index.uris.is_empty()).then(|| index.uris.search());
        let all = Message::of(document).into_iter();
        for command in all.flat_map(Message::all_commands) {
            let (kind, code) = (command.kind(), command.code());
            commands.kinds = commands.kinds.or(Kinds::of(kind));
            let code_of_kind = code.map(|code| (kind, code));
            if let Some(code) = code_of_kind.filter(|code| !commands.codes.contains(code)) {
                commands.codes.push(code);
            }
            if let Some(search) = &mut search {
                target_nodes::each(command, answers, &mut |_, uri| {
                    search.find(uri, &mut commands.by_key);
                });
            }
            index.add_with_values_of(command, &mut commands.by_key);
            commands.entries.push(Entry {
                node: command.element().id(),
                kind,
                code,
            });
        }
        commands
    }

    /// Whether there are commands of the kinds and with the codes that a matcher needs.
    pub(super) fn may_match(&self, matcher: &Matcher) -> bool {
        let codes_of = |kind| self.codes.iter().filter(move |code| code.0 == kind);
        let (status, alert) = (&matcher.status, &matcher.alert);
        self.kinds.meets(matcher.kinds.unwrap_or_default())
            && (status.is_empty()
                || codes_of(CommandKind::Status).any(|c| any_code(status, Some(c.1))))
            && (alert.is_empty()
                || codes_of(CommandKind::Alert).any(|c| any_code(alert, Some(c.1))))
    }

    /// Returns the commands that a matcher selects, in document order.
    pub(super) fn select(
        &self,
        matcher: &Matcher,
        document: &Document,
        context: &MatchContext<'_>,
    ) -> Vec<Selected> {
        let kinds = matcher.kinds.unwrap_or_default();
        let compares_loc_uris = matcher.compares_loc_uris();
        let of_kind = self.entries.iter().filter(|entry| kinds.has(entry.kind));
        let select = |entry: &Entry| {
            let command = Command::of(document.element(entry.node)?)?;
            let about = match compares_loc_uris {
                true => target_nodes::of(command, context.answers),
                false => Vec::new(),
            };
            let seen = ReadCommand {
                command,
                kind: entry.kind,
                code: entry.code,
                about: &about,
            };
            Some(Selected {
                node: entry.node,
                items: matcher.items_of(context, &seen)?,
            })
        };
        of_kind.filter_map(select).collect()
    }
}
