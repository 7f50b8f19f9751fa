//! The names of elements: tokens of the current page, LITERALs, and unknown names.

use std::borrow::Cow;

use super::Decoder;
use crate::markup::vocabulary::{self, NameId, Space};
use crate::markup::wbxml::token::{self, LITERAL, fault};
use crate::markup::wbxml::{Fault, attribute, custom_names};
use crate::markup::{DecodeError, FlagKind};

impl<'s> Decoder<'s> {
    /// Returns the name of a token on the current page.
    pub(super) fn name(&mut self, at: usize, token: u8) -> Result<NameId, DecodeError> {
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
        name.ok_or_else(|| DecodeError::too_large(at, "names", custom_names::MOST))
    }

    /// Returns the local part of the name that a LITERAL tag refers to.
    pub(super) fn literal(&mut self, at: usize) -> Result<Cow<'s, str>, DecodeError> {
        let index = self.number("a LITERAL")?;
        let name = self.table_string(at, index)?;
        let Some(checked) = attribute::checked_name(name, self.header.text) else {
            let name = self.header.text.text(name).into_owned();
            return Err(fault(at, Fault::Name(name)));
        };
        let behind = |name: &str| name.find(':').map_or(0, |colon| colon + 1);
        Ok(match checked {
            Cow::Borrowed(name) => Cow::Borrowed(&name[behind(name)..]),
            Cow::Owned(name) => Cow::Owned(name[behind(&name)..].into()),
        })
    }

    /// Sets the name of a LITERAL element, after its attributes have been read, which may declare its namespace.
    pub(super) fn name_literal(
        &mut self,
        at: usize,
        element: u32,
        local: Cow<'_, str>,
    ) -> Result<(), DecodeError> {
        let namespace = match attribute::namespace(self, element) {
            Some(own) => self.own.namespace(&own),
            None => self.inherited_namespace(self.nodes.parent(element)),
        };
        let namespace = namespace
            .ok_or_else(|| DecodeError::too_large(at, "namespaces", usize::from(u16::MAX)))?;
        let known = Space::of_namespace(self.own.names.namespace(namespace))
            .and_then(|space| vocabulary::find(space, &local));
        let name = known.or_else(|| self.own.literal(&local, namespace));
        let name = name.ok_or_else(|| DecodeError::too_large(at, "names", custom_names::MOST))?;
        self.nodes.set_name(element, name);
        if element == 0 {
            self.flag(at, FlagKind::Root(local.into_owned()));
        }
        Ok(())
    }

    /// Returns the namespace that a LITERAL parent passes on. Tokens get their namespace from their page and pass none
    /// on.
    fn inherited_namespace(&mut self, parent: u32) -> Option<u16> {
        let Some(node) = self.nodes.get(parent) else {
            return Some(0);
        };
        if self.input.bytes[node.span.start as usize] & token::TOKEN != LITERAL {
            return Some(0);
        }
        if let Some((space, _)) = node.name.token() {
            return self.own.namespace(self.header.doctype.namespace(space));
        }
        let place = usize::from(node.name.0 - vocabulary::FIRST_OWN);
        Some(self.own.names.own.get(place)?.namespace)
    }

    pub(super) fn check_root(&mut self, at: usize, name: NameId) {
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
}

/// The only tag of page 0 that the SyncML tables reserve.
const RESERVED_TAG: u8 = 0x30;
