//! What happened in a session besides commands and their answers.

use smol_str::SmolStr;

use super::no_answer::NoAnswer;
use super::refusal::MissedCertificate;
use crate::flow::Side;
use crate::record::model::UnreadCause;

/// Something that happened.
#[derive(Clone, Debug)]
pub(super) struct Incident {
    pub(super) exchange: u64,
    pub(super) at_us: u64,
    /// The rules that did it.
    pub(super) rules: Vec<SmolStr>,
    pub(super) what: IncidentKind,
    /// When the device came back, and whether with the very same message.
    pub(super) back: Option<(u64, Back)>,
}

/// With what a device came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Back {
    /// With the message that got no answer.
    Repeated,
    /// With another message.
    Other,
}

/// What happened.
#[derive(Clone, Debug)]
pub(super) enum IncidentKind {
    /// The device got an HTTP error.
    Http {
        status: u16,
        /// In seconds.
        retry_after: Option<u64>,
        /// Whether dmtap itself answered.
        own: bool,
        /// What the answer says of itself.
        words: Option<SmolStr>,
        /// The client certificate that the server missed.
        certificate: Option<MissedCertificate>,
    },
    /// A message did not arrive.
    Broken {
        by: Option<Side>,
        /// Whose message was on its way.
        during: Side,
        how: NoAnswer,
    },
    /// A body could not be read.
    Unread {
        from: Side,
        why: SmolStr,
        cause: Option<UnreadCause>,
    },
    /// The Status for the header was no success.
    HeaderRefused {
        by: Side,
        code: u16,
        /// The scheme that is asked for.
        scheme: Option<SmolStr>,
        /// The MsgID of the refused message.
        message: SmolStr,
        /// Whether the record has that message.
        is_recorded: bool,
        /// The scheme of the credentials that it had.
        cred: Option<SmolStr>,
    },
    /// Alert 1223; whether that peer sent it, and not a rule.
    Aborted { by: Side, is_sent: bool },
    /// The server closed the connection without an answer, and dmtap sent the request once more.
    SentAgain,
    /// Somebody took long.
    Slow { who: Side, took_us: u64 },
}

impl IncidentKind {
    /// Whether the device got no answer that it could take in.
    pub(super) fn is_without_answer(&self) -> bool {
        matches!(self, Self::Http { .. } | Self::Broken { .. })
    }
}

/// Incidents that are kept for one session.
pub(super) const MOST_INCIDENTS: usize = 1_000;

/// What is long enough to be remembered, in microseconds.
pub(super) const SLOW: u64 = 500_000;
