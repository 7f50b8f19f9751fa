//! Character data: strings, references to the string table, entities, OPAQUE; each checked once.

use super::Decoder;
use crate::markup::arena::NO_PARENT;
use crate::markup::vocabulary::{self, NameId};
use crate::markup::wbxml::token::{ENTITY, OPAQUE, STR_I, STR_T, fault};
use crate::markup::wbxml::{Charset, Fault, value};
use crate::markup::xml::is_allowed;
use crate::markup::{DecodeError, FlagKind, Kind};

impl<'s> Decoder<'s> {
    /// Reads the rest of a text in content, and adds its node.
    pub(super) fn text(&mut self, at: usize, byte: u8) -> Result<(), DecodeError> {
        self.settle_switch();
        let empty = self.piece(at, byte)?;
        if self.open == NO_PARENT {
            return Err(fault(at, Fault::Outside));
        }
        if !empty && holds_elements_only(self.nodes.name(self.open)) {
            self.flag(at, FlagKind::TextAmongElements);
        }
        let kind = if byte == OPAQUE {
            Kind::Opaque
        } else {
            Kind::Text
        };
        self.push(at, kind, NameId(0), self.open).map(drop)
    }

    /// Reads and checks the rest of STR_I, STR_T, ENTITY or OPAQUE. Returns true if the text is empty.
    pub(in super::super) fn piece(&mut self, at: usize, byte: u8) -> Result<bool, DecodeError> {
        if byte == STR_I {
            let text = self.input.terminated()?;
            self.check(at, text)?;
            return Ok(text.is_empty());
        }
        let number = self.number("character data")?;
        match byte {
            STR_T => {
                let text = self.table_string(at, number)?;
                self.check_reference(at, number, text)?;
                Ok(text.is_empty())
            }
            ENTITY => {
                let character = char::from_u32(number).filter(|c| is_allowed(*c));
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

    /// Returns the string at `index` of the table; its size counts towards the limit.
    pub(in super::super) fn table_string(
        &mut self,
        at: usize,
        index: u32,
    ) -> Result<&'s [u8], DecodeError> {
        let text = value::table_string(self.input.bytes, self.header, index)
            .filter(|_| (index as usize) < self.header.string_table.len())
            .ok_or_else(|| fault(at, Fault::TableIndex(index)))?;
        self.expanded += text.len();
        if self.expanded > self.limits.expansion {
            return Err(DecodeError::too_large(
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

    /// Checks that a reference gives text. If it points into the middle of a character, flags that and skips that
    /// character.
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
        if split == 0 || !inside || self.header.text != Charset::Utf8 {
            return self.check(at, text);
        }
        self.flag(at, FlagKind::SplitCharacter(index));
        self.check(at, &text[split..])
    }

    #[inline]
    pub(in super::super) fn check(&self, at: usize, text: &[u8]) -> Result<(), DecodeError> {
        match self.header.text.holds(text) {
            true => Ok(()),
            false => Err(fault(at, Fault::Text(self.header.text.name()))),
        }
    }
}

/// Whether the DTDs allow only elements in an element (SyncML RepPro 1.2 §6; all provisioning elements).
fn holds_elements_only(name: NameId) -> bool {
    use vocabulary::tag::*;
    matches!(
        name,
        ADD | ALERT
            | ATOMIC
            | CHAL
            | COPY
            | CRED
            | DELETE
            | EXEC
            | GET
            | ITEM
            | MAP
            | MAP_ITEM
            | PUT
            | REPLACE
            | RESULTS
            | SEARCH
            | SEQUENCE
            | SOURCE
            | STATUS
            | SYNC
            | SYNC_BODY
            | SYNC_HDR
            | SYNC_ML
            | TARGET
            | WAP_PROVISIONINGDOC
            | CHARACTERISTIC
            | PARM
    )
}
