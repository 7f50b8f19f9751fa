//! Numbers that look random and are not: the same message under the same rule draws the same ones.

use super::Facts;
use super::chance::{BASIS, STRIDE, absorb, mix};

/// Numbers drawn for one rule and one message. What depends on the run (numbers of connections, clocks) has no part
/// in them, so that the same conversation fails in the same way.
#[derive(Clone, Debug)]
pub(super) struct Rng(u64);

impl Rng {
    /// For a message under the rule of this name.
    pub(super) fn new(seed: u64, rule: &str, facts: &Facts<'_>) -> Self {
        let mut hash = absorb(BASIS, &seed.to_le_bytes());
        hash = absorb(hash, rule.as_bytes());
        hash = absorb(hash, facts.stage.name().as_bytes());
        hash = absorb(hash, facts.request.method.as_str().as_bytes());
        hash = absorb(hash, facts.request.uri.path().as_bytes());
        if let Some(tag) = facts.session {
            hash = absorb(hash, tag.key.device.as_bytes());
            hash = absorb(hash, tag.key.id.as_bytes());
            hash = absorb(hash, &tag.exchange.to_le_bytes());
            hash = absorb(hash, &tag.message.unwrap_or(0).to_le_bytes());
        }
        Self(hash)
    }

    pub(super) fn next(&mut self) -> u64 {
        let next = mix(self.0);
        self.0 = self.0.wrapping_add(STRIDE);
        next
    }

    pub(super) fn unit(&mut self) -> f64 {
        // 53 bits are what an f64 holds exactly.
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
