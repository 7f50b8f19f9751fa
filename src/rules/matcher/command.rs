//! Keys about commands: which are selected, and which of their Items.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Items, Kinds, MatchContext, Matcher, TextTest};
use crate::dm::{Command, CommandKind};
use crate::flow::AnswerTarget;
use crate::markup::{Element, tag};
use crate::rules::answers::LinkedAnswers;
use crate::rules::glob::{Glob, UriGlob};
use crate::rules::mistake::Mistake;
use crate::rules::target_nodes::{self, TargetNodes};
use crate::rules::value::{CmdId, CodeRange, Named, OneOf};

/// The answered command.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "AnswersTable")]
#[schemars(with = "AnswersTable", rename = "answers")]
pub struct AnswersMatcher {
    /// Its name, `SyncHdr` for the header; empty: any.
    pub names: Vec<String>,
    /// What else must hold of it; `None`: nothing.
    pub command: Option<Box<Matcher>>,
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

impl Matcher {
    /// Whether its own keys ask which command an answer refers to.
    pub(super) fn follows_links(&self) -> bool {
        let selects_answers = self
            .kinds
            .is_some_and(|kinds| kinds.meets(Kinds::answers()));
        let mut answers = self.answers.iter();
        selects_answers && !self.loc_uri.is_empty() || answers.any(|a| a.command.is_some())
    }

    /// Whether its keys about commands ask nothing but the kind.
    pub(in crate::rules) fn asks_kinds_only(&self) -> bool {
        self.cmd_id.is_empty()
            && self.status.is_empty()
            && self.alert.is_empty()
            && self.answers.is_empty()
            && self.loc_uri.is_empty()
            && !self.asks_of_items()
    }

    fn asks_of_items(&self) -> bool {
        let texts = [&self.format, &self.r#type, &self.alert_type];
        !self.data.is_empty() || texts.iter().any(|texts| !texts.is_empty())
    }

    /// Which Items of a command its own keys select; `None` if they do not select the command.
    pub(super) fn items_of_command(
        &self,
        context: &MatchContext<'_>,
        seen: &Seen<'_>,
    ) -> Option<Items> {
        let code_of = |kind| seen.code.filter(|_| seen.kind == kind);
        let fits = self.kinds.is_none_or(|kinds| kinds.has(seen.kind))
            && any_code(&self.status, code_of(CommandKind::Status))
            && any_code(&self.alert, code_of(CommandKind::Alert))
            && self.has_cmd_id(seen.command)
            && (self.answers.is_empty()
                || self.answers.iter().any(|a| a.fits(context, seen.command)));
        if !fits {
            return None;
        }
        let named = self.items_named(seen)?;
        match self.asks_of_items() {
            true => named.and(self.items_fitting(seen.command)?),
            false => Some(named),
        }
    }

    fn has_cmd_id(&self, command: Command<'_>) -> bool {
        self.cmd_id.is_empty()
            || command
                .cmd_id()
                .is_some_and(|id| self.cmd_id.iter().any(|asked| asked.0 == *id))
    }

    /// The Items that name a node asked for; all of them where an answer names none.
    fn items_named(&self, seen: &Seen<'_>) -> Option<Items> {
        if self.loc_uri.is_empty() {
            return Some(Items::All);
        }
        let asked = |about: &&TargetNodes| self.loc_uri.iter().any(|glob| glob.matches(&about.uri));
        let mut items = Vec::new();
        for about in seen.about.iter().filter(asked) {
            match about.item {
                Some(item) => items.push(item),
                None => return Some(Items::All),
            }
        }
        Items::only(items)
    }

    /// The Items whose Meta and Data are as asked.
    fn items_fitting(&self, command: Command<'_>) -> Option<Items> {
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
            && fits(&self.r#type, || field(tag::TYPE))
            && fits(&self.alert_type, || field(tag::TYPE))
    }

    fn data_fits(&self, data: Option<Element<'_>>) -> bool {
        self.data.is_empty()
            || data.is_some_and(|data| {
                let text = data.text();
                self.data.iter().any(|test| test.holds(&text))
            })
    }
}

pub(in crate::rules) fn any_code<F>(codes: &[CodeRange<F>], code: Option<u16>) -> bool {
    codes.is_empty() || code.is_some_and(|code| codes.iter().any(|range| range.0.contains(&code)))
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
    fn fits(&self, context: &MatchContext<'_>, answer: Command<'_>) -> bool {
        let Some(answers) = context.answers else {
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
        let about = target_nodes::of_own(command);
        let seen = Seen {
            command,
            kind: command.kind(),
            code: None,
            about: &about,
        };
        matcher.items_of_command(context, &seen).is_some()
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

/// The answered command.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(
    rename = "`answers`",
    rename_all = "kebab-case",
    deny_unknown_fields,
    default
)]
#[schemars(extend("minProperties" = 1))]
struct AnswersTable {
    #[serde(rename = "")]
    plain: Option<OneOf<Answered>>,
    /// The name of the answered command, `"SyncHdr"` for the header.
    command: Vec<OneOf<Answered>>,
    /// The CmdID of the answered command.
    #[schemars(extend("examples" = [5]))]
    cmd_id: Vec<CmdId>,
    /// The node of the answered command.
    #[schemars(extend("examples" = ["./Vendor/**"]))]
    loc_uri: Vec<UriGlob>,
    /// Meta Format of the answered command or its Item.
    #[schemars(extend("examples" = ["int"]))]
    format: Vec<Glob>,
    /// Meta Type of the answered command or its Item.
    #[schemars(extend("examples" = ["text/plain"]))]
    r#type: Vec<Glob>,
    /// Data of an Item of the answered command.
    #[schemars(extend("examples" = ["1"]))]
    data: Vec<TextTest>,
}

/// The name of what may be answered: a command, or the header.
#[derive(Clone, Copy)]
struct Answered(&'static str);

impl Named for Answered {
    fn all() -> Vec<(&'static str, Self)> {
        let names = CommandKind::all().map(CommandKind::name).chain([HEADER]);
        names.map(|name| (name, Self(name))).collect()
    }
}

impl TryFrom<AnswersTable> for AnswersMatcher {
    type Error = Mistake;

    fn try_from(table: AnswersTable) -> Result<Self, Mistake> {
        let names = table.plain.into_iter().chain(table.command);
        let names: Vec<String> = names.map(|name| name.0.0.to_owned()).collect();
        let command = Matcher {
            cmd_id: table.cmd_id,
            loc_uri: table.loc_uri,
            format: table.format,
            r#type: table.r#type,
            data: table.data,
            ..Matcher::default()
        };
        let asks_more = !command.asks_kinds_only();
        if names.is_empty() && !asks_more {
            return Err(Mistake::new("`answers` has no key".into())
                .help("answers = { command = \"Exec\", loc-uri = \"./Vendor/**\" }"));
        }
        if asks_more && names.iter().any(|name| name == HEADER) {
            return Err(
                Mistake::new("the SyncHdr is about no node and has no Item".into())
                    .help("write answers = \"SyncHdr\" alone, or in a list with other commands"),
            );
        }
        Ok(Self {
            names,
            command: asks_more.then(|| Box::new(command)),
        })
    }
}

/// What `answers` calls the header of a message.
pub(in crate::rules) const HEADER: &str = "SyncHdr";
