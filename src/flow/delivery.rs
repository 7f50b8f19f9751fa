//! How bytes leave: a small program the wire carries out.
//!
//! ```text
//! latency 200 ms, bandwidth, limit-data 1200:   Wait(200 ms)  Pace(rate)  Send(1200)  Close
//! timeout 10 s:                                 Wait(10 s)  Close
//! slow-close 2 s:                               Send(all)  Wait(2 s)  Close
//! ```

use std::num::NonZeroU64;
use std::time::Duration;

use bytes::Bytes;

/// What to do instead of, or around, sending a message whole. Empty: send it at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// The operations in order; after the last one the message is sent, unless one ended the connection.
    pub ops: Vec<DeliveryStep>,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryStep {
    /// Wait before going on.
    Wait(Duration),
    /// The body goes slowly from here on.
    Pace(Pace),
    /// The head says something else of the body than what comes.
    Announce(StatedLength),
    /// Send the head, and at most so many bytes of the body; [`DeliveryStep::WHOLE`] sends all of it.
    Send(u64),
    /// Send bytes that are no HTTP.
    Noise(Noise),
    /// Close the connection in good order: `close_notify` and FIN in HTTP/1.1, RST_STREAM in HTTP/2 (GOAWAY after
    /// a whole message). Nothing follows.
    Close,
    /// Reset the connection: a TCP RST in HTTP/1.1, RST_STREAM in HTTP/2. Nothing follows.
    Reset,
}

/// How slowly a body goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// So many bytes a second.
    Rate(NonZeroU64),
    /// In pieces of so many bytes, with a pause between two.
    Slices {
        /// Bytes in a piece.
        size: NonZeroU64,
        /// The pause.
        pause: Duration,
    },
}

/// What a head says of the body, against the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatedLength {
    /// A `Content-Length` of so many bytes.
    Exactly(u64),
    /// A `Content-Length` that is so many bytes too large.
    More(u64),
    /// A `Content-Length` that is so many bytes too small; zero at least.
    Fewer(u64),
    /// Chunks instead of a length.
    Chunks,
}

/// Random bytes that are no HTTP: the first is neither a letter nor a digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noise {
    /// What the bytes are drawn from.
    pub seed: u64,
    /// How many.
    pub bytes: u16,
}

impl DeliveryStep {
    /// All of the body.
    pub const WHOLE: Self = Self::Send(u64::MAX);

    /// Whether nothing follows it.
    pub fn is_end(&self) -> bool {
        matches!(self, Self::Close | Self::Reset)
    }
}

impl Delivery {
    /// Whether the message is sent at once and whole.
    pub fn is_plain(&self) -> bool {
        self.ops.is_empty()
    }

    /// Whether it ends the connection, so that nothing more can be added.
    pub fn is_ended(&self) -> bool {
        self.ops.iter().any(DeliveryStep::is_end)
    }

    /// Whether the message arrives as it is, be it late.
    pub fn is_whole(&self) -> bool {
        let spoils =
            |op: &DeliveryStep| !matches!(op, DeliveryStep::Wait(_) | DeliveryStep::Pace(_));
        !self.ops.iter().any(spoils)
            || self.ops.iter().find(|op| spoils(op)) == Some(&DeliveryStep::WHOLE)
    }
}

/// The next number of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014): every bit of
/// the state decides about every bit of it.
pub fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Noise {
    /// The bytes, the same ones for the same seed.
    pub fn bytes(self) -> Bytes {
        let mut state = self.seed;
        let numbers = (0..self.bytes).map(|_| split_mix(&mut state));
        let mut bytes: Vec<u8> = numbers.map(|number| number.to_le_bytes()[0]).collect();
        if let Some(first) = bytes.first_mut() {
            *first |= 0x80;
        }
        bytes.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_the_same_for_the_same_seed() {
        let noise = |seed| Noise { seed, bytes: 64 }.bytes();
        assert_eq!(noise(1), noise(1));
        assert_ne!(noise(1), noise(2));
        assert_eq!((noise(3).len(), noise(3)[0] & 0x80), (64, 0x80));
    }

    #[test]
    fn a_message_that_is_only_late_is_whole() {
        let check = |ops: Vec<DeliveryStep>, whole| assert_eq!(Delivery { ops }.is_whole(), whole);
        let wait = || DeliveryStep::Wait(Duration::from_secs(1));
        check(vec![], true);
        check(vec![wait()], true);
        check(vec![DeliveryStep::WHOLE, wait(), DeliveryStep::Close], true);
        check(
            vec![wait(), DeliveryStep::Send(9), DeliveryStep::Close],
            false,
        );
        check(vec![wait(), DeliveryStep::Close], false);
        check(vec![DeliveryStep::Reset], false);
    }
}
