//! Steps that control how a message is sent.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use schemars::{JsonSchema, json_schema};
use serde::Deserialize;
use strum::{IntoStaticStr, VariantNames};

use super::SoapFault;
use crate::flow::StatedLength;
use crate::rules::mistake::{KEY, Mistake};
use crate::rules::value::{
    ByteCount, Code, Http, Pause, PlainText, Rate, Scalar, Time, True, Within, any_form, described,
    plain_or_table, written,
};
use crate::rules::{Stage, SyntheticResponse};

/// The way in which a message is sent, or the thing sent instead.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum FaultStep {
    /// dmtap answers the device with this HTTP status instead of the server; at `request` it does not ask the server.
    #[schemars(extend("examples" = [503]))]
    Answer(Answer),
    /// dmtap answers a SOAP message of enrollment with a SOAP fault instead of the server; at `request` it does not ask the server.
    #[schemars(extend("examples" = [{"subcode": "s:Authorization", "error-type": "DeviceCapReached"}]))]
    SoapFault(SoapFault),
    /// Waits for this time before dmtap sends the message.
    #[schemars(extend("examples" = ["2s"]))]
    Delay(Time),
    /// Waits for this time before dmtap sends the message; `jitter` makes the wait longer or shorter.
    #[schemars(extend("examples" = ["200ms"]))]
    Latency {
        /// The time to wait.
        #[serde(rename = "=")]
        time: Time,
        /// The most by which the wait is longer or shorter, at most the time of `latency`; the same message waits the same time in every run.
        #[schemars(extend("examples" = ["50ms"]))]
        jitter: Option<Time>,
    },
    /// Sends the body at this rate in bytes per second: `B/s`, `KB/s` (1,000) or `MB/s` (1,000,000).
    #[schemars(extend("examples" = ["10 KB/s"]))]
    Bandwidth(Rate),
    /// Sends the body in pieces, with a pause between two of them.
    #[schemars(extend("examples" = [{"size": 100, "delay": "10ms"}]))]
    Slicer(Slicer),
    /// Keeps the connection open for this time after the message, then closes it.
    #[schemars(extend("examples" = ["2s"], "x-stages" = ["response"]))]
    SlowClose(Time),
    /// Sends nothing, and closes the connection after this time; `true` means one hour. At `request` dmtap does not ask the server.
    #[schemars(extend("examples" = ["10s", true]))]
    Timeout(Timeout),
    /// Sends this many bytes of the body, then closes the connection; the head still announces the whole body. At `request` the server gets this many bytes, and dmtap closes the device's connection, too.
    #[schemars(extend("examples" = [1200]))]
    LimitData(ByteCount),
    /// Resets the device's connection at once; at `request` dmtap does not ask the server.
    Reset,
    /// Resets the device's connection at once (at `request` without asking the server), or after this many bytes of the response body.
    #[schemars(extend("examples" = [true, {"after": 1200}], "x-at-request" = {"const": true}))]
    ResetPeer(ResetPeer),
    /// Closes the connection without a response; at `request` dmtap does not ask the server.
    EmptyResponse,
    /// Sends the head, then random bytes where a chunk should begin, then closes the connection.
    #[schemars(extend("x-stages" = ["response"]))]
    MalformedChunk,
    /// Sends 512 random bytes instead of a response (the same ones for the same message), then closes the connection; at `request` dmtap does not ask the server.
    RandomDataThenClose,
    /// Announces a wrong length in the head: this many bytes more than the body has (`"+10"`), fewer (`"-10"`), or exactly this number; dmtap sends the whole body and closes the connection.
    #[schemars(extend("examples" = ["+10", "-10", 1200], "x-stages" = ["response"]))]
    ContentLength(Announced),
}

/// A response that dmtap itself writes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(from = "AnswerTable")]
#[schemars(inline, with = "AnswerTable")]
pub struct Answer(pub SyntheticResponse);

/// A response that dmtap itself writes.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "a step", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline)]
struct AnswerTable {
    #[serde(rename = "=")]
    status: Code<Http>,
    /// The body of the answer; empty by default. Templates are not allowed.
    #[schemars(extend("examples" = ["later"]))]
    body: Option<PlainText>,
    /// The header fields of the answer: for each name a text or a list of texts. Templates are not allowed.
    #[serde(default)]
    #[schemars(extend("examples" = [{"Retry-After": "30"}]))]
    headers: BTreeMap<AnswerField, Vec<AnswerValue>>,
    /// The Content-Type of the answer.
    #[schemars(extend("examples" = ["text/html"]))]
    content_type: Option<AnswerValue>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct AnswerField(String);

written!(
    AnswerField,
    |written| {
        let name = HeaderName::from_bytes(written.as_bytes())
            .map_err(|_| Mistake::new(format!("`{written}` is not the name of a header field")))?;
        match OWN.contains(&name) {
            true => Err(Mistake::new(format!("`{written}` is not for an answer to say"))
                .label("dmtap says itself how its messages are delimited")),
            false => Ok(Self(written.to_owned())),
        }
    },
    {"type": "string", "pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"}
);

#[derive(Deserialize)]
#[serde(try_from = "PlainText")]
struct AnswerValue(HeaderValue);

impl TryFrom<PlainText> for AnswerValue {
    type Error = Mistake;

    fn try_from(text: PlainText) -> Result<Self, Mistake> {
        HeaderValue::from_str(&text.0).map(Self).map_err(|_| {
            Mistake::new(format!("this cannot be the value of `{KEY}`"))
                .label("visible characters only, on one line")
        })
    }
}

described!([] AnswerValue, |_| json_schema!({"type": "string"}));

impl From<AnswerTable> for Answer {
    fn from(table: AnswerTable) -> Self {
        let mut headers = HeaderMap::new();
        for (name, values) in table.headers {
            // `AnswerField` holds valid names only.
            if let Ok(name) = HeaderName::from_bytes(name.0.as_bytes()) {
                for value in values {
                    headers.append(name.clone(), value.0);
                }
            }
        }
        if let Some(media_type) = table.content_type {
            headers.insert(header::CONTENT_TYPE, media_type.0);
        }
        Self(SyntheticResponse {
            status: table.status.http(),
            headers,
            body: table.body.map_or_else(String::new, |body| body.0).into(),
        })
    }
}

/// The header fields for the framing of a message, which dmtap sets itself.
const OWN: [HeaderName; 4] = [
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
];

/// The size of the pieces, and the pause between two of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(
    rename = "`slicer`",
    deny_unknown_fields,
    expecting = "slicer = { size = 100, delay = \"10ms\" }: pieces of 100 bytes, 10 ms between two"
)]
#[schemars(rename = "slicer")]
pub struct Slicer {
    /// The size of a piece, in bytes.
    #[schemars(extend("examples" = [100]))]
    pub size: Within<1, { 1 << 40 }>,
    /// The pause between two pieces, at most 30 seconds.
    #[schemars(extend("examples" = ["10ms"]))]
    pub delay: Pause,
}

/// The time during which dmtap sends nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Scalar")]
pub struct Timeout(pub Time);

impl TryFrom<Scalar> for Timeout {
    type Error = Mistake;

    fn try_from(value: Scalar) -> Result<Self, Mistake> {
        match value {
            Scalar::Truth(true) => Ok(Self(Time::LONGEST)),
            Scalar::Text(text) => Time::parse(&text).map(Self),
            Scalar::Truth(false) => {
                Err(Mistake::only_true("leave the step out if it is not to run"))
            }
            _ => Time::parse("").map(Self),
        }
    }
}

described!([] Timeout, |generator| {
    let time = generator.subschema_for::<Time>();
    json_schema!({"anyOf": [{"const": true}, time]})
});

/// The moment of the reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "ResetTable")]
#[schemars(with = "ResetTable", rename = "reset-peer")]
pub enum ResetPeer {
    /// At once.
    Now,
    /// After this many bytes of the body.
    After(u64),
}

/// The moment of the reset.
#[derive(Deserialize, JsonSchema)]
#[serde(
    rename = "`reset-peer`",
    deny_unknown_fields,
    expecting = "reset-peer = { after = 1200 }, or reset-peer = true for at once"
)]
#[schemars(transform = plain_or_table)]
struct ResetTable {
    #[serde(rename = "")]
    #[schemars(with = "Option<True>")]
    now: Option<Scalar>,
    /// After this many bytes of the body; only at the stage `response`.
    #[schemars(required, extend("examples" = [1200]))]
    after: Option<ByteCount>,
}

impl TryFrom<ResetTable> for ResetPeer {
    type Error = Mistake;

    fn try_from(table: ResetTable) -> Result<Self, Mistake> {
        match (table.now, table.after) {
            (_, Some(after)) => Ok(Self::After(after.0)),
            (Some(Scalar::Truth(true)), None) => Ok(Self::Now),
            (
                Some(Scalar::Number {
                    value: bytes @ 0.., ..
                }),
                None,
            ) => Err(Mistake::only_true(format!(
                "to reset after so many bytes: {KEY} = {{ after = {bytes} }}"
            ))),
            (Some(_), None) => Err(Mistake::only_true("leave the step out if it is not to run")),
            (None, None) => Err(
                Mistake::new(format!("`{KEY}` does not say after how many bytes"))
                    .help("reset-peer = { after = 1200 }, or reset-peer = true for at once"),
            ),
        }
    }
}

/// The length that the head announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced(pub StatedLength);

any_form!(
    Announced,
    |value| {
        let text = match value {
            Scalar::Number { value, .. } => {
                let length = ByteCount::new(value)?;
                return Ok(Self(StatedLength::Exactly(length.0)));
            }
            Scalar::Text(text) => text,
            other => return Err(Mistake::new(format!("`{KEY}` must be a whole number"))
                .label(format!("this is {}", other.kind()))
                .help(LENGTHS)),
        };
        let (sign, digits) = text.split_at(text.len().min(1));
        let number = digits
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| digits.parse::<u32>().ok().map(u64::from))
            .flatten();
        match (sign, number) {
            ("+", Some(more @ 1..)) => Ok(Self(StatedLength::More(more))),
            ("-", Some(fewer @ 1..)) => Ok(Self(StatedLength::Fewer(fewer))),
            _ => Err(Mistake::new(format!("`{KEY}` cannot be `{text}`")).help(LENGTHS)),
        }
    },
    {"anyOf": [
        {"type": "integer", "minimum": 0, "maximum": 1_099_511_627_776_u64},
        {"type": "string", "pattern": "^[+-]0*[1-9][0-9]*$"}
    ]}
);

const LENGTHS: &str = "write \"+10\" or \"-10\" for so many bytes more or fewer than there are, or the length itself: 1200";

impl FaultStep {
    /// Whether the fault would differ if bodies were not read: it draws random numbers that depend on the session, or
    /// needs the length of the body.
    pub fn depends_on_reading(&self) -> bool {
        match self {
            Self::Latency { jitter, .. } => jitter.is_some_and(|jitter| !jitter.0.is_zero()),
            Self::RandomDataThenClose | Self::MalformedChunk | Self::ContentLength(_) => true,
            _ => false,
        }
    }

    /// Whether the fault leaves nothing of the message to later steps and rules.
    pub fn ends(&self) -> bool {
        matches!(
            self,
            Self::Answer(_)
                | Self::SoapFault(_)
                | Self::Reset
                | Self::ResetPeer(ResetPeer::Now)
                | Self::Timeout(_)
                | Self::EmptyResponse
                | Self::MalformedChunk
                | Self::RandomDataThenClose
        )
    }

    /// Whether no later step can change how the message is sent.
    pub fn closes(&self) -> bool {
        let goes_on = matches!(
            self,
            Self::Delay(_) | Self::Latency { .. } | Self::Bandwidth(_) | Self::Slicer { .. }
        );
        !goes_on
    }

    /// Returns the step to write instead, if the fault has no effect at a stage.
    pub fn remedy(&self, stage: Stage) -> Option<String> {
        match (self, stage) {
            (Self::ResetPeer(ResetPeer::After(after)), Stage::Request) => Some(format!(
                "towards the server write limit-data = {after}; reset-peer = true resets the device at once"
            )),
            _ => None,
        }
    }
}
