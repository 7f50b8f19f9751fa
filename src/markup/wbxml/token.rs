//! The global tokens and numbers of WBXML (WAP-192 §5, §7.1), and a reader that never runs over the end.

use super::Fault;
use crate::markup::{DecodeError, DecodeErrorKind};

pub(crate) const SWITCH_PAGE: u8 = 0x00;
pub(crate) const END: u8 = 0x01;
pub(crate) const ENTITY: u8 = 0x02;
pub(crate) const STR_I: u8 = 0x03;
pub(crate) const LITERAL: u8 = 0x04;
pub(crate) const EXT_I_0: u8 = 0x40;
pub(crate) const EXT_I_2: u8 = 0x42;
pub(crate) const PI: u8 = 0x43;
pub(crate) const LITERAL_C: u8 = 0x44;
pub(crate) const EXT_T_0: u8 = 0x80;
pub(crate) const EXT_T_2: u8 = 0x82;
pub(crate) const STR_T: u8 = 0x83;
pub(crate) const LITERAL_A: u8 = 0x84;
pub(crate) const EXT_0: u8 = 0xC0;
pub(crate) const EXT_2: u8 = 0xC2;
pub(crate) const OPAQUE: u8 = 0xC3;
pub(crate) const LITERAL_AC: u8 = 0xC4;

/// The bit of a tag byte that announces attributes.
pub(crate) const WITH_ATTRIBUTES: u8 = 0x80;
/// The bit of a tag byte that announces content.
pub(crate) const WITH_CONTENT: u8 = 0x40;
/// The bits of a tag byte that are its token.
pub(crate) const TOKEN: u8 = 0x3F;

/// A position in the source from which tokens are read.
#[derive(Clone)]
pub(crate) struct Reader<'s> {
    pub(crate) bytes: &'s [u8],
    pub(crate) at: usize,
}

/// A `mb_u_int32`, and whether it was padded with leading 0x80 (`docs/malformed.md` F04).
#[derive(Clone, Copy)]
pub(crate) struct Number {
    pub(crate) value: u32,
    pub(crate) padded: bool,
}

impl<'s> Reader<'s> {
    pub(crate) fn new(bytes: &'s [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    #[inline]
    pub(crate) fn byte(&mut self, inside: &'static str) -> Result<u8, DecodeError> {
        let Some(&byte) = self.bytes.get(self.at) else {
            return Err(fault(self.at, Fault::Truncated(inside)));
        };
        self.at += 1;
        Ok(byte)
    }

    /// Reads a `mb_u_int32`: groups of 7 bits, highest first, bit 7 set on all but the last; at most 5 bytes.
    #[inline]
    pub(crate) fn number(&mut self, inside: &'static str) -> Result<Number, DecodeError> {
        let start = self.at;
        let first = self.byte(inside)?;
        if first < 0x80 {
            return Ok(Number {
                value: first.into(),
                padded: false,
            });
        }
        let mut value = u64::from(first & 0x7F);
        for _ in 0..4 {
            let byte = self.byte(inside)?;
            value = value << 7 | u64::from(byte & 0x7F);
            if byte < 0x80 {
                let value = u32::try_from(value).map_err(|_| fault(start, Fault::Number))?;
                let padded = first == 0x80;
                return Ok(Number { value, padded });
            }
        }
        Err(fault(start, Fault::Number))
    }

    /// Reads the bytes up to a NUL and skips the NUL: a STR_I in a charset with a one-byte NUL.
    #[inline]
    pub(crate) fn terminated(&mut self) -> Result<&'s [u8], DecodeError> {
        let rest = &self.bytes[self.at..];
        let Some(length) = nul_nearby(rest).or_else(|| memchr::memchr(0, rest)) else {
            return Err(fault(self.at, Fault::Unterminated));
        };
        self.at += length + 1;
        Ok(&rest[..length])
    }

    /// Reads the next `length` bytes, if there are that many.
    #[inline]
    pub(crate) fn take(&mut self, length: u32) -> Option<&'s [u8]> {
        let taken = self.bytes[self.at..].get(..length as usize)?;
        self.at += taken.len();
        Some(taken)
    }
}

/// Returns the index of the first NUL, if it is among the first 8 bytes. Most texts are that short, and a call of
/// memchr takes longer than checking these bytes as one number.
#[inline]
fn nul_nearby(bytes: &[u8]) -> Option<usize> {
    let word = u64::from_le_bytes(*bytes.first_chunk()?);
    let ones = u64::MAX / 0xFF;
    // The lowest remaining bit belongs to the first zero byte.
    let zeros = word.wrapping_sub(ones) & !word & (ones << 7);
    (zeros != 0).then(|| zeros.trailing_zeros() as usize / 8)
}

/// Appends `value` as `mb_u_int32`, in as few bytes as it needs.
pub(crate) fn write_number(out: &mut Vec<u8>, value: u32) {
    for group in (1..5).rev() {
        if value >> (7 * group) != 0 {
            out.push((value >> (7 * group)) as u8 | 0x80);
        }
    }
    out.push(value as u8 & 0x7F);
}

/// Returns the error of malformed WBXML at this offset.
pub(crate) fn fault(at: usize, fault: Fault) -> DecodeError {
    DecodeError {
        at: at as u32,
        kind: DecodeErrorKind::Wbxml(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_they_are_read() {
        for (value, bytes) in [
            (0, &[0x00][..]),
            (0x60, &[0x60]),
            (0xA0, &[0x81, 0x20]),
            (0x0FD3, &[0x9F, 0x53]),
            (0x1201, &[0xA4, 0x01]),
            (u32::MAX, &[0x8F, 0xFF, 0xFF, 0xFF, 0x7F]),
        ] {
            let mut out = Vec::new();
            write_number(&mut out, value);
            assert_eq!(out, bytes);
            let number = Reader::new(bytes, 0).number("a test").unwrap();
            assert_eq!((number.value, number.padded), (value, false));
        }
    }
}
