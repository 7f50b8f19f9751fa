//! Numbers that look random and are not: the same message under the same rule draws the same ones.

use super::Facts;

/// Numbers drawn for one rule and one message. What depends on the run (numbers of connections, clocks) has no part
/// in them, so that the same conversation fails in the same way.
#[derive(Clone, Debug)]
pub(super) struct Draw(u64);

impl Draw {
    /// For a message under the rule of this name.
    pub(super) fn new(seed: u64, rule: &str, facts: &Facts<'_>) -> Self {
        let mut hash = Fnv::new();
        hash.word(&seed.to_le_bytes());
        hash.word(rule.as_bytes());
        hash.word(facts.stage.name().as_bytes());
        hash.word(facts.request.method.as_str().as_bytes());
        hash.word(facts.request.uri.path().as_bytes());
        if let Some(tag) = facts.session {
            hash.word(tag.key.device.as_bytes());
            hash.word(tag.key.id.as_bytes());
            hash.word(&tag.exchange.to_le_bytes());
            hash.word(&tag.message.unwrap_or(0).to_le_bytes());
        }
        Self(hash.0)
    }

    /// The next number.
    pub(super) fn next(&mut self) -> u64 {
        // SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next number, from 0 to below 1.
    pub(super) fn unit(&mut self) -> f64 {
        // 53 bits are what an f64 holds exactly.
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// FNV-1a (RFC 9923), of words that do not run into each other.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn word(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain(&(bytes.len() as u64).to_le_bytes()) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
