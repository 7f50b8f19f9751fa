//! Rules without a file of one's own: stories of the shelf, and rules of one line.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::rules::RuleErrors;
use crate::rules::load::line::Line;
use crate::shelf::{self, STORIES, Story};

/// Rules picked on the command line; they act after those of `--rules`, in the order of these options.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Picked {
    /// A story of the shelf (dmtap rules list); several may be given.
    #[arg(
        long = "rule",
        value_name = "NAME",
        value_parser = story(),
        hide_possible_values = true
    )]
    stories: Vec<&'static Story>,
    /// Report commands on these nodes to the server as failed, e.g. './Device/Vendor/MSFT/BitLocker/**=500'.
    #[arg(long, value_name = "LOCURI=CODE")]
    fail: Vec<String>,
}

impl Picked {
    /// Whether nothing was picked.
    pub(super) fn is_empty(&self) -> bool {
        self.stories.is_empty() && self.fail.is_empty()
    }

    /// The stories as rule files: a name for people, and the text.
    pub(super) fn stories(&self) -> impl Iterator<Item = (String, String)> {
        let stories = self.stories.iter();
        stories.map(|story| (story.file(), story.text.to_owned()))
    }

    /// The rules of one line.
    ///
    /// # Errors
    /// Arguments of another form, all of them.
    pub(super) fn lines(&self) -> Result<Vec<Line>, RuleErrors> {
        let read = self.fail.iter().map(|argument| Line::fail(argument));
        RuleErrors::or_all(read)
    }
}

/// Reads the name of a story; a wrong one is told the nearest right one.
pub(super) fn story() -> impl TypedValueParser<Value = &'static Story> {
    let names = STORIES
        .iter()
        .map(|story| PossibleValue::new(story.name).help(story.shows()));
    PossibleValuesParser::new(names)
        .try_map(|name| shelf::find(&name).ok_or("dmtap rules list has the names"))
}
