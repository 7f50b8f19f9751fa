//! WBXML to tree: the body (WAP-192 §5.8), iteratively, in one pass over an arena that is sized beforehand.

use bytes::Bytes;

use super::own::{self, OwnNames};
use super::token::{self, Reader, fault, *};
use super::{DocType, Fault, Header, attribute, header, skim, value};
use crate::markup::document::{NO_PARENT, Node};
use crate::markup::error::MOST_FLAGS;
use crate::markup::vocabulary::{self, NameId, Space};
use crate::markup::{
    DecodeError, DecodeErrorKind, Document, Encoding, Flag, FlagKind, Hint, Kind, Limits,
};
use crate::patch::Span;

/// Decodes WBXML 1.0 to 1.3 in UTF-8, US-ASCII or ISO-8859-1.
///
/// # Errors
/// [`DecodeError`] with the offset of what is malformed, or of the limit that was reached.
pub fn decode(source: Bytes, hint: Hint<'_>, limits: &Limits) -> Result<Document, DecodeError> {
    if source.len() > limits.bytes || u32::try_from(source.len()).is_err() {
        return Err(too_large(limits.bytes, "bytes", limits.bytes));
    }
    let mut flags = Vec::new();
    let header = header::read(&source, hint, &mut flags)?;
    let nodes = skim::count(&source, header.body as usize, limits.nodes);
    let mut decoder = Decoder {
        input: Reader::new(&source, header.body as usize),
        space: header.doctype.space_of_page(0),
        header: &header,
        limits,
        nodes: Vec::with_capacity(nodes),
        own: OwnNames::default(),
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
        nodes, own, flags, ..
    } = decoder;
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
    pub(super) nodes: Vec<Node>,
    own: OwnNames,
    flags: Vec<Flag>,
    /// The element whose content is being read; its `parent` is the stack.
    open: u32,
    depth: usize,
    page: u8,
    space: Option<Space>,
    pub(super) attribute_page: u8,
    /// Bytes that references to the string table have unfolded to.
    expanded: usize,
    /// A page switch that no tag has followed yet.
    pub(super) idle_switch: Option<usize>,
}

impl<'s> Decoder<'s> {
    fn body(&mut self) -> Result<(), DecodeError> {
        loop {
            let at = self.input.at;
            let Some(&byte) = self.input.bytes.get(at) else {
                return Err(fault(
                    at,
                    if self.nodes.is_empty() {
                        Fault::Truncated("the body")
                    } else {
                        Fault::MissingEnd
                    },
                ));
            };
            self.input.at += 1;
            match byte {
                END => {
                    self.settle_switch();
                    if self.end(at)? {
                        return Ok(());
                    }
                }
                STR_I => {
                    let text = self.input.terminated()?;
                    self.check(at, text)?;
                    self.text(at, Kind::Text, text.is_empty())?;
                }
                STR_T | ENTITY | OPAQUE => {
                    let empty = self.piece(at, byte)?;
                    self.text(
                        at,
                        if byte == OPAQUE {
                            Kind::Opaque
                        } else {
                            Kind::Text
                        },
                        empty,
                    )?;
                }
                SWITCH_PAGE => {
                    self.settle_switch();
                    self.page = self.input.byte("a page switch")?;
                    self.space = self.header.doctype.space_of_page(self.page);
                    self.idle_switch = Some(at);
                }
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

    /// A tag. True if it is the whole document.
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
        let element = self.push(at, Kind::Element, name)?;
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
                return Err(too_large(at, "levels of elements", self.limits.depth));
            }
            self.open = element;
            return Ok(false);
        }
        let next = self.nodes.len() as u32;
        let node = &mut self.nodes[element as usize];
        (node.span.end, node.next) = (self.input.at as u32, next);
        Ok(element == 0)
    }

    /// The name of a token on the page in force.
    fn name(&mut self, at: usize, token: u8) -> Result<NameId, DecodeError> {
        if let Some(space) = self.space
            && vocabulary::tag_name(space, token).is_some()
            && (space != Space::Prov || self.header.doctype.tag(self.page, token).is_some())
        {
            if space == Space::MetInf && (0x17..=0x1A).contains(&token) {
                self.flag(
                    at,
                    FlagKind::VendorTag {
                        page: self.page,
                        token,
                    },
                );
            }
            return Ok(NameId::known(space, token));
        }
        if self.space == Some(Space::SyncMl) && token == RESERVED_TAG {
            return Err(fault(at, Fault::Reserved(token)));
        }
        self.flag(
            at,
            FlagKind::UnknownTag {
                page: self.page,
                token,
            },
        );
        let name = self.own.token(self.page, token);
        name.ok_or_else(|| too_large(at, "names", own::MOST))
    }

    /// The local part of the name that a LITERAL tag refers to.
    fn literal(&mut self, at: usize) -> Result<&'s str, DecodeError> {
        let index = self.number("a LITERAL")?;
        let name = self.table_string(at, index)?;
        let Some(checked) = attribute::checked_name(name) else {
            let name = String::from_utf8_lossy(name).into_owned();
            return Err(fault(at, Fault::Name(name)));
        };
        Ok(checked.split_once(':').map_or(checked, |(_, local)| local))
    }

    /// Numbers the name of a LITERAL element, once its attributes have told its namespace.
    fn name_literal(&mut self, at: usize, element: u32, local: &str) -> Result<(), DecodeError> {
        let node = self.nodes[element as usize];
        let namespace = match attribute::namespace(self, element) {
            Some(own) => own,
            None => self.inherited_namespace(node.parent).to_owned(),
        };
        let known =
            Space::of_namespace(&namespace).and_then(|space| vocabulary::find(space, local));
        let name = known.or_else(|| self.own.literal(local, &namespace));
        self.nodes[element as usize].name =
            name.ok_or_else(|| too_large(at, "names", own::MOST))?;
        if element == 0 {
            self.flag(at, FlagKind::Root(local.into()));
        }
        Ok(())
    }

    /// The namespace that a LITERAL parent passes on; tokens have theirs from their page and pass none.
    fn inherited_namespace(&self, parent: u32) -> &str {
        let Some(node) = self.nodes.get(parent as usize) else {
            return "";
        };
        if self.input.bytes[node.span.start as usize] & token::TOKEN != LITERAL {
            return "";
        }
        match node.name.token() {
            Some((space, _)) => self.header.doctype.namespace(space),
            None => self
                .own
                .names
                .get(usize::from(node.name.0 - vocabulary::FIRST_OWN))
                .map_or("", |own| &own.namespace),
        }
    }

    fn check_root(&mut self, at: usize, name: NameId) {
        if name != self.header.doctype.root() {
            let words = name
                .text()
                .map_or_else(|| "an unknown tag".into(), str::to_owned);
            self.flag(at, FlagKind::Root(words));
        } else if self.page == 0
            && self
                .header
                .doctype
                .page_of_space(self.header.doctype.space())
                != Some(0)
        {
            self.flag(at, FlagKind::ImpliedPage);
        }
    }

    /// END of the element that is open. True if that was the root.
    fn end(&mut self, at: usize) -> Result<bool, DecodeError> {
        let next = self.nodes.len() as u32;
        let Some(node) = self.nodes.get_mut(self.open as usize) else {
            return Err(fault(at, Fault::StrayEnd));
        };
        (node.span.end, node.next) = (at as u32 + 1, next);
        self.open = node.parent;
        self.depth -= 1;
        Ok(self.open == NO_PARENT)
    }

    fn text(&mut self, at: usize, kind: Kind, empty: bool) -> Result<(), DecodeError> {
        self.settle_switch();
        let Some(parent) = self.nodes.get(self.open as usize) else {
            return Err(fault(at, Fault::Outside));
        };
        if !empty && holds_elements_only(parent.name) {
            self.flag(at, FlagKind::TextAmongElements);
        }
        self.push(at, kind, NameId(0)).map(drop)
    }

    /// A node that ends where the input stands, and has no children yet.
    pub(super) fn push(&mut self, at: usize, kind: Kind, name: NameId) -> Result<u32, DecodeError> {
        let id = self.nodes.len();
        if id >= self.limits.nodes {
            return Err(too_large(at, "nodes", self.limits.nodes));
        }
        let span = Span::new(at as u32, self.input.at as u32);
        self.nodes.push(Node {
            span,
            next: id as u32 + 1,
            parent: self.open,
            name,
            kind,
        });
        Ok(id as u32)
    }

    /// The rest of STR_T, ENTITY or OPAQUE, checked. True if it is an empty text.
    pub(super) fn piece(&mut self, at: usize, byte: u8) -> Result<bool, DecodeError> {
        let number = self.number("character data")?;
        match byte {
            STR_T => {
                let text = self.table_string(at, number)?;
                self.check_reference(at, number, text)?;
                Ok(text.is_empty())
            }
            ENTITY => {
                let character = char::from_u32(number).filter(|c| allowed_in_xml(*c));
                character
                    .map(|_| false)
                    .ok_or_else(|| fault(at, Fault::Entity(number)))
            }
            _ => {
                if self.header.version == 0 {
                    self.flag(at, FlagKind::OpaqueIn10);
                }
                let octets = self.input.take(number);
                octets
                    .map(<[u8]>::is_empty)
                    .ok_or_else(|| fault(at, Fault::Opaque(number)))
            }
        }
    }

    pub(super) fn number(&mut self, inside: &'static str) -> Result<u32, DecodeError> {
        let at = self.input.at;
        let number = self.input.number(inside)?;
        if number.padded {
            self.flag(at, FlagKind::PaddedNumber);
        }
        Ok(number.value)
    }

    /// The string of the table at `index`; what it unfolds to counts against the limit.
    pub(super) fn table_string(&mut self, at: usize, index: u32) -> Result<&'s [u8], DecodeError> {
        let text = value::table_string(self.input.bytes, self.header, index)
            .filter(|_| (index as usize) < self.header.string_table.len())
            .ok_or_else(|| fault(at, Fault::TableIndex(index)))?;
        self.expanded += text.len();
        if self.expanded > self.limits.expansion {
            return Err(too_large(
                at,
                "bytes of text from the string table",
                self.limits.expansion,
            ));
        }
        if index as usize + text.len() == self.header.string_table.len() {
            self.flag(at, FlagKind::UnterminatedTable);
        }
        Ok(text)
    }

    /// Whether a reference gives text; one into the middle of a character does, but for that character.
    fn check_reference(&mut self, at: usize, index: u32, text: &[u8]) -> Result<(), DecodeError> {
        let split = text
            .iter()
            .take(3)
            .take_while(|byte| **byte & 0xC0 == 0x80)
            .count();
        let before = self
            .header
            .string_table
            .of(self.input.bytes)
            .get(..index as usize);
        let inside = before
            .and_then(<[u8]>::last)
            .is_some_and(|byte| *byte >= 0x80);
        if split == 0 || !inside || self.header.text != super::Charset::Utf8 {
            return self.check(at, text);
        }
        self.flag(at, FlagKind::SplitCharacter(index));
        self.check(at, &text[split..])
    }

    #[inline]
    pub(super) fn check(&self, at: usize, text: &[u8]) -> Result<(), DecodeError> {
        match self.header.text.holds(text) {
            true => Ok(()),
            false => Err(fault(at, Fault::Text(self.header.text.name()))),
        }
    }

    /// Something other than a tag follows: a page switch before it was of no use.
    #[inline]
    pub(super) fn settle_switch(&mut self) {
        if let Some(at) = self.idle_switch.take() {
            self.flag(at, FlagKind::IdleSwitch);
        }
    }

    #[cold]
    pub(super) fn flag(&mut self, at: usize, kind: FlagKind) {
        // A hostile body could earn one for each byte; who reads flags has seen enough by then.
        if self.flags.len() < MOST_FLAGS {
            self.flags.push(Flag {
                at: at as u32,
                kind,
            });
        }
    }

    /// What stands behind the root: nothing, in good documents.
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
    /// Whether attribute tokens have names and values in documents of this type.
    pub(crate) fn has_attribute_tables(&self) -> bool {
        self.doctype == DocType::Prov
    }
}

/// What XML 1.0 §2.2 calls a character.
pub(crate) fn allowed_in_xml(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}

/// Whether the DTDs give an element no character data (SyncML RepPro 1.2 §6, provisioning all).
fn holds_elements_only(name: NameId) -> bool {
    match name.token() {
        Some((Space::SyncMl, token)) => ELEMENTS_ONLY >> token & 1 != 0,
        Some((Space::Prov, _)) => true,
        _ => false,
    }
}

pub(super) fn too_large(at: usize, what: &'static str, limit: usize) -> DecodeError {
    DecodeError {
        at: at as u32,
        kind: DecodeErrorKind::TooLarge { what, limit },
    }
}

/// The one tag of page 0 that the SyncML tables reserve.
const RESERVED_TAG: u8 = 0x30;

/// A bit for each token of page 0 whose element holds elements only.
const ELEMENTS_ONLY: u64 = {
    use vocabulary::tag::*;
    let names = [
        ADD, ALERT, ATOMIC, CHAL, COPY, CRED, DELETE, EXEC, GET, ITEM, MAP, MAP_ITEM, PUT, REPLACE,
        RESULTS, SEARCH, SEQUENCE, SOURCE, STATUS, SYNC, SYNC_BODY, SYNC_HDR, SYNC_ML, TARGET,
    ];
    let mut bits = 0;
    let mut at = 0;
    while at < names.len() {
        bits |= 1 << names[at].0;
        at += 1;
    }
    bits
};
