//! Prints bodies that are not messages: their media type, and the first lines of an answer that reports an error.

use super::block::{line, numbers, size};
use super::text_buffer::{Style, TextBuffer};
use crate::record::html;
use crate::record::model::{EventRecord, ParsedBodyRecord};

/// Prints the first lines of a text body, if the answer reports an error or is dmtap's own.
pub(super) fn first_lines(out: &mut TextBuffer, record: &EventRecord) {
    if !record.own && record.http_status().is_none_or(|status| status < 400) {
        return;
    }
    match &record.reading {
        Some(ParsedBodyRecord::OtherType { .. }) => {}
        Some(ParsedBodyRecord::Document { dialect, .. }) if dialect == "other" => {}
        _ => return,
    }
    let Some(body) = &record.body else {
        return;
    };
    let bytes = &body.0[..body.0.len().min(MOST_BYTES)];
    let text = String::from_utf8_lossy(bytes);
    if !looks_like_text(&text) {
        return;
    }
    let text = match html::is_html(record) {
        true => html::visible(&text),
        false => text.into_owned(),
    };
    let lines = text.lines().map(str::trim);
    let mut lines = lines.filter(|line| !line.is_empty()).peekable();
    for shown in lines.by_ref().take(LINES) {
        line(out)
            .put(Style::Text, "  ")
            .quoted(Style::Text, shown, LONGEST)
            .end();
    }
    if lines.peek().is_some() || bytes.len() < body.0.len() {
        line(out).put(Style::Faint, "  …").end();
    }
}

/// Returns whether the body is not a message, or a broken one.
pub(super) fn is_undecoded(record: &EventRecord) -> bool {
    use ParsedBodyRecord::{Broken, Document, Empty, OtherType, Unread};
    match &record.reading {
        Some(OtherType { .. } | Broken { .. }) => true,
        Some(Unread { .. } | Document { .. }) => false,
        None | Some(Empty) => record.bytes.unwrap_or(0) > 0,
    }
}

/// Prints `text/html, 237 B, not decoded`.
pub(super) fn first_line(out: &mut TextBuffer, record: &EventRecord) {
    let media_type = record.header("content-type");
    let media_type = media_type.unwrap_or("no media type");
    let style = if record.own { Style::Text } else { Style::Odd };
    out.quoted(style, media_type, 60);
    out.put(
        Style::Text,
        &format!(", {}", size(record.bytes.unwrap_or(0))),
    );
    if let Some(sent) = record.bytes_sent {
        out.put(Style::Rule, &format!(", sent {}", size(sent)));
    }
    out.put(style, ", not decoded");
    numbers(out, record);
    out.end();
}

/// Returns whether a text consists mostly of readable characters, and is not masked as a whole.
fn looks_like_text(text: &str) -> bool {
    let odd = |c: &char| c.is_control() && !c.is_whitespace() || *c == char::REPLACEMENT_CHARACTER;
    let odd = text.chars().filter(odd).count();
    let is_hidden = text.bytes().all(|byte| byte == b'*');
    !is_hidden && odd * 50 <= text.len()
}

/// The most bytes that are searched.
const MOST_BYTES: usize = 16 << 10;

/// The most lines that are printed.
const LINES: usize = 8;

/// The longest line printed in full, in columns.
const LONGEST: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_page_is_what_people_see() {
        let check = |html: &str, expected: &[&str]| {
            let text = html::visible(html);
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            assert_eq!(lines.collect::<Vec<_>>(), expected, "{html}");
        };
        check(
            "<p>one <b>two</b> three<br>four",
            &["one two three", "four"],
        );
        check(
            "<STYLE>p { color: red }</Style>a<!-- <p>b -->c",
            &["a", "c"],
        );
        check(
            "<script>if (a < b) {}</script>&lt;a&gt; &amp;amp;",
            &["<a> &amp;"],
        );
        check("a <b", &["a"]);
        check("<script>never closed", &[]);
    }

    #[test]
    fn bytes_that_nobody_reads_are_no_text() {
        assert!(looks_like_text("{\"a\": 1}\n"));
        assert!(!looks_like_text("\u{1}\u{2}\u{FFFD}PNG"));
        assert!(!looks_like_text(""));
    }
}
