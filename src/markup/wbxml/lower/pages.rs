//! The code pages in force, in the source and in the output.

use crate::markup::arena::Node;
use crate::markup::wbxml::Header;
use crate::markup::wbxml::token::{LITERAL, SWITCH_PAGE, TOKEN};
use crate::markup::wbxml::token_scanner::{ScannedToken, TokenScanner};
use crate::markup::wbxml::value::page_and_token;
use crate::markup::{Document, Kind};
use crate::patch::{Span, Splice};

/// The current pages of tags and of attributes, which are independent of each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pages {
    pub(super) tag: u8,
    pub(super) attribute: u8,
}

impl Pages {
    /// Follows the page switches up to `end`.
    pub(super) fn follow(&mut self, tokens: &mut TokenScanner<'_>, end: usize) {
        while tokens.at() < end {
            let in_attributes = tokens.in_attributes;
            match tokens.next() {
                Some(ScannedToken::Switch(page)) => *page_of(self, in_attributes) = page,
                Some(_) => {}
                None => break,
            }
        }
    }
}

/// A walk through the source, from one splice to the next.
pub(super) struct PageTracker<'d> {
    pub(super) document: &'d Document,
    header: &'d Header,
    at: u32,
    /// The pages in force at `at` in the source.
    pub(super) source: Pages,
    /// The pages in force at the same place in the output.
    pub(super) written: Pages,
}

impl<'d> PageTracker<'d> {
    pub(super) fn new(document: &'d Document, header: &'d Header) -> Self {
        Self {
            document,
            header,
            at: header.body,
            source: Pages::default(),
            written: Pages::default(),
        }
    }

    /// Advances to `target`, which must not be inside an attribute list. Tokens on the way that rely on a page no
    /// longer in force get a page switch.
    pub(super) fn advance(&mut self, target: u32, splices: &mut Vec<Splice>) {
        self.repair(target, splices);
        if self.at < target {
            self.jump(target);
        }
    }

    /// Records that the source up to `end` is replaced by bytes that leave the pages `written` in force.
    pub(super) fn replaced(&mut self, end: u32, written: Pages) {
        self.skim(end);
        self.written = written;
    }

    /// Adds the page switches that are still needed after the last splice.
    pub(super) fn finish(&mut self, end: u32, splices: &mut Vec<Splice>) {
        self.repair(end, splices);
    }

    /// Walks until the pages agree again, at most to `target`, and adds page switches.
    fn repair(&mut self, target: u32, splices: &mut Vec<Splice>) {
        let mut tokens = TokenScanner::new(self.document.source(), self.at as usize);
        while self.source != self.written || tokens.in_attributes {
            let at = tokens.at();
            if at >= target as usize {
                break;
            }
            let in_attributes = tokens.in_attributes;
            let Some(seen) = tokens.next() else { break };
            let relies = match seen {
                ScannedToken::Switch(page) => {
                    *page_of(&mut self.source, in_attributes) = page;
                    *page_of(&mut self.written, in_attributes) = page;
                    false
                }
                ScannedToken::Tag(byte) => byte & TOKEN != LITERAL,
                ScannedToken::Start(byte) => byte != LITERAL,
                ScannedToken::Value => true,
                ScannedToken::Text | ScannedToken::End => false,
            };
            let page = *page_of(&mut self.source, in_attributes);
            let written = page_of(&mut self.written, in_attributes);
            if relies && *written != page {
                *written = page;
                let span = Span::at(at as u32);
                splices.push(Splice {
                    span,
                    with: vec![SWITCH_PAGE, page],
                });
            }
        }
        self.at = tokens.at() as u32;
    }

    /// Moves to `target` where the pages agree: starts at the nearest tag before it whose name determines its page.
    fn jump(&mut self, target: u32) {
        let nodes = &self.document.nodes;
        let before = nodes.first_from(target);
        let since = |id: &u32| nodes.node(*id).span.start >= self.at;
        let mut between = (0..before).rev().take_while(since);
        let known = between.find_map(|id| {
            let node = nodes.node(id);
            Some((node.span.start, self.page_of_tag(&node)?))
        });
        if let Some((at, page)) = known {
            if let Some(attribute) = between.find(|id| nodes.kind(*id) == Kind::Attribute) {
                self.source.attribute = self.page_behind(nodes.node(attribute));
            }
            self.source.tag = page;
            self.at = at;
        }
        self.skim(target);
        self.written = self.source;
    }

    /// Returns the page of a tag whose name is on one page only.
    fn page_of_tag(&self, node: &Node) -> Option<u8> {
        let token = self.document.source()[node.span.start as usize] & TOKEN;
        let (space, _) =
            (node.kind == Kind::Element && token != LITERAL).then(|| node.name.token())??;
        let mut pages =
            (0..=2).filter(|page| self.header.doctype.space_of_page(*page) == Some(space));
        pages.next().filter(|_| pages.next().is_none())
    }

    /// Returns the attribute page in force after the list that ends with this attribute.
    fn page_behind(&self, attribute: Node) -> u8 {
        let (mut page, _) = page_and_token(attribute);
        let mut tokens = TokenScanner::new(self.document.source(), attribute.span.start as usize);
        tokens.in_attributes = true;
        while tokens.in_attributes {
            match tokens.next() {
                Some(ScannedToken::Switch(switched)) => page = switched,
                Some(_) => {}
                None => break,
            }
        }
        page
    }

    /// Follows the page switches of the source up to `target`.
    fn skim(&mut self, target: u32) {
        let mut tokens = TokenScanner::new(self.document.source(), self.at as usize);
        self.source.follow(&mut tokens, target as usize);
        self.at = target;
    }
}

fn page_of(pages: &mut Pages, in_attributes: bool) -> &mut u8 {
    match in_attributes {
        true => &mut pages.attribute,
        false => &mut pages.tag,
    }
}
