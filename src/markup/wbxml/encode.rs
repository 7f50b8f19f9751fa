//! Conversion of an XML or WBXML document to WBXML.
//!
//! It keeps the element tree, texts with every LF and CR, unknown tags, attributes and child markup outside the tables
//! (as LITERALs), and OPAQUE of a WBXML source. It turns namespaces of the tables into code pages, and strings of the
//! table and runs of XML text and CDATA into STR_I. It does not change values: `Format` (`b64`), `Size` and `Type` stay
//! as they are. The exception is a `DevInf` or `MgmtTree` as markup in a `Data` whose `Meta/Type` ends in `+wbxml`: it
//! becomes the OPAQUE document that the type announces.

use super::strings::Strings;
use super::token::write_number;
use super::writer::{Embedding, Writer};
use super::{Charset, DocType};
use crate::markup::{Document, Element, Encoding, Space, tag};

/// The options for writing WBXML.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WbxmlOptions {
    /// The version of WBXML.
    pub version: Version,
    /// The form of the public identifier.
    pub public_id: PublicIdForm,
}

/// A version of WBXML that a SyncML sender may use (DM RepPro 1.2.1 §5.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// WBXML 1.1.
    V1_1 = 1,
    /// WBXML 1.2, which most senders use.
    #[default]
    V1_2 = 2,
    /// WBXML 1.3.
    V1_3 = 3,
}

/// The form of the public identifier to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PublicIdForm {
    /// A number; document types without one (DDF, MetInf before 1.2) get the text.
    #[default]
    Numeric,
    /// A formal public identifier in the string table.
    Text,
}

/// The reason why a document cannot be written as WBXML.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The root is not that of any document type.
    #[error("no WBXML document type has the root element {0}")]
    Root(String),
    /// There is more than one element at the top, which only embedded documents may have.
    #[error("WBXML has one root element, and this has several")]
    Fragment,
    /// The result is too long: a long namespace that one prefix declares has to be declared on many elements.
    #[error(
        "it would be more than {MOST_TIMES} times as long: declare long namespaces where they are used"
    )]
    TooLong,
    /// A name that cannot be a LITERAL.
    #[error("{0:?} cannot be written as a name in WBXML")]
    Name(String),
    /// Octets that are not text, in a place where only text is possible.
    #[error("octets that are no text cannot stand in a string of WBXML")]
    Octets,
}

/// Writes `document` as WBXML in UTF-8. Time and memory are linear in its size.
///
/// # Errors
/// [`EncodeError`] for a root of no document type, a name that a LITERAL cannot hold, or a result many times as long as
/// the source.
pub fn encode(document: &Document, options: &WbxmlOptions) -> Result<Vec<u8>, EncodeError> {
    let doctype = match document.encoding() {
        Encoding::Wbxml(header) => header.doctype,
        Encoding::Xml(_) if document.top_ids().nth(1).is_some() => {
            return Err(EncodeError::Fragment);
        }
        Encoding::Xml(_) => doctype_of(document.root())?,
    };
    write(document.root(), doctype, options, Embedding::Announced)
}

/// Returns the document type of a root element: its space, and the version from its namespace or `VerDTD`.
///
/// # Errors
/// [`EncodeError::Root`] for a root outside the tables.
pub fn doctype_of(root: Element<'_>) -> Result<DocType, EncodeError> {
    let space = root
        .space()
        .ok_or_else(|| EncodeError::Root(root.local().into()))?;
    let declared = root
        .attributes()
        .filter(|attribute| attribute.name().starts_with("xmlns"))
        .map(|attribute| attribute.value())
        .find(|uri| {
            Space::of_namespace(uri) == Some(space) && uri.ends_with(|c: char| c.is_ascii_digit())
        });
    let header = root.child(tag::SYNC_HDR).unwrap_or(root);
    let version = header
        .elements()
        .find(|child| child.local() == "VerDTD")
        .map(|child| child.text());
    let version_text = match (&declared, &version) {
        (Some(uri), _) => uri.get(uri.len().saturating_sub(3)..).unwrap_or_default(),
        (None, Some(version)) => version.trim_ascii(),
        (None, None) => "",
    };
    Ok(DocType::of_space(space, version_text))
}

/// Encodes an element inside another document as a separate document.
pub(super) fn embedded(root: Element<'_>) -> Result<Vec<u8>, EncodeError> {
    write(
        root,
        doctype_of(root)?,
        &WbxmlOptions::default(),
        Embedding::Never,
    )
}

fn write(
    root: Element<'_>,
    doctype: DocType,
    options: &WbxmlOptions,
    embedding: Embedding,
) -> Result<Vec<u8>, EncodeError> {
    let mut strings = Strings::new(&[]);
    let number = doctype
        .numeric_id()
        .filter(|_| options.public_id == PublicIdForm::Numeric);
    if number.is_none() {
        strings.index(doctype.fpi().as_bytes());
    }
    let source = root.document().source();
    let mut writer = Writer {
        out: Vec::with_capacity(source.len() / if root.document().is_wbxml() { 1 } else { 4 }),
        doctype,
        charset: Charset::Utf8,
        strings: &mut strings,
        page: 0,
        attribute_page: 0,
        embedding,
    };
    writer.subtree(root)?;
    let body = writer.out;
    let mut out = Vec::with_capacity(body.len() + strings.added().len() + LONGEST_HEADER);
    out.push(options.version as u8);
    match number {
        Some(number) => write_number(&mut out, number),
        None => out.extend([0, 0]),
    }
    write_number(&mut out, Charset::Utf8.mib());
    write_number(&mut out, strings.added().len() as u32);
    out.extend_from_slice(strings.added());
    out.extend_from_slice(&body);
    Ok(out)
}

/// The largest output, as a multiple of the size of the source; one mebibyte more is allowed.
pub(super) const MOST_TIMES: usize = 16;

/// A version byte and three numbers.
const LONGEST_HEADER: usize = 1 + 3 * 5;
