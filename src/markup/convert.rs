//! Conversion: a document of either encoding, rewritten as XML.
//!
//! The conversion to WBXML is [`super::wbxml::encode`].

mod xml_form;

use std::collections::BTreeMap;

use super::{Document, NodeId, Path, xml};
pub(crate) use xml_form::{Nesting, XmlForms};

/// The placement of white space in XML that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XmlLayout {
    /// No white space is added: the XML may be sent to a peer.
    Compact,
    /// For people: each element on its own line, but no additional white space in elements with text.
    Indented,
}

/// A document as XML, with a list of what differs from the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// The XML, in UTF-8, without an XML declaration.
    pub xml: String,
    /// The places where the XML differs in content, in document order. After 256 entries one more gives the number of
    /// the rest.
    pub adaptations: Vec<Adaptation>,
}

/// One place where the content of the XML differs from the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adaptation {
    /// The place in the document.
    pub path: Path,
    /// A description of the difference.
    pub text: String,
}

/// Writes `document` as XML.
///
/// An XML source keeps its names and attributes as they are; comments and the DOCTYPE are dropped. A WBXML source gets
/// the namespaces of its document type, declared where they change. Octets that XML cannot hold are written in base64,
/// with `Format` and `Size` adapted (OMA-TS-DM_TND-V1_2_1 §7.7.2); a WBXML document inside `Data` is written as markup
/// there.
pub fn to_xml(document: &Document, layout: XmlLayout) -> Converted {
    let (forms, mut adaptations) = XmlForms::of(document, Nesting::TopLevel);
    let xml = xml::write::write(document, layout, &forms, &mut adaptations);
    adaptations.sort_by_key(|(node, _)| *node);
    Converted {
        xml,
        adaptations: merged(document, adaptations),
    }
}

/// Adds the paths to the adaptations. Finding a path takes time linear in the number of siblings, so the list is
/// bounded.
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

/// The most adaptations that are listed individually.
const MOST_TOLD: usize = 256;

/// The new content of an element.
#[derive(Debug)]
pub(crate) enum Replacement {
    /// A text.
    Text(String),
    /// The root of a document.
    Document(Box<Document>),
}

/// A `Format` that the source lacks and the XML needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// As the first child of this `Meta`.
    Format,
    /// In a new `Meta` in front of this `Data`.
    Meta,
}

pub(crate) type Adaptations = Vec<(NodeId, String)>;
pub(crate) type Replacements = BTreeMap<NodeId, Replacement>;
