//! Texts that a value is compared with.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::markup::{Element, Limits, NodeId};
use crate::rules::mistake::Mistake;
use crate::rules::selector::Selector;
use crate::rules::value::{Part, Pattern, Plain, TextPattern};

/// What is asked of a text, in one way.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "Comparison")]
#[schemars(with = "Comparison", rename = "comparison")]
pub enum TextTest {
    /// It is this text; white space around it does not count.
    Equals(String),
    /// It contains this text.
    Contains(String),
    /// This expression finds something in it.
    Regex(Pattern),
}

impl TextTest {
    /// Whether it holds of `text`.
    pub fn holds(&self, text: &str) -> bool {
        match self {
            Self::Equals(equal) => text == equal || text.trim_ascii() == equal.trim_ascii(),
            Self::Contains(part) => text.contains(&**part),
            Self::Regex(regex) => regex.0.is_match(text),
        }
    }

    /// The one text it holds of, without the white space around it.
    pub(in crate::rules) fn exact(&self) -> Option<&str> {
        match self {
            Self::Equals(equal) => Some(equal.trim_ascii()),
            Self::Contains(_) | Self::Regex(_) => None,
        }
    }
}

/// A place, and a comparison for its text.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "Where")]
#[schemars(with = "Where", rename = "where")]
pub struct ValueTest {
    /// The place.
    pub at: Selector,
    /// What must hold of the text there.
    pub test: TextTest,
}

impl ValueTest {
    pub(super) fn holds(&self, from: Element<'_>, items: &[NodeId], limits: &Limits) -> bool {
        let mut test = |text: &str| self.test.holds(text);
        self.at.any(from, items, limits, &mut test)
    }
}

/// What is asked of a text, in one way.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "a comparison", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
struct Comparison {
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
#[schemars(extend("minProperties" = 2, "maxProperties" = 2))]
struct Where {
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
