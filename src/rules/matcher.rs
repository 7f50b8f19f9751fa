//! Matchers: which passages, and which commands in them.

mod address;
mod connection;

pub use address::{BadNet, Net};
pub use connection::{ConnectionLimit, ConnectionMatcher, PerConnection};

use std::ops::RangeInclusive;

use super::Facts;
use super::glob::{UriGlob, Wild};
use crate::dm::CommandKind;

/// Where a rule acts. The default matches every message, as a whole.
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    /// What must hold of the passage.
    pub passage: PassageMatcher,
    /// Which of its commands are selected; `None`: the whole message is.
    pub command: Option<CommandMatcher>,
}

/// What must hold of a passage. An empty list asks nothing; of a list one entry must match.
#[derive(Clone, Debug, Default)]
pub struct PassageMatcher {
    /// MsgID.
    pub message: Vec<u32>,
    /// Device id: the Source of the device's messages.
    pub device: Vec<Wild>,
    /// SessionID.
    pub session: Vec<Wild>,
    /// Host of the server, without port.
    pub host: Vec<Wild>,
    /// Path of the request, without query.
    pub path: Vec<Wild>,
    /// HTTP method.
    pub method: Vec<Wild>,
    /// HTTP status of the response.
    pub http_status: Codes,
}

/// Which commands are selected, nested ones included.
#[derive(Clone, Debug, Default)]
pub struct CommandMatcher {
    /// Of these kinds.
    pub kinds: Kinds,
    /// About one of these nodes; empty: any. An answer is about what the answered command is about.
    pub uris: Vec<UriGlob>,
    /// A Status with one of these codes; empty: any.
    pub status: Codes,
    /// A Status or Results that answers a command of one of these names; empty: any.
    pub answers: Vec<String>,
}

/// Codes: single ones and classes.
pub type Codes = Vec<RangeInclusive<u16>>;

/// A set of kinds of commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds(u32);

impl Kinds {
    /// No kind.
    pub const NONE: Self = Self(0);

    /// The set of one kind.
    pub fn of(kind: CommandKind) -> Self {
        Self(1 << kind as u32)
    }

    /// The kinds in either set.
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The kinds in both sets.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the sets share a kind.
    pub fn meets(self, other: Self) -> bool {
        self.and(other) != Self::NONE
    }

    /// Whether every kind of it is in the other set.
    pub fn is_within(self, other: Self) -> bool {
        self.and(other) == self
    }

    /// Whether the kind is in the set.
    pub fn has(self, kind: CommandKind) -> bool {
        self.meets(Self::of(kind))
    }

    /// Status and Results.
    pub fn answers() -> Self {
        Self::of(CommandKind::Status).or(Self::of(CommandKind::Results))
    }
}

impl Default for Kinds {
    /// Every kind.
    fn default() -> Self {
        Self(u32::MAX)
    }
}

impl CommandMatcher {
    /// Whether it asks which command an answer refers to.
    pub(super) fn asks_links(&self) -> bool {
        !self.uris.is_empty() && self.kinds.meets(Kinds::answers())
    }
}

impl PassageMatcher {
    /// Whether all of it holds.
    pub(super) fn holds(&self, facts: &Facts<'_>) -> bool {
        self.holds_of_heads(facts) && self.holds_of_session(facts)
    }

    fn holds_of_heads(&self, facts: &Facts<'_>) -> bool {
        let request = facts.request;
        let status = facts.response.map(|head| head.status.as_u16());
        any_wild(&self.host, || request.uri.host())
            && any_wild(&self.path, || Some(request.uri.path()))
            && any_wild(&self.method, || Some(request.method.as_str()))
            && any_code(&self.http_status, status)
    }

    fn holds_of_session(&self, facts: &Facts<'_>) -> bool {
        let tag = facts.session;
        let number = tag.and_then(|tag| tag.message);
        any_wild(&self.device, || tag.map(|tag| &*tag.key.device))
            && any_wild(&self.session, || tag.map(|tag| &*tag.key.id))
            && (self.message.is_empty() || number.is_some_and(|n| self.message.contains(&n)))
    }
}

fn any_wild<'t>(patterns: &[Wild], text: impl FnOnce() -> Option<&'t str>) -> bool {
    patterns.is_empty() || text().is_some_and(|text| patterns.iter().any(|p| p.matches(text)))
}

/// Whether one of the codes is this one; an empty list asks nothing.
pub(super) fn any_code(codes: &Codes, code: Option<u16>) -> bool {
    codes.is_empty() || code.is_some_and(|code| codes.iter().any(|range| range.contains(&code)))
}
