//! Tables inside `match`: comparisons, places, answered commands.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::dm::CommandKind;
use crate::rules::glob::{Glob, UriGlob};
use crate::rules::matcher::{AnswersMatcher, Matcher, TextTest, ValueTest};
use crate::rules::mistake::Mistake;
use crate::rules::selector::Selector;
use crate::rules::value::{CmdId, Named, OneOf, Part, Plain, TextPattern};

/// What is asked of a text, in one way.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "a comparison", deny_unknown_fields)]
#[schemars(rename = "comparison", extend("minProperties" = 1, "maxProperties" = 1))]
pub(in crate::rules) struct Comparison {
    #[serde(rename = "")]
    plain: Option<Plain>,
    /// The whole text is equal.
    #[schemars(extend("examples" = ["1"]))]
    equals: Option<Plain>,
    /// The text contains this.
    #[schemars(extend("examples" = ["enabled"]))]
    contains: Option<Part>,
    /// This regular expression matches somewhere in the text; at most 4,096 bytes, best in single quotes.
    #[schemars(extend("examples" = ["^\\d+$"]))]
    regex: Option<TextPattern>,
}

impl TryFrom<Comparison> for TextTest {
    type Error = Mistake;

    fn try_from(table: Comparison) -> Result<Self, Mistake> {
        one_test(table.plain.or(table.equals), table.contains, table.regex)
    }
}

/// A place, and a comparison for its text.
#[derive(Deserialize, JsonSchema)]
#[serde(
    rename = "`where`",
    deny_unknown_fields,
    expecting = "where = { at = \"Item/Data\", equals = \"…\" }"
)]
#[schemars(rename = "where", extend("minProperties" = 2, "maxProperties" = 2))]
pub(in crate::rules) struct Where {
    /// Element names from the selected command, or from the root where none is selected; after `!` inside a document in a text, which may be several elements; `[2]` is the second one, `[@name='ADDR']` those with this attribute; `/@name` is an attribute.
    #[schemars(extend("examples" = ["Item/Data", "Data/@msft:originalerror", "Item/Data!/data[@id='Name']/@value"]))]
    at: Selector,
    /// The whole text is equal.
    #[schemars(extend("examples" = ["1"]))]
    equals: Option<Plain>,
    /// The text contains this.
    #[schemars(extend("examples" = ["enabled"]))]
    contains: Option<Part>,
    /// This regular expression matches somewhere in the text; at most 4,096 bytes, best in single quotes.
    #[schemars(extend("examples" = ["^\\d+$"]))]
    regex: Option<TextPattern>,
}

impl TryFrom<Where> for ValueTest {
    type Error = Mistake;

    fn try_from(table: Where) -> Result<Self, Mistake> {
        let test = one_test(table.equals, table.contains, table.regex)?;
        Ok(Self { at: table.at, test })
    }
}

fn one_test(
    equals: Option<Plain>,
    contains: Option<Part>,
    regex: Option<TextPattern>,
) -> Result<TextTest, Mistake> {
    let given = [
        equals.map(|text| TextTest::Equals(text.0)),
        contains.map(|text| TextTest::Contains(text.0)),
        regex.map(|regex| TextTest::Regex(regex.0)),
    ];
    let mut given: Vec<TextTest> = given.into_iter().flatten().collect();
    match (given.pop(), given.len()) {
        (Some(test), 0) => Ok(test),
        (found, _) => Err(Mistake::new("one comparison is needed".into())
            .label(if found.is_some() {
                "there are several"
            } else {
                "there is none"
            })
            .help("equals = \"…\", contains = \"…\" or regex = \"…\"")),
    }
}

/// The answered command.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(
    rename = "`answers`",
    rename_all = "kebab-case",
    deny_unknown_fields,
    default
)]
#[schemars(rename = "answers", extend("minProperties" = 1))]
pub(in crate::rules) struct AnswersTable {
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
            return Err(Mistake::new("`answers` asks nothing".into())
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
pub(super) const HEADER: &str = "SyncHdr";
