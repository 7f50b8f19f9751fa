//! Messages in the forms in which people pass them on: base64, hex, dumps, arrays of source code, a WAP push.

use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use bytes::Bytes;

use super::carve::has_message;
pub use super::dump::{arrays, dumps, octets, row_of_dump};
use super::dump::{from_dump, from_string, is_first_row, octets_at_end, strings_of_octets};
use super::notification;
use crate::markup::{utf16::Utf16, wbxml};

/// Decodes a message from the form in which it was passed on; returns any other input unchanged.
pub fn unpack(input: Vec<u8>) -> Bytes {
    let read = |text: &str| {
        let forms = [from_dump, from_hex, only_array, from_string];
        let mut read = forms.iter().filter_map(|form| form(text));
        // Base64 may consist of hex digits only, but then these do not decode to the beginning of a message.
        read.find(|bytes| is_message(bytes))
    };
    let text = std::str::from_utf8(&input).ok();
    let bytes = text
        .and_then(read)
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

/// Returns the bytes of the only array in a short text. If there are messages around it or other arrays, the numbers
/// are those of a log, and the result is `None`.
fn only_array(text: &str) -> Option<Vec<u8>> {
    let mut arrays = arrays(text).filter(|(_, bytes)| is_message(bytes));
    let (range, bytes) = arrays.next()?;
    let around = [&text[..range.start], &text[range.end..]];
    let is_code = around.iter().map(|text| text.trim().len()).sum::<usize>() <= MOST_CODE;
    let is_only = arrays.next().is_none() && !around.iter().any(|it| has_message(it.as_bytes()));
    (is_code && is_only).then_some(bytes)
}

/// Decodes hex digits, perhaps with `0x` or `\x`, and with blanks, colons, commas, hyphens or the slashes of comments
/// between them.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let is_of_hex = |byte: u8| {
        byte.is_ascii_hexdigit() || byte.is_ascii_whitespace() || b":,;x\\/-".contains(&byte)
    };
    if !text.bytes().all(is_of_hex) {
        return None;
    }
    let text = text.replace("0x", "");
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    octets(&digits)
}

/// Finds possible messages in the lines of a text, each with its line number from 1: dumps with offsets; arrays; base64
/// or hex within a line, strings with escapes; octets at the ends of several lines.
pub fn in_lines(text: &[u8]) -> Vec<(u64, Bytes)> {
    let mut found = Vec::new();
    let (mut line, mut counted) = (1, 0);
    for (range, bytes) in std::str::from_utf8(text).ok().into_iter().flat_map(arrays) {
        line += memchr::memchr_iter(b'\n', &text[counted..range.start]).count() as u64;
        counted = range.start;
        found.extend(is_message(&bytes).then(|| (line, bytes.into())));
    }
    // The dumps, and the lines that belong to them, in order.
    let mut taken = Vec::new();
    for (lines, dump) in std::str::from_utf8(text).map_or_else(|_| Vec::new(), dumps) {
        let bytes = unpack(dump);
        if is_message(&bytes) {
            found.push((*lines.start(), bytes));
            taken.push(lines);
        }
    }
    let mut taken = taken.into_iter().peekable();
    // The octets at the ends of the previous lines, with the number of the first of these lines.
    let (mut begins, mut octets) = (0, Vec::new());
    let may_begin = |bytes: &[u8]| matches!(bytes, [1..=3, ..] | [b'<', ..]);
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        while taken.next_if(|lines| *lines.end() < number).is_some() {}
        let is_taken = taken.peek().is_some_and(|lines| lines.contains(&number));
        let line = if is_taken { &[] } else { line };
        let is_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
        let words = line.split(|byte| !is_of_word(byte));
        for word in words.filter(|word| word.len() >= SHORTEST_WORD) {
            // A log may truncate a line: base64 is decoded in groups of four.
            let groups = &word[..word.len() - word.len() % 4];
            let read = [word, groups].into_iter().find_map(|word| {
                let bytes = unpack(word.to_vec());
                (bytes != word && is_message(&bytes)).then_some(bytes)
            });
            found.extend(read.map(|bytes| (number, bytes)));
        }
        let line = String::from_utf8_lossy(line);
        let strings = strings_of_octets(&line).filter(|bytes| is_message(bytes));
        found.extend(strings.map(|bytes| (number, bytes.into())));
        let more = octets_at_end(&line);
        if (more.is_empty() || is_first_row(&line)) && !octets.is_empty() {
            found.push((begins, std::mem::take(&mut octets).into()));
        }
        if octets.is_empty() && may_begin(&more) {
            (begins, octets) = (number, more);
        } else if !octets.is_empty() {
            octets.extend(more);
        }
    }
    if !octets.is_empty() {
        found.push((begins, octets.into()));
    }
    found.sort_by_key(|(line, _)| *line);
    found
}

/// Decodes blocks of base64, which may be messages or texts with messages: lines of equal length, as in mail. Returns
/// each block with its line numbers from 1.
pub fn in_base64_blocks(text: &[u8]) -> Vec<(RangeInclusive<u64>, Bytes)> {
    let is_of_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    let mut found = Vec::new();
    let (mut begins, mut width, mut block) = (0, 0, Vec::new());
    let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    for (number, line) in (1..).zip(lines.chain([&b""[..]])) {
        let is_base64 = !line.is_empty() && line.iter().all(is_of_base64);
        if block.is_empty() && is_base64 && line.len() >= SHORTEST_WORD {
            (begins, width) = (number, line.len());
        }
        let is_of_block = is_base64 && line.len() <= width;
        if is_of_block {
            block.extend_from_slice(line);
        }
        if (!is_of_block || line.len() < width) && !block.is_empty() {
            let bytes = STANDARD.decode(&block).ok();
            let ends = number - u64::from(!is_of_block);
            found.extend(bytes.map(|bytes| (begins..=ends, Bytes::from(bytes))));
            block.clear();
        }
        if block.is_empty() {
            width = 0;
        }
    }
    found
}

fn without_space(input: &[u8]) -> Vec<u8> {
    let is_space = |byte: &&u8| !byte.is_ascii_whitespace();
    input.iter().filter(is_space).copied().collect()
}

/// Whether bytes begin like XML, like WBXML or with the header of a push, or are a notification.
fn is_message(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    text.trim_ascii_start().starts_with(b"<")
        || Utf16::of(bytes).is_some()
        || wbxml::looks_like(bytes)
        || behind_wsp(bytes).is_some()
        || notification::Notification::of(bytes).is_some()
}

/// Returns the offset of the data of a connectionless push (WAP-230-WSP §8.2.4.1: TID, type, length of the headers,
/// headers).
fn behind_wsp(bytes: &[u8]) -> Option<usize> {
    // In an SMS a header with the port of pushes, 2948, stands in front of it (3GPP TS 23.040 9.2.3.24.4).
    if let [length, 5, 4, 0x0b, 0x84, ..] = bytes {
        let begins = usize::from(*length) + 1;
        return Some(begins + behind_wsp(bytes.get(begins..)?)?);
    }
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

/// The most characters of code around an array: its name, its type and its length.
const MOST_CODE: usize = 256;
/// The fewest characters of a word in a line that may be a message.
const SHORTEST_WORD: usize = 40;
/// The PDU type of a WSP push.
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
        let rows = |gap: &str, base: fn(usize) -> String, behind: fn(&[u8]) -> String| {
            let rows = WBXML.chunks(16).enumerate().map(|(row, bytes)| {
                let octets: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                format!(
                    "{}{gap}{:<47}{}\n",
                    base(row * 16),
                    octets.join(" "),
                    behind(bytes)
                )
            });
            rows.collect::<String>()
        };
        let end = WBXML.len();
        let hexdump = rows("  ", |at| format!("{at:08x}"), |_| "  |ab cd|".into());
        check(hexdump + &format!("{end:08x}\n"), WBXML);
        let od = rows(" ", |at| format!("{at:07o}"), |_| String::new());
        check(od + &format!("{end:07o}\n"), WBXML);
        let rows_of_od = WBXML.chunks(16).enumerate().map(|(row, bytes)| {
            let octets: Vec<_> = bytes.iter().map(|byte| format!("{byte:03o}")).collect();
            format!("{:07o} {}\n", row * 16, octets.join(" "))
        });
        let od = rows_of_od.collect::<String>();
        check(od + &format!("{end:07o}\n"), WBXML);
        let od = rows(" ", |at| format!("{at:06x}"), |_| "  >ab cd<".into());
        check(od + &format!("{end:06x}\n"), WBXML);
        check(
            rows("  ", |at| format!("{at:04x}"), |_| "  AB CD 12".into()),
            WBXML,
        );
        check(
            rows("   ", |at| format!("\t0x{at:04x}:"), |_| "   ab".into()),
            WBXML,
        );
        let zeros = [b"\x03\x00\x00\x6a\x00\x6d\x6c\x4b\x03".as_slice(), &[0; 64]].concat();
        let octets = |bytes: &[u8]| {
            bytes
                .iter()
                .map(|it| format!("{it:02x} "))
                .collect::<String>()
        };
        let squeezed = format!(
            "00000000  {}\n00000010  {}\n*\n00000040  {}\n00000049\n",
            octets(&zeros[..16]),
            octets(&zeros[16..32]),
            octets(&zeros[64..])
        );
        check(squeezed, &zeros);
        check(
            format!(
                "unsigned char m[] = {{\n  0x{}\n}};\nint m_len = 3;",
                hex(", 0x")
            ),
            WBXML,
        );
        check(
            format!("byte[] m = {{ /* one */ 0x{} }};", hex(", (byte) 0x")),
            WBXML,
        );
        let numbers: Vec<_> = WBXML.iter().map(|byte| (*byte as i8).to_string()).collect();
        check(format!("[{}]", numbers.join(", ")), WBXML);
        check(format!("m = bytes([{}])", numbers.join(", ")), WBXML);
        check(format!("\"\\x{}\"", hex("\\x")), WBXML);
        check(
            format!("//{}\n", hex(" ").replacen(" 6a ", "\n//6a ", 1)),
            WBXML,
        );
        let python: String = WBXML
            .iter()
            .map(|byte| match byte {
                0x20..0x7f => char::from(*byte).to_string(),
                byte => format!("\\x{byte:02x}"),
            })
            .collect();
        check(format!("b'{python}'"), WBXML);
        let push = [b"\x2a\x06\x03\xc4\xaf\x87", WBXML].concat();
        check(&push, WBXML);
        check(STANDARD.encode(&push), WBXML);
        let sms = [b"\x06\x05\x04\x0b\x84\x23\xf0", &push[..]].concat();
        let octets: Vec<_> = sms.iter().map(|byte| format!("{byte:02x}")).collect();
        check(octets.concat(), WBXML);
    }

    #[test]
    fn numbers_in_a_log_hide_nothing_around_them() {
        let zeros = format!("buckets {:?}", [0; 20]);
        let wbxml = format!("{WBXML:?}");
        let xml = "<SyncML><SyncHdr/></SyncML>";
        let log = "10:00 nothing happened in this line of a log\n".repeat(9);
        for text in [
            format!("{zeros}\n{xml}\n"),
            format!("{xml}\n{wbxml}\n"),
            format!("{wbxml}\n{wbxml}\n"),
            format!("{log}{wbxml}\n{log}"),
            format!("{log}{zeros}\n"),
        ] {
            check(&text, text.as_bytes());
        }
        let found = in_lines(format!("a [1]\n b={wbxml}\n{{\"c\":{wbxml}}}\n").as_bytes());
        let expected = [2, 3].map(|line| (line, Bytes::from_static(WBXML)));
        assert_eq!(found, expected);
    }

    #[test]
    fn messages_are_found_in_the_lines_of_a_log() {
        let check = |text: &str, line: u64| {
            let found = in_lines(text.as_bytes());
            assert_eq!(found, [(line, Bytes::from_static(WBXML))], "{text}");
        };
        check(
            &format!("start\n10:00 body base64: {}\nend", STANDARD.encode(WBXML)),
            2,
        );
        check(&format!("start\n10:00 body={}", STANDARD.encode(WBXML)), 2);
        check(&format!("10:00 body={} end", hex("")), 1);
        let escaped = WBXML.iter().map(|byte| match byte {
            b' '..=b'~' => char::from(*byte).to_string(),
            byte => format!("\\x{byte:02X}"),
        });
        let escaped = escaped.collect::<String>();
        check(
            &format!("start\n10.0.0.9 \"POST /dm\" \"{escaped}\" 5\nend"),
            2,
        );
        check(&format!("start\nbody: b'{escaped}', 5\nend"), 2);
        let octal = WBXML.iter().map(|byte| match byte {
            b' '..=b'~' => char::from(*byte).to_string(),
            byte => format!("\\{byte:03o}"),
        });
        let octal = octal.collect::<String>();
        check(&format!("start\nchar m[] = \"{octal}\";\nend"), 2);
        let rows_of_android = WBXML.chunks(16).enumerate().map(|(row, bytes)| {
            let octets: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("10:00 D/IDM ( 12): recv[{row}] : {octets}\n")
        });
        let android = rows_of_android.collect::<String>();
        check(&format!("10:00 begin\n{android}10:00 end\n"), 2);
        let twice = in_lines(android.repeat(2).as_bytes());
        let expected = [1, 4].map(|line| (line, Bytes::from_static(WBXML)));
        assert_eq!(twice, expected);
        let hex = hex(" ");
        let rows = hex.as_bytes().chunks(48).map(|row| {
            format!(
                "10:00 D DMEngine: {}\n",
                String::from_utf8_lossy(row).trim()
            )
        });
        let log: String = rows.collect();
        check(&format!("10:00 begin\n{log}10:00 that was it\n"), 2);
        assert!(in_lines(b"10:00 nothing\n10:01 e0 a0\n").is_empty());
    }

    #[test]
    fn what_is_a_message_already_stays() {
        check(WBXML, WBXML);
        check("<SyncML/>", b"<SyncML/>");
        check("", b"");
        check("no message: 12 34", b"no message: 12 34");
        // With the omitted rows, this dump would be larger than the memory.
        let row = "00 ".repeat(16);
        let dump = format!("00000000  {row}\n00000010  {row}\n*\n0fffffffffff 00\n");
        check(&dump, dump.as_bytes());
    }
}
