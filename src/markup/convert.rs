//! Conversion: a document of either encoding written anew as XML.
//!
//! The other way, to WBXML, is [`super::wbxml::encode`].

mod xml_form;

use std::collections::BTreeMap;

use super::{Document, Kind, NodeId, Path, Text, wbxml, xml};
pub(crate) use xml_form::{Nesting, XmlForms};

/// How XML is to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct XmlOptions {
    pub(crate) layout: Layout,
}

/// Where white space goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Layout {
    #[default]
    Compact,
    Indented,
}

/// A document as XML, with what had to become different from the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// The XML, in UTF-8, without an XML declaration.
    pub xml: String,
    /// What the XML says differently, in document order; behind the first few hundred only how many more.
    pub adaptations: Vec<Adaptation>,
}

/// Something that XML had to say differently from the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adaptation {
    /// Where.
    pub path: Path,
    /// What, in words.
    pub text: String,
}

impl XmlOptions {
    /// No white space but what the document has: XML that may go on the wire.
    pub const fn compact() -> Self {
        Self {
            layout: Layout::Compact,
        }
    }

    /// A line for each element, for people. Nothing is added where an element has text.
    pub const fn indented() -> Self {
        Self {
            layout: Layout::Indented,
        }
    }
}

/// Writes `document` as XML.
///
/// An XML source keeps its names and attributes as they are; comments and the DOCTYPE go. A WBXML source gets
/// the namespaces of its document type, declared where they change. Octets that XML cannot hold are written in
/// base64, with `Format` and `Size` adapted (OMA-TS-DM_TND-V1_2_1 §7.7.2); a WBXML document inside `Data` is
/// written as markup there.
pub fn to_xml(document: &Document, options: &XmlOptions) -> Converted {
    let (forms, mut adaptations) = XmlForms::of(document, Nesting::TopLevel);
    let xml = xml::write::write(document, options.layout, &forms, &mut adaptations);
    adaptations.sort_by_key(|(node, _)| *node);
    Converted {
        xml,
        adaptations: merged(document, adaptations),
    }
}

/// The adaptations with their places. To find a place takes time linear in the siblings, so there is a bound.
fn merged(document: &Document, adaptations: Adaptations) -> Vec<Adaptation> {
    let more = adaptations.len().saturating_sub(MOST_TOLD);
    let first = adaptations.into_iter().take(MOST_TOLD);
    let first = first.filter_map(|(node, text)| {
        let path = document.element(node)?.path();
        Some(Adaptation { path, text })
    });
    let rest = (more > 0).then(|| Adaptation {
        path: document.root().path(),
        text: format!("{more} more adaptations"),
    });
    first.chain(rest).collect()
}

/// The most adaptations that are listed one by one.
const MOST_TOLD: usize = 256;

/// What an element is to hold in place of what it holds.
#[derive(Debug)]
pub(crate) enum Replacement {
    /// This text.
    Text(String),
    /// The root of this document.
    Document(Box<Document>),
}

/// A `Format` that the source lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// As first child of this `Meta`.
    Format,
    /// In a `Meta` of its own, in front of this `Data`.
    Meta,
}

/// The octets of a WBXML text that is one STR_I or OPAQUE, as they stand in the source.
pub(crate) fn raw(text: Text<'_>) -> Option<&[u8]> {
    match text.kind() {
        Kind::Opaque => Some(wbxml::opaque_octets(text.document(), text.id())),
        _ => match text.span().of(text.document().source()) {
            [wbxml::token::STR_I, characters @ .., 0] if text.document().is_wbxml() => {
                Some(characters)
            }
            _ => None,
        },
    }
}

pub(crate) type Adaptations = Vec<(NodeId, String)>;
pub(crate) type Replacements = BTreeMap<NodeId, Replacement>;
