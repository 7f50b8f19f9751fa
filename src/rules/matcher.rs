//! Matchers: which messages, and which commands in them.
//!
//! ```text
//! Matcher ─┬─ PassageMatcher   address, head, session, document    message.rs
//!          ├─ CommandMatcher   kind, code, Items, what it answers  command.rs
//!          ├─ has, where       a place in the selected element     selector.rs
//!          └─ not, any, all    matchers again
//! ```
//!
//! What is cheap is looked at first: a text inside a base64 document comes last.

mod address;
mod client_cert;
mod command;
mod connection;
mod items;
mod kinds;
mod message;
mod soap;
mod text;

pub use address::{BadNet, Net};
pub use client_cert::ClientCertMatcher;
pub use command::{AnswersMatcher, CommandMatcher, ItemMatcher};
pub use connection::{ConnectionLimit, ConnectionMatcher, PerConnection};
pub use kinds::Kinds;
pub use message::{HeaderMatcher, MessageMatcher};
pub use soap::SoapMatcher;
pub use text::{TextTest, ValueTest};

pub(super) use command::{Gate, Seen};
pub(super) use items::Items;
pub(super) use soap::is_action;

use std::ops::RangeInclusive;

use super::Facts;
use super::answers::LinkedAnswers;
use super::selector::Selector;
use crate::markup::{Document, Element};

/// Where a rule acts. The default matches every message, as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matcher {
    /// What must hold of the message.
    pub passage: MessageMatcher,
    /// Which of its commands are selected; `None`: the whole message is.
    pub command: Option<CommandMatcher>,
    /// `has`: one of these must be there, in the selected element.
    pub has: Vec<Selector>,
    /// `where`: one of these must hold, in the selected element.
    pub wheres: Vec<ValueTest>,
    /// `not`: this must not hold.
    pub not: Option<Box<Self>>,
    /// `any`: one of these must hold; empty: asks nothing.
    pub any: Vec<Self>,
    /// `all`: each of these must hold.
    pub all: Vec<Self>,
}

/// Codes: single ones and classes.
pub type Codes = Vec<RangeInclusive<u16>>;

/// Numbers: single ones and ranges.
pub type Numbers = Vec<RangeInclusive<u64>>;

/// How deep `not`, `any` and `all` may stand inside each other.
pub const DEPTH: usize = 8;

/// What a matcher looks at.
#[derive(Clone, Copy)]
pub(super) struct MatchContext<'a> {
    pub(super) facts: &'a Facts<'a>,
    /// The document as the rules before left it.
    pub(super) document: Option<&'a Document>,
    pub(super) answers: Option<&'a LinkedAnswers<'a>>,
}

impl Matcher {
    /// Whether it selects commands, not the whole message.
    pub fn selects_commands(&self) -> bool {
        self.command.is_some() || self.inner().any(Self::selects_commands)
    }

    /// The kinds of commands it can select.
    pub fn kinds(&self) -> Kinds {
        let own = self.command.as_ref().map_or(Kinds::default(), |c| c.kinds);
        let all = self.all.iter().map(Self::kinds).fold(own, Kinds::and);
        let any = self
            .any
            .iter()
            .map(Self::kinds)
            .fold(Kinds::NONE, Kinds::or);
        let kinds = if self.any.is_empty() {
            all
        } else {
            all.and(any)
        };
        match self.not.as_deref().and_then(Self::only_kinds) {
            Some(excluded) => kinds.without(excluded),
            None => kinds,
        }
    }

    /// The kinds of a matcher that asks nothing else.
    fn only_kinds(&self) -> Option<Kinds> {
        let command = self.command.as_ref()?;
        let bare = self.passage.asks_nothing() && self.has.is_empty() && self.wheres.is_empty();
        (bare && command.asks_kinds_only() && self.inner().next().is_none())
            .then_some(command.kinds)
    }

    /// Whether it holds of everything.
    pub fn asks_nothing(&self) -> bool {
        self.command.is_none()
            && self.passage.asks_nothing()
            && self.has.is_empty()
            && self.wheres.is_empty()
            && self.inner().next().is_none()
    }

    /// The matchers directly inside it.
    fn inner(&self) -> impl Iterator<Item = &Self> {
        let not = self.not.as_deref().into_iter();
        not.chain(&self.any).chain(&self.all)
    }

    /// Whether something holds of it or of a matcher inside it, however deep.
    pub(super) fn some(&self, holds: &mut dyn FnMut(&Self) -> bool) -> bool {
        holds(self) || self.inner().any(|inner| inner.some(holds))
    }

    /// Whether it looks into the document.
    pub(super) fn reads_document(&self) -> bool {
        self.some(&mut |m| {
            m.command.is_some()
                || !m.has.is_empty()
                || !m.wheres.is_empty()
                || m.passage.reads_document()
        })
    }

    /// Whether it asks which session the message belongs to.
    pub(super) fn asks_session(&self) -> bool {
        self.some(&mut |m| m.passage.asks_session())
    }

    /// Whether it compares LocURIs of commands of the message.
    pub(super) fn asks_uris(&self) -> bool {
        self.some(&mut |m| m.command.as_ref().is_some_and(|c| !c.uris.is_empty()))
    }

    /// Whether it asks which command an answer refers to.
    pub(super) fn asks_links(&self) -> bool {
        self.some(&mut |m| m.command.as_ref().is_some_and(CommandMatcher::asks_links))
    }

    /// Whether it holds of the message as a whole.
    pub(super) fn holds(&self, look: &MatchContext<'_>) -> bool {
        let root = look.document.map(Document::root);
        self.items(look, root, None).is_some()
    }

    /// Which Items of a command it selects; `None` if it does not select the command.
    pub(super) fn items_of(&self, look: &MatchContext<'_>, seen: &Seen<'_>) -> Option<Items> {
        self.items(look, Some(seen.command.element()), Some(seen))
    }

    fn items(
        &self,
        look: &MatchContext<'_>,
        element: Option<Element<'_>>,
        seen: Option<&Seen<'_>>,
    ) -> Option<Items> {
        if !self.passage.holds(look) {
            return None;
        }
        let mut items = match &self.command {
            Some(command) => command.items(look, seen?)?,
            None => Items::All,
        };
        for inner in &self.all {
            items = items.and(inner.items(look, element, seen)?)?;
        }
        if !self.any.is_empty() {
            let found = self.any.iter().filter_map(|m| m.items(look, element, seen));
            items = items.and(found.reduce(Items::or)?)?;
        }
        if let Some(not) = &self.not
            && let Some(excluded) = not.items(look, element, seen)
        {
            items = items.and(excluded.not(seen?.command)?)?;
        }
        self.probes_hold(look, element, &items).then_some(items)
    }

    fn probes_hold(
        &self,
        look: &MatchContext<'_>,
        element: Option<Element<'_>>,
        items: &Items,
    ) -> bool {
        if self.has.is_empty() && self.wheres.is_empty() {
            return true;
        }
        let Some(element) = element else {
            return false;
        };
        let (limits, items) = (look.facts.limits, items.nodes());
        let has = |place: &Selector| place.any(element, items, limits, &mut |_| true);
        let meets = |test: &ValueTest| test.holds(element, items, limits);
        (self.has.is_empty() || self.has.iter().any(has))
            && (self.wheres.is_empty() || self.wheres.iter().any(meets))
    }
}

/// Whether one of the codes is this one; an empty list asks nothing.
pub(super) fn any_code(codes: &Codes, code: Option<u16>) -> bool {
    codes.is_empty() || code.is_some_and(|code| codes.iter().any(|range| range.contains(&code)))
}

/// Whether one of the ranges holds this number; an empty list asks nothing.
fn any_number(numbers: &Numbers, number: Option<u64>) -> bool {
    numbers.is_empty() || number.is_some_and(|n| numbers.iter().any(|range| range.contains(&n)))
}
