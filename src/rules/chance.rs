//! Chance without randomness: whether a rule acts on a match is a pure function of the seed and of the conversation.
//!
//! The same seed and the same conversation give the same outcome, whatever other traffic passes at the same time.
//! Neither the draw nor the random numbers of faults depend on a clock, or on numbers that differ between runs.

use schemars::json_schema;
use serde::Deserialize;

use super::mistake::{KEY, Mistake};
use super::value::described;
use super::{RuleInput, Stage};
use crate::flow::split_mix;

/// A probability above 0, at most 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chance(u64);

/// The default seed.
pub const DEFAULT_SEED: u64 = 0;

/// The exclusive upper bound of a draw.
const DRAWS: u64 = 1 << 53;

impl Chance {
    /// Creates a chance of `probability`; `None` unless 0 < `probability` ≤ 1.
    pub fn new(probability: f64) -> Option<Self> {
        let possible = probability > 0.0 && probability <= 1.0;
        // An f64 holds whole numbers up to 2^53 exactly. The smallest chance is still above 0.
        possible.then(|| Self(((probability * DRAWS as f64) as u64).max(1)))
    }

    /// Whether the rule acts on its `n`th match; `line` is the result of [`conversation_key`].
    pub(super) fn is_drawn(self, seed: u64, rule: &str, line: &str, n: u64) -> bool {
        let parts = [rule.as_bytes(), line.as_bytes(), &n.to_le_bytes()];
        let hash = parts
            .iter()
            .fold(mix(seed), |hash, part| absorb(hash, part));
        mix(hash) % DRAWS < self.0
    }
}

impl<'de> Deserialize<'de> for Chance {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        Self::new(number).ok_or_else(|| {
            let mistake = Mistake::new(format!("`{KEY}` cannot be {number}"));
            serde::de::Error::custom(
                mistake
                    .label("above 0, at most 1")
                    .help("chance = 0.3 picks about three matches of ten"),
            )
        })
    }
}

described!([] Chance, |_| json_schema!({"type": "number", "exclusiveMinimum": 0, "maximum": 1}));

/// Returns the key under which matches are counted for draws: the device and its SessionID. A message without a session
/// counts under the device's address, and the host and path of the request.
pub(super) fn conversation_key(input: &RuleInput<'_>) -> String {
    match input.session {
        Some(tag) => format!("{}\n{}", tag.key.device, tag.key.id),
        None => {
            let (address, uri) = (input.connection.device.ip(), &input.request.uri);
            format!("{address} {}{}", uri.host().unwrap_or_default(), uri.path())
        }
    }
}

/// The offset basis of FNV-1a (RFC 9923).
pub(super) const BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// Hashes the bytes of one part and its length with FNV-1a (RFC 9923). The length keeps parts from running into each
/// other.
pub(super) fn absorb(hash: u64, part: &[u8]) -> u64 {
    let length = (part.len() as u64).to_le_bytes();
    part.iter().chain(&length).fold(hash, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Returns a number of which every bit depends on every bit of the given one.
pub(super) fn mix(mut number: u64) -> u64 {
    split_mix(&mut number)
}

/// A generator of numbers for one rule and one message. The numbers do not depend on the run (connection numbers,
/// clocks), so that the same conversation fails in the same way.
#[derive(Clone, Debug)]
pub(super) struct Rng(u64);

impl Rng {
    /// Creates a generator for a message and the rule of this name.
    pub(super) fn new(seed: u64, rule: &str, input: &RuleInput<'_>) -> Self {
        let mut hash = absorb(BASIS, &seed.to_le_bytes());
        hash = absorb(hash, rule.as_bytes());
        hash = absorb(hash, Stage::of(input.speaker).name().as_bytes());
        hash = absorb(hash, input.request.method.as_str().as_bytes());
        hash = absorb(hash, input.request.uri.path().as_bytes());
        if let Some(tag) = input.session {
            hash = absorb(hash, tag.key.device.as_bytes());
            hash = absorb(hash, tag.key.id.as_bytes());
            hash = absorb(hash, &tag.exchange.to_le_bytes());
            hash = absorb(hash, &tag.message.unwrap_or(0).to_le_bytes());
        }
        Self(hash)
    }

    pub(super) fn next(&mut self) -> u64 {
        split_mix(&mut self.0)
    }

    pub(super) fn unit(&mut self) -> f64 {
        // An f64 holds 53 bits exactly.
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
