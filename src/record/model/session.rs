//! The summary of a session that is over: how it ended, and the findings about it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use smol_str::SmolStr;

use crate::flow::{SessionEnd, Side};

/// The summary of a session, or of a refused enrollment, which has no number.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionSummary {
    /// The session's number in its run, from 1.
    pub number: Option<u64>,
    /// The device's LocURI; for an enrollment, the device's own name for itself.
    pub device: SmolStr,
    /// Whether it is no session, and the renewal of a certificate.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub is_renewal: bool,
    /// The server: `host:port`.
    pub server: Option<SmolStr>,
    /// The SessionID.
    #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
    pub id: SmolStr,
    /// The first exchange.
    pub first_exchange: u64,
    /// The last exchange.
    pub last_exchange: u64,
    /// The time of the beginning: microseconds since the Unix epoch.
    pub began_us: u64,
    /// The time of the last event: microseconds since the Unix epoch.
    pub ended_us: u64,
    /// The number of messages read.
    pub messages: u32,
    /// How the session ended.
    pub end: SessionEnd,
    /// The rule that ended the session early.
    pub end_rule: Option<SmolStr>,
    /// Whether the beginning of the session is missing in the record.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub starts_late: bool,
    /// The LoginStatus that the device sent: `user`, `others` or `none`.
    pub login: Option<SmolStr>,
    /// The type of synchronization that the device sent.
    pub sync_type: Option<SmolStr>,
    /// The RespURI that the server sent last.
    pub resp_uri: Option<SmolStr>,
    /// The version of the operating system, if the server asked for it.
    pub os_version: Option<SmolStr>,
    /// The edition of the operating system, if the server asked for it.
    pub os_edition: Option<SmolStr>,
    /// The number of the server's commands, by outcome.
    pub commands: CommandCounts,
    /// The findings, the most important first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<SessionFinding>,
}

/// The numbers of commands that the server sent, by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommandCounts {
    /// All commands.
    pub all: u32,
    /// Commands for which the server received a failure.
    pub failed: u32,
    /// Commands whose Status was due and did not come.
    pub unanswered: u32,
    /// Commands whose completion is still to come.
    pub in_progress: u32,
    /// Commands without an answer when the session or the record ended.
    pub lost: u32,
    /// Commands beyond the number that is kept for a session.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub not_kept: u32,
}

/// A conclusion about a session.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionFinding {
    /// The kind of finding: `WHY-01` and so on.
    pub id: SmolStr,
    /// Other kinds that this finding includes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<SmolStr>,
    /// Whether something is left to do or to wait for.
    pub pending: bool,
    /// The finding in one sentence.
    pub what: String,
    /// The evidence from this record alone: where the command was sent and answered, and the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<String>,
    /// The rules of dmtap that caused it, wholly or in part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<SmolStr>,
    /// The peer that caused it, if the record shows this.
    pub by: Option<Side>,
    /// The next step for the user.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub next: String,
    /// The first command that the finding is about.
    pub command: Option<SmolStr>,
    /// The node of that command.
    pub node: Option<SmolStr>,
    /// The beginning of the value of that command.
    pub value: Option<SmolStr>,
    /// The code that the command got, or the HTTP status.
    pub code: Option<u16>,
    /// The native error of Windows, as received.
    pub hresult: Option<SmolStr>,
    /// The numbers of all transactions that the finding is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transactions: Vec<u32>,
    /// The exchanges that show the finding.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exchanges: Vec<u64>,
}
