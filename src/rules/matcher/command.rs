//! Keys about commands: they select commands, and Items in them.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Deserialize;

use super::message::{any, any_code, any_glob};
use super::{Kinds, MatchContext, Matcher, TextTest};
use crate::dm::{Command, CommandKind, Item, Meta};
use crate::flow::AnswerTarget;
use crate::rules::answers::LinkedAnswers;
use crate::rules::glob::{Glob, UriGlob};
use crate::rules::items::Items;
use crate::rules::mistake::Mistake;
use crate::rules::target_nodes::{self, TargetNode};
use crate::rules::value::{CmdId, named, plain_or_table};

/// The conditions on an answered command.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "AnswersTable")]
#[schemars(with = "AnswersTable", rename = "answers")]
pub struct AnswersMatcher {
    /// The names that the command may have, `SyncHdr` for the header; empty for any name.
    pub names: Vec<&'static str>,
    /// Further conditions on the command; `None` if there are none.
    pub command: Option<Box<Matcher>>,
}

/// A command, with the facts that are read from it once for all rules.
#[derive(Clone, Copy)]
pub(in crate::rules) struct ReadCommand<'d> {
    pub(in crate::rules) command: Command<'d>,
    pub(in crate::rules) kind: CommandKind,
    /// The code of a Status or Alert.
    pub(in crate::rules) code: Option<u16>,
    /// The nodes that the command is about.
    pub(in crate::rules) about: &'d [TargetNode],
}

impl Matcher {
    /// Whether the matcher's own keys need the command that an answer refers to.
    pub(super) fn own_keys_need_links(&self) -> bool {
        let selects_answers = self
            .kinds
            .is_some_and(|kinds| kinds.meets(Kinds::answers()));
        let mut answers = self.answers.iter();
        selects_answers && !self.loc_uri.is_empty() || answers.any(|a| a.command.is_some())
    }

    fn asks_of_items(&self) -> bool {
        let texts = [&self.format, &self.r#type, &self.alert_type];
        !self.data.is_empty() || texts.iter().any(|texts| !texts.is_empty())
    }

    /// Returns the Items of a command that the matcher's own keys select; `None` if they do not select the command.
    pub(super) fn items_of_command(
        &self,
        context: &MatchContext<'_>,
        seen: &ReadCommand<'_>,
    ) -> Option<Items> {
        let code_of = |kind| seen.code.filter(|_| seen.kind == kind);
        let fits = self.kinds.is_none_or(|kinds| kinds.has(seen.kind))
            && any_code(&self.status, code_of(CommandKind::Status))
            && any_code(&self.alert, code_of(CommandKind::Alert))
            && any(
                &self.cmd_id,
                || seen.command.cmd_id(),
                |asked, id| asked.0 == *id,
            )
            && any(
                &self.answers,
                || Some(seen.command),
                |asked, command| asked.fits(context, *command),
            );
        if !fits {
            return None;
        }
        let named = self.items_named(seen)?;
        match self.asks_of_items() {
            true => named.and(self.items_fitting(seen.command)?),
            false => Some(named),
        }
    }

    /// Returns the Items about a node that `loc-uri` matches; the whole command if an answer matches by a node that
    /// none of its own Items names.
    fn items_named(&self, seen: &ReadCommand<'_>) -> Option<Items> {
        if self.loc_uri.is_empty() {
            return Some(Items::All);
        }
        let asked = |about: &&TargetNode| self.loc_uri.iter().any(|glob| glob.matches(&about.uri));
        let mut items = Vec::new();
        for about in seen.about.iter().filter(asked) {
            match about.item {
                Some(item) => items.push(item),
                None => return Some(Items::All),
            }
        }
        Items::only(items)
    }

    /// Returns the Items whose Meta and Data match.
    fn items_fitting(&self, command: Command<'_>) -> Option<Items> {
        // Read only once, because a command may have many Items.
        let of_command = command.meta();
        let mut items = command.items().peekable();
        if items.peek().is_none() {
            // An Atomic has a Meta and no Item.
            let fits = self.data.is_empty() && self.meta_fits(of_command, None);
            return fits.then_some(Items::All);
        }
        let fitting = items.filter(|item| {
            let data = || Some(item.data()?.text());
            self.meta_fits(of_command, Some(*item))
                && any(&self.data, data, |test, text| test.holds(text))
        });
        Items::only(fitting.map(|item| item.element().id()).collect())
    }

    fn meta_fits(&self, of_command: Option<Meta<'_>>, item: Option<Item<'_>>) -> bool {
        let media_type = || Meta::item_field(item, of_command, Meta::media_type);
        any_glob(&self.format, || {
            Meta::item_field(item, of_command, Meta::format)
        }) && any_glob(&self.r#type, media_type)
            && any_glob(&self.alert_type, media_type)
    }
}

impl AnswersMatcher {
    fn fits(&self, context: &MatchContext<'_>, answer: Command<'_>) -> bool {
        let answers = context.answers;
        let name = || answered_name(answer, answers);
        if !any(&self.names, name, |asked, name| asked == name) {
            return false;
        }
        let Some(matcher) = &self.command else {
            return true;
        };
        let Some(command) = answers.to(answer).and_then(AnswerTarget::command) else {
            return false;
        };
        let about = target_nodes::of_own(command);
        let seen = ReadCommand {
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
    if answer.kind() != CommandKind::Results {
        return None;
    }
    let command = answers.to(answer).and_then(AnswerTarget::command);
    let kind = command.map_or(CommandKind::Get, Command::kind);
    Some(Cow::Borrowed(kind.name()))
}

/// The conditions on an answered command.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(
    rename = "`answers`",
    rename_all = "kebab-case",
    deny_unknown_fields,
    default
)]
#[schemars(extend("minProperties" = 1), transform = plain_or_table)]
struct AnswersTable {
    #[serde(rename = "")]
    plain: Option<Answered>,
    /// The name of the answered command, `"SyncHdr"` for the header.
    command: Vec<Answered>,
    /// The CmdID of the answered command.
    #[schemars(extend("examples" = [5]))]
    cmd_id: Vec<CmdId>,
    /// The node of the answered command.
    #[schemars(extend("examples" = ["./Vendor/**"]))]
    loc_uri: Vec<UriGlob>,
    /// The Format in the Meta of the answered command or of its Item.
    #[schemars(extend("examples" = ["int"]))]
    format: Vec<Glob>,
    /// The Type in the Meta of the answered command or of its Item.
    #[schemars(extend("examples" = ["text/plain"]))]
    r#type: Vec<Glob>,
    /// The Data of an Item of the answered command.
    #[schemars(extend("examples" = ["1"]))]
    data: Vec<TextTest>,
}

/// The name of an answered command, or of the header.
#[derive(Clone, Copy)]
struct Answered(&'static str);

named! {
    Answered: {
        let names = CommandKind::all().map(CommandKind::name).chain([HEADER]);
        names.map(|name| (name, Self(name))).collect()
    };
}

impl TryFrom<AnswersTable> for AnswersMatcher {
    type Error = Mistake;

    fn try_from(table: AnswersTable) -> Result<Self, Mistake> {
        let names = table.plain.into_iter().chain(table.command);
        let names: Vec<&str> = names.map(|name| name.0).collect();
        let command = Matcher {
            cmd_id: table.cmd_id,
            loc_uri: table.loc_uri,
            format: table.format,
            r#type: table.r#type,
            data: table.data,
            ..Matcher::default()
        };
        let asks_more = command != Matcher::default();
        if names.is_empty() && !asks_more {
            return Err(Mistake::new("`answers` has no key".into())
                .help("answers = { command = \"Exec\", loc-uri = \"./Vendor/**\" }"));
        }
        if asks_more && names.contains(&HEADER) {
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

/// The name of the header in `answers`.
pub(in crate::rules) const HEADER: &str = "SyncHdr";
