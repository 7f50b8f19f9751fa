//! Where something is put: next to an element, or in it.

use schemars::JsonSchema;
use serde::Deserialize;
use strum::IntoStaticStr;

use crate::rules::mistake::{KEY, Mistake};
use crate::rules::selector::Selector;
use crate::rules::value::CommandXml;

/// Something, and one of four keys with a place.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "Sides<T>")]
#[schemars(with = "Sides<T>", rename = "sides", bound = "T: JsonSchema")]
pub struct Insertion<T> {
    /// What.
    pub what: T,
    /// Where.
    pub to: Neighbour,
}

/// A command that is put somewhere.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "Sides<CommandXml>")]
#[schemars(with = "Sides<CommandXml>", rename = "sides")]
pub struct Injection {
    /// The command.
    pub command: CommandXml,
    /// Where it stands; `None`: last in the message.
    pub to: Option<Neighbour>,
}

/// A place next to an element, or in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// On which side of the elements, or in them.
    pub relation: Relation,
    /// Which elements.
    pub at: Selector,
}

/// Where something stands in relation to an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Relation {
    /// In front of it.
    Before,
    /// Behind it.
    After,
    /// Its first child.
    FirstIn,
    /// Its last child.
    LastIn,
}

/// Something, and one of four keys with a place.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "a step", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(bound = "T: JsonSchema")]
pub(in crate::rules) struct Sides<T> {
    #[serde(rename = "=")]
    what: T,
    /// Before this place.
    #[schemars(extend("examples" = ["SyncBody/Final"]))]
    before: Option<Selector>,
    /// After this place.
    #[schemars(extend("examples" = ["."]))]
    after: Option<Selector>,
    /// As the first element in this place.
    #[schemars(extend("examples" = ["Item[1]"]))]
    first_in: Option<Selector>,
    /// As the last element in this place.
    #[schemars(extend("examples" = ["Item[1]"]))]
    last_in: Option<Selector>,
}

impl<T> Sides<T> {
    /// What is put, and the side that is named, if one is.
    fn split(self) -> Result<(T, Option<Neighbour>), Mistake> {
        let sides = [
            (Relation::Before, self.before),
            (Relation::After, self.after),
            (Relation::FirstIn, self.first_in),
            (Relation::LastIn, self.last_in),
        ];
        let given = sides.into_iter().filter_map(|(relation, at)| {
            let at = at?;
            Some(Neighbour { relation, at })
        });
        let mut given: Vec<Neighbour> = given.collect();
        let to = given.pop();
        match (&to, given.first()) {
            (Some(to), Some(other)) => Err(Mistake::new(format!("`{KEY}` says twice where to"))
                .at_second_of([to.relation.into(), other.relation.into()])
                .help("an element stands at one place: write a step for each")),
            _ => Ok((self.what, to)),
        }
    }
}

impl<T> TryFrom<Sides<T>> for Insertion<T> {
    type Error = Mistake;

    fn try_from(sides: Sides<T>) -> Result<Self, Mistake> {
        let (what, to) = sides.split()?;
        let to = to.ok_or_else(|| {
            Mistake::new(format!("`{KEY}` does not say where to"))
                .at_key(KEY)
                .help("add one of `before`, `after`, `first-in`, `last-in` with a place")
                .help("after = \".\" is behind the selected command, last-in = \"Item\" is in its Item")
        })?;
        Ok(Self { what, to })
    }
}

impl TryFrom<Sides<CommandXml>> for Injection {
    type Error = Mistake;

    fn try_from(sides: Sides<CommandXml>) -> Result<Self, Mistake> {
        let (command, to) = sides.split()?;
        Ok(Self { command, to })
    }
}
