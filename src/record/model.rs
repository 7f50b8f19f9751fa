//! An event as plain data with its secrets masked: the content of JSON lines and transcripts.

mod body;
mod command;
pub(super) mod effect_sentence;
pub(super) mod enrollment;
mod event;
mod message;
mod place_name;
mod redact_record;
mod rule_effect;
mod run;
mod session;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::IntoDeserializer as _;
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use smol_str::SmolStr;

use crate::flow::note::clipped_note;
use crate::flow::{ClientAuth, EffectDetail, FailureCause, Note};

pub use body::BodyRecord;
pub use command::{
    AlertRecord, AnswerTargetRecord, ChalRecord, CommandRecord, DataRecord, ItemRecord,
    StatusRecord,
};
pub use enrollment::{EnrollmentRecord, Facts, FaultRecord, GrantRecord};
pub use message::{
    ClientCertificateRecord, ConnectionRecord, HeadRecord, MessageRecord, ParsedBodyRecord,
    SessionRecord, TlsRecord, UnreadCause,
};
pub use run::{ListenerRecord, RuleFileRecord, RunRecord, StartRecord};
pub use session::{CommandCounts, SessionFinding, SessionSummary};

/// The version of the record. It changes when a reader of the old version would misread the new one.
pub const VERSION: u32 = 1;

/// The record of one event.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventRecord {
    /// The version of the record: [`VERSION`].
    pub v: u32,
    /// The number of the event, from 1.
    pub seq: u64,
    /// The kind of the event.
    pub event: EventKind,
    /// The time: RFC 3339, in UTC, to the microsecond.
    pub at: SmolStr,
    /// The time: microseconds since the Unix epoch.
    pub at_us: u64,
    /// The connection.
    pub connection: ConnectionRecord,
    /// The number of the exchange.
    pub exchange: Option<u64>,
    /// The sender, or the side that failed: `device` or `server`. Absent for `failed` if dmtap itself stopped first.
    pub from: Option<SmolStr>,
    /// Whether dmtap itself wrote the message, in place of `from`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub own: bool,
    /// The time since the request, in microseconds.
    pub took_us: Option<u64>,
    /// The reason why a connection or exchange failed.
    pub why: Option<SmolStr>,
    /// For `failed`: the cause that kept the response from coming, if the remedy depends on it.
    pub cause: Option<FailureCause>,
    /// For `failed`: the remedy, if `cause` alone does not determine it. `why` ends with the same text.
    pub help: Option<SmolStr>,
    /// For `failed`: whether a rule broke the connection to `from`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub by_rule: bool,
    /// For `failed`: whether dmtap answers the device itself, in the next event. Not written to records.
    #[serde(skip)]
    pub is_answered: bool,
    /// The number of the run in the file, from 0: readers count the runs. Not written to records.
    #[serde(skip)]
    pub run: u32,
    /// The `run` line in front of the event, as it was read. Not written to records.
    #[serde(skip)]
    pub run_line: Option<String>,
    /// The head as received.
    pub head: Option<HeadRecord>,
    /// The length of the body as received, in bytes.
    pub bytes: Option<u64>,
    /// The length of the body as sent, in bytes, if a rule changed it.
    pub bytes_sent: Option<u64>,
    /// How the body was read.
    pub reading: Option<ParsedBodyRecord>,
    /// For a response over TLS: the client authentication towards the server.
    pub client_auth: Option<ClientAuth>,
    /// The session.
    pub session: Option<SessionRecord>,
    /// The header of the message.
    pub message: Option<MessageRecord>,
    /// The content of a message of enrollment or of a provisioning document.
    pub enrollment: Option<EnrollmentRecord>,
    /// The commands in document order, as received.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<CommandRecord>,
    /// The notes about the message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<NoteRecord>,
    /// The rules that acted on the event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applied: Vec<RuleEffectRecord>,
    /// The steps of the delivery, such as delays and cuts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delivery: Vec<DeliveryStepRecord>,
    /// For `session`: the summary of the session that ended.
    pub summary: Option<Box<SessionSummary>>,
    /// The body as received, without content coding if `reading` says so. The sink writes it last.
    #[serde(default, skip_serializing)]
    #[schemars(!skip_serializing, skip_serializing_if = "Option::is_none")]
    pub body: Option<BodyRecord>,
    /// The body as sent, if a rule changed it.
    #[serde(default, skip_serializing)]
    #[schemars(!skip_serializing, skip_serializing_if = "Option::is_none")]
    pub sent: Option<BodyRecord>,
}

impl EventRecord {
    /// Returns an HTTP header field by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.as_ref()?.header(name)
    }

    /// Returns whether the media type announces a SOAP envelope.
    pub(in crate::record) fn announces_soap(&self) -> bool {
        let media_type = self.header("content-type");
        media_type.is_some_and(|media_type| media_type.to_ascii_lowercase().contains("soap+xml"))
    }

    /// Returns whether this is an answer of enrollment that reached the device in chunks, as far as the record shows.
    pub fn is_enrollment_answer_in_chunks(&self) -> bool {
        let is_soap = matches!(&self.reading, Some(ParsedBodyRecord::Document { dialect, .. }) if dialect == "soap");
        let coding = self.header("transfer-encoding").unwrap_or_default();
        // The note says that dmtap sent the answer with a Content-Length instead.
        let is_stated = |note: &NoteRecord| note.id == "HTTP-04" && note.severity == "info";
        self.event == EventKind::Response
            && is_soap
            && !self.own
            && coding.to_ascii_lowercase().contains("chunked")
            && !self.notes.iter().any(is_stated)
    }

    /// Returns the HTTP status of a response.
    pub fn http_status(&self) -> Option<u16> {
        self.head.as_ref()?.status
    }

    /// Returns the index of the innermost command that contains a path of the document.
    pub fn command_at(&self, path: &str) -> Option<usize> {
        let inside = |command: &CommandRecord| {
            let rest = path.strip_prefix(&*command.path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '@']))
        };
        let around = self.commands.iter().enumerate();
        let around = around.filter(|(_, command)| inside(command));
        around
            .max_by_key(|(_, command)| command.path.len())
            .map(|(number, _)| number)
    }
}

/// The kinds of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(
    missing_docs,
    reason = "the variants of crate::flow::Event, and the end of a session"
)]
pub enum EventKind {
    #[default]
    Opened,
    #[serde(rename = "admitted")]
    ConnectionDecided,
    Refused,
    Malformed,
    Closed,
    Request,
    Response,
    Failed,
    Session,
}

impl EventKind {
    /// Returns whether `name` is the name of an event kind.
    pub(in crate::record) fn is_name(name: &str) -> bool {
        let name: StrDeserializer<'_, serde::de::value::Error> = name.into_deserializer();
        Self::deserialize(name).is_ok()
    }
}

/// A note about a message.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NoteRecord {
    /// The id of the note.
    pub id: SmolStr,
    /// `info`, `warning` or `error`.
    pub severity: SmolStr,
    /// The offset into the decoded body, in bytes.
    pub at: Option<u32>,
    /// The text for people.
    pub text: SmolStr,
}

impl From<&Note> for NoteRecord {
    fn from(note: &Note) -> Self {
        Self {
            id: SmolStr::new_static(note.id),
            severity: SmolStr::new_static(note.severity.name()),
            at: note.at,
            text: clipped_note(&note.text).into(),
        }
    }
}

/// A rule that acted, and its effects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RuleEffectRecord {
    /// The name of the rule.
    pub rule: SmolStr,
    /// The changes that the rule made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<EffectDetail>,
    /// The names of changed places in provisioning documents: from the path to a name such as `APPLICATION/ADDR`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
    /// The changes to the bytes of the body. Offsets are offsets into the body that the rule got.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub splices: Vec<SpliceRecord>,
}

/// One replacement of bytes.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SpliceRecord {
    /// The offset of the first byte replaced.
    pub start: u32,
    /// The offset after the last byte replaced.
    pub end: u32,
    /// The new bytes, with a mask in place of each secret.
    pub with: BodyRecord,
    /// The number of new bytes, if a mask makes `with` shorter or longer.
    pub bytes: Option<u64>,
}

/// One step of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "OpRecord")]
pub enum DeliveryStepRecord {
    /// A wait, in microseconds.
    WaitUs(u64),
    /// The body was sent with at most so many bytes a second.
    BytesPerSecond(u64),
    /// The body was sent in pieces: the bytes of a piece, and the pause between two pieces in microseconds.
    SlicesUs(u64, u64),
    /// The head announced a wrong length of the body, or chunks.
    LengthWrong,
    /// So many bytes of the body were sent.
    SentBytes(u64),
    /// The whole body was sent.
    SentWhole,
    /// So many bytes that are not HTTP were sent.
    NoiseBytes(u16),
    /// The connection was closed.
    Close,
    /// The device's connection was reset.
    Reset,
    /// A step that this version does not know.
    #[serde(other)]
    #[schemars(skip)]
    Other,
}

impl DeliveryStepRecord {
    /// Whether these steps deliver the complete message, possibly late, as `Delivery::is_whole` does for live traffic.
    pub(in crate::record) fn is_whole(steps: &[Self]) -> bool {
        let is_late = |step: &&Self| {
            use DeliveryStepRecord::{BytesPerSecond, SlicesUs, WaitUs};
            matches!(step, WaitUs(_) | BytesPerSecond(_) | SlicesUs(..))
        };
        let first = steps.iter().find(|step| !is_late(step));
        first.is_none_or(|step| *step == Self::SentWhole)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}
