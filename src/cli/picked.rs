//! Rules without a file of one's own: stories of the shelf, and rules of one line.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

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
}

impl Picked {
    /// Whether nothing was picked.
    pub(super) fn is_empty(&self) -> bool {
        self.stories.is_empty()
    }

    /// The rule files that were picked: a name for people, and the text.
    pub(super) fn files(&self) -> Vec<(String, String)> {
        let stories = self.stories.iter();
        stories
            .map(|story| (story.file(), story.text.to_owned()))
            .collect()
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
