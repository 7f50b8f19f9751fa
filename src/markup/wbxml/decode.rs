//! Decoding of the WBXML body (WAP-192 §5.8) into a tree: iterative, in one pass, with an arena of estimated size.

mod name;
mod text;

use bytes::Bytes;

use super::custom_names::CustomNames;
use super::token::{self, Reader, fault, *};
use super::{DocType, Fault, Header, header};
use crate::markup::arena::{Arena, NO_PARENT};
use crate::markup::error::MOST_FLAGS;
use crate::markup::vocabulary::{NameId, Space};
use crate::markup::{DecodeError, Document, Encoding, Flag, FlagKind, Hint, Kind, Limits};
use crate::patch::Span;

/// Decodes WBXML 1.0 to 1.3 in UTF-8, US-ASCII or ISO-8859-1.
///
/// # Errors
/// [`DecodeError`] with the offset of the malformed part, or of the place where a limit was reached.
pub fn decode(source: Bytes, hint: Hint<'_>, limits: &Limits) -> Result<Document, DecodeError> {
    if source.len() > limits.bytes || u32::try_from(source.len()).is_err() {
        return Err(DecodeError::too_large(limits.bytes, "bytes", limits.bytes));
    }
    let mut flags = Vec::new();
    let header = header::read(&source, hint, &mut flags)?;
    let guess = (source.len() - header.body as usize) / BYTES_PER_NODE + 1;
    let nodes = Arena::with_capacity(guess.min(limits.nodes));
    let mut decoder = Decoder {
        input: Reader::new(&source, header.body as usize),
        space: header.doctype.space_of_page(0),
        header: &header,
        limits,
        room: nodes.room().min(limits.nodes),
        nodes,
        own: CustomNames::default(),
        flags,
        open: NO_PARENT,
        depth: 0,
        page: 0,
        attribute_page: 0,
        expanded: 0,
        idle_switch: None,
    };
    decoder.body()?;
    decoder.trailing()?;
    let Decoder {
        mut nodes,
        own,
        flags,
        ..
    } = decoder;
    nodes.trim();
    Ok(Document {
        source,
        encoding: Encoding::Wbxml(header),
        nodes,
        names: own.names,
        flags,
    })
}

pub(super) struct Decoder<'s> {
    pub(super) input: Reader<'s>,
    pub(super) header: &'s Header,
    limits: &'s Limits,
    pub(super) nodes: Arena,
    /// The number of nodes that the arena may hold before it has to grow.
    room: usize,
    own: CustomNames,
    flags: Vec<Flag>,
    /// The element whose content is being read. The chain of parents from here on is the stack.
    open: u32,
    depth: usize,
    page: u8,
    space: Option<Space>,
    pub(super) attribute_page: u8,
    /// The total size that string table references have expanded to, in bytes.
    expanded: usize,
    /// The offset of a page switch that no tag has followed yet.
    pub(super) idle_switch: Option<usize>,
}

impl<'s> Decoder<'s> {
    fn body(&mut self) -> Result<(), DecodeError> {
        loop {
            let at = self.input.at;
            let Some(&byte) = self.input.bytes.get(at) else {
                let root = !self.nodes.is_empty();
                let missing = if root {
                    Fault::MissingEnd
                } else {
                    Fault::Truncated("the body")
                };
                return Err(fault(at, missing));
            };
            self.input.at += 1;
            match byte {
                END => {
                    self.settle_switch();
                    if self.end(at)? {
                        return Ok(());
                    }
                }
                STR_I | STR_T | ENTITY | OPAQUE => self.text(at, byte)?,
                SWITCH_PAGE => self.switch(at)?,
                PI => return Err(fault(at, Fault::ProcessingInstruction)),
                EXT_I_0..=EXT_I_2 | EXT_T_0..=EXT_T_2 | EXT_0..=EXT_2 => {
                    return Err(fault(at, Fault::Extension(byte)));
                }
                _ => {
                    self.idle_switch = None;
                    if self.tag(at, byte)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn switch(&mut self, at: usize) -> Result<(), DecodeError> {
        self.settle_switch();
        self.page = self.input.byte("a page switch")?;
        self.space = self.header.doctype.space_of_page(self.page);
        self.idle_switch = Some(at);
        Ok(())
    }

    /// Reads a tag. Returns true if it is the whole document.
    fn tag(&mut self, at: usize, byte: u8) -> Result<bool, DecodeError> {
        let token = byte & token::TOKEN;
        let name = if token == LITERAL {
            NameId(0)
        } else {
            self.name(at, token)?
        };
        let literal = if token == LITERAL {
            Some(self.literal(at)?)
        } else {
            None
        };
        let element = self.push(at, Kind::Element, name, self.open)?;
        if element == 0 && literal.is_none() {
            self.check_root(at, name);
        }
        if byte & WITH_ATTRIBUTES != 0 {
            if literal.is_none() && self.header.doctype != DocType::Prov {
                self.flag(at, FlagKind::Attributes);
            }
            self.attributes(element)?;
        }
        if let Some(local) = literal {
            self.name_literal(at, element, local)?;
        }
        if byte & WITH_CONTENT != 0 {
            self.depth += 1;
            if self.depth > self.limits.depth {
                return Err(DecodeError::too_large(
                    at,
                    "levels of elements",
                    self.limits.depth,
                ));
            }
            self.open = element;
            return Ok(false);
        }
        self.nodes.close(element, self.input.at as u32);
        Ok(element == 0)
    }

    /// Reads the END of the open element. Returns true if that is the root.
    fn end(&mut self, at: usize) -> Result<bool, DecodeError> {
        if self.open == NO_PARENT {
            return Err(fault(at, Fault::StrayEnd));
        }
        self.open = self.nodes.close(self.open, at as u32 + 1);
        self.depth -= 1;
        Ok(self.open == NO_PARENT)
    }

    /// Appends a node without children that ends at the current offset of the input.
    #[inline]
    pub(super) fn push(
        &mut self,
        at: usize,
        kind: Kind,
        name: NameId,
        parent: u32,
    ) -> Result<u32, DecodeError> {
        if self.nodes.len() >= self.room {
            self.make_room(at)?;
        }
        let span = Span::new(at as u32, self.input.at as u32);
        Ok(self.nodes.push(kind, span, name, parent))
    }

    /// Makes room for as many nodes as the rest of the body has if it is like the part already read; at least for an
    /// eighth more, so that the arena grows only a few times in any case.
    #[cold]
    fn make_room(&mut self, at: usize) -> Result<(), DecodeError> {
        let (so_far, most) = (self.nodes.len(), self.limits.nodes);
        if so_far >= most {
            return Err(DecodeError::too_large(at, "nodes", most));
        }
        let (read, rest) = (at - self.header.body as usize, self.input.bytes.len() - at);
        let expected = so_far as u64 * rest as u64 / read.max(1) as u64;
        let more = (expected as usize * 9 / 8).max(so_far / 8) + 16;
        self.nodes.reserve(more.min(most - so_far));
        self.room = self.nodes.room().min(most);
        Ok(())
    }

    pub(super) fn number(&mut self, inside: &'static str) -> Result<u32, DecodeError> {
        let at = self.input.at;
        let number = self.input.number(inside)?;
        if number.padded {
            self.flag(at, FlagKind::PaddedNumber);
        }
        Ok(number.value)
    }

    /// Flags a pending page switch: it is useless, since something other than a tag follows.
    #[inline]
    pub(super) fn settle_switch(&mut self) {
        if let Some(at) = self.idle_switch.take() {
            self.flag(at, FlagKind::IdleSwitch);
        }
    }

    #[cold]
    pub(super) fn flag(&mut self, at: usize, kind: FlagKind) {
        // Bounded, since a hostile body could cause one flag for each byte.
        if self.flags.len() < MOST_FLAGS {
            self.flags.push(Flag {
                at: at as u32,
                kind,
            });
        }
    }

    /// Checks the bytes after the root: there should be none.
    fn trailing(&mut self) -> Result<(), DecodeError> {
        let at = self.input.at;
        match &self.input.bytes[at..] {
            [] => {}
            [END, ..] => return Err(fault(at, Fault::StrayEnd)),
            [SWITCH_PAGE, _] => self.flag(at, FlagKind::IdleSwitch),
            rest => self.flag(at, FlagKind::Trailing(rest.len())),
        }
        Ok(())
    }
}

impl Header {
    /// Whether documents of this type have tables of attribute tokens.
    pub(crate) fn has_attribute_tables(&self) -> bool {
        self.doctype == DocType::Prov
    }
}

/// Dense messages with short texts have a node for each five or six bytes. The estimate suits them; excess memory is
/// given back, and hardly costs anything as long as nothing is written to it.
const BYTES_PER_NODE: usize = 5;
