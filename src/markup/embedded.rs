//! Documents inside documents: XML or WBXML that is the text of an element, opened where it stands.
//!
//! A device description or a profile travels in `Data` as escaped XML, in CDATA, in OPAQUE, or in base64 of
//! either encoding. [`Element::embedded`] opens it on demand, with a tree of its own; an edit of that tree is
//! planned as any other, and [`Embedded::lower`] makes one edit of the document around of it:
//!
//! ```text
//! outer   …<Data>&lt;Node&gt;&lt;Name&gt;a&lt;/Name&gt;&lt;/Node&gt;</Data>…
//! inner          <Node><Name>a</Name></Node>            set text of Name: splice 12..13
//! outer                            ^                    the same splice, escaped again, at its place outside
//! ```
//!
//! Markup without a prolog may be several elements, with text between them: policies of Windows are
//! `<enabled/><data id="x" value="y"/>`. Such a fragment has several roots ([`Document::roots`]), and more may be
//! inserted next to them. Text before the first, or after a single one, makes it plain text.
//!
//! Only what is changed is written anew, in the wrapping it had; base64 is written anew as a whole, in lines as
//! they were. The `Meta/Size` of a `Data` stays as it is: a rule sets it with an edit of its own.

mod sniff;

use bytes::Bytes;

use super::edit::{Edit, EditError};
use super::{
    DecodeError, DecodeErrorKind, Document, Element, Encoding, Flag, FlagKind, Hint, Kind, Limits,
    NodeId, Text, base64, meta, tag, wbxml, xml,
};
use crate::patch::Patch;
use sniff::Content;

/// How an embedded document is wrapped in the text of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wrapping {
    /// XML escaped in XML: `&lt;Node&gt;`.
    Escaped,
    /// XML in a CDATA section.
    Cdata,
    /// XML in a string of WBXML (STR_I, STR_T).
    String,
    /// WBXML or XML in OPAQUE, octet for octet.
    Opaque,
    /// Base64 of WBXML or XML, in a text of whichever form.
    Base64,
}

impl Wrapping {
    /// Its name in a word or two, for people.
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

/// A document that is the text of an element of another.
#[derive(Clone, Debug)]
pub struct Embedded {
    document: Document,
    wrapping: Wrapping,
    holder: NodeId,
    held_in: HolderText,
    limits: Limits,
}

/// What of the holder's text the document is.
#[derive(Clone, Debug)]
enum HolderText {
    /// One text, but for white space around it; with its octets where they are base64.
    Part { text: NodeId, base64: Bytes },
    /// Several texts in one.
    All,
}

/// What came of looking for a document in an element.
#[derive(Clone, Debug)]
pub enum EmbeddedResult {
    /// There is none: ordinary text, octets, or child elements.
    Plain,
    /// There is one.
    Document(Box<Embedded>),
    /// What looks or is declared like one is left unopened (wbxml-format F31, F32); the offset is the outer
    /// document's. The text is there as ever.
    Unopened(Flag),
}

impl<'d> Element<'d> {
    /// The document that is this element's text, if it is one: XML, WBXML, or base64 of either.
    ///
    /// `limits` are those this element's document was decoded with. Depth adds up: the elements around this
    /// one are taken off the depth inside, and [`Limits::embedded`] bounds how many documents may be inside
    /// each other. Ordinary text costs a look at its first bytes.
    pub fn embedded(self, limits: &Limits) -> Option<Embedded> {
        match self.open(limits) {
            EmbeddedResult::Document(embedded) => Some(*embedded),
            EmbeddedResult::Plain | EmbeddedResult::Unopened(_) => None,
        }
    }

    /// The same, with what looked like a document and was left closed.
    pub fn open(self, limits: &Limits) -> EmbeddedResult {
        let Some(text) = only_text(self) else {
            return EmbeddedResult::Plain;
        };
        match text {
            OnlyText::One(text) if sniff::is_ordinary(text) && !declares(self, text) => {
                EmbeddedResult::Plain
            }
            OnlyText::One(text) => open_one(self, text, limits),
            OnlyText::Several => open_all(self, limits),
        }
    }
}

enum OnlyText<'d> {
    One(Text<'d>),
    Several,
}

/// The one text of an element without child elements that is not white space.
fn only_text(element: Element<'_>) -> Option<OnlyText<'_>> {
    let mut found = None;
    for text in element.texts() {
        if sniff::is_white(text) {
            continue;
        }
        if found.is_some() {
            return element
                .elements()
                .next()
                .is_none()
                .then_some(OnlyText::Several);
        }
        found = Some(text);
    }
    let text = found.filter(|_| element.elements().next().is_none())?;
    Some(OnlyText::One(text))
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

/// XML in several texts: a run of CDATA sections, or text around one.
fn open_all(holder: Element<'_>, limits: &Limits) -> EmbeddedResult {
    let Some(first) = holder.texts().find(|text| !sniff::is_white(*text)) else {
        return EmbeddedResult::Plain;
    };
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
        // Characters are UTF-8 by now, whatever the declaration that travelled with them says.
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

/// Decodes what is inside: as [`super::decode`], but XML may be a fragment.
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

/// Whether `Meta/Type` says that the OPAQUE is WBXML. A piece of a large object is none yet.
fn declares(holder: Element<'_>, text: Text<'_>) -> bool {
    text.kind() == Kind::Opaque
        && media_type(holder).is_some_and(|declared| {
            declared.to_ascii_lowercase().ends_with("+wbxml")
                && holder
                    .parent()
                    .is_some_and(|item| meta::near(item, tag::MORE_DATA).is_none())
        })
}

/// The media type that holds for a `Data`: of its item, else of the command around.
fn media_type(holder: Element<'_>) -> Option<String> {
    if !holder.is(tag::DATA) {
        return None;
    }
    let text = meta::field(holder, tag::TYPE)?.text();
    let text = text.split(';').next().unwrap_or_default();
    Some(text.trim().to_owned())
}

/// The octets of a text, sharing the source's bytes where they stand there as they are.
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
    /// Its tree.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// How it is wrapped.
    pub fn wrapping(&self) -> Wrapping {
        self.wrapping
    }

    /// The element of the outer document whose text it is.
    pub fn holder(&self) -> NodeId {
        self.holder
    }

    /// The limits to open what is inside it with.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The edit of the outer document that carries out `patch`, a patch of [`Self::document`], in the same
    /// wrapping. `None` where nothing changes.
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
    /// Its name: `XML` or `WBXML`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Xml(_) => "XML",
            Self::Wbxml(_) => "WBXML",
        }
    }
}
