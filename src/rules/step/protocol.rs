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

/// A protocol step. In later messages, dmtap makes up for everything that the step hides from a peer or invents for it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum ProtocolStep {
    /// Removes the selected commands, so that their receiver does not get them; dmtap adds this Status to the next message to their sender.
    #[schemars(extend("examples" = [500]))]
    Refuse(Code<SyncMl>),
    /// Removes the selected Status, and the Results for the same command, so that their receiver does not get them.
    HideStatus,
    /// Adds a command, written in XML, by default at the end of the message; dmtap hides its Status and Results from the peer that seems to have sent it.
    #[schemars(extend("examples" = ["<Get><Item><Target><LocURI>./DevDetail/SwV</LocURI></Target></Item></Get>"]))]
    InjectCommand(Injection),
    /// Makes an Atomic fail at one of its commands: that command gets this code, the Atomic gets 507, and dmtap reports the other commands in it as undone or not run.
    #[schemars(extend("examples" = [404]))]
    AtomicRollback(AtomicFailure),
    /// Refuses the login: the Status for the header has this code and a Chal, the Status for every command has this code.
    Challenge(Challenge),
    /// Makes the server look busy: 503 and 429 are HTTP responses, 417 is a Status for the header and for every command.
    #[schemars(extend("examples" = [503, 417]))]
    Busy(Busy),
    /// Aborts the session in the name of the sender: adds Alert 1223 and Final, and removes the server's commands from a response.
    SessionAbort,
    /// Makes the receiver ask for the next message, with Alert 1222: dmtap adds the Alert to a request; instead of a response it sends only the Alert, and holds the response until the device asks for it.
    NextMessage,
    /// Sends the request to the server twice, as if the transport had retried it.
    #[schemars(extend("x-stages" = ["request"]))]
    DuplicateMessage {
        /// The response of the two that the device gets; `second` by default.
        #[serde(default)]
        keep: WhichResponse,
    },
    /// Makes the selected Status refer to a command that nobody sent.
    UnknownCmdref,
    /// Changes MsgID: `skip` makes it one too high in this message and all later ones, `repeat` one too low, `zero` 0, and `text` not a number.
    BreakMsgid(MsgIdBreak),
    /// Removes Final, so that the package stays open.
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
    /// Sets VerProto, VerDTD or the namespace to a version that the receiver does not support.
    WrongVersion {
        /// The version to change.
        #[serde(rename = "=")]
        which: Version,
        /// The new value; `DM/9.9`, `9.9` or `SYNCML:SYNCML9.9` by default.
        #[schemars(extend("examples" = ["DM/9.9"]))]
        to: Option<String>,
    },
    /// Makes Meta/Size of the selected command this many bytes larger; a negative number makes it smaller.
    #[schemars(extend("examples" = [1, -1]))]
    WrongSize(NotZero),
}

/// The failure of an Atomic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "a step", deny_unknown_fields)]
#[schemars(inline)]
pub struct AtomicFailure {
    /// The Status of the command that fails.
    #[serde(rename = "=")]
    pub code: Code<SyncMl>,
    /// The number of the command in the Atomic that fails, from 1; by default the last one.
    #[schemars(extend("examples" = [2]))]
    pub child: Option<Within<1, 10_000>>,
    /// The Status of the commands before the one that fails: 216 (undone, the default) or 516 (could not be undone).
    #[serde(default = "undone")]
    pub undone: Among<216, 516, 516>,
}

fn undone() -> Among<216, 516, 516> {
    Among(216)
}

/// An authentication challenge.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "a step", deny_unknown_fields)]
#[schemars(inline, extend("if" = {"required": ["scheme"], "properties": {"scheme": {"const": "basic"}}}, "then" = {"properties": {"nonce": false}}))]
pub struct Challenge {
    /// The code of the Status for the header and for every command.
    #[serde(rename = "=")]
    pub code: Among<401, 407, 407>,
    /// The kind of credentials that the challenge asks for; `md5` by default.
    #[serde(default)]
    pub scheme: Scheme,
    /// The nonce in the Chal: `"fresh"` (a new one, the default), `"used"` (the last one that the device received), or a value in base64; not with `basic`.
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
    /// Returns the name of the scheme in messages.
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
    /// A new nonce, different for each message.
    #[default]
    Fresh,
    /// The last nonce that the device received; a new one if none is known.
    Used,
    /// This nonce, in base64.
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

/// The answer of a busy server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "a step", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline, extend("if" = {"properties": {"busy": {"const": 417}}}, "then" = {"properties": {"retry-after": false}}))]
pub struct Busy {
    /// The code of the Status or of the HTTP response.
    #[serde(rename = "=")]
    pub code: Among<417, 429, 503>,
    /// The header field Retry-After of 503 and 429: seconds, a time such as `"30s"`, or a date; not with 417.
    #[schemars(extend("examples" = [30]))]
    pub retry_after: Option<RetryAfter>,
}

/// The fault of a MsgID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the step describes them")]
pub enum MsgIdBreak {
    Skip,
    Repeat,
    Zero,
    Text,
}

/// A version that a message states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each variant is the field it names")]
pub enum Version {
    VerProto,
    VerDtd,
    Namespace,
}

impl ProtocolStep {
    /// Whether the step acts on each selected command, not once on the message.
    pub fn is_about_commands(&self) -> bool {
        matches!(
            self,
            Self::Refuse(_) | Self::HideStatus | Self::UnknownCmdref | Self::WrongSize(_)
        )
    }

    /// Whether the step affects later messages, so that it needs the session.
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
    /// Whether the answer is a SyncML Status, not an HTTP response.
    pub fn is_syncml(&self) -> bool {
        self.code.0 == 417
    }
}
