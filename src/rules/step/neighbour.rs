//! The position where a step puts something: next to an element, or inside it.

use schemars::JsonSchema;
use serde::Deserialize;
use strum::IntoStaticStr;

use crate::rules::mistake::{KEY, Mistake};
use crate::rules::place::ElementPlace;
use crate::rules::value::CommandXml;

/// Something to put at a position, which one of four keys names.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "Sides<T>")]
#[schemars(inline, with = "Sides<T>", bound = "T: JsonSchema", extend("oneOf" = [{"required": ["before"]}, {"required": ["after"]}, {"required": ["first-in"]}, {"required": ["last-in"]}]))]
pub struct Insertion<T> {
    /// The inserted fragment, or the place of the copied or moved element.
    pub what: T,
    /// The position to put it at.
    pub to: Neighbour,
}

/// An injected command, and its position.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "Sides<CommandXml>")]
#[schemars(inline, with = "Sides<CommandXml>", extend("maxProperties" = 2))]
pub struct Injection {
    /// The command.
    pub command: CommandXml,
    /// The position of the command; `None` means the end of the message.
    pub to: Option<Neighbour>,
}

/// A position next to an element, or inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The position relative to the element.
    pub relation: Relation,
    /// The place of the element.
    pub at: ElementPlace,
}

/// A position relative to an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Relation {
    /// Directly before the element.
    Before,
    /// Directly after the element.
    After,
    /// Inside the element, as its first child.
    FirstIn,
    /// Inside the element, as its last child.
    LastIn,
}

/// Something to put at a position, which one of four keys names.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "a step", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline, bound = "T: JsonSchema")]
pub(in crate::rules) struct Sides<T> {
    #[serde(rename = "=")]
    what: T,
    /// The position: directly before the element at this place.
    #[schemars(extend("examples" = ["SyncBody/Final"]))]
    before: Option<ElementPlace>,
    /// The position: directly after the element at this place.
    #[schemars(extend("examples" = ["."]))]
    after: Option<ElementPlace>,
    /// The position: inside the element at this place, as its first child.
    #[schemars(extend("examples" = ["Item[1]"]))]
    first_in: Option<ElementPlace>,
    /// The position: inside the element at this place, as its last child.
    #[schemars(extend("examples" = ["Item[1]"]))]
    last_in: Option<ElementPlace>,
}

impl<T> Sides<T> {
    /// Returns the content, and the position if a key names one.
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
