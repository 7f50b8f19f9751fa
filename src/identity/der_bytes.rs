//! DER as bytes: elements unchanged, with tag and length.

use der::asn1::AnyRef;
use der::{Decode, Encode, Reader, SliceReader, Tag, Tagged};

/// An iterator over the elements of a constructed element.
pub(super) struct Elements<'d> {
    content: &'d [u8],
    at: usize,
}

impl<'d> Elements<'d> {
    /// Reads the elements of a SEQUENCE.
    pub(super) fn of(element: &'d [u8]) -> der::Result<Self> {
        Self::with_tag(element, Tag::Sequence)
    }

    /// Reads the elements of an element with this tag. Bytes after the element are ignored.
    pub(super) fn with_tag(element: &'d [u8], tag: Tag) -> der::Result<Self> {
        let (first, _) = first(element)?;
        let any = AnyRef::from_der(first)?;
        any.tag().assert_eq(tag)?;
        let content = any.value();
        Ok(Self { content, at: 0 })
    }

    /// Returns the next element.
    pub(super) fn next(&mut self) -> der::Result<&'d [u8]> {
        let (element, _) = first(self.rest())?;
        self.at += element.len();
        Ok(element)
    }

    /// Returns the next element, if it has this tag.
    pub(super) fn next_if(&mut self, tag: Tag) -> Option<&'d [u8]> {
        let (element, _) = first(self.rest()).ok()?;
        (Tag::from_der(element.get(..1)?).ok()? == tag).then(|| {
            self.at += element.len();
            element
        })
    }

    /// Returns the rest that is not read yet.
    pub(super) fn rest(&self) -> &'d [u8] {
        self.content.get(self.at..).unwrap_or_default()
    }
}

/// Splits DER into its first element and the rest.
fn first(der: &[u8]) -> der::Result<(&[u8], &[u8])> {
    let element = SliceReader::new(der)?.tlv_bytes()?;
    Ok((element, &der[element.len()..]))
}

/// Returns the content of an element.
pub(super) fn content(element: &[u8]) -> der::Result<&[u8]> {
    let (first, _) = first(element)?;
    Ok(AnyRef::from_der(first)?.value())
}

/// Returns the octets of a BIT STRING of whole octets.
pub(super) fn bits(element: &[u8]) -> der::Result<&[u8]> {
    let string = der::asn1::BitStringRef::from_der(element)?;
    string
        .as_bytes()
        .ok_or_else(|| Tag::BitString.value_error())
}

/// Wraps parts in an element with this tag.
pub(super) fn around(tag: Tag, parts: &[&[u8]]) -> der::Result<Vec<u8>> {
    AnyRef::new(tag, &parts.concat())?.to_der()
}

/// Returns a BIT STRING of whole octets.
pub(super) fn bit_string(octets: &[u8]) -> der::Result<Vec<u8>> {
    der::asn1::BitStringRef::from_bytes(octets)?.to_der()
}

/// Returns a context-specific, constructed tag.
pub(super) const fn context(number: der::TagNumber) -> Tag {
    Tag::ContextSpecific {
        constructed: true,
        number,
    }
}
