//! Decoding of XML into a tree: one pass over the events of quick-xml.
//!
//! Comments and processing instructions do not become nodes. White space between tags becomes a node only if the
//! element contains nothing else: `<Data>  </Data>` has a text, `<Item>  <Data/>  </Item>` has none. In an element that
//! mixes text and elements, white space alone between two tags is dropped, too.

mod prolog;

use std::borrow::Cow;

use bytes::Bytes;
use quick_xml::events::Event;
use quick_xml::reader::Reader;

use super::name::{MOST_NAMESPACES, MOST_OWN_NAMES, NameError, Names};
use super::{Charset, Header, Roots, charset, is_white, tag_name};
use crate::markup::arena::{Arena, NO_PARENT};
use crate::markup::error::MOST_FLAGS;
use crate::markup::vocabulary::same;
use crate::markup::{
    DecodeError, DecodeErrorKind, Document, Encoding, Flag, FlagKind, Hint, Kind, Limits, NameId,
};
use crate::patch::Span;

/// Decodes XML.
///
/// # Errors
/// [`DecodeError`] with the offset of what is not well-formed.
pub fn decode(source: Bytes, hint: Hint<'_>, limits: &Limits) -> Result<Document, DecodeError> {
    decode_with(source, hint, limits, Roots::One)
}

/// Decodes XML like [`decode`]. If `roots` is [`Roots::Several`] and there is no prolog, which marks a complete
/// document, more elements and text may follow the first element.
///
/// # Errors
/// Like [`decode`].
pub(crate) fn decode_with(
    source: Bytes,
    hint: Hint<'_>,
    limits: &Limits,
    roots: Roots,
) -> Result<Document, DecodeError> {
    let limit = limits.bytes.min(u32::MAX as usize);
    if source.len() > limit {
        return Err(DecodeError::too_large(limit, "bytes", limits.bytes));
    }
    let mut flags = Vec::new();
    let charset = charset::detect(&source, hint, &mut flags)?;
    let base = if source.starts_with(charset::BOM) {
        charset::BOM.len()
    } else {
        0
    };
    prolog::check_beginning(&source, base)?;
    let shadow = charset::shadow(&source, charset, &mut flags)?;
    if !prolog::is_plain(&source)
        && let Some(error) = charset::forbidden(&source, charset)
    {
        return Err(error);
    }
    let mut decoder = Decoder::new(&source, &shadow, base, charset, limits);
    decoder.flags = flags;
    decoder.header.roots = roots;
    decoder.run()?;
    let Decoder {
        nodes,
        names,
        flags,
        header,
        ..
    } = decoder;
    let (names, encoding) = (names.into_own(), Encoding::Xml(header));
    drop(shadow);
    Ok(Document {
        source,
        encoding,
        nodes,
        names,
        flags,
    })
}

/// The state of one decoding pass. Offsets are offsets into the source.
pub(super) struct Decoder<'s> {
    /// The bytes as received.
    pub(super) source: &'s [u8],
    /// The source as text for the tokeniser, with one letter for each byte if the charset is not UTF-8.
    pub(super) shadow: &'s str,
    /// The length of the byte order mark in front of the tokeniser's input.
    base: usize,
    limits: &'s Limits,
    pub(super) header: Header,
    pub(super) nodes: Arena,
    pub(super) names: Names<'s>,
    flags: Vec<Flag>,
    /// The open element; `NO_PARENT` outside the root.
    open: u32,
    pub(super) depth: u32,
    /// The run of text and references being read.
    text: Option<Run>,
    /// The number of nodes at the end that are white space and may turn out to be indentation.
    white_tail: usize,
    /// Whether the last tag closed an element.
    after_end: bool,
    /// Whether `]]>` occurs anywhere, so that texts have to be searched for it.
    has_cdata_end: bool,
}

#[derive(Clone, Copy)]
struct Run {
    start: u32,
    white: bool,
}

impl<'s> Decoder<'s> {
    fn new(
        source: &'s [u8],
        shadow: &'s str,
        base: usize,
        charset: Charset,
        limits: &'s Limits,
    ) -> Self {
        // An element with a text makes two nodes and has two `<`: there are seldom more nodes than `<`.
        let expected = memchr::memchr_iter(b'<', source).count();
        Self {
            source,
            shadow,
            base,
            limits,
            header: Header {
                charset,
                ..Header::default()
            },
            nodes: Arena::with_capacity(expected.min(limits.nodes) + 1),
            names: Names::default(),
            flags: Vec::new(),
            open: NO_PARENT,
            depth: 0,
            text: None,
            white_tail: 0,
            after_end: false,
            has_cdata_end: memchr::memchr(b']', source)
                .is_some_and(|at| memchr::memmem::find(&source[at..], b"]]>").is_some()),
        }
    }

    fn run(&mut self) -> Result<(), DecodeError> {
        let mut reader = Reader::from_str(&self.shadow[self.base..]);
        let config = reader.config_mut();
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        let mut start = self.base as u32;
        loop {
            // Used by reference: moving each event out of its Result costs a tenth of the time.
            let event = reader.read_event();
            let span = Span::new(
                start,
                (reader.buffer_position() as usize + self.base) as u32,
            );
            start = span.end;
            match &event {
                Ok(Event::Text(text)) => self.text_piece(span, text.as_bytes())?,
                Ok(Event::GeneralRef(name)) => self.reference(span, name)?,
                Ok(Event::Start(tag)) => self.start_tag(span, tag.name().as_ref().len(), 1)?,
                Ok(Event::End(name)) => self.end_tag(span, name.len())?,
                Ok(Event::Empty(tag)) => {
                    self.start_tag(span, tag.name().as_ref().len(), 2)?;
                    self.close_element(span.end);
                }
                Ok(Event::Eof) => return self.finish(span.start),
                Ok(rare) => self.rare(span, rare)?,
                Err(error) => return Err(tokens_failed(error, &reader, self.base, self.source)),
            }
            // The content of an event is borrowed from the source: there is nothing to drop.
            std::mem::forget(event);
        }
    }

    #[cold]
    fn rare(&mut self, span: Span, event: &Event<'_>) -> Result<(), DecodeError> {
        self.close_text(span.start)?;
        match event {
            Event::CData(_) => self.cdata(span),
            Event::Decl(_) => self.declaration(span),
            Event::DocType(_) => self.doctype(span),
            _ => Ok(()),
        }
    }

    fn text_piece(&mut self, span: Span, text: &[u8]) -> Result<(), DecodeError> {
        let white = text.iter().all(|&byte| is_white(byte));
        if self.is_outside() && !white {
            let skipped = text.iter().take_while(|&&byte| is_white(byte)).count() as u32;
            return Err(malformed(span.start + skipped, self.outside("text")));
        }
        if self.has_cdata_end
            && let Some(at) = memchr::memmem::find(text, b"]]>")
        {
            self.flag(
                span.start + at as u32,
                FlagKind::Other("`]]>` stands in text".into()),
            );
        }
        self.extend_text(span.start, white);
        Ok(())
    }

    /// Continues the text being read, or begins one at `start`.
    fn extend_text(&mut self, start: u32, white: bool) {
        let run = self.text.get_or_insert(Run { start, white });
        run.white &= white;
    }

    fn reference(&mut self, span: Span, name: &str) -> Result<(), DecodeError> {
        if self.is_outside() {
            return Err(malformed(span.start, self.outside("a reference")));
        }
        self.check_reference(span.start, name)?;
        // `&#32;` is written on purpose, so it is never treated as indentation.
        self.extend_text(span.start, false);
        Ok(())
    }

    #[inline]
    fn close_text(&mut self, end: u32) -> Result<(), DecodeError> {
        let Some(run) = self.text.take() else {
            return Ok(());
        };
        if self.is_outside() {
            return Ok(());
        }
        self.push(Kind::Text, Span::new(run.start, end))?;
        self.white_tail = if run.white { self.white_tail + 1 } else { 0 };
        Ok(())
    }

    /// Opens the element whose tag is at `span`, with a name of `name_length` bytes; `closing` is the length of its `>`
    /// or `/>`.
    fn start_tag(
        &mut self,
        span: Span,
        name_length: usize,
        closing: usize,
    ) -> Result<(), DecodeError> {
        self.close_text(span.start)?;
        self.drop_indentation();
        self.check_place(span.start)?;
        let parent = (self.open != NO_PARENT).then(|| self.nodes.name(self.open));
        let element = self.push(Kind::Element, span)?;
        self.open = element as u32;
        self.depth += 1;
        self.after_end = false;
        let tag = &self.shadow[span.start as usize + 1..span.end as usize - closing];
        if name_length < tag.len() {
            self.attributes(tag, span.start + 1, name_length)?;
        }
        self.name(element, &tag[..name_length], parent)
    }

    /// Whether this place is outside all content: outside the root, or in front of the first root of a fragment.
    #[inline]
    fn is_outside(&self) -> bool {
        self.open == NO_PARENT && (self.nodes.is_empty() || !self.header.is_fragment())
    }

    /// Checks that an element may begin here.
    #[inline]
    fn check_place(&self, at: u32) -> Result<(), DecodeError> {
        if self.is_outside() && !self.nodes.is_empty() {
            return Err(malformed(at, "there is a second root element".into()));
        }
        if self.depth as usize >= self.limits.depth {
            let (at, what) = (at as usize, "levels of elements");
            return Err(DecodeError::too_large(at, what, self.limits.depth));
        }
        Ok(())
    }

    /// Sets the name of an element; its namespace declarations must have been read before.
    #[inline]
    fn name(
        &mut self,
        element: usize,
        written: &'s str,
        parent: Option<NameId>,
    ) -> Result<(), DecodeError> {
        let at = self.nodes.start(element as u32) + 1;
        let (end, charset) = (at as usize + written.len(), self.header.charset);
        let source = &self.source[..end];
        let own_text = |local: &str| charset.text(&source[end - local.len()..]);
        match self.names.resolve(written, parent, own_text) {
            Ok(resolved) => {
                self.nodes.set_name(element as u32, resolved.name);
                if !resolved.prefix_declared {
                    self.undeclared(at, written);
                }
                Ok(())
            }
            Err(error) => Err(name_failed(error, at, written)),
        }
    }

    fn end_tag(&mut self, span: Span, name_length: usize) -> Result<(), DecodeError> {
        self.close_text(span.start)?;
        let name = &self.source[span.start as usize + 2..span.start as usize + 2 + name_length];
        if self.open == NO_PARENT {
            return Err(malformed(span.start, "this end tag closes nothing".into()));
        }
        let from_tag = &self.source[self.nodes.start(self.open) as usize..];
        let tag = &from_tag[1..];
        let after = tag.get(name_length).copied().unwrap_or_default();
        let same = tag
            .get(..name_length)
            .is_some_and(|opened| same(opened, name));
        if !same || !(after == b'>' || is_white(after)) {
            let text = |bytes| self.header.charset.text(bytes);
            let (found, opened) = (text(name), text(tag_name(from_tag)));
            let why = format!("</{}> cannot close <{}>", clip(&found), clip(&opened));
            return Err(malformed(span.start, why));
        }
        if self.after_end {
            self.drop_indentation();
        }
        self.close_element(span.end);
        Ok(())
    }

    #[inline]
    fn close_element(&mut self, end: u32) {
        self.open = self.nodes.close(self.open, end);
        self.names.close(self.depth);
        self.depth -= 1;
        self.white_tail = 0;
        self.after_end = true;
    }

    fn cdata(&mut self, span: Span) -> Result<(), DecodeError> {
        if self.is_outside() {
            return Err(malformed(span.start, self.outside("a CDATA section")));
        }
        self.white_tail = 0;
        self.push(Kind::Cdata, span)?;
        Ok(())
    }

    fn finish(&mut self, end: u32) -> Result<(), DecodeError> {
        if let Some(open) = self.nodes.get(self.open) {
            let name = self
                .header
                .charset
                .text(tag_name(open.span.of(self.source)));
            return Err(malformed(
                open.span.start,
                format!("<{}> is never closed", clip(&name)),
            ));
        }
        if self.nodes.is_empty() {
            return Err(malformed(end, "there is no root element".into()));
        }
        self.close_text(end)?;
        self.drop_indentation();
        Ok(())
    }

    /// Removes the white space just read: it turned out to be between tags.
    fn drop_indentation(&mut self) {
        self.nodes.truncate(self.nodes.len() - self.white_tail);
        self.white_tail = 0;
    }

    #[inline]
    pub(super) fn push(&mut self, kind: Kind, span: Span) -> Result<usize, DecodeError> {
        let number = self.nodes.len();
        if number >= self.limits.nodes {
            let (at, limit) = (span.start as usize, self.limits.nodes);
            return Err(DecodeError::too_large(at, "nodes", limit));
        }
        self.nodes.push(kind, span, NO_NAME, self.open);
        Ok(number)
    }

    #[cold]
    pub(super) fn flag(&mut self, at: u32, kind: FlagKind) {
        if self.flags.len() < MOST_FLAGS {
            self.flags.push(Flag { at, kind });
        }
    }

    #[cold]
    pub(super) fn undeclared(&mut self, at: u32, name: &str) {
        let prefix = name.split_once(':').map_or(name, |(prefix, _)| prefix);
        self.flag(at, FlagKind::UndeclaredPrefix(prefix.into()));
    }
}

/// The placeholder name of nodes without a name in the tree: texts, and attributes, whose name is read from the source.
const NO_NAME: NameId = NameId(u16::MAX);

pub(super) fn malformed(at: u32, why: String) -> DecodeError {
    DecodeError {
        at,
        kind: DecodeErrorKind::Xml(why),
    }
}

fn tokens_failed(
    error: &quick_xml::Error,
    reader: &Reader<&[u8]>,
    base: usize,
    source: &[u8],
) -> DecodeError {
    let at = reader.error_position() as usize + base;
    let behind = source.get(at..).unwrap_or_default();
    // A word processor turns two dashes into one.
    let has_dash = ["<!\u{2014}", "<!\u{2013}"]
        .iter()
        .any(|begin| behind.starts_with(begin.as_bytes()));
    let why = error.to_string();
    let why = match has_dash {
        true => "a typographic dash stands where -- must",
        false => why.split_once(": ").map_or(&*why, |(_, rest)| rest),
    };
    malformed(at as u32, why.into())
}

pub(super) fn name_failed(error: NameError, at: u32, name: &str) -> DecodeError {
    let (what, limit) = match error {
        NameError::Malformed => return malformed(at, format!("`{}` is not a name", clip(name))),
        NameError::TooMany => ("names outside the standards", MOST_OWN_NAMES),
        NameError::TooManyNamespaces => ("namespaces", MOST_NAMESPACES),
    };
    DecodeError::too_large(at as usize, what, limit)
}

/// Returns the beginning of a text that may be long.
pub(super) fn clip(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(40) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}
