//! Steps that change the document.

use schemars::JsonSchema;
use serde::Deserialize;
use strum::{IntoStaticStr, VariantNames};

use super::neighbour::Insertion;
use crate::rules::place::ElementPlace;
use crate::rules::template::Template;
use crate::rules::value::{AttributeName, Code, SyncMl, True, XmlTemplate};

/// A change of the document, in XML and WBXML alike.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum EditStep {
    /// Changes the code of the selected Status; the attributes of its Data stay.
    #[schemars(extend("examples" = [500]))]
    SetStatus(Code<SyncMl>),
    /// Changes the text of an element, by default of `Item/Data`.
    #[schemars(extend("examples" = ["xx-XX"]))]
    SetText {
        /// The new text, unescaped.
        #[serde(rename = "=")]
        text: Template,
        /// The place of the element to change: by default the selected command; for `set-text`, `Item/Data`.
        #[serde(default = "ElementPlace::value")]
        #[schemars(extend("examples" = ["Item/Data", "SyncBody/Final"]))]
        at: ElementPlace,
    },
    /// Sets an attribute of the selected command, or of the element at the place `at`.
    #[schemars(extend("examples" = ["msft:originalerror"]))]
    SetAttribute {
        /// The name of the attribute as written, with its prefix.
        #[serde(rename = "=")]
        name: AttributeName,
        /// The value of the attribute or header field; templates are allowed. To remove one, use `remove-attribute` or `remove-header`.
        #[schemars(extend("examples" = ["0x80070002"]))]
        value: Template,
        /// The place of the element to change: by default the selected command.
        #[serde(default)]
        #[schemars(extend("examples" = ["Item/Data", "SyncBody/Final"]))]
        at: ElementPlace,
    },
    /// Removes an attribute of the selected command, or of the element at the place `at`.
    #[schemars(extend("examples" = ["msft:originalerror"]))]
    RemoveAttribute {
        /// The name of the attribute as written, with its prefix.
        #[serde(rename = "=")]
        name: AttributeName,
        /// The place of the element to change: by default the selected command.
        #[serde(default)]
        #[schemars(extend("examples" = ["Item/Data", "SyncBody/Final"]))]
        at: ElementPlace,
    },
    /// Inserts an element, written in XML, before, after or inside the element at a place.
    #[schemars(extend("examples" = ["<Item><Data>1</Data></Item>"]))]
    Insert(Insertion<XmlTemplate>),
    /// Replaces the selected command, or the element at the place `at`, by an element written in XML.
    #[schemars(extend("examples" = ["<Data>1</Data>"]))]
    Replace {
        /// The new element, as XML.
        #[serde(rename = "=")]
        fragment: XmlTemplate,
        /// The place of the element to change: by default the selected command.
        #[serde(default)]
        #[schemars(extend("examples" = ["Item/Data", "SyncBody/Final"]))]
        at: ElementPlace,
    },
    /// Removes the selected command, or the element at the place `at`.
    Remove {
        /// The place of the element to change: by default the selected command.
        #[serde(default)]
        #[schemars(extend("examples" = ["Item/Data", "SyncBody/Final"]))]
        at: ElementPlace,
    },
    /// Copies the element at this place, byte for byte, to a position before, after or inside another element.
    #[schemars(extend("examples" = ["Item[1]"]))]
    Copy(Insertion<ElementPlace>),
    /// Moves the element at this place to a position before, after or inside another element.
    #[schemars(extend("examples" = ["Item[2]"]))]
    Move(Insertion<ElementPlace>),
    /// Copies the selected command, or the element at the place `at`, byte for byte, and inserts the copy after it.
    Duplicate {
        /// The place of the element to change: by default the selected command.
        #[serde(default)]
        #[schemars(extend("examples" = ["Item/Data", "SyncBody/Final"]))]
        at: ElementPlace,
        /// Gives the copy new CmdIDs, so that it is a command of its own.
        new_ids: Option<True>,
    },
    /// Reverses the order of the selected commands.
    Reverse,
}

impl EditStep {
    /// Returns the place that the step acts on, if it names one.
    fn at(&self) -> Option<&ElementPlace> {
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

    /// Returns the places that the step names: the one that it acts on, and the one where it puts something.
    pub fn places(&self) -> Vec<&ElementPlace> {
        let to = match self {
            Self::Insert(new) => Some(&new.to.at),
            Self::Copy(moved) | Self::Move(moved) => Some(&moved.to.at),
            _ => None,
        };
        self.at().into_iter().chain(to).collect()
    }

    /// Returns the template of the step, if it has one.
    pub fn template(&self) -> Option<&Template> {
        match self {
            Self::SetText { text, .. } => Some(text),
            Self::SetAttribute { value, .. } => Some(value),
            Self::Insert(new) => Some(&new.what.0),
            Self::Replace { fragment, .. } => Some(&fragment.0),
            _ => None,
        }
    }

    /// Whether the step takes along everything inside the selected element, so that it must not act again on selected
    /// elements in there.
    pub(in crate::rules) fn takes_all_in(&self) -> bool {
        match self {
            Self::SetText { .. } | Self::SetAttribute { .. } | Self::RemoveAttribute { .. } => {
                false
            }
            Self::Reverse => true,
            _ => self.at().is_some_and(ElementPlace::is_selected),
        }
    }

    /// Whether the step would do the same for every selected element, so that it runs only once.
    pub(in crate::rules) fn is_done_once(&self) -> bool {
        !matches!(self, Self::Copy(_)) && self.at().is_some_and(ElementPlace::is_absolute)
    }
}
