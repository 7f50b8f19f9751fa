//! Steps that say how a message leaves.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::flow::StatedLength;
use crate::rules::{Stage, SyntheticResponse};

/// How a message leaves, or what is sent in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WireFault {
    /// `answer`: dmtap answers the device itself.
    Answer(SyntheticResponse),
    /// `delay`: the message waits first.
    Delay(Duration),
    /// `latency`: the message waits first, a little more or less each time.
    Latency {
        /// The wait.
        time: Duration,
        /// What is added or taken away at most.
        jitter: Duration,
    },
    /// `bandwidth`: the body goes at so many bytes a second.
    Bandwidth(NonZeroU64),
    /// `slicer`: the body goes in pieces.
    Slicer {
        /// Bytes in a piece.
        size: NonZeroU64,
        /// The pause between two.
        pause: Duration,
    },
    /// `slow-close`: the connection closes after the message, and late.
    SlowClose(Duration),
    /// `timeout`: nothing is sent, and after so long the connection closes.
    Timeout(Duration),
    /// `limit-data`: the connection closes after so many bytes of the body.
    LimitData(u64),
    /// `reset`, `reset-peer`: the device's connection is reset.
    Reset,
    /// `reset-peer = { after = … }`: it is reset after so many bytes of the body.
    ResetAfter(u64),
    /// `empty-response`: the connection closes, and nothing is sent.
    EmptyResponse,
    /// `malformed-chunk`: after the head come bytes that are no chunk, then the connection closes.
    MalformedChunk,
    /// `random-data-then-close`: bytes that are no HTTP come, then the connection closes.
    RandomData,
    /// `content-length`: the head gives another length, and after the body the connection closes.
    ContentLength(StatedLength),
}

impl WireFault {
    /// Its verb in rule files and records.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Answer(_) => "answer",
            Self::Delay(_) => "delay",
            Self::Latency { .. } => "latency",
            Self::Bandwidth(_) => "bandwidth",
            Self::Slicer { .. } => "slicer",
            Self::SlowClose(_) => "slow-close",
            Self::Timeout(_) => "timeout",
            Self::LimitData(_) => "limit-data",
            Self::Reset => "reset",
            Self::ResetAfter(_) => "reset-peer",
            Self::EmptyResponse => "empty-response",
            Self::MalformedChunk => "malformed-chunk",
            Self::RandomData => "random-data-then-close",
            Self::ContentLength(_) => "content-length",
        }
    }

    /// Whether it would do something else where nobody reads bodies.
    pub fn depends_on_reading(&self) -> bool {
        match self {
            Self::Latency { jitter, .. } => !jitter.is_zero(),
            Self::RandomData | Self::MalformedChunk | Self::ContentLength(_) => true,
            _ => false,
        }
    }

    /// Whether nothing of the message is left for a later step or rule.
    pub fn ends(&self) -> bool {
        matches!(
            self,
            Self::Answer(_)
                | Self::Reset
                | Self::Timeout(_)
                | Self::EmptyResponse
                | Self::MalformedChunk
                | Self::RandomData
        )
    }

    /// Whether nothing can be said after it of how the message leaves.
    pub fn closes(&self) -> bool {
        let goes_on = matches!(
            self,
            Self::Delay(_) | Self::Latency { .. } | Self::Bandwidth(_) | Self::Slicer { .. }
        );
        !goes_on
    }

    /// What to write instead, where it can do nothing at a stage.
    pub fn remedy(&self, stage: Stage) -> Option<String> {
        match (self, stage) {
            (Self::ResetAfter(after), Stage::Request) => Some(format!(
                "towards the server write limit-data = {after}; reset-peer = true resets the device at once"
            )),
            _ => None,
        }
    }
}
