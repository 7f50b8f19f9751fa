//! Text that people read: characters that a terminal obeys or does not show are written as escapes (`\\u{202e}`).
//!
//! What comes from the traffic, a file or a command line could otherwise move the cursor, change colours, or look like
//! another text. JSON has escapes of its own and stays as it is.

use std::borrow::Cow;
use std::fmt::Display;
use std::path::Path;

/// Whether a terminal shows nothing for a character, or obeys it: controls (C0, DEL, C1), directions and other characters
/// that are invisible or only change their neighbours.
pub const fn is_hidden(character: char) -> bool {
    matches!(character,
        '\0'..='\u{1F}'
        | '\u{7F}'..='\u{9F}'
        | '\u{AD}'
        | '\u{34F}'
        | '\u{61C}'
        | '\u{115F}'
        | '\u{1160}'
        | '\u{17B4}'
        | '\u{17B5}'
        | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}'
        | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}'
        | '\u{3164}'
        | '\u{FEFF}'
        | '\u{FFA0}'
        | '\u{FFF0}'..='\u{FFFB}'
        | '\u{1D173}'..='\u{1D17A}'
        | '\u{E0000}'..='\u{E0FFF}')
}

/// What stands for a character that is not shown; `None` for one that is.
pub(crate) fn escaped(character: char) -> Option<Cow<'static, str>> {
    match character {
        '\n' => Some("\\n".into()),
        '\r' => Some("\\r".into()),
        '\t' => Some("\\t".into()),
        c if is_hidden(c) => Some(c.escape_unicode().to_string().into()),
        _ => None,
    }
}

/// A text in one line.
pub fn line(text: &str) -> Cow<'_, str> {
    shown(text, |_| 0)
}

/// The name of a file, in one line.
pub fn path(path: &Path) -> String {
    line(&path.to_string_lossy()).into_owned()
}

/// A text of several lines, which stay; tabs too.
pub fn lines(text: &str) -> Cow<'_, str> {
    shown(text, break_len)
}

/// A line with colours of dmtap's own, which stay.
pub fn coloured_line(text: &str) -> Cow<'_, str> {
    shown(text, colour_len)
}

/// Lines with colours of dmtap's own, which stay.
pub fn coloured_lines(text: &str) -> Cow<'_, str> {
    shown(text, |rest| break_len(rest).max(colour_len(rest)))
}

/// The length of the line break or tab at the beginning.
fn break_len(rest: &[u8]) -> usize {
    match rest {
        [b'\r', b'\n', ..] => 2,
        [b'\n' | b'\t', ..] => 1,
        _ => 0,
    }
}

/// The length of the sequence at the beginning that chooses a colour (SGR, ECMA-48 §8.3.117).
fn colour_len(rest: &[u8]) -> usize {
    let Some(parameters) = rest.strip_prefix(b"\x1b[") else {
        return 0;
    };
    let is_part = |byte: &&u8| byte.is_ascii_digit() || **byte == b';';
    let len = parameters.iter().take_while(is_part).count();
    match parameters.get(len) {
        Some(b'm') => len + 3,
        _ => 0,
    }
}

/// A text with what is hidden escaped, unless `keeps` says of how many bytes from there on that they stay.
fn shown(text: &str, keeps: impl Fn(&[u8]) -> usize) -> Cow<'_, str> {
    // Most texts are plain ASCII without a control character in them.
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~');
    let first = text.bytes().position(|byte| !is_plain(&byte));
    let Some(first) = first else {
        return Cow::Borrowed(text);
    };
    let mut shown = String::new();
    let (mut copied, mut at) = (0, first);
    while let Some(character) = text[at..].chars().next() {
        let next = at + character.len_utf8();
        if !is_hidden(character) {
            at = next;
            continue;
        }
        let kept = keeps(&text.as_bytes()[at..]);
        if kept > 0 {
            at += kept;
            continue;
        }
        shown.push_str(&text[copied..at]);
        shown.push_str(&escaped(character).unwrap_or_default());
        (copied, at) = (next, next);
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    shown.push_str(&text[copied..]);
    Cow::Owned(shown)
}

/// A number of things: `1 session`, `2 sessions`.
pub fn counted<N: Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    let ending = if count == N::from(1) { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_a_terminal_obeys_or_hides_are_escaped() {
        let check = |text: &str, expected: &str| assert_eq!(line(text), expected);
        check(
            "plain, Grüße, 漢字, e\u{301}",
            "plain, Grüße, 漢字, e\u{301}",
        );
        check("a\nb\r\tc", "a\\nb\\r\\tc");
        for hidden in [
            '\u{1b}',
            '\u{7f}',
            '\u{85}',
            '\u{9b}',
            '\u{ad}',
            '\u{200b}',
            '\u{200f}',
            '\u{2028}',
            '\u{2029}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{206f}',
            '\u{feff}',
            '\u{fff9}',
            '\u{fffb}',
            '\u{e0001}',
            '\u{e007f}',
            '\u{e01ef}',
        ] {
            check(
                &format!("a{hidden}b"),
                &format!("a\\u{{{:x}}}b", u32::from(hidden)),
            );
        }
        assert!(matches!(line("plain"), Cow::Borrowed(_)));
        assert!(matches!(line("Grüße"), Cow::Borrowed(_)));
    }

    #[test]
    fn lines_and_colours_stay_where_they_are_dmtaps_own() {
        assert_eq!(
            lines("a\n\tb\r\nc\rd\u{202e}\n"),
            "a\n\tb\r\nc\\rd\\u{202e}\n"
        );
        assert_eq!(lines("\x1b[31mred"), "\\u{1b}[31mred");
        let coloured = "\x1b[1;31mred\x1b[0m\n\x1b[2Jgone\x1b";
        assert_eq!(
            coloured_lines(coloured),
            "\x1b[1;31mred\x1b[0m\n\\u{1b}[2Jgone\\u{1b}"
        );
    }
}
