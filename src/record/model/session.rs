//! What is known of a session once it is over: how it ended, and what is to be concluded.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use smol_str::SmolStr;

use crate::flow::{SessionEnd, Side};

/// The summary of a session; of an enrollment that was refused, too, which has no number.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionSummary {
    /// The session's number in its run, from 1.
    pub number: Option<u64>,
    /// The device's LocURI; of an enrollment what it says of itself.
    pub device: SmolStr,
    /// Whether it is no session, and the renewal of a certificate.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub is_renewal: bool,
    /// The server: `host:port`.
    pub server: Option<SmolStr>,
    /// The SessionID.
    #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
    pub id: SmolStr,
    /// Its first exchange.
    pub first_exchange: u64,
    /// Its last exchange.
    pub last_exchange: u64,
    /// When it began: microseconds since the Unix epoch.
    pub began_us: u64,
    /// When its last event was.
    pub ended_us: u64,
    /// How many messages were read.
    pub messages: u32,
    /// How it ended.
    pub end: SessionEnd,
    /// The rule that ended it before its time.
    pub end_rule: Option<SmolStr>,
    /// Whether its beginning is missing: the record has it from the middle.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub starts_late: bool,
    /// The LoginStatus that the device sent: `user`, `others` or `none`.
    pub login: Option<SmolStr>,
    /// The type of synchronization that the device sent.
    pub sync_type: Option<SmolStr>,
    /// The RespURI that the server sent last.
    pub resp_uri: Option<SmolStr>,
    /// The version of the operating system, where the server asked for it.
    pub os_version: Option<SmolStr>,
    /// Its edition, where the server asked for it.
    pub os_edition: Option<SmolStr>,
    /// The server's commands, counted.
    pub commands: CommandCounts,
    /// What is to be concluded, the most important first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<SessionFinding>,
}

/// The commands that the server sent, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommandCounts {
    /// All of them.
    pub all: u32,
    /// Those that the server received a failure for.
    pub failed: u32,
    /// Those whose Status was due and did not come.
    pub unanswered: u32,
    /// Those whose completion is to come.
    pub in_progress: u32,
    /// Those that the end of the session, or of the record, left without an answer.
    pub lost: u32,
    /// Those of a session that had more commands than are kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub not_kept: u32,
}

/// A conclusion about a session.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionFinding {
    /// What kind of conclusion: `WHY-01` and so on.
    pub id: SmolStr,
    /// Other kinds that it includes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<SmolStr>,
    /// Whether something is left to do or to wait for.
    pub pending: bool,
    /// What.
    pub what: String,
    /// Where it was asked and answered, and why: from this record alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<String>,
    /// The rules of dmtap whose doing it is, wholly or in part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<SmolStr>,
    /// The peer whose doing it is, where the record shows that.
    pub by: Option<Side>,
    /// One thing to do next.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub next: String,
    /// The first command that it is about.
    pub command: Option<SmolStr>,
    /// Its node.
    pub node: Option<SmolStr>,
    /// The beginning of its value.
    pub value: Option<SmolStr>,
    /// The code that it got, or the HTTP status.
    pub code: Option<u16>,
    /// Windows' native error, as it was received.
    pub hresult: Option<SmolStr>,
    /// The numbers of all transactions that it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transactions: Vec<u32>,
    /// The exchanges that show it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exchanges: Vec<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}
