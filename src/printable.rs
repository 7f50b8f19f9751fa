//! Text for people: characters that a terminal obeys or does not show are written as escapes (`\u{202e}`).
//!
//! Text from the traffic, a file or a command line could otherwise move the cursor, change colours, or look like
//! another text. JSON has its own escapes and does not pass through here.

use std::borrow::Cow;
use std::fmt::Display;
use std::path::Path;

/// Whether a terminal obeys a character or shows nothing for it: controls (C0, DEL, C1), direction marks and other
/// characters that are invisible or only change their neighbours.
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

/// Returns the escape of a hidden character; `None` for a visible one.
pub(crate) fn escaped(character: char) -> Option<Cow<'static, str>> {
    match character {
        '\n' => Some("\\n".into()),
        '\r' => Some("\\r".into()),
        '\t' => Some("\\t".into()),
        c if is_hidden(c) => Some(c.escape_unicode().to_string().into()),
        _ => None,
    }
}

/// Escapes all hidden characters of a text, so that it stays on one line.
pub fn line(text: &str) -> Cow<'_, str> {
    shown(text, |_| 0)
}

/// Returns a file name, escaped as by [`line()`].
pub fn path(path: &Path) -> String {
    line(&path.to_string_lossy()).into_owned()
}

/// Escapes a text of several lines. Line breaks and tabs stay.
pub fn lines(text: &str) -> Cow<'_, str> {
    shown(text, break_len)
}

/// Escapes a line that contains dmtap's own colours. The colours stay.
pub fn coloured_line(text: &str) -> Cow<'_, str> {
    shown(text, colour_len)
}

/// Escapes lines that contain dmtap's own colours. Colours, line breaks and tabs stay.
pub fn coloured_lines(text: &str) -> Cow<'_, str> {
    shown(text, |rest| break_len(rest).max(colour_len(rest)))
}

/// Returns the length of the line break or tab at the beginning; 0 if there is none.
fn break_len(rest: &[u8]) -> usize {
    match rest {
        [b'\r', b'\n', ..] => 2,
        [b'\n' | b'\t', ..] => 1,
        _ => 0,
    }
}

/// Returns the length of the colour sequence at the beginning (SGR, ECMA-48 §8.3.117); 0 if there is none.
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

/// Escapes hidden characters. `keeps` returns how many of the bytes from a hidden character on stay unescaped.
fn shown(text: &str, keeps: impl Fn(&[u8]) -> usize) -> Cow<'_, str> {
    // Fast path: most texts are plain ASCII without control characters.
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

/// Returns a count with its noun: `1 session`, `2 sessions`.
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
