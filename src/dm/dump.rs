//! Bytes in the forms that people paste: dumps with offsets, arrays of source code, strings with escapes.

use std::borrow::Cow;
use std::ops::{Range, RangeInclusive};

/// Reads a dump with offsets, in the format of `xxd`, `hexdump`, `od`, `tcpdump -X` or Wireshark.
///
/// ```text
/// 00000000: 0300 6a1d 2d2f  ..j.-/     offset, octets, characters
/// 0000020 02 00 00 6a                  od counts in octal
/// 0000020 002 000 000 152              and prints octets so with -b
/// *                                    rows like the one before
/// 000001a1                             the end
/// ```
pub(super) fn from_dump(text: &str) -> Option<Vec<u8>> {
    rows(text, 16).or_else(|| rows(text, 8))
}

/// Returns the bytes of each dump in a text, with its lines, counted from 1. A dump begins with offset 0.
pub fn dumps(text: &str) -> Vec<(RangeInclusive<u64>, Vec<u8>)> {
    let mut blocks: Vec<(RangeInclusive<u64>, String)> = Vec::new();
    let mut is_inside = false;
    let between = |line: &&str| line.trim_start().starts_with("DateTime=");
    let lines = (1..).zip(text.lines());
    for (number, line) in lines.filter(|(_, line)| !between(line)) {
        let line = &*row_of_trace(line).unwrap_or(Cow::Borrowed(line));
        let at = offset(line, 16).map(|(at, _)| at);
        if at == Some(0) {
            blocks.push((number..=number, String::new()));
        }
        is_inside = at == Some(0) || is_inside && (at.is_some() || line.trim() == "*");
        if let Some((lines, block)) = blocks.last_mut().filter(|_| is_inside) {
            *lines = *lines.start()..=number;
            block.push_str(line);
            block.push('\n');
        }
    }
    let read = blocks.into_iter();
    read.filter_map(|(lines, block)| Some((lines, from_dump(&block)?)))
        .collect()
}

/// Returns the row of a dump in a line of .NET's trace; each stands between lines with a time.
///
/// ```text
/// System.Net Verbose: 0 : [4321] 00000010 : 59 4E 43 4D 4C 3A 53 59-4E 43 4D 4C 31 2E 32 22 : YNCML:SYNCML1.2"
///     DateTime=2026-11-30T10:12:01.0000000Z
/// ```
fn row_of_trace(line: &str) -> Option<Cow<'_, str>> {
    let (_, row) = line.split_once("] ")?;
    let mut parts = row.splitn(3, " : ");
    let (offset, octets) = (parts.next()?, parts.next()?);
    let is_offset = offset.len() == 8 && offset.bytes().all(|it| it.is_ascii_hexdigit());
    is_offset.then(|| format!("{offset} {}", octets.replace('-', " ")).into())
}

/// Reads the rows of a dump. The difference to the next offset gives the number of octets in a row, so no rule for the
/// boundary between octets and characters is needed.
fn rows(text: &str, base: u32) -> Option<Vec<u8>> {
    let mut bytes: Vec<u8> = Vec::new();
    let mut lines = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .peekable();
    let (mut longest, mut repeats) = (MOST_OCTETS, false);
    while let Some(line) = lines.next() {
        if line.trim() == "*" {
            repeats = true;
            continue;
        }
        let (offset, rest) = offset(line, base)?;
        if offset > MOST_BYTES {
            return None;
        }
        while std::mem::take(&mut repeats) && offset > bytes.len() {
            let row = bytes.get(bytes.len().checked_sub(longest)?..)?.to_vec();
            bytes.extend(row.into_iter().take(offset - bytes.len()));
            repeats = true;
        }
        repeats = false;
        if offset != bytes.len() {
            return None;
        }
        // None at the last row, and if repeated rows follow.
        let next = lines.peek().and_then(|line| self::offset(line, base));
        let next = next.map(|(next, _)| next);
        let count = next.map_or(longest, |next| next.saturating_sub(offset));
        let row = octets_in_front(rest, count.min(longest), base);
        if next.is_some_and(|next| next != offset + row.len()) {
            return None;
        }
        if offset == 0 && next.is_some() {
            longest = row.len();
        }
        bytes.extend(row);
    }
    Some(bytes).filter(|bytes| !bytes.is_empty())
}

/// Returns the offset and the octets of a row of 16, as Wireshark prints it; `None` for any other line.
pub fn row_of_dump(line: &str) -> Option<(usize, Vec<u8>)> {
    let (at, rest) = offset(line, 16)?;
    Some((at, octets_in_front(rest, 16, 16))).filter(|(_, row)| !row.is_empty())
}

fn offset(line: &str, base: u32) -> Option<(usize, &str)> {
    let line = line.trim_start();
    let line = line.strip_prefix("0x").unwrap_or(line);
    let end = line.find([':', ' ', '\t']).unwrap_or(line.len());
    let (digits, rest) = line.split_at(end);
    let offset = usize::from_str_radix(digits, base).ok()?;
    (digits.len() > 3).then_some((offset, rest.trim_start_matches(':')))
}

/// Reads at most `most` octets, in groups, up to a wide gap. `base` is that of the offsets.
fn octets_in_front(mut rest: &str, most: usize, base: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < most {
        let group = rest.trim_start();
        let gap = rest.len() - group.len();
        let end = group.find(char::is_whitespace).unwrap_or(group.len());
        let octets = match (base, &group[..end]) {
            (8, digits) if digits.len() == 3 => octal(Some(digits.as_bytes())).map(|it| vec![it]),
            (_, hex) => octets(hex.as_bytes()),
        };
        let Some(octets) = octets.filter(|it| bytes.len() + it.len() <= most) else {
            break;
        };
        if gap > WIDEST_GAP && !bytes.is_empty() {
            break;
        }
        bytes.extend(octets);
        rest = &group[end..];
    }
    bytes
}

/// Finds the arrays of C, Java, Go, Python or JSON in a text, such as `{0x02, 0, -1}`: the place and the bytes of each.
pub fn arrays(text: &str) -> impl Iterator<Item = (Range<usize>, Vec<u8>)> + '_ {
    let mut behind = 0;
    // Erlang writes `<<2,0,106>>`, Node.js `<Buffer 02 00 6a>`.
    let ends = memchr::memchr3_iter(b'}', b']', b'>', text.as_bytes());
    ends.filter_map(move |end| {
        let since = &text[std::mem::replace(&mut behind, end + 1)..end];
        let begin = memchr::memrchr3(b'{', b'[', b'<', since.as_bytes())?;
        let inside = &since[begin + 1..];
        let is_long = inside.len() >= 2 * SHORTEST_ARRAY - 1;
        let bytes = is_long.then(|| match inside.strip_prefix("Buffer ") {
            Some(digits) => octets(digits.replace(' ', "").as_bytes()),
            None => numbers(inside),
        });
        let bytes = bytes.flatten()?;
        Some((end - inside.len() - 1..end + 1, bytes))
    })
}

/// Returns the bytes between the brackets of an array.
fn numbers(inside: &str) -> Option<Vec<u8>> {
    let mut code = String::new();
    for (number, part) in inside.split("/*").enumerate() {
        let kept = match number {
            0 => part,
            _ => part.split_once("*/")?.1,
        };
        code.push_str(kept);
    }
    let code = code.replace("(byte)", "");
    let numbers = code.split([',', ' ', '\n', '\r', '\t']);
    let bytes = numbers.filter(|number| !number.is_empty()).map(|number| {
        let value = match number
            .strip_prefix("0x")
            .or_else(|| number.strip_prefix("0X"))
        {
            Some(digits) => i16::from_str_radix(digits, 16),
            None => number.parse(),
        };
        // Java bytes are signed.
        let value = value.ok().filter(|value| (-128..256).contains(value))?;
        Some((value & 0xff) as u8)
    });
    // Shorter ones in logs are not arrays: `systemd[1]`.
    bytes
        .collect::<Option<Vec<u8>>>()
        .filter(|bytes| bytes.len() >= SHORTEST_ARRAY)
}

/// Reads a string of C or Python: `b'\x02\x00\x00j-//SYNCML'`.
pub(super) fn from_string(text: &str) -> Option<Vec<u8>> {
    let text = text.trim().trim_end_matches(';');
    let inside = text.strip_prefix('b').unwrap_or(text);
    let quote = inside
        .chars()
        .next()
        .filter(|it| ['"', '\''].contains(it))?;
    let inside = inside.strip_prefix(quote)?.strip_suffix(quote)?.as_bytes();
    let mut bytes = Vec::with_capacity(inside.len() / 2);
    let mut at = 0;
    while let Some(byte) = inside.get(at) {
        let escaped = inside.get(at + 1).filter(|_| *byte == b'\\');
        let (value, length) = match escaped {
            None => (*byte, 1),
            Some(b'x') => (octets(inside.get(at + 2..at + 4)?)?[0], 4),
            Some(b'n') => (b'\n', 2),
            Some(b'r') => (b'\r', 2),
            Some(b't') => (b'\t', 2),
            // C writes an octet in octal with three digits, for a digit may follow.
            Some(b'0'..=b'3') => match octal(inside.get(at + 1..at + 4)) {
                Some(octet) => (octet, 4),
                None => (0, 2),
            },
            Some(other) => (*other, 2),
        };
        bytes.push(value);
        at += length;
    }
    Some(bytes)
}

/// Returns the octet of three octal digits.
fn octal(digits: Option<&[u8]>) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits?).ok()?, 8).ok()
}

/// Returns the bytes of each string in a line that begins with an escaped octet: `body: b'\x02\x00\x00j'`, and
/// `"\x02\x00\x00j"` in a log of nginx; in octal `"\002\000\000j"`.
pub(super) fn strings_of_octets(line: &str) -> impl Iterator<Item = Vec<u8>> + '_ {
    let begins = ["\\x0", "\\00"].into_iter();
    let begins = begins.flat_map(|begin| line.match_indices(begin));
    begins.filter_map(|(at, _)| {
        let quote = line[..at].chars().next_back()?;
        let mut is_escaped = false;
        let length = line[at..].find(|character| {
            let is_end = character == quote && !is_escaped;
            is_escaped = character == '\\' && !is_escaped;
            is_end
        });
        from_string(line.get(at - quote.len_utf8()..at + length? + 1)?)
    })
}

/// Returns the octets at the end of a log line: `DMEngine: 02 00 00 6A`; of Android `recv[1] : 0200006a`.
pub(super) fn octets_at_end(line: &str) -> Vec<u8> {
    if let Some((_, digits)) = numbered_row(line) {
        return octets(digits.as_bytes()).unwrap_or_default();
    }
    let groups = line.trim_end().rsplit(' ');
    let octets = groups.map_while(|group| match group.len() {
        2 => octets(group.as_bytes()),
        _ => None,
    });
    let mut bytes: Vec<u8> = octets.flatten().collect();
    bytes.reverse();
    bytes
}

/// Whether a line is the first row of a dump with numbers: `recv[0] : 0200006a`.
pub(super) fn is_first_row(line: &str) -> bool {
    numbered_row(line).is_some_and(|(number, _)| number == "0")
}

/// Returns the number and the digits of a row of a dump whose rows are counted.
fn numbered_row(line: &str) -> Option<(&str, &str)> {
    let (front, digits) = line.trim_end().rsplit_once("] : ")?;
    let (_, number) = front.rsplit_once('[')?;
    let is_number = number.bytes().all(|it| it.is_ascii_digit());
    is_number.then_some((number, digits))
}

/// Decodes pairs of hex digits.
pub fn octets(digits: &[u8]) -> Option<Vec<u8>> {
    if digits.is_empty() || digits.len() % 2 == 1 {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let octet = |pair: &[u8]| Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8);
    digits.chunks_exact(2).map(octet).collect()
}

/// The fewest octets in an array: a message has more.
const SHORTEST_ARRAY: usize = 16;
/// The most octets in a row of a dump.
const MOST_OCTETS: usize = 64;
/// The most bytes of a dump, including rows that it omits.
const MOST_BYTES: usize = 16 << 20;
/// The most blanks between octets; hexdump prints two in the middle of a row.
const WIDEST_GAP: usize = 2;
