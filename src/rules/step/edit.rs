//! Steps that change the document.

use schemars::JsonSchema;
use serde::Deserialize;
use strum::{IntoStaticStr, VariantNames};

use super::neighbour::Insertion;
use crate::rules::selector::Selector;
use crate::rules::template::Template;
use crate::rules::value::{AttributeName, Code, SyncMl, True, XmlTemplate};

/// A change of the document, in XML and WBXML alike.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
#[non_exhaustive]
pub enum EditStep {
    /// Changes the code of the selected Status; attributes of its Data stay.
    #[schemars(extend("examples" = [500]))]
    SetStatus(Code<SyncMl>),
    /// Changes the text of an element, by default of `Item/Data`.
    #[schemars(extend("examples" = ["xx-XX"]))]
    SetText {
        /// The new text, unescaped.
        #[serde(rename = "=")]
        text: Template,
        /// The place: by default the selected command (for `set-text`, `Item/Data`).
        #[serde(default = "Selector::value")]
        #[schemars(extend("examples" = ["Item/Data", "SyncBody/Final"]))]
        at: Selector,
    },
    /// Sets an attribute of the selected command or of the element at `at`.
    #[schemars(extend("examples" = ["msft:originalerror"]))]
    SetAttribute {
        /// Its name as written, with prefix.
        #[serde(rename = "=")]
        name: AttributeName,
        /// The value of the attribute or header field; templates are allowed. `remove-attribute` and `remove-header` remove one.
        #[schemars(extend("examples" = ["0x80070002"]))]
        value: Template,
        /// The place: by default the selected command.
        #[serde(default = "Selector::selected")]
        #[schemars(extend("examples" = ["Item/Data", "SyncBody/Final"]))]
        at: Selector,
    },
    /// Removes an attribute.
    #[schemars(extend("examples" = ["msft:originalerror"]))]
    RemoveAttribute {
        /// Its name as written, with prefix.
        #[serde(rename = "=")]
        name: AttributeName,
        /// The place: by default the selected command.
        #[serde(default = "Selector::selected")]
        #[schemars(extend("examples" = ["Item/Data", "SyncBody/Final"]))]
        at: Selector,
    },
    /// Inserts an element, written in XML, at one side of a place.
    #[schemars(extend("examples" = ["<Item><Data>1</Data></Item>"], "oneOf" = [{"required": ["before"]}, {"required": ["after"]}, {"required": ["first-in"]}, {"required": ["last-in"]}]))]
    Insert(Insertion<XmlTemplate>),
    /// Replaces an element by another, written in XML.
    #[schemars(extend("examples" = ["<Data>1</Data>"]))]
    Replace {
        /// It, as XML.
        #[serde(rename = "=")]
        fragment: XmlTemplate,
        /// The place: by default the selected command.
        #[serde(default = "Selector::selected")]
        #[schemars(extend("examples" = ["Item/Data", "SyncBody/Final"]))]
        at: Selector,
    },
    /// Removes the selected command, or the element at `at`.
    Remove {
        /// The place: by default the selected command.
        #[serde(default = "Selector::selected")]
        #[schemars(extend("examples" = ["Item/Data", "SyncBody/Final"]))]
        at: Selector,
    },
    /// Inserts a copy of the selection at one side of a place, byte for byte.
    #[schemars(extend("examples" = ["Item[1]"], "oneOf" = [{"required": ["before"]}, {"required": ["after"]}, {"required": ["first-in"]}, {"required": ["last-in"]}]))]
    Copy(Insertion<Selector>),
    /// Moves the selection to one side of a place.
    #[schemars(extend("examples" = ["Item[2]"], "oneOf" = [{"required": ["before"]}, {"required": ["after"]}, {"required": ["first-in"]}, {"required": ["last-in"]}]))]
    Move(Insertion<Selector>),
    /// Inserts a copy after the original, byte for byte.
    Duplicate {
        /// The place: by default the selected command.
        #[serde(default = "Selector::selected")]
        #[schemars(extend("examples" = ["Item/Data", "SyncBody/Final"]))]
        at: Selector,
        /// Gives the copy new CmdIDs, which makes it another command.
        new_ids: Option<True>,
    },
    /// Reverses the order of the selected commands.
    Reverse,
}

impl EditStep {
    /// What it acts on, where that is a place.
    fn at(&self) -> Option<&Selector> {
        match self {
            Self::SetStatus(_) | Self::Insert(_) | Self::Reverse => None,
            Self::SetText { at, .. }
            | Self::SetAttribute { at, .. }
            | Self::RemoveAttribute { at, .. }
            | Self::Replace { at, .. }
            | Self::Remove { at }
            | Self::Duplicate { at, .. } => Some(at),
            Self::Copy(moved) | Self::Move(moved) => Some(&moved.what),
        }
    }

    /// Where it acts: what it changes, and where that goes.
    pub fn places(&self) -> Vec<&Selector> {
        let to = match self {
            Self::Insert(new) => Some(&new.to.at),
            Self::Copy(moved) | Self::Move(moved) => Some(&moved.to.at),
            _ => None,
        };
        self.at().into_iter().chain(to).collect()
    }

    /// The template in it.
    pub fn template(&self) -> Option<&Template> {
        match self {
            Self::SetText { text, .. } => Some(text),
            Self::SetAttribute { value, .. } => Some(value),
            Self::Insert(new) => Some(&new.what.0),
            Self::Replace { fragment, .. } => Some(&fragment.0),
            _ => None,
        }
    }

    /// Whether what it does to an element takes all that is in the element along.
    pub(in crate::rules) fn takes_all_in(&self) -> bool {
        match self {
            Self::SetText { .. } | Self::SetAttribute { .. } | Self::RemoveAttribute { .. } => {
                false
            }
            Self::Reverse => true,
            _ => self.at().is_some_and(Selector::is_selected),
        }
    }

    /// Whether it does the same for every selected element, and is done once.
    pub(in crate::rules) fn is_done_once(&self) -> bool {
        !matches!(self, Self::Copy(_)) && self.at().is_some_and(Selector::is_absolute)
    }
}
