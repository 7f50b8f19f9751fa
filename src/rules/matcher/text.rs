//! Conditions on the text of a value.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::markup::{Element, Limits};
use crate::rules::items::Items;
use crate::rules::mistake::Mistake;
use crate::rules::place::ElementPlace;
use crate::rules::value::{Pattern, Plain, SearchText, TextPattern, plain_or_table};

/// One condition on a text.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "Comparison")]
#[schemars(with = "Comparison", rename = "comparison")]
pub enum TextTest {
    /// The text is equal to this one, apart from white space around them.
    Equals(String),
    /// The text contains this one.
    Contains(String),
    /// The regular expression matches somewhere in the text.
    Regex(Pattern),
}

impl TextTest {
    /// Whether the condition holds for `text`.
    pub fn holds(&self, text: &str) -> bool {
        match self {
            Self::Equals(equal) => text == equal || text.trim_ascii() == equal.trim_ascii(),
            Self::Contains(part) => text.contains(&**part),
            Self::Regex(regex) => regex.0.is_match(text),
        }
    }

    /// Returns the only text that the condition holds for, without white space around it.
    pub(in crate::rules) fn exact(&self) -> Option<&str> {
        match self {
            Self::Equals(equal) => Some(equal.trim_ascii()),
            Self::Contains(_) | Self::Regex(_) => None,
        }
    }
}

/// A place, and a condition on the text there.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "Where")]
#[schemars(with = "Where", rename = "where")]
pub struct ValueTest {
    /// The place.
    pub at: ElementPlace,
    /// The condition on the text there.
    pub test: TextTest,
}

impl ValueTest {
    pub(super) fn holds(&self, from: Element<'_>, items: &Items, limits: &Limits) -> bool {
        let mut test = |text: &str| self.test.holds(text);
        self.at.any(from, items, limits, &mut test)
    }
}

/// One condition on a text.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "a comparison", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1), transform = plain_or_table)]
struct Comparison {
    #[serde(rename = "")]
    plain: Option<Plain>,
    /// The whole text is equal to this one, apart from white space around it.
    #[schemars(extend("examples" = ["1"]))]
    equals: Option<Plain>,
    /// The text contains this.
    #[schemars(extend("examples" = ["enabled"]))]
    contains: Option<SearchText>,
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

/// A place, and a condition on the text there.
#[derive(Deserialize, JsonSchema)]
#[serde(
    rename = "`where`",
    deny_unknown_fields,
    expecting = "where = { at = \"Item/Data\", equals = \"…\" }"
)]
#[schemars(extend("minProperties" = 2, "maxProperties" = 2))]
struct Where {
    /// A place: element names, from the selected command, or from the root if no command is selected. `!` steps into the document inside a text, which may have several roots; `[2]` is the second element of that name; `[@name='ADDR']` selects the elements with this attribute; `/@name` is an attribute.
    #[schemars(extend("examples" = ["Item/Data", "Data/@msft:originalerror", "Item/Data!/data[@id='Name']/@value"]))]
    at: ElementPlace,
    /// The whole text is equal to this one, apart from white space around it.
    #[schemars(extend("examples" = ["1"]))]
    equals: Option<Plain>,
    /// The text contains this.
    #[schemars(extend("examples" = ["enabled"]))]
    contains: Option<SearchText>,
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
    contains: Option<SearchText>,
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
