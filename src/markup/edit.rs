//! Edits of the tree, planned into one patch of the source.

mod container_path;
pub(crate) mod copy;
mod overlap;

use super::{Document, Encoding, Hint, NodeId, wbxml, xml};
use crate::patch::Patch;

pub use container_path::{NestedEdit, lift, plan_within};

/// One change of the tree.
#[derive(Clone, Debug)]
pub enum Edit {
    /// Replaces the content of an element with a text; attributes stay. The new text has the form of the old one (STR_I
    /// or OPAQUE, CDATA or escapes).
    SetText {
        /// An element.
        element: NodeId,
        /// The new text, unescaped.
        text: String,
    },
    /// Changes parts of a text, CDATA section, OPAQUE or, in XML, attribute value. The other bytes of it stay as they
    /// are.
    PatchText {
        /// A text, or an attribute.
        text: NodeId,
        /// A patch of its octets ([`super::Text::octets`]): unescaped UTF-8, or the raw octets of OPAQUE.
        patch: Patch,
    },
    /// Sets the value of an attribute, or adds the attribute.
    SetAttribute {
        /// An element.
        element: NodeId,
        /// The name of the attribute as written, with prefix.
        name: String,
        /// The new value, unescaped.
        value: String,
    },
    /// Removes an element, attribute or text.
    Remove {
        /// Any node but the root of a document; the roots of an embedded fragment may be removed.
        node: NodeId,
    },
    /// Inserts the root of a fragment.
    Insert {
        /// The place of the new element.
        place: Place,
        /// The fragment.
        fragment: Fragment,
    },
    /// Inserts a copy of an element, byte for byte.
    Copy {
        /// The place of the copy.
        place: Place,
        /// An element of the same document; the copy shows it as it was before all edits.
        node: NodeId,
        /// Elements inside it that get another text in the copy.
        texts: Vec<(NodeId, String)>,
    },
    /// Replaces an element with the root of a fragment.
    Replace {
        /// An element.
        node: NodeId,
        /// The fragment.
        fragment: Fragment,
    },
}

/// A place between nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before this element or text; before a root only in an embedded fragment.
    Before(NodeId),
    /// After this element or text.
    After(NodeId),
    /// The first child of this element.
    FirstIn(NodeId),
    /// The last child of this element.
    LastIn(NodeId),
}

/// The order of several changes at one offset, in either encoding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// At the end of a text, still inside it.
    InText,
    /// The first child of the element whose start tag ends here.
    First,
    /// After the sibling that ends here.
    Behind,
    /// The last child of the element whose end tag begins here.
    Last,
    /// Before the node that begins here.
    InFront,
    /// The node that begins here.
    Node,
}

/// A piece of XML to insert. In a WBXML document it is written as tokens.
#[derive(Clone, Debug)]
pub struct Fragment(Document);

/// The reason why edits could not be planned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// Two edits change the same node, or one removes what the other changes.
    #[error("two edits touch {path}")]
    Overlap {
        /// The inner one of the two places.
        path: String,
    },
    /// The node does not have the kind that the edit needs.
    #[error("{edit} does not fit {path}")]
    Unfit {
        /// The name of the edit.
        edit: &'static str,
        /// The path of the node.
        path: String,
    },
    /// The new text or name cannot be written in the document's encoding.
    #[error("{0}")]
    Unwritable(String),
}

impl Fragment {
    /// Parses XML text with exactly one root element.
    ///
    /// # Errors
    /// [`super::DecodeError`] if the text is not well-formed.
    pub fn parse(xml: &str) -> Result<Self, super::DecodeError> {
        let source = bytes::Bytes::copy_from_slice(xml.as_bytes());
        let hint = Hint {
            charset: Some("utf-8"),
            ..Hint::default()
        };
        xml::decode::decode(source, hint, &super::Limits::default()).map(Self)
    }

    /// Returns the tree of the fragment.
    pub fn document(&self) -> &Document {
        &self.0
    }
}

impl Place {
    /// Returns the node that identifies the place in errors.
    pub fn node(self) -> NodeId {
        let (Self::Before(node) | Self::After(node) | Self::FirstIn(node) | Self::LastIn(node)) =
            self;
        node
    }
}

impl Edit {
    /// Returns the name of the edit for people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::SetText { .. } => "set text",
            Self::PatchText { .. } => "patch text",
            Self::SetAttribute { .. } => "set attribute",
            Self::Remove { .. } => "remove",
            Self::Insert { .. } => "insert",
            Self::Copy { .. } => "copy",
            Self::Replace { .. } => "replace",
        }
    }
}

/// Returns the one patch of `document`'s source that carries out all `edits` and changes nothing else.
///
/// Insertions at one place keep the order of `edits`. An insertion next to a node that another edit removes or replaces
/// stands where the node stood.
///
/// # Errors
/// [`EditError`] if edits overlap or do not fit; then nothing is changed.
pub fn plan(document: &Document, edits: &[Edit]) -> Result<Patch, EditError> {
    overlap::check(document, edits)?;
    let mut splices = match document.encoding() {
        Encoding::Xml(_) => xml::lower::lower(document, edits)?,
        Encoding::Wbxml(_) => wbxml::lower::lower(document, edits)?,
    };
    splices.retain(|splice| splice.span.of(&document.source) != splice.with);
    Patch::new(splices).map_err(|overlap| EditError::Overlap {
        path: format!("byte {}", overlap.at),
    })
}
