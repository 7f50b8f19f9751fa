//! What a rule did to a message or a connection.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::patch::Patch;

/// A rule that acted on a message or a connection.
#[derive(Clone, Debug)]
pub struct RuleEffect {
    /// The rule's name.
    pub rule: String,
    /// What it did, in order.
    pub changes: Vec<EffectDetail>,
    /// What it changed of the body as the rule found it; empty for heads and deliveries.
    pub patch: Patch,
}

/// One thing a rule did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EffectDetail {
    /// Where: a path in the document; empty for the whole message.
    pub path: String,
    /// What kind of change it is; records name its step.
    #[serde(rename = "step")]
    pub kind: EffectKind,
    /// What was there.
    pub before: String,
    /// What is there now.
    pub after: String,
}

/// What a step did, as far as a reader must tell changes apart. Its name is that of the step in rule files and records.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(inline, with = "String")]
pub enum EffectKind {
    /// The rule matched and could not act; `after` says why.
    NotApplied,
    /// A Status got another code.
    SetStatus,
    /// Matches of a regular expression, which is `before`, were replaced.
    ReplaceText,
    /// A header field changed; `before` and `after` are written `name: value`.
    Header(&'static str),
    /// Markup was put into the message: `after` is its text.
    Markup(&'static str),
    /// An element was removed, moved or copied. `before` is its name and its text or node, `after` says in words what
    /// became of it.
    Element(&'static str),
    /// A number of the conversation was adapted to what the receiver counts.
    Renumber,
    /// An answer to what dmtap itself had sent was removed; `before` names it.
    SuppressReply,
    /// The credentials that the server would have received without the rule stand there again.
    RestoreCredentials,
    /// Any other step, by its name.
    Other(Cow<'static, str>),
}

impl RuleEffect {
    /// Whether the rule did anything: one that matched and could not act anywhere did not.
    pub fn has_acted(&self) -> bool {
        self.changes.is_empty() || self.changes.iter().any(EffectDetail::is_done)
    }
}

impl EffectDetail {
    /// A change of the message as a whole.
    pub fn of_message(
        kind: EffectKind,
        before: impl Into<String>,
        after: impl Into<String>,
    ) -> Self {
        Self {
            path: String::new(),
            kind,
            before: before.into(),
            after: after.into(),
        }
    }

    /// Whether it came about.
    pub fn is_done(&self) -> bool {
        self.kind != EffectKind::NotApplied
    }
}

impl EffectKind {
    /// Those that have a name of their own: what a record is read with.
    const KNOWN: [Self; 19] = [
        Self::NotApplied,
        Self::SetStatus,
        Self::ReplaceText,
        Self::Header("set-header"),
        Self::Header("add-header"),
        Self::Header("remove-header"),
        Self::Markup("insert"),
        Self::Markup("replace"),
        Self::Element("remove"),
        Self::Element("copy"),
        Self::Element("move"),
        Self::Element("duplicate"),
        Self::Element("reverse"),
        Self::Element("refuse"),
        Self::Element("hide-status"),
        Self::Element("session-abort"),
        Self::Renumber,
        Self::SuppressReply,
        Self::RestoreCredentials,
    ];

    /// A step that no reader has to tell from others.
    pub const fn other(step: &'static str) -> Self {
        Self::Other(Cow::Borrowed(step))
    }

    /// The name of the step.
    pub fn name(&self) -> &str {
        match self {
            Self::NotApplied => "not applied",
            Self::SetStatus => "set-status",
            Self::ReplaceText => "replace-text",
            Self::Header(step) | Self::Markup(step) | Self::Element(step) => step,
            Self::Renumber => "renumber",
            Self::SuppressReply => "swallow",
            Self::RestoreCredentials => "credentials",
            Self::Other(step) => step,
        }
    }
}

impl From<String> for EffectKind {
    fn from(name: String) -> Self {
        let mut known = Self::KNOWN.iter();
        let known = known.find(|kind| kind.name() == name).cloned();
        known.unwrap_or(Self::Other(Cow::Owned(name)))
    }
}

impl Serialize for EffectKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for EffectKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

impl fmt::Display for EffectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name of the swap of client identities among rule effects.
pub const SWAP: &str = "swap-client-identity";
