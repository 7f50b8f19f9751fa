//! The escapes of a message inside other text: in JSON and source code, in HTML pages, in tables.
//!
//! Each reading undoes one form. A text that can be read as it is stays unchanged, since the data of a message may have
//! escapes itself.

use std::ops::RangeInclusive;

use memchr::memmem;

use super::layout::without_margin;

/// The functions that are tried in order, the most frequent form first.
pub const READINGS: [fn(&str) -> String; 11] = [
    backslashes,
    |text| backslashes(&backslashes(text)),
    quotes,
    entities,
    |text| text.replace("\"\"", "\""),
    |text| entities(&without_tags(text)),
    |text| entities(&backslashes(text)),
    quoted_printable,
    percent,
    octets,
    // A page may show the source of another page.
    |text| entities(&entities(text)),
];

/// Joins lines that are pieces of longer ones: literals of source code, or lines cut at a column. `None` for other
/// texts.
pub fn joined(text: &str) -> Option<String> {
    literals_joined(text)
        .or_else(|| columns_joined(&without_margin(text)?))
        .or_else(|| columns_joined(text))
}

/// Joins the literals in source code if a message is spread over several lines: `"…" +`, `.append("…")`.
fn literals_joined(text: &str) -> Option<String> {
    let begins_message = |(at, _): (usize, &str)| {
        let behind = text[at + 1..].bytes().take(LONGEST_TAG);
        let begins: Vec<u8> = behind.collect();
        ROOTS
            .iter()
            .any(|root| memmem::find(&begins, root).is_some())
    };
    let quote = ["\"<", "'<"]
        .into_iter()
        .find(|it| text.match_indices(it).any(begins_message))?;
    let quote = &quote[..1];
    // Rows of CSV begin with quotes, too.
    let columns = [quote, quote].join(",");
    let (mut joined, mut is_joined) = (String::with_capacity(text.len()), false);
    for line in text.split_inclusive('\n') {
        // The literal to continue; `None` if the line does not begin with a literal.
        let piece = line.split_once(quote);
        let piece = piece.filter(|(lead, piece)| is_lead(lead) && !piece.contains(&columns));
        let front = piece.map(|_| joined.trim_end_matches(|it| BETWEEN.contains(it)));
        let front = front.and_then(|front| front.strip_suffix(quote));
        match front.filter(|front| !front.ends_with('\\')).zip(piece) {
            Some((front, (_, piece))) => {
                joined.truncate(front.len());
                joined.push_str(piece);
                is_joined = true;
            }
            None => joined.push_str(line),
        }
    }
    is_joined.then(|| match joined.contains('\\') {
        true => backslashes(&joined),
        false => joined,
    })
}

/// Whether a literal after this text can continue another one.
fn is_lead(lead: &str) -> bool {
    let lead = lead.trim();
    let is_operator = lead.chars().all(|it| "+.&".contains(it));
    is_operator
        || lead.ends_with("+=")
        || lead.to_ascii_lowercase().ends_with("append(")
        || lead.to_ascii_lowercase().ends_with("appendline(")
}

/// Joins lines if all long ones were cut at one column, also inside tags.
fn columns_joined(text: &str) -> Option<String> {
    let lines = || {
        text.lines()
            .map(|line| line.strip_suffix('\r').unwrap_or(line))
    };
    let column = lines()
        .map(str::len)
        .max()
        .filter(|it| COLUMNS.contains(it))?;
    let cut = lines().filter(|line| line.len() == column);
    let is_in_tag = |line: &str| line.rfind('<') > line.rfind('>');
    let (count, in_tags) = cut.fold((0, 0), |(count, in_tags), line| {
        (count + 1, in_tags + usize::from(is_in_tag(line)))
    });
    if in_tags < FEWEST_CUT || count * 2 < lines().count() {
        return None;
    }
    let mut joined = String::with_capacity(text.len());
    for line in lines() {
        joined.push_str(line);
        if line.len() < column {
            joined.push('\n');
        }
    }
    Some(joined)
}

/// Joins the pieces of messages that a log has in several lines, each behind the prefix of its line: logcat cuts at 4 KB,
/// containerd (CRI) at 16 KB. A prefix has a number, such as a time. `None` if there are none.
///
/// ```text
/// 11-30 10:00:00.000  1234  1256 D DMEngine: sent <SyncML …<MaxMsgSi
/// 11-30 10:00:00.300  1234  1256 D DMEngine: ze>…
/// 2026-11-30T10:00:00.1Z stdout P <SyncML …      P: part of a line, F: its end
/// ```
pub fn pieces_joined(text: &str) -> Option<String> {
    let mut joined = String::with_capacity(text.len());
    // Of the open message: the prefixes of its lines, its end tag, and the lines of others between its own.
    let mut open: Option<(Vec<Vec<u8>>, &str, String)> = None;
    let (mut is_joined, mut breaks) = (false, 0);
    for line in text.split_inclusive('\n') {
        let begins = MESSAGES
            .iter()
            .find_map(|(begin, end)| Some((line.find(begin)?, *end)));
        if let Some((prefixes, end, others)) = open.as_mut().filter(|_| begins.is_none()) {
            let shape = shape(line);
            let Some(prefix) = prefixes.iter().find(|prefix| shape.starts_with(prefix)) else {
                others.push_str(line);
                continue;
            };
            joined.truncate(joined.trim_end_matches(['\r', '\n']).len());
            breaks += 1;
            let before = joined.len();
            joined.push_str(&line[prefix.len()..]);
            is_joined = true;
            // The end tag may itself be cut.
            let tail = joined.floor_char_boundary(before.saturating_sub(end.len()));
            if joined[tail..].contains(*end) {
                // Lines behind the message keep their numbers.
                joined.push_str(&"\n".repeat(std::mem::take(&mut breaks)));
                joined.push_str(others);
                open = None;
            }
            continue;
        }
        if let Some((_, _, others)) = open.take() {
            joined.push_str(&others);
        }
        joined.push_str(line);
        if let Some((at, end)) = begins
            && !line[at..].contains(end)
        {
            let front = &line[..line.find("<?xml").unwrap_or(at).min(at)];
            let labels = [": ", " P "].iter().flat_map(|label| {
                front
                    .match_indices(label)
                    .map(|(at, label)| &front[..at + label.len()])
            });
            let mut prefixes: Vec<_> = labels
                .chain([front])
                .filter(|it| it.contains(|it: char| it.is_ascii_digit()))
                .map(shape)
                .collect();
            prefixes.sort_by_key(|prefix| std::cmp::Reverse(prefix.len()));
            open = Some((prefixes, end, String::new()));
        }
    }
    joined.extend(open.map(|(_, _, others)| others));
    is_joined.then_some(joined)
}

/// Returns a text with one digit for all, since times differ; and with containerd's `P` for its `F`.
fn shape(text: &str) -> Vec<u8> {
    let shaped = text.bytes().map(|byte| match byte {
        b'0'..=b'9' => b'0',
        b'F' => b'P',
        other => other,
    });
    shaped.collect()
}

/// Decodes quoted-printable (mail): `=3D` means `=`, and `=` at the end of a line joins it with the next one.
fn quoted_printable(text: &str) -> String {
    if !text.contains("=3D") {
        return text.to_owned();
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut parts = text.split('=');
    plain.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        let octet = part.get(..2).and_then(|it| u8::from_str_radix(it, 16).ok());
        let rest = part
            .strip_prefix("\r\n")
            .or_else(|| part.strip_prefix('\n'));
        match (octet, rest) {
            (Some(octet), _) => {
                plain.push(octet);
                plain.extend(part[2..].bytes());
            }
            (None, Some(rest)) => plain.extend(rest.bytes()),
            (None, None) => plain.extend([b"=", part.as_bytes()].concat()),
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// Decodes the percent-encoding of a form or an address: `%3C` means `<`; `+` means a blank if there is no `%20`.
fn percent(text: &str) -> String {
    if !text.contains("%3C") && !text.contains("%3c") {
        return text.to_owned();
    }
    let text = match text.contains("%20") {
        true => text.to_owned(),
        false => text.replace('+', " "),
    };
    let decoded = percent_encoding::percent_decode_str(&text);
    decoded.decode_utf8_lossy().into_owned()
}

/// Undoes the escapes of JSON, Python and C; removes a backslash before any other character.
fn backslashes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut parts = text.split('\\');
    plain.push_str(parts.next().unwrap_or_default());
    while let Some(part) = parts.next() {
        let mut rest = part.chars();
        match rest.next() {
            // Two backslashes stand for one.
            None => {
                plain.push('\\');
                plain.push_str(parts.next().unwrap_or_default());
                continue;
            }
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('t') => plain.push('\t'),
            Some('u') => {
                let unit = utf16_unit(part);
                let behind = part.get(5..).unwrap_or_default();
                if let Some(character) = unit.and_then(|unit| char::from_u32(unit.into())) {
                    plain.push(character);
                    rest = behind.chars();
                } else {
                    // A character beyond U+FFFF is written as two units.
                    let second = parts.clone().next().filter(|_| behind.is_empty());
                    let pair = unit.zip(second.and_then(utf16_unit));
                    let character =
                        pair.and_then(|(high, low)| char::decode_utf16([high, low]).next()?.ok());
                    match (character, second) {
                        (Some(character), Some(second)) => {
                            plain.push(character);
                            parts.next();
                            rest = second[5..].chars();
                        }
                        _ => plain.push('u'),
                    }
                }
            }
            Some(character) => plain.push(character),
        }
        plain.push_str(rest.as_str());
    }
    plain
}

/// Undoes the escapes of octets, as nginx writes them: `\x22`.
fn octets(text: &str) -> String {
    let mut plain = Vec::with_capacity(text.len());
    let mut parts = text.split("\\x");
    plain.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        let octet = part.get(..2).and_then(|it| u8::from_str_radix(it, 16).ok());
        match octet {
            Some(octet) => plain.push(octet),
            None => plain.extend(b"\\x"),
        }
        plain.extend(part[if octet.is_some() { 2 } else { 0 }..].bytes());
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// Returns the UTF-16 unit at the beginning of a text: `u00e9`.
fn utf16_unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix('u')?.get(..4)?;
    // `from_str_radix` would accept a sign.
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u16::from_str_radix(digits, 16).ok())?
}

/// Undoes the escapes of quotation marks only: in HTML, in PowerShell (`` `" ``); and the no-break spaces of a chat or page.
fn quotes(text: &str) -> String {
    let text = replaced(text, "\"'").replace('\u{a0}', " ");
    match text.contains("=`\"") {
        true => text.replace("`\"", "\"").replace("`n", "\n"),
        false => text,
    }
}

/// Undoes all HTML escapes of characters in tags.
fn entities(text: &str) -> String {
    replaced(text, "\"'<>&")
}

/// Undoes the references to the given characters, by name or number.
fn replaced(text: &str, characters: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut parts = text.split('&');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let name = part
            .get(..part.len().min(LONGEST_REFERENCE))
            .unwrap_or(part);
        let meant = name
            .split_once(';')
            .and_then(|(name, _)| Some((name, referred(name)?)));
        match meant.filter(|(_, character)| characters.contains(*character)) {
            Some((name, character)) => {
                plain.push(character);
                plain.push_str(&part[name.len() + 1..]);
            }
            None => {
                plain.push('&');
                plain.push_str(part);
            }
        }
    }
    plain
}

/// Returns the character that a reference means: `lt`, `#60`, `#x3C`.
fn referred(name: &str) -> Option<char> {
    Some(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let hex = number.strip_prefix(['x', 'X']);
            let code = match hex {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)?
        }
    })
}

/// Removes the tags of an HTML page: some pages colour each word of a message.
fn without_tags(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut parts = text.split('<');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let begins_tag =
            part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/');
        match part.split_once('>').filter(|_| begins_tag) {
            Some((_, behind)) => plain.push_str(behind),
            None => {
                plain.push('<');
                plain.push_str(part);
            }
        }
    }
    plain
}

/// Parts of the names of root elements, and the XML declaration.
const ROOTS: [&[u8]; 4] = [b"SyncML", b"nvelope", b"wap-provisioningdoc", b"?xml"];
/// The beginnings of messages, and their end tags.
const MESSAGES: [(&str, &str); 3] = [
    ("<SyncML", "</SyncML>"),
    ("<s:Envelope", "</s:Envelope>"),
    ("<wap-provisioningdoc", "</wap-provisioningdoc>"),
];
/// The number of bytes of a start tag that are searched for its name.
const LONGEST_TAG: usize = 80;
/// The most bytes of a reference with its semicolon.
const LONGEST_REFERENCE: usize = 10;
/// The characters allowed between the end of a literal and the end of its line.
const BETWEEN: &str = " \t\r\n+.&\\);,_";
/// The columns at which lines may be cut.
const COLUMNS: RangeInclusive<usize> = 40..=400;
/// The fewest lines cut inside tags that count as evidence.
const FEWEST_CUT: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that some reading gives the expected text.
    fn check(escaped: &str, expected: &str) {
        let mut readings = READINGS.iter().map(|reading| reading(escaped));
        assert!(readings.any(|it| it == expected), "{escaped}");
    }

    #[test]
    fn escapes_are_undone() {
        let plain = "<a b=\"c\">\n</a>";
        check(r#"<a b=\"c\">\n</a>"#, plain);
        check(r#"\u003ca b=\"c\"\u003e\n\u003c\/a\u003e"#, plain);
        check(r#"\\u003ca b=\\\"c\\\"\\u003e\\n\\u003c/a\\u003e"#, plain);
        check("\\<a b=\"c\">\n\\</a>", plain);
        check("<a b=&#34;c&quot;>\n</a>", plain);
        check("<a b=\"\"c\"\">\n</a>", plain);
        check("&lt;a b=&quot;c&quot;&gt;\n&lt;/a&gt;", plain);
        check(
            "<b class=x>&lt;a</b> <i>b</i>=&quot;c&quot;<u>&gt;</u>\n&lt;/a&gt;",
            plain,
        );
        check(r#"&lt;a b=\"c\"&gt;\n&lt;/a&gt;"#, plain);
        check(r"<a b=\x22c\x22>\x0A</a>", plain);
        check(r"\xC3\xA9 \xzz \x", "\u{e9} \\xzz \\x");
        check("no escape: \\", "no escape: \\");
        check("\\u00e9\\uzz\\\\x", "\u{e9}uzz\\x");
        check("a\\ud83d\\ude00b\\u00e9", "a\u{1f600}b\u{e9}");
        check("\\ud83d\\u0041 \\ude00", "ud83dA ude00");
        check("\\ud83dx\\ude00", "ud83dxude00");
        check("\\u+041 \\u-041", "u+041 u-041");
    }
}
