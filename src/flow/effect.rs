//! Effects of rules on messages and connections.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::patch::Patch;

/// A rule that acted on a message or a connection.
#[derive(Clone, Debug)]
pub struct RuleEffect {
    /// The rule's name.
    pub rule: String,
    /// The things that the rule did, in order.
    pub changes: Vec<EffectDetail>,
    /// The change to the body as the rule got it; empty for heads and deliveries.
    pub patch: Patch,
}

/// One thing that a rule did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EffectDetail {
    /// The place: a path in the document, or empty for the whole message.
    pub path: String,
    /// The name of the step that did it. Changes that dmtap itself makes have names of their own.
    pub step: Cow<'static, str>,
    /// The kind of the change.
    #[serde(default, skip_serializing_if = "EffectKind::is_other")]
    pub kind: EffectKind,
    /// The text before the change.
    pub before: String,
    /// The text after the change.
    pub after: String,
}

/// The kind of a change. It decides the sentence for people, what is masked, and what later stages conclude.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum EffectKind {
    /// The rule matched and could not act; `after` says why.
    NotApplied,
    /// A text or an attribute got another value.
    Changed,
    /// A Status got another code.
    Status,
    /// A header field changed; `before` and `after` are written `name: value`.
    Header,
    /// The HTTP status changed.
    HttpStatus,
    /// The markup `after` was inserted.
    Inserted,
    /// `before` was replaced by `after`: markup, or the matches of a regular expression.
    Replaced,
    /// An element was added; `after` is its name and its node.
    Added,
    /// An element was removed; `before` is its name and its text or node.
    Removed,
    /// An element was copied to the place `after`.
    Copied,
    /// An element was moved to the place `after`.
    Moved,
    /// A command was removed; its sender gets the Status `after`.
    Refused,
    /// The size of the body changed.
    Body,
    /// Bits were inverted.
    Inverted,
    /// The session was aborted with the Alert `after`.
    Aborted,
    /// dmtap answered in the server's place.
    Answered,
    /// dmtap sent something else, or sent the message once more.
    Sent,
    /// The message was sent later.
    Delayed,
    /// The message was sent slowly.
    Slowed,
    /// The connection was closed.
    Closed,
    /// The connection was closed after the time `after`.
    ClosedAfter,
    /// The connection was reset.
    Reset,
    /// The Content-Length does not fit the body.
    WrongLength,
    /// The connection passed without decryption.
    Tunnelled,
    /// The device was shown a certificate with a defect.
    Certificate,
    /// TLS was offered from the version `after` on.
    TlsMin,
    /// TLS was offered up to the version `after`.
    TlsMax,
    /// The handshake ended with a TLS alert.
    TlsAlert,
    /// The scenario got another state.
    Scenario,
    /// A number of the conversation was adapted to the count of the receiver.
    Renumbered,
    /// An answer to a command that dmtap itself had sent was removed; `before` names it.
    SuppressedReply,
    /// The credentials that the server would have received without the rule were restored.
    RestoredCredentials,
    /// Any other kind, and the kind in records that name none or one of a later version.
    #[default]
    #[serde(other)]
    Other,
}

impl RuleEffect {
    /// An effect that changes nothing of the body.
    pub fn new(rule: &str, changes: Vec<EffectDetail>) -> Self {
        Self {
            rule: rule.to_owned(),
            changes,
            patch: Patch::default(),
        }
    }

    /// Whether every step acted on each match.
    pub fn is_complete(&self) -> bool {
        self.changes.iter().all(EffectDetail::is_done)
    }

    /// Whether the rule did anything. A rule that matched and could not act anywhere did not.
    pub fn has_acted(&self) -> bool {
        self.changes.is_empty() || self.changes.iter().any(EffectDetail::is_done)
    }
}

impl EffectDetail {
    /// Creates a change of the message as a whole.
    pub fn of_message(
        kind: EffectKind,
        step: &'static str,
        before: impl Into<String>,
        after: impl Into<String>,
    ) -> Self {
        Self {
            path: String::new(),
            step: step.into(),
            kind,
            before: before.into(),
            after: after.into(),
        }
    }

    /// Creates a change that dmtap itself makes, not a step.
    pub fn rewritten(path: String, before: &str, after: &str) -> Self {
        Self {
            path,
            ..Self::of_message(EffectKind::Changed, "rewrite", before.trim(), after.trim())
        }
    }

    /// Creates the entry for a rule that matched and could not act at a path.
    pub fn not_applied(path: &str, why: String) -> Self {
        Self {
            path: path.into(),
            ..Self::of_message(EffectKind::NotApplied, "not applied", "", why)
        }
    }

    /// Creates the entry for a step that could not act on the message.
    pub fn declined(step: &str, why: &str) -> Self {
        Self::not_applied("", format!("{step}: {why}"))
    }

    /// Whether the change was made.
    pub fn is_done(&self) -> bool {
        self.kind != EffectKind::NotApplied
    }

    /// Whether the change only adapts a number. There are many such changes, and they all mean one thing.
    pub fn is_renumbering(&self) -> bool {
        self.kind == EffectKind::Renumbered
    }

    /// Whether the change follows from an earlier change by a rule.
    pub fn is_reconciling(&self) -> bool {
        use EffectKind::{Renumbered, RestoredCredentials, SuppressedReply};
        matches!(
            self.kind,
            Renumbered | RestoredCredentials | SuppressedReply
        )
    }
}

impl EffectKind {
    fn is_other(&self) -> bool {
        *self == Self::Other
    }
}

/// The name of the client identity swap among rule effects.
pub const SWAP: &str = "swap-client-identity";
