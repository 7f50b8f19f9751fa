//! A light scan of the tokens of a body, without a tree, that finds page switches.
//!
//! It checks nothing and ends at the first unreadable token; the decoder reports the error there.

use super::token::*;

/// The kind of a token, as far as code pages are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScannedToken {
    /// A tag byte. A LITERAL does not depend on pages.
    Tag(u8),
    /// An attribute start token, or LITERAL.
    Start(u8),
    /// An attribute value token from a table.
    Value,
    /// A page switch: of attributes inside an attribute list, otherwise of tags.
    Switch(u8),
    /// Character data in content, or in the value of an attribute.
    Text,
    /// END of an attribute list or of an element.
    End,
}

/// The scan. It begins in content; to begin inside an attribute list, set `in_attributes`.
#[derive(Clone)]
pub(crate) struct TokenScanner<'s> {
    input: Reader<'s>,
    pub(crate) in_attributes: bool,
}

impl<'s> TokenScanner<'s> {
    pub(crate) fn new(bytes: &'s [u8], at: usize) -> Self {
        Self {
            input: Reader::new(bytes, at),
            in_attributes: false,
        }
    }

    /// Returns the offset of the next token.
    pub(crate) fn at(&self) -> usize {
        self.input.at
    }

    fn tag(&mut self, byte: u8) -> Option<ScannedToken> {
        if byte & TOKEN == LITERAL {
            self.input.number("").ok()?;
        }
        self.in_attributes = byte & WITH_ATTRIBUTES != 0;
        Some(ScannedToken::Tag(byte))
    }

    fn text(&mut self, byte: u8) -> Option<ScannedToken> {
        match byte {
            STR_I => drop(self.input.terminated().ok()?),
            OPAQUE => {
                let length = self.input.number("").ok()?.value;
                self.input.take(length)?;
            }
            _ => drop(self.input.number("").ok()?),
        }
        Some(ScannedToken::Text)
    }
}

impl Iterator for TokenScanner<'_> {
    type Item = ScannedToken;

    #[inline]
    fn next(&mut self) -> Option<ScannedToken> {
        let byte = self.input.byte("").ok()?;
        match byte {
            END => {
                self.in_attributes = false;
                Some(ScannedToken::End)
            }
            STR_I | STR_T | ENTITY | OPAQUE => self.text(byte),
            SWITCH_PAGE => self.input.byte("").ok().map(ScannedToken::Switch),
            EXT_I_0..=PI | EXT_T_0..=EXT_T_2 | EXT_0..=EXT_2 => None,
            _ if !self.in_attributes => self.tag(byte),
            LITERAL => self
                .input
                .number("")
                .ok()
                .map(|_| ScannedToken::Start(byte)),
            0x05..0x80 => Some(ScannedToken::Start(byte)),
            _ => Some(ScannedToken::Value),
        }
    }
}
