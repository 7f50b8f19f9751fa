//! An event as plain data, its secrets masked: what JSON lines hold and transcripts print.

mod body;
mod command;
pub(super) mod effect_sentence;
mod effects;
mod enrollment;
mod http;
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
use smol_str::SmolStr;

use crate::flow::{ClientAuth, EffectDetail, FailureCause};

pub use body::BodyRecord;
pub use command::{
    AlertRecord, AnswerTargetRecord, ChalRecord, CommandRecord, DataRecord, ItemRecord,
    StatusRecord,
};
pub use enrollment::{EnrollmentRecord, Facts, FaultRecord, GrantRecord};
pub use http::{
    ClientCertificateRecord, ConnectionRecord, HeadRecord, MessageRecord, ParsedBodyRecord,
    SessionRecord, TlsRecord, UnreadCause,
};
pub use run::{ListenerRecord, RuleFileRecord, RunRecord, StartRecord};
pub use session::{CommandCounts, SessionFinding, SessionSummary};

/// The version of the record. It grows when a reader of the old one would misread the new one.
pub const VERSION: u32 = 1;

/// The record of one event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventRecord {
    /// The version of the record: [`VERSION`].
    pub v: u32,
    /// The event's number, from 1.
    pub seq: u64,
    /// What happened.
    pub event: EventKind,
    /// When: RFC 3339, in UTC, to the microsecond.
    pub at: SmolStr,
    /// When: microseconds since the Unix epoch.
    pub at_us: u64,
    /// The connection.
    pub connection: ConnectionRecord,
    /// The number of the exchange.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<u64>,
    /// Who speaks, or who failed: `device` or `server`; of `failed` absent where dmtap itself stopped first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<SmolStr>,
    /// Whether dmtap itself wrote it, in place of `from`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub own: bool,
    /// How long after the request, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_us: Option<u64>,
    /// Why a connection or exchange failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<SmolStr>,
    /// What kept the response from coming, of `failed`, where that decides what to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<FailureCause>,
    /// What to do about it, of `failed`, where `cause` alone does not say it; `why` has it at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<SmolStr>,
    /// Whether a rule broke the connection to `from`, of `failed`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub by_rule: bool,
    /// Whether dmtap answers the device itself, of `failed`: its response comes next. No record has it.
    #[serde(skip)]
    pub is_answered: bool,
    /// The head as received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<HeadRecord>,
    /// Bytes of the body as received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Bytes of the body as sent, where a rule changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_sent: Option<u64>,
    /// What was read in the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<ParsedBodyRecord>,
    /// Client authentication towards the server, of a response that came over TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_auth: Option<ClientAuth>,
    /// The session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionRecord>,
    /// The header of the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageRecord>,
    /// What a message of enrollment or a provisioning document says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrollment: Option<EnrollmentRecord>,
    /// The commands in document order, as received.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<CommandRecord>,
    /// What is remarkable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<NoteRecord>,
    /// The rules that acted on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applied: Vec<RuleEffectRecord>,
    /// What was done around sending it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delivery: Vec<OpRecord>,
    /// What is known of the session: of `session`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Box<SessionSummary>>,
    /// The body as received, its content coding undone where `reading` says so. Written last, by the sink.
    #[serde(default, skip_serializing)]
    #[schemars(!skip_serializing, skip_serializing_if = "Option::is_none")]
    pub body: Option<BodyRecord>,
    /// The body as sent, where a rule changed it.
    #[serde(default, skip_serializing)]
    #[schemars(!skip_serializing, skip_serializing_if = "Option::is_none")]
    pub sent: Option<BodyRecord>,
}

impl EventRecord {
    /// A header field of HTTP, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.as_ref()?.header(name)
    }

    /// Whether it is an answer of enrollment that reached the device in chunks, as far as the record shows.
    pub fn is_in_chunks(&self) -> bool {
        let is_soap = matches!(&self.reading, Some(ParsedBodyRecord::Document { dialect, .. }) if dialect == "soap");
        let coding = self.header("transfer-encoding").unwrap_or_default();
        // dmtap states a length, and says so.
        let is_stated = |note: &NoteRecord| note.id == "HTTP-04" && note.severity == "info";
        self.event == EventKind::Response
            && is_soap
            && !self.own
            && coding.to_ascii_lowercase().contains("chunked")
            && !self.notes.iter().any(is_stated)
    }

    /// The HTTP status, of a response.
    pub fn http_status(&self) -> Option<u16> {
        self.head.as_ref()?.status
    }

    /// The number of the innermost command that a place in the document is in.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(
    missing_docs,
    reason = "the variants of crate::flow::Event, and the end of a session"
)]
pub enum EventKind {
    Opened,
    Admitted,
    Refused,
    Malformed,
    Closed,
    Request,
    Response,
    Failed,
    Session,
}

impl EventKind {
    /// Whether an event is called that.
    pub(in crate::record) fn is_name(name: &str) -> bool {
        let name: StrDeserializer<'_, serde::de::value::Error> = name.into_deserializer();
        Self::deserialize(name).is_ok()
    }
}

/// A remark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NoteRecord {
    /// The rule of the protocol.
    pub id: SmolStr,
    /// `info`, `warning` or `error`.
    pub severity: SmolStr,
    /// Offset into the decoded body, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u32>,
    /// For people.
    pub text: SmolStr,
}

/// A rule that acted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RuleEffectRecord {
    /// Its name.
    pub rule: SmolStr,
    /// What it did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<EffectDetail>,
    /// The places of changes in provisioning documents by name: the path, and `APPLICATION/ADDR`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
    /// What it changed of the body as the rule found it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub splices: Vec<SpliceRecord>,
}

/// One replacement of bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SpliceRecord {
    /// The first byte replaced.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
    /// What stands there afterwards; a mask in place of each secret.
    pub with: BodyRecord,
    /// How many bytes stand there, where a mask makes `with` shorter or longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// One thing done around sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OpRecord {
    /// A wait, in microseconds.
    WaitUs(u64),
    /// The body went at so many bytes a second at most.
    BytesPerSecond(u64),
    /// The body went in pieces: their bytes, and the pause between two in microseconds.
    SlicesUs(u64, u64),
    /// The head announced another length of the body, or chunks.
    LengthWrong,
    /// So many bytes of the body were sent.
    SentBytes(u64),
    /// All of the body was sent.
    SentWhole,
    /// So many bytes that are no HTTP were sent.
    NoiseBytes(u16),
    /// The connection was closed.
    Close,
    /// The device's connection was reset.
    Reset,
    /// One that this version does not know.
    #[serde(other)]
    #[schemars(skip)]
    Other,
}

impl OpRecord {
    /// Whether these steps deliver the complete message, possibly late, as `Delivery::is_whole` does for live traffic.
    pub(in crate::record) fn is_whole(steps: &[Self]) -> bool {
        let is_late = |step: &&Self| {
            use OpRecord::{BytesPerSecond, SlicesUs, WaitUs};
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
