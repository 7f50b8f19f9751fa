//! The prolog of an XML document, and checks before decoding.

use super::{Decoder, malformed};
use crate::markup::xml::is_white;
use crate::markup::{DecodeError, DecodeErrorKind, FlagKind};
use crate::patch::Span;

/// Refuses a source that does not begin like XML after a byte order mark of `base` bytes.
pub(super) fn check_beginning(source: &[u8], base: usize) -> Result<(), DecodeError> {
    let mut bytes = source.iter().enumerate().skip(base);
    match bytes.find(|(_, byte)| !is_white(**byte)) {
        None => Err(DecodeError {
            at: source.len() as u32,
            kind: DecodeErrorKind::Empty,
        }),
        Some((_, b'<')) => Ok(()),
        Some((at, _)) => Err(DecodeError {
            at: at as u32,
            kind: DecodeErrorKind::NotMarkup,
        }),
    }
}

/// Whether all bytes are ASCII without control characters (line ends included), so that none is forbidden.
pub(super) fn is_plain(source: &[u8]) -> bool {
    let mut blocks = source.chunks(256);
    blocks.all(|block| {
        let plain = |all: bool, &byte: &u8| all & (byte as i8 >= 0x20);
        block.iter().fold(true, plain)
    })
}

impl Decoder<'_> {
    pub(super) fn declaration(&mut self, span: Span) -> Result<(), DecodeError> {
        if !self.nodes.is_empty()
            || self.header.declaration.is_some()
            || self.header.doctype.is_some()
        {
            // Typically a document that was put into Data without escaping.
            let how = match self.nodes.is_empty() {
                true => "",
                false => ": a document within an element must be escaped, or stand in CDATA",
            };
            let why = format!("the XML declaration must stand in front{how}");
            return Err(malformed(span.start, why));
        }
        if span.start as usize != self.base {
            let why = "the XML declaration does not stand at the very beginning";
            self.flag(span.start, FlagKind::Other(why.into()));
        }
        self.header.declaration = Some(span);
        Ok(())
    }

    /// Accepts a DOCTYPE: clients of SyncML 1.0 and 1.1 name the DTD of the standard. The decoder fetches nothing and
    /// takes no declarations from it.
    pub(super) fn doctype(&mut self, span: Span) -> Result<(), DecodeError> {
        if !self.nodes.is_empty() || self.header.doctype.is_some() {
            return Err(malformed(
                span.start,
                "a DOCTYPE may stand only once, in front of the root".into(),
            ));
        }
        let written = span.of(self.source);
        if !written.starts_with(b"<!DOCTYPE") {
            return Err(malformed(
                span.start,
                "DOCTYPE must be written in capitals".into(),
            ));
        }
        if let Some(at) = memchr::memchr(b'[', written) {
            let why = "a DOCTYPE with declarations of its own is refused";
            return Err(malformed(span.start + at as u32, why.into()));
        }
        self.header.doctype = Some(span);
        self.flag(span.start, FlagKind::Doctype);
        Ok(())
    }

    pub(super) fn outside(&self, what: &str) -> String {
        let side = if self.nodes.is_empty() {
            "in front of"
        } else {
            "behind"
        };
        format!("there is {what} {side} the root element")
    }
}
