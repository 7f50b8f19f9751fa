//! How bytes are sent: a short list of steps that the wire carries out.
//!
//! ```text
//! latency 200 ms, bandwidth, limit-data 1200:   Wait(200 ms)  Pace(rate)  Send(1200)  Close
//! timeout 10 s:                                 Wait(10 s)  Close
//! slow-close 2 s:                               Send(all)  Wait(2 s)  Close
//! ```

use std::num::NonZeroU64;
use std::time::Duration;

use bytes::Bytes;

/// The steps that replace or surround the plain sending of a message. Without steps the message is sent at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// The steps in order. After the last one the message is sent, unless a step ended the connection.
    pub ops: Vec<DeliveryStep>,
}

/// One step of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryStep {
    /// Wait before going on.
    Wait(Duration),
    /// Send the body slowly from here on.
    Pace(Pace),
    /// State a body length in the head that differs from the real one.
    Announce(StatedLength),
    /// Send the head, and at most this many bytes of the body. [`DeliveryStep::WHOLE`] sends all of it.
    Send(u64),
    /// Send bytes that are not HTTP.
    Noise(Noise),
    /// Close the connection in good order: `close_notify` and FIN in HTTP/1.1, RST_STREAM in HTTP/2 (GOAWAY after
    /// a whole message). Nothing follows.
    Close,
    /// Reset the connection: a TCP RST in HTTP/1.1, RST_STREAM in HTTP/2. Nothing follows.
    Reset,
}

/// The pace at which a body is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// This many bytes a second.
    Rate(NonZeroU64),
    /// Pieces of a fixed size, with a pause between two of them.
    Slices {
        /// The size of a piece in bytes.
        size: NonZeroU64,
        /// The pause between two pieces.
        pause: Duration,
    },
}

/// The body length that a head states in place of the real one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatedLength {
    /// A `Content-Length` of this many bytes.
    Exactly(u64),
    /// A `Content-Length` that is this many bytes too large.
    More(u64),
    /// A `Content-Length` that is this many bytes too small; not less than zero.
    Fewer(u64),
    /// Chunked transfer coding instead of a length.
    Chunks,
}

/// Random bytes that are not HTTP: the first byte is neither a letter nor a digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noise {
    /// The seed of the bytes.
    pub seed: u64,
    /// The number of bytes.
    pub bytes: u16,
}

impl DeliveryStep {
    /// The step that sends the whole body.
    pub const WHOLE: Self = Self::Send(u64::MAX);

    /// Whether the step ends the connection, so that no step follows.
    pub fn is_end(&self) -> bool {
        matches!(self, Self::Close | Self::Reset)
    }
}

impl Delivery {
    /// Whether the message is sent at once and whole.
    pub fn is_plain(&self) -> bool {
        self.ops.is_empty()
    }

    /// Whether the delivery ends the connection, so that no step can be added.
    pub fn is_ended(&self) -> bool {
        self.ops.iter().any(DeliveryStep::is_end)
    }

    /// Whether the message arrives complete and unchanged, even if late.
    pub fn is_whole(&self) -> bool {
        let spoils =
            |op: &&DeliveryStep| !matches!(op, DeliveryStep::Wait(_) | DeliveryStep::Pace(_));
        let first = self.ops.iter().find(spoils);
        first.is_none_or(|op| *op == DeliveryStep::WHOLE)
    }
}

/// Returns the next number of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
/// Every bit of the state affects every bit of the number.
pub fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Noise {
    /// Returns the bytes. The same seed gives the same bytes.
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
