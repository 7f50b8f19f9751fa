//! Edits: what is to change, on the tree; planned into one patch of the source.

mod container_path;
pub(crate) mod copy;
mod overlap;

use super::{Document, Encoding, Hint, NodeId, wbxml, xml};
use crate::patch::Patch;

pub use container_path::{NestedEdit, lift, plan_within};

/// One change, named on the tree.
#[derive(Clone, Debug)]
pub enum Edit {
    /// The element's content becomes this text; its attributes stay. The form of the replaced text is kept
    /// (STR_I or OPAQUE, CDATA or escapes).
    SetText {
        /// An element.
        element: NodeId,
        /// The new text, unescaped.
        text: String,
    },
    /// Parts of one text, CDATA section, OPAQUE or, in XML, attribute's value change; the rest of it keeps its very
    /// bytes.
    PatchText {
        /// A text, or an attribute.
        text: NodeId,
        /// A patch of its octets ([`super::Text::octets`]): UTF-8, unescaped; in OPAQUE whatever is there.
        patch: Patch,
    },
    /// The attribute gets this value; it is added where the element lacks it.
    SetAttribute {
        /// An element.
        element: NodeId,
        /// The attribute's name as written, with prefix.
        name: String,
        /// Its new value, unescaped.
        value: String,
    },
    /// The element, attribute or text goes.
    Remove {
        /// Any node but the root of a document; those of a fragment inside another may go.
        node: NodeId,
    },
    /// The fragment's root comes to stand there.
    Insert {
        /// Where.
        place: Place,
        /// What.
        fragment: Fragment,
    },
    /// A copy of an element, byte for byte, comes to stand there.
    Copy {
        /// Where.
        place: Place,
        /// An element of the same document; it is copied as it was before every edit.
        node: NodeId,
        /// Elements in it that have another text in the copy.
        texts: Vec<(NodeId, String)>,
    },
    /// The fragment's root comes to stand in place of the node.
    Replace {
        /// An element.
        node: NodeId,
        /// What.
        fragment: Fragment,
    },
}

/// A place between nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before this element or text; before a root only in a fragment inside another document.
    Before(NodeId),
    /// Behind it.
    After(NodeId),
    /// The first child of this element.
    FirstIn(NodeId),
    /// The last child of this element.
    LastIn(NodeId),
}

/// Which of several changes at one offset comes first, in either encoding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// At the end of a text, still inside it.
    InText,
    /// The first child of the element that begins in front.
    First,
    /// Behind an elder sibling.
    Behind,
    /// The last child of the element that ends behind.
    Last,
    /// In front of a node.
    InFront,
    /// The node itself.
    Node,
}

/// A piece of markup to insert: XML, written into a WBXML document as tokens.
#[derive(Clone, Debug)]
pub struct Fragment(Document);

/// Why edits could not be planned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// Two edits touch the same node, or one removes what the other changes.
    #[error("two edits touch {path}")]
    Overlap {
        /// The inner of the two places.
        path: String,
    },
    /// The node is not of the kind the edit needs.
    #[error("{edit} does not fit {path}")]
    Unfit {
        /// The edit's name.
        edit: &'static str,
        /// The place.
        path: String,
    },
    /// The new text or name cannot be written in the document's encoding.
    #[error("{0}")]
    Unwritable(String),
}

impl Fragment {
    /// A piece of XML text with exactly one root element.
    ///
    /// # Errors
    /// [`super::DecodeError`] where it is not well-formed.
    pub fn parse(xml: &str) -> Result<Self, super::DecodeError> {
        let source = bytes::Bytes::copy_from_slice(xml.as_bytes());
        let hint = Hint {
            charset: Some("utf-8"),
            ..Hint::default()
        };
        xml::decode::decode(source, hint, &super::Limits::default()).map(Self)
    }

    /// Its tree.
    pub fn document(&self) -> &Document {
        &self.0
    }
}

impl Place {
    /// The node that names it in errors.
    pub fn node(self) -> NodeId {
        let (Self::Before(node) | Self::After(node) | Self::FirstIn(node) | Self::LastIn(node)) =
            self;
        node
    }
}

impl Edit {
    /// What it does, in words for people.
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

/// The one patch that carries out all `edits` on `document`'s source, touching nothing else.
///
/// Insertions at one place keep the order in which they are given. An insertion next to a node that another
/// edit removes or replaces stands where the node stood.
///
/// # Errors
/// [`EditError`] where edits overlap or do not fit; nothing is then changed.
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
