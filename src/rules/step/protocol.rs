//! Protocol steps, which keep both peers consistent.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::Deserialize;
use strum::{IntoStaticStr, VariantNames};

use super::Injection;
use crate::rules::WhichResponse;
use crate::rules::mistake::{KEY, Mistake};
use crate::rules::value::{Among, Code, NotZero, RetryAfter, SyncMl, Within, written};

/// A protocol step. Obligations repair in later messages what it hides from a peer or invents for it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
#[non_exhaustive]
pub enum ProtocolStep {
    /// The selected commands do not reach their receiver; their sender gets this Status in its next message.
    #[schemars(extend("examples" = [500]))]
    Refuse(Code<SyncMl>),
    /// The selected Status, and the Results for the same command, do not reach their receiver.
    HideStatus,
    /// Adds a command, written in XML, to the end of the message; dmtap hides its Status and Results from the peer that seems to have sent it.
    #[schemars(extend("examples" = ["<Get><Item><Target><LocURI>./DevDetail/SwV</LocURI></Target></Item></Get>"], "maxProperties" = 2))]
    InjectCommand(Injection),
    /// The Atomic fails with this code at one of its commands: 507 for the Atomic, and its other commands are reported as undone or not run.
    #[schemars(extend("examples" = [404]))]
    AtomicRollback(AtomicFailure),
    /// Refuses the login: this code and a Chal for the header, this code for every command.
    Challenge(Challenge),
    /// The server is busy: 503 and 429 are HTTP answers, 417 is a Status for the header and every command.
    #[schemars(extend("examples" = [503, 417]))]
    Busy(Busy),
    /// The sender aborts the session: Alert 1223 and Final.
    SessionAbort,
    /// Makes the receiver ask for the next message: Alert 1222, in a response without the server's commands and Final.
    NextMessage,
    /// The server gets the same request twice, as after a retry of the transport.
    #[schemars(extend("x-stages" = ["request"]))]
    DuplicateMessage {
        /// Which of the two responses the device gets; `second` by default.
        #[serde(default)]
        keep: WhichResponse,
    },
    /// The selected Status refers to a command that nobody sent.
    UnknownCmdref,
    /// MsgID is one too high from here on, the one before, 0, or no number.
    BreakMsgid(MsgIdBreak),
    /// Removes Final: the package stays open.
    DropFinal,
    /// Sets MaxMsgSize in the header, in bytes.
    #[schemars(extend("examples" = [1500]))]
    MaxMsgSize(Within<0, { u32::MAX as u64 }>),
    /// Sets MaxObjSize in the header, in bytes.
    #[schemars(extend("examples" = [64]))]
    MaxObjSize(Within<0, { u32::MAX as u64 }>),
    /// Sets RespURI in the header, the address for the next message.
    #[schemars(extend("examples" = ["https://mdm.example.com/other"]))]
    RespUri(String),
    /// Sets SessionID in the header.
    #[schemars(extend("examples" = ["FF"]))]
    WrongSession(String),
    /// Sets VerProto, VerDTD or the namespace to one that the receiver does not support.
    WrongVersion {
        /// Which of them.
        #[serde(rename = "=")]
        which: Version,
        /// The new value; `DM/9.9`, `9.9` or `SYNCML:SYNCML9.9` by default.
        #[schemars(extend("examples" = ["DM/9.9"]))]
        to: Option<String>,
    },
    /// Meta/Size of the selected command announces this many bytes more than it has; below 0, fewer.
    #[schemars(extend("examples" = [1, -1]))]
    WrongSize(NotZero),
}

/// How an Atomic fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "a step", deny_unknown_fields)]
#[schemars(rename = "atomic-rollback")]
pub struct AtomicFailure {
    /// The Status of the command that fails.
    #[serde(rename = "=")]
    pub code: Code<SyncMl>,
    /// Which command of the Atomic fails, from 1; without it, the last one.
    #[schemars(extend("examples" = [2]))]
    pub child: Option<Within<1, 10_000>>,
    /// The Status of the commands before it: 216 (undone, the default) or 516 (could not be undone).
    #[serde(default = "undone")]
    pub undone: Among<216, 516, 516>,
}

fn undone() -> Among<216, 516, 516> {
    Among(216)
}

/// A challenge.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "a step", deny_unknown_fields)]
#[schemars(rename = "challenge", extend("if" = {"required": ["scheme"], "properties": {"scheme": {"const": "basic"}}}, "then" = {"properties": {"nonce": false}}))]
pub struct Challenge {
    /// The code of the Status of the header, and of every command.
    #[serde(rename = "=")]
    pub code: Among<401, 407, 407>,
    /// The kind of credentials that the challenge asks for; `md5` by default.
    #[serde(default)]
    pub scheme: Scheme,
    /// The nonce in the Chal: `"fresh"` (the default), `"used"`, or base64; not with `basic`.
    #[serde(default)]
    #[schemars(extend("examples" = ["fresh", "used"]))]
    pub nonce: Nonce,
}

/// An authentication scheme (OMA-TS-DM_Security-V1_2_1 §5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each variant is the scheme it names")]
pub enum Scheme {
    #[default]
    Md5,
    Basic,
    Mac,
}

impl Scheme {
    /// Its name on the wire.
    pub fn uri(self) -> &'static str {
        match self {
            Self::Basic => "syncml:auth-basic",
            Self::Md5 => "syncml:auth-md5",
            Self::Mac => "syncml:auth-MAC",
        }
    }
}

/// The nonce of a challenge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Nonce {
    /// One that no challenge of the session had before.
    #[default]
    Fresh,
    /// That of the challenge before.
    Used,
    /// This one, in base64.
    Given(String),
}

written!(
    Nonce,
    |text| match text {
        "fresh" => Ok(Self::Fresh),
        "used" => Ok(Self::Used),
        given if !given.is_empty() && STANDARD.decode(given).is_ok() => Ok(Self::Given(given.to_owned())),
        other => Err(Mistake::new(format!("`{KEY}` cannot be `{other}`"))
            .help("write one of `fresh`, `used`, or the nonce in base64: nonce = \"bm9uY2U=\"")),
    },
    {
        "type": "string",
        "minLength": 1,
        "pattern": "^(fresh|used|([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)$"
    }
);

/// What a busy server says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "a step", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "busy", extend("if" = {"properties": {"busy": {"const": 417}}}, "then" = {"properties": {"retry-after": false}}))]
pub struct Busy {
    /// The code: of a Status, or of HTTP.
    #[serde(rename = "=")]
    pub code: Among<417, 429, 503>,
    /// Retry-After of 503 and 429: seconds, or a date; not with 417.
    #[schemars(extend("examples" = [30]))]
    pub retry_after: Option<RetryAfter>,
}

/// What is wrong with a MsgID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the step describes them")]
pub enum MsgIdBreak {
    Skip,
    Repeat,
    Zero,
    Text,
}

/// A version that can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each variant is the field it names")]
pub enum Version {
    VerProto,
    VerDtd,
    Namespace,
}

impl ProtocolStep {
    /// Whether it acts on selected commands one by one, not once on the message.
    pub fn is_about_commands(&self) -> bool {
        matches!(
            self,
            Self::Refuse(_) | Self::HideStatus | Self::UnknownCmdref | Self::WrongSize(_)
        )
    }

    /// Whether it promises something for a later message, so that it needs the session.
    pub fn promises(&self) -> bool {
        match self {
            Self::HideStatus
            | Self::UnknownCmdref
            | Self::DropFinal
            | Self::MaxMsgSize(_)
            | Self::MaxObjSize(_)
            | Self::RespUri(_)
            | Self::WrongSession(_)
            | Self::WrongVersion { .. }
            | Self::WrongSize(_)
            | Self::DuplicateMessage { .. } => false,
            Self::Busy(busy) => busy.is_syncml(),
            _ => true,
        }
    }
}

impl Busy {
    /// Whether it answers in SyncML, not in HTTP.
    pub fn is_syncml(&self) -> bool {
        self.code.0 == 417
    }
}
