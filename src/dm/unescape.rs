//! The escapes under which a message stands in other text: in JSON and source code, in pages of HTML, in tables.
//!
//! Each reading undoes one of them. None is undone where the text is read without: the data of a message has escapes of
//! its own.

use std::borrow::Cow;

/// The readings that are tried in turn, the frequent ones first.
pub const READINGS: [fn(&str) -> String; 7] = [
    backslashes,
    |text| backslashes(&backslashes(text)),
    quotes,
    entities,
    |text| text.replace("\"\"", "\""),
    |text| entities(&without_tags(text)),
    |text| entities(&backslashes(text)),
];

/// A text with the escapes of JSON, Python and C undone; a backslash before any other character goes.
fn backslashes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut parts = text.split('\\');
    plain.push_str(parts.next().unwrap_or_default());
    while let Some(part) = parts.next() {
        let mut rest = part.chars();
        match rest.next() {
            // Two of them stand for one.
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
                    // A character beyond the first 65536 is written as two units.
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

/// The unit of UTF-16 at the beginning of a text: `u00e9`.
fn utf16_unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix('u')?.get(..4)?;
    // A sign is none.
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u16::from_str_radix(digits, 16).ok())?
}

/// The escapes of quotation marks alone.
fn quotes(text: &str) -> String {
    replaced(text, &QUOTES)
}

/// All escapes that HTML has for the characters of a tag.
fn entities(text: &str) -> String {
    replaced(&quotes(text), &BRACKETS)
}

fn replaced(text: &str, escapes: &[(&str, &str)]) -> String {
    let undone =
        |text: Cow<'_, str>, (escape, character): &(&str, &str)| match text.contains(escape) {
            true => Cow::Owned(text.replace(escape, character)),
            false => Cow::Owned(text.into_owned()),
        };
    escapes
        .iter()
        .fold(Cow::Borrowed(text), undone)
        .into_owned()
}

/// A page of HTML without its tags: some colour each word of a message.
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

const QUOTES: [(&str, &str); 5] = [
    ("&quot;", "\""),
    ("&#34;", "\""),
    ("&#39;", "'"),
    ("&#x27;", "'"),
    ("&apos;", "'"),
];
/// `&amp;` last, since the others may stand behind it.
const BRACKETS: [(&str, &str); 5] = [
    ("&lt;", "<"),
    ("&#60;", "<"),
    ("&gt;", ">"),
    ("&#62;", ">"),
    ("&amp;", "&"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Some reading gives this.
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
        check("no escape: \\", "no escape: \\");
        check("\\u00e9\\uzz\\\\x", "\u{e9}uzz\\x");
        check("a\\ud83d\\ude00b\\u00e9", "a\u{1f600}b\u{e9}");
        check("\\ud83d\\u0041 \\ude00", "ud83dA ude00");
        check("\\ud83dx\\ude00", "ud83dxude00");
        check("\\u+041 \\u-041", "u+041 u-041");
    }
}
