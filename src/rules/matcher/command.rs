//! Which commands are selected, and which of their Items.

use crate::rules::value::schema_of_table;
use serde::Deserialize;
use std::borrow::Cow;

use super::{Codes, Items, Kinds, MatchContext, TextTest, any_code};
use crate::dm::{Command, CommandKind};
use crate::flow::AnswerTarget;
use crate::markup::{Element, tag};
use crate::rules::answers::LinkedAnswers;
use crate::rules::glob::{Glob, UriGlob};
use crate::rules::load::AnswersTable;
use crate::rules::target_nodes::{TargetNodes, own_abouts};

/// Which commands are selected, nested ones included.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CommandMatcher {
    /// Of these kinds.
    pub kinds: Kinds,
    /// With one of these CmdIDs; empty: any.
    pub cmd_ids: Vec<String>,
    /// A Status with one of these codes; empty: any.
    pub status: Codes,
    /// An Alert with one of these codes; empty: any.
    pub alert: Codes,
    /// An answer to one of these; empty: any.
    pub answers: Vec<AnswersMatcher>,
    /// About one of these nodes; empty: any. An answer is about what the answered command is about.
    pub uris: Vec<UriGlob>,
    /// What must hold of one Item; those it holds of are selected.
    pub item: ItemMatcher,
}

/// What must hold of an Item. An empty list asks nothing; of a list one entry must match.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ItemMatcher {
    /// Meta Format, of the Item or of its command.
    pub format: Vec<Glob>,
    /// Meta Type, of the Item or of its command.
    pub media_type: Vec<Glob>,
    /// Meta Type of an Alert.
    pub alert_type: Vec<Glob>,
    /// The text of its Data.
    pub data: Vec<TextTest>,
}

/// A command that an answer refers to.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(try_from = "AnswersTable")]
pub struct AnswersMatcher {
    /// Its name, `SyncHdr` for the header; empty: any.
    pub names: Vec<String>,
    /// What else must hold of it; `None`: nothing.
    pub command: Option<Box<CommandMatcher>>,
}

/// A command, with what was seen of it when the document was surveyed.
#[derive(Clone, Copy)]
pub(in crate::rules) struct Seen<'d> {
    pub(in crate::rules) command: Command<'d>,
    pub(in crate::rules) kind: CommandKind,
    /// Of a Status or Alert.
    pub(in crate::rules) code: Option<u16>,
    /// The nodes it is about.
    pub(in crate::rules) about: &'d [TargetNodes],
}

/// What must be among the commands of a message for one of them to be selected: most rules without a match are found
/// by that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::rules) struct Gate {
    pub(in crate::rules) kinds: Kinds,
    pub(in crate::rules) status: Codes,
    pub(in crate::rules) alert: Codes,
}

impl CommandMatcher {
    /// Whether it asks which command an answer refers to.
    pub(in crate::rules) fn asks_links(&self) -> bool {
        let by_uri = !self.uris.is_empty() && self.kinds.meets(Kinds::answers());
        by_uri
            || self
                .answers
                .iter()
                .any(|answered| answered.command.is_some())
    }

    /// What must be among the commands of a message for one of them to be selected.
    pub(in crate::rules) fn gate(&self) -> Gate {
        Gate {
            kinds: self.kinds,
            status: self.status.clone(),
            alert: self.alert.clone(),
        }
    }

    /// Whether it asks nothing but the kind.
    pub(in crate::rules) fn asks_kinds_only(&self) -> bool {
        self.cmd_ids.is_empty()
            && self.status.is_empty()
            && self.alert.is_empty()
            && self.answers.is_empty()
            && self.uris.is_empty()
            && self.item.asks_nothing()
    }

    /// Which Items of a command are selected; `None` if the command is not.
    pub(super) fn items(&self, look: &MatchContext<'_>, seen: &Seen<'_>) -> Option<Items> {
        let code_of = |kind| seen.code.filter(|_| seen.kind == kind);
        let fits = self.kinds.has(seen.kind)
            && any_code(&self.status, code_of(CommandKind::Status))
            && any_code(&self.alert, code_of(CommandKind::Alert))
            && self.has_cmd_id(seen.command)
            && self.answers_one(look, seen.command);
        if !fits {
            return None;
        }
        let about = self.about(seen)?;
        if self.item.asks_nothing() {
            return Some(about);
        }
        about.and(self.item.items(seen.command)?)
    }

    fn has_cmd_id(&self, command: Command<'_>) -> bool {
        self.cmd_ids.is_empty()
            || command
                .cmd_id()
                .is_some_and(|id| self.cmd_ids.iter().any(|asked| **asked == *id))
    }

    fn answers_one(&self, look: &MatchContext<'_>, command: Command<'_>) -> bool {
        let fits = |asked: &AnswersMatcher| asked.fits(look, command);
        self.answers.is_empty() || self.answers.iter().any(fits)
    }

    /// The Items that name a node asked for; all of them where an answer names none.
    fn about(&self, seen: &Seen<'_>) -> Option<Items> {
        if self.uris.is_empty() {
            return Some(Items::All);
        }
        let asked = |about: &&TargetNodes| self.uris.iter().any(|glob| glob.matches(&about.uri));
        let mut items = Vec::new();
        for about in seen.about.iter().filter(asked) {
            match about.item {
                Some(item) => items.push(item),
                None => return Some(Items::All),
            }
        }
        Items::only(items)
    }
}

impl ItemMatcher {
    fn asks_nothing(&self) -> bool {
        self.format.is_empty()
            && self.media_type.is_empty()
            && self.alert_type.is_empty()
            && self.data.is_empty()
    }

    fn items(&self, command: Command<'_>) -> Option<Items> {
        let mut items = command.items().peekable();
        if items.peek().is_none() {
            // An Atomic has a Meta and no Item.
            let fits = self.data.is_empty() && self.meta_fits(command, None);
            return fits.then_some(Items::All);
        }
        let fitting = items.filter(|item| {
            self.meta_fits(command, Some(item.element())) && self.data_fits(item.data())
        });
        Items::only(fitting.map(|item| item.element().id()).collect())
    }

    fn meta_fits(&self, command: Command<'_>, item: Option<Element<'_>>) -> bool {
        let field = |name| {
            let own = item.and_then(|item| meta_field(item, name));
            own.or_else(|| meta_field(command.element(), name))
        };
        fits(&self.format, || field(tag::FORMAT))
            && fits(&self.media_type, || field(tag::TYPE))
            && fits(&self.alert_type, || field(tag::TYPE))
    }

    fn data_fits(&self, data: Option<Element<'_>>) -> bool {
        if self.data.is_empty() {
            return true;
        }
        data.is_some_and(|data| {
            let text = data.text();
            self.data.iter().any(|test| test.holds(&text))
        })
    }
}

/// A field of the Meta of an Item or a command, also inside a MetInf.
fn meta_field(of: Element<'_>, name: crate::markup::NameId) -> Option<Cow<'_, str>> {
    let meta = of.child(tag::META)?;
    let inside = || meta.child(tag::MET_INF)?.child(name);
    meta.child(name).or_else(inside).map(Element::text)
}

fn fits<'d>(patterns: &[Glob], text: impl FnOnce() -> Option<Cow<'d, str>>) -> bool {
    let matched = |text: Cow<'_, str>| patterns.iter().any(|p| p.matches(text.trim_ascii()));
    patterns.is_empty() || text().is_some_and(matched)
}

impl AnswersMatcher {
    fn fits(&self, look: &MatchContext<'_>, answer: Command<'_>) -> bool {
        let Some(answers) = look.answers else {
            return false;
        };
        let named = |name: Cow<'_, str>| self.names.iter().any(|asked| **asked == *name);
        if !self.names.is_empty() && !answered_name(answer, answers).is_some_and(named) {
            return false;
        }
        let Some(matcher) = &self.command else {
            return true;
        };
        let Some(command) = answers.to(answer).and_then(AnswerTarget::command) else {
            return false;
        };
        let about = own_abouts(command);
        let seen = Seen {
            command,
            kind: command.kind(),
            code: None,
            about: &about,
        };
        matcher.items(look, &seen).is_some()
    }
}

fn answered_name<'d>(answer: Command<'d>, answers: &LinkedAnswers<'_>) -> Option<Cow<'d, str>> {
    if let Some(status) = answer.as_status() {
        return status.cmd();
    }
    answer.as_results()?;
    let command = answers.to(answer).and_then(AnswerTarget::command);
    let kind = command.map_or(CommandKind::Get, Command::kind);
    Some(Cow::Borrowed(kind.name()))
}

schema_of_table!(AnswersMatcher, AnswersTable);
