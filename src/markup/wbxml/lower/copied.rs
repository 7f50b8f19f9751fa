//! Inserted content: a fragment as new tokens, or an exact copy of an element.

use std::collections::BTreeMap;

use super::pages::Pages;
use crate::markup::edit::{Edit, Fragment};
use crate::markup::wbxml::token::{LITERAL, SWITCH_PAGE};
use crate::markup::wbxml::token_scanner::{ScannedToken, TokenScanner};
use crate::markup::wbxml::writer::Writer;
use crate::markup::wbxml::{EncodeError, Header};
use crate::markup::{Document, NodeId};

/// The content of an insertion.
pub(super) enum Inserted<'e> {
    Fragment(&'e Fragment),
    Copy(Copied),
}

/// A copy, and the pages in force in front of the original.
pub(super) struct Copied {
    pub(super) bytes: Vec<u8>,
    pub(super) pages: Pages,
}

/// Returns the pages in force in front of each element that is copied, found in one walk.
pub(super) fn pages_of_originals(
    document: &Document,
    header: &Header,
    edits: &[Edit],
) -> BTreeMap<NodeId, Pages> {
    let originals = edits.iter().filter_map(|edit| match edit {
        Edit::Copy { node, .. } => Some((*node, Pages::default())),
        _ => None,
    });
    let mut found: BTreeMap<NodeId, Pages> = originals.collect();
    let mut tokens = TokenScanner::new(document.source(), header.body as usize);
    let mut pages = Pages::default();
    for (node, found) in &mut found {
        let start = document.node(*node).span.start as usize;
        pages.follow(&mut tokens, start);
        *found = pages;
    }
    found
}

impl Inserted<'_> {
    pub(super) fn write(&self, writer: &mut Writer<'_, '_>) -> Result<(), EncodeError> {
        match self {
            Self::Fragment(fragment) => writer.subtree(fragment.document().root()),
            Self::Copy(copied) => {
                copied.write(writer);
                Ok(())
            }
        }
    }
}

impl Copied {
    fn write(&self, writer: &mut Writer<'_, '_>) {
        writer.switch(self.pages.tag);
        let start = writer.out.len();
        writer.out.extend_from_slice(&self.bytes);
        if writer.attribute_page != self.pages.attribute
            && let Some(at) = self.first_of_attribute_page()
        {
            let switch = [SWITCH_PAGE, self.pages.attribute];
            writer.out.splice(start + at..start + at, switch);
            writer.attribute_page = self.pages.attribute;
        }
        let mut pages = Pages {
            tag: writer.page,
            attribute: writer.attribute_page,
        };
        pages.follow(&mut TokenScanner::new(&self.bytes, 0), self.bytes.len());
        writer.page = pages.tag;
        writer.attribute_page = pages.attribute;
    }

    /// Returns the offset of the first attribute token that relies on the attribute page in front of the copy.
    fn first_of_attribute_page(&self) -> Option<usize> {
        let mut tokens = TokenScanner::new(&self.bytes, 0);
        loop {
            let (at, in_attributes) = (tokens.at(), tokens.in_attributes);
            match tokens.next()? {
                ScannedToken::Switch(_) if in_attributes => return None,
                ScannedToken::Start(byte) if byte != LITERAL => return Some(at),
                ScannedToken::Value => return Some(at),
                _ => {}
            }
        }
    }
}
