//! The forms in which people hand a message on: base64, hex, the output of `xxd`, a push of WAP.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use bytes::Bytes;

use super::notification;
use crate::markup::{utf16::Utf16, wbxml};

/// The bytes of a message, taken out of the form it was handed on in; otherwise the very input.
pub fn unpack(input: Vec<u8>) -> Bytes {
    let bytes = from_xxd(&input)
        .or_else(|| from_hex(&input))
        .or_else(|| from_base64(&input))
        .unwrap_or(input);
    let bytes = Bytes::from(bytes);
    match behind_wsp(&bytes) {
        Some(at) => bytes.slice(at..),
        None => bytes,
    }
}

fn from_base64(input: &[u8]) -> Option<Vec<u8>> {
    let packed = without_space(input);
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=-_".contains(byte);
    if packed.is_empty() || !packed.iter().all(is_base64) {
        return None;
    }
    let engines = [&STANDARD, &URL_SAFE, &STANDARD_NO_PAD];
    engines
        .iter()
        .find_map(|engine| engine.decode(&packed).ok())
}

/// Hex digits, perhaps with `0x`, and with blanks, colons or commas between them.
fn from_hex(input: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(input).ok()?.replace("0x", "");
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !(byte.is_ascii_whitespace() || b":,".contains(byte)))
        .collect();
    // Base64 may have hex digits alone, but no message begins so.
    octets(&digits).filter(|octets| is_message(octets))
}

/// `00000000: 0300 6a1d 2d2f 2f53  ..j.-//S`, also as `xxd -g1` and `hexdump -C` print it.
fn from_xxd(input: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(input).ok()?;
    let mut bytes = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (offset, rest) = line.trim_start().split_once([':', ' '])?;
        let offset = usize::from_str_radix(offset, 16).ok()?;
        if offset != bytes.len() {
            return None;
        }
        // Two blanks separate the octets from their characters; hexdump also puts them into the middle.
        let octets_of = match rest.split_once('|') {
            Some((octets, _)) => octets,
            None => rest.trim_start().split("  ").next()?,
        };
        let digits = without_space(octets_of.as_bytes());
        bytes.extend(octets(&digits)?);
    }
    (!bytes.is_empty() && is_message(&bytes)).then_some(bytes)
}

fn octets(digits: &[u8]) -> Option<Vec<u8>> {
    if digits.is_empty() || digits.len() % 2 == 1 {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let octet = |pair: &[u8]| Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8);
    digits.chunks_exact(2).map(octet).collect()
}

fn without_space(input: &[u8]) -> Vec<u8> {
    let is_space = |byte: &&u8| !byte.is_ascii_whitespace();
    input.iter().filter(is_space).copied().collect()
}

/// Whether bytes begin as XML, as WBXML, with the header of a push, or are a notification.
fn is_message(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    text.trim_ascii_start().starts_with(b"<")
        || Utf16::of(bytes).is_some()
        || wbxml::looks_like(bytes)
        || behind_wsp(bytes).is_some()
        || notification::Notification::of(bytes).is_some()
}

/// Where the data of a connectionless push begins (WAP-230-WSP §8.2.4.1: TID, type, the length of the headers, headers).
fn behind_wsp(bytes: &[u8]) -> Option<usize> {
    let [_, PUSH, rest @ ..] = bytes else {
        return None;
    };
    let (mut length, mut taken) = (0_usize, 0);
    for byte in rest.iter().take(3) {
        length = length << 7 | usize::from(byte & 0x7f);
        taken += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let data = 2 + taken + length;
    let behind = bytes.get(data..).filter(|_| length > 0)?;
    let is_known = wbxml::looks_like(behind)
        || behind.trim_ascii_start().starts_with(b"<")
        || notification::Notification::of(behind).is_some();
    is_known.then_some(data)
}

/// The type of a push among the PDUs of WSP.
const PUSH: u8 = 0x06;

#[cfg(test)]
mod tests {
    use super::*;

    const WBXML: &[u8] = b"\x03\x00\x00\x6a\x1d-//SYNCML//DTD SyncML 1.2//EN\x6d\x6c\x01\x01";

    fn check(input: impl AsRef<[u8]>, expected: &[u8]) {
        let input = input.as_ref();
        let unpacked = unpack(input.to_vec());
        assert_eq!(unpacked, expected, "{}", String::from_utf8_lossy(input));
    }

    fn hex(separator: &str) -> String {
        let octets: Vec<_> = WBXML.iter().map(|byte| format!("{byte:02x}")).collect();
        octets.join(separator)
    }

    #[test]
    fn messages_come_out_of_every_form() {
        check(STANDARD.encode(WBXML), WBXML);
        check(hex(""), WBXML);
        check(hex(" ").to_uppercase(), WBXML);
        check(hex(":") + "\n", WBXML);
        check(hex(", 0x"), WBXML);
        let line = |at: usize, bytes: &[u8]| {
            let pairs = bytes.chunks(2).map(|pair| {
                pair.iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect::<String>()
            });
            let pairs: Vec<_> = pairs.collect();
            format!(
                "{at:08x}: {:<39}  {}\n",
                pairs.join(" "),
                ".".repeat(bytes.len())
            )
        };
        let dump: String = WBXML
            .chunks(16)
            .enumerate()
            .map(|(row, bytes)| line(row * 16, bytes))
            .collect();
        check(dump, WBXML);
        let row = |at: usize, bytes: &[u8]| {
            let octets: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let half = octets.len().min(8);
            format!(
                "{at:08x}  {}  {}  |{}|\n",
                octets[..half].join(" "),
                octets[half..].join(" "),
                ".".repeat(bytes.len())
            )
        };
        let dump: String = WBXML
            .chunks(16)
            .enumerate()
            .map(|(at, bytes)| row(at * 16, bytes))
            .collect();
        check(dump, WBXML);
        let push = [b"\x2a\x06\x03\xc4\xaf\x87", WBXML].concat();
        check(&push, WBXML);
        check(STANDARD.encode(&push), WBXML);
    }

    #[test]
    fn what_is_a_message_already_stays() {
        check(WBXML, WBXML);
        check("<SyncML/>", b"<SyncML/>");
        check("", b"");
        check("no message: 12 34", b"no message: 12 34");
    }
}
