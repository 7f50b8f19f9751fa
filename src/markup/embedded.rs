//! Documents inside documents: XML or WBXML in the text of an element, opened in place.
//!
//! A device description or a profile is sent in `Data` as escaped XML, in CDATA, in OPAQUE, or in base64 of either
//! encoding. [`Element::embedded`] opens it on demand, as a document of its own. Its edits are planned like any other,
//! and [`Embedded::lower`] turns their patch into one edit of the outer document:
//!
//! ```text
//! outer   …<Data>&lt;Node&gt;&lt;Name&gt;a&lt;/Name&gt;&lt;/Node&gt;</Data>…
//! inner          <Node><Name>a</Name></Node>            set text of Name: splice 12..13
//! outer                            ^                    the same splice, escaped again, at its place outside
//! ```
//!
//! Markup without a prolog may be several elements with text between them: Windows policies are `<enabled/><data id="x"
//! value="y"/>`. Such a fragment has several roots ([`Document::roots`]), and more can be inserted next to them. Text
//! before the first element, or after a single one, makes the whole content plain text.
//!
//! Only the changed part is rewritten, in its wrapping; base64 is rewritten as a whole, with the same line lengths. The
//! `Meta/Size` of a `Data` stays as it is: a rule sets it with its own edit.

mod sniff;

use bytes::Bytes;

use super::edit::{Edit, EditError};
use super::{
    DecodeError, DecodeErrorKind, Document, Element, Encoding, Flag, FlagKind, Hint, Kind, Limits,
    NodeId, Text, base64, meta, tag, wbxml, xml,
};
use crate::patch::Patch;
use sniff::Content;

/// The wrapping of an embedded document in the text of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wrapping {
    /// XML escaped in XML: `&lt;Node&gt;`.
    Escaped,
    /// XML in a CDATA section.
    Cdata,
    /// XML in a string of WBXML (STR_I, STR_T).
    String,
    /// WBXML or XML in OPAQUE, unchanged.
    Opaque,
    /// Base64 of WBXML or XML, in any form of text.
    Base64,
}

impl Wrapping {
    /// Returns the name of the wrapping for people, in a word or two.
    pub fn name(self) -> &'static str {
        match self {
            Self::Escaped => "escaped",
            Self::Cdata => "CDATA",
            Self::String => "string",
            Self::Opaque => "OPAQUE",
            Self::Base64 => "base64",
        }
    }
}

/// A document in the text of an element of another document.
#[derive(Clone, Debug)]
pub struct Embedded {
    document: Document,
    wrapping: Wrapping,
    holder: NodeId,
    held_in: HolderText,
    limits: Limits,
}

/// The part of the holder's text that is the document.
#[derive(Clone, Debug)]
enum HolderText {
    /// One text, apart from white space around it. `base64` has its octets if they are base64.
    Part { text: NodeId, base64: Bytes },
    /// Several texts, joined.
    All,
}

/// The result of looking for a document in an element.
#[derive(Clone, Debug)]
pub enum EmbeddedResult {
    /// There is no document: ordinary text, octets, or child elements.
    Plain,
    /// There is a document.
    Document(Box<Embedded>),
    /// The text looks like a document or is declared as one, but is not opened (`docs/malformed.md` F31, F32). The
    /// offset is in the outer document. The text itself stays accessible.
    Unopened(Flag),
}

impl<'d> Element<'d> {
    /// Returns the document in this element's text, if there is one: XML, WBXML, or base64 of either.
    ///
    /// `limits` are the limits that this element's document was decoded with. Depth adds up: the depth inside is
    /// reduced by the number of elements around, and [`Limits::embedded`] bounds the nesting of documents. For ordinary
    /// text only the first bytes are read.
    pub fn embedded(self, limits: &Limits) -> Option<Embedded> {
        match self.open(limits) {
            EmbeddedResult::Document(embedded) => Some(*embedded),
            EmbeddedResult::Plain | EmbeddedResult::Unopened(_) => None,
        }
    }

    /// Like [`Self::embedded`], but also reports a document that was left unopened.
    pub fn open(self, limits: &Limits) -> EmbeddedResult {
        if self.elements().next().is_some() {
            return EmbeddedResult::Plain;
        }
        let mut texts = self.texts().filter(|text| !sniff::is_blank(*text));
        match (texts.next(), texts.next()) {
            (None, _) => EmbeddedResult::Plain,
            (Some(text), None) if sniff::is_ordinary(text) && !declares(self, text) => {
                EmbeddedResult::Plain
            }
            (Some(text), None) => open_one(self, text, limits),
            (Some(first), Some(_)) => open_all(self, first, limits),
        }
    }
}

fn open_one(holder: Element<'_>, text: Text<'_>, limits: &Limits) -> EmbeddedResult {
    let octets = octets(text);
    let mut base64 = Bytes::new();
    let wrapping = match (text.kind(), holder.document().is_wbxml()) {
        (Kind::Opaque, _) => Wrapping::Opaque,
        (Kind::Cdata, _) => Wrapping::Cdata,
        (_, true) => Wrapping::String,
        (_, false) => Wrapping::Escaped,
    };
    let (source, wrapping) = match sniff::content(&octets) {
        Content::Markup => (octets, wrapping),
        Content::Binary if wrapping == Wrapping::Opaque => (octets, wrapping),
        Content::Base64(source) => {
            base64 = octets;
            (source, Wrapping::Base64)
        }
        Content::Binary | Content::Ordinary => {
            return unreadable(holder, text, "it does not begin as WBXML does".into());
        }
    };
    let held_in = HolderText::Part {
        text: text.id(),
        base64,
    };
    finish(holder, text, source, wrapping, held_in, limits)
}

/// Opens XML in several texts: a run of CDATA sections, or text around one.
fn open_all(holder: Element<'_>, first: Text<'_>, limits: &Limits) -> EmbeddedResult {
    let octets = Bytes::from(holder.octets().into_owned());
    if !matches!(sniff::content(&octets), Content::Markup) || std::str::from_utf8(&octets).is_err()
    {
        return EmbeddedResult::Plain;
    }
    let wrapping = match (first.kind(), holder.document().is_wbxml()) {
        (Kind::Opaque, _) => Wrapping::Opaque,
        (_, true) => Wrapping::String,
        (_, false) if holder.texts().any(|text| text.kind() == Kind::Cdata) => Wrapping::Cdata,
        (_, false) => Wrapping::Escaped,
    };
    finish(holder, first, octets, wrapping, HolderText::All, limits)
}

fn finish(
    holder: Element<'_>,
    text: Text<'_>,
    source: Bytes,
    wrapping: Wrapping,
    held_in: HolderText,
    limits: &Limits,
) -> EmbeddedResult {
    let level = std::iter::successors(Some(holder), |element| element.parent()).count();
    let inside = Limits {
        depth: limits.depth.saturating_sub(level),
        embedded: limits.embedded.saturating_sub(1),
        ..*limits
    };
    let declared = media_type(holder);
    let characters = !matches!(wrapping, Wrapping::Opaque | Wrapping::Base64);
    let hint = Hint {
        media_type: declared.as_deref(),
        // Characters are already converted to UTF-8, whatever an XML declaration in them says.
        charset: characters.then_some("utf-8"),
    };
    match decode(source, hint, &inside) {
        Ok(_) if limits.embedded == 0 => closed(text, FlagKind::EmbeddedTooDeep),
        Ok(document) => EmbeddedResult::Document(Box::new(Embedded {
            document,
            wrapping,
            holder: holder.id(),
            held_in,
            limits: inside,
        })),
        Err(error) => unreadable(holder, text, error.to_string()),
    }
}

/// Decodes the inner document: like [`super::decode`], but XML may be a fragment.
fn decode(source: Bytes, hint: Hint<'_>, limits: &Limits) -> Result<Document, DecodeError> {
    if wbxml::looks_like(&source) {
        wbxml::decode::decode(source, hint, limits)
    } else {
        let end = source.len() as u32;
        let document = xml::decode::decode_with(source, hint, limits, xml::Roots::Several)?;
        let lone = document.roots().nth(1).is_none();
        if lone && document.top_ids().nth(1).is_some() {
            let kind = DecodeErrorKind::Xml("there is one element, and text behind it".into());
            return Err(DecodeError { at: end, kind });
        }
        Ok(document)
    }
}

fn unreadable(holder: Element<'_>, text: Text<'_>, why: String) -> EmbeddedResult {
    if declares(holder, text) {
        return closed(text, FlagKind::EmbeddedUnreadable(why));
    }
    EmbeddedResult::Plain
}

fn closed(text: Text<'_>, kind: FlagKind) -> EmbeddedResult {
    let at = text.span().start;
    EmbeddedResult::Unopened(Flag { at, kind })
}

/// Whether `Meta/Type` declares the OPAQUE as WBXML. A chunk of a large object (`MoreData`) is not a document yet.
fn declares(holder: Element<'_>, text: Text<'_>) -> bool {
    text.kind() == Kind::Opaque
        && media_type(holder).is_some_and(|declared| {
            declared.to_ascii_lowercase().ends_with("+wbxml")
                && holder
                    .parent()
                    .is_some_and(|item| meta::near(item, tag::MORE_DATA).is_none())
        })
}

/// Returns the media type of a `Data`: from the `Meta` of its item, otherwise of the command.
fn media_type(holder: Element<'_>) -> Option<String> {
    if !holder.is(tag::DATA) {
        return None;
    }
    let text = meta::field(holder, tag::TYPE)?.text();
    let text = text.split(';').next().unwrap_or_default();
    Some(text.trim().to_owned())
}

/// Returns the octets of a text. Shares the source's bytes if they are unchanged there.
fn octets(text: Text<'_>) -> Bytes {
    match text.octets() {
        std::borrow::Cow::Borrowed(octets) => {
            let source = text.document().source();
            let start = octets.as_ptr() as usize - source.as_ptr() as usize;
            match source.get(start..start + octets.len()) {
                Some(_) => source.slice(start..start + octets.len()),
                None => Bytes::copy_from_slice(octets),
            }
        }
        std::borrow::Cow::Owned(octets) => octets.into(),
    }
}

impl Embedded {
    /// Returns the tree of the embedded document.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Returns the wrapping.
    pub fn wrapping(&self) -> Wrapping {
        self.wrapping
    }

    /// Returns the element of the outer document that holds the embedded one.
    pub fn holder(&self) -> NodeId {
        self.holder
    }

    /// Returns the limits for opening documents inside the embedded one.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Returns the edit of the outer document that carries out `patch`, a patch of [`Self::document`], in the same
    /// wrapping. `None` if nothing changes.
    ///
    /// # Errors
    /// [`EditError::Unwritable`] for octets that a text cannot hold.
    pub fn lower(&self, patch: &Patch) -> Result<Option<Edit>, EditError> {
        if patch.is_empty() {
            return Ok(None);
        }
        let edit = match &self.held_in {
            HolderText::Part { text, base64 } => Edit::PatchText {
                text: *text,
                patch: match self.wrapping {
                    Wrapping::Base64 => {
                        base64::replacing(base64, &patch.apply(&self.document.source))
                    }
                    _ => patch.clone(),
                },
            },
            HolderText::All => Edit::SetText {
                element: self.holder,
                text: self.text_after(patch)?,
            },
        };
        Ok(Some(edit))
    }

    fn text_after(&self, patch: &Patch) -> Result<String, EditError> {
        let octets = patch.apply(&self.document.source);
        String::from_utf8(octets.into())
            .map_err(|_| EditError::Unwritable("the text around is UTF-8".into()))
    }
}

impl Encoding {
    /// Returns the name of the encoding: `XML` or `WBXML`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Xml(_) => "XML",
            Self::Wbxml(_) => "WBXML",
        }
    }
}
