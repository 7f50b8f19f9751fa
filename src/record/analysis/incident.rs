//! Incidents in a session besides commands and their answers.

use smol_str::SmolStr;

use super::no_answer::NoAnswer;
use super::refusal::MissedCertificate;
use crate::flow::Side;
use crate::record::model::{NoteRecord, UnreadCause};

/// An incident.
#[derive(Clone, Debug)]
pub(super) struct Incident {
    pub(super) exchange: u64,
    pub(super) at_us: u64,
    /// The rules that caused it.
    pub(super) rules: Vec<SmolStr>,
    pub(super) what: IncidentKind,
    /// The time at which the device came back, and its message then.
    pub(super) back: Option<(u64, Back)>,
}

/// The message with which a device came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Back {
    /// The message that got no answer.
    Repeated,
    /// Another message.
    Other,
    /// A message with the credentials that a challenge asked for.
    WithCredentials,
}

/// The kind of an incident.
#[derive(Clone, Debug)]
pub(super) enum IncidentKind {
    /// The device got an HTTP error.
    Http {
        status: u16,
        /// In seconds.
        retry_after: Option<u64>,
        /// Whether dmtap itself answered.
        own: bool,
        /// The text of the answer.
        words: Option<SmolStr>,
        /// The client certificate that the server missed or refused.
        certificate: Option<MissedCertificate>,
    },
    /// A message did not arrive.
    Broken {
        by: Option<Side>,
        /// The sender of the message.
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
        /// The scheme of credentials that the Status asks for.
        scheme: Option<SmolStr>,
        /// The MsgID of the refused message.
        message: SmolStr,
        /// Whether the record has that message.
        is_recorded: bool,
        /// The scheme of the credentials in that message.
        cred: Option<SmolStr>,
        /// The note AUTH-01 or AUTH-02 on them, with its text.
        checked: Option<NoteRecord>,
    },
    /// An Alert 1223; `is_sent` if the peer sent it, and not a rule.
    Aborted { by: Side, is_sent: bool },
    /// The server closed the connection without an answer, and dmtap sent the request once more.
    SentAgain,
    /// A peer took long.
    Slow { who: Side, took_us: u64 },
}

impl IncidentKind {
    /// Whether the device got no SyncML answer.
    pub(super) fn is_without_answer(&self) -> bool {
        matches!(self, Self::Http { .. } | Self::Broken { .. })
    }
}

/// The shortest time that is remembered as slow, in microseconds.
pub(super) const SLOW: u64 = 500_000;
