//! SyncML messages in a text that is no message: a log, a trace of a device, several messages in one file.
//!
//! ```text
//! <!-- 1/17/2025 10:22:33 AM -->      what stands before a message may date it
//! <SyncML ...> ... </SyncML>          a message ends where the decoder says so, else at the first end tag
//! ```

use std::ops::Range;

use bytes::Bytes;
use memchr::memmem;

use crate::markup::{DecodeError, Document, Hint, Limits, decode};

/// A message found in a text.
#[derive(Debug)]
pub struct CarvedMessage {
    /// Where it stands in the text.
    pub range: Range<usize>,
    /// What it decodes to, or why it is broken.
    pub document: Result<Document, DecodeError>,
    /// Where the text between the message before and this one begins.
    pub before: usize,
}

/// The messages in a text, in order.
pub fn carve<'t>(text: &'t Bytes, limits: &'t Limits) -> impl Iterator<Item = CarvedMessage> + 't {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = next_start(text, at)?;
        let (end, document) = end_of(text, start, limits);
        let before = std::mem::replace(&mut at, end);
        Some(CarvedMessage {
            range: start..end,
            document,
            before,
        })
    })
}

/// Whether a message begins anywhere in a text.
pub fn has_message(text: &[u8]) -> bool {
    next_start(text, 0).is_some()
}

/// Where the next start tag of a message begins. Its name may have a prefix.
fn next_start(text: &[u8], from: usize) -> Option<usize> {
    memmem::find_iter(&text[from..], NAME).find_map(|at| {
        let at = from + at;
        let behind = text.get(at + NAME.len())?;
        let ends_name = behind.is_ascii_whitespace() || *behind == b'>';
        let prefix = text[from..at]
            .iter()
            .rev()
            .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b':')
            .count();
        let open = (at - prefix).checked_sub(1).filter(|open| *open >= from)?;
        (ends_name && text[open] == b'<').then_some(open)
    })
}

/// Where a message ends: at the first end tag with which it decodes, since one may hold another. A broken one ends
/// at its first end tag, or where the next one begins.
fn end_of(text: &Bytes, start: usize, limits: &Limits) -> (usize, Result<Document, DecodeError>) {
    let mut ends = ends(text, start);
    let first = ends.next();
    for end in first.into_iter().chain(ends.take(MOST_INNER)) {
        if let Ok(document) = decode(text.slice(start..end), Hint::default(), limits) {
            return (end, Ok(document));
        }
    }
    let next = next_start(text, start + 1).unwrap_or(text.len());
    let end = first.map_or(next, |end| end.min(next));
    (end, decode(text.slice(start..end), Hint::default(), limits))
}

/// Where end tags of messages end.
fn ends(text: &[u8], start: usize) -> impl Iterator<Item = usize> + '_ {
    memmem::find_iter(&text[start..], NAME).filter_map(move |at| {
        let at = start + at;
        let front = &text[start..at];
        let prefix = front
            .iter()
            .rev()
            .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b':')
            .count();
        let is_end = front[..front.len() - prefix].ends_with(b"</");
        let end = at + NAME.len();
        let close = text[end..].iter().position(|byte| *byte == b'>')?;
        let is_blank = text[end..end + close].trim_ascii().is_empty();
        (is_end && is_blank).then_some(end + close + 1)
    })
}

const NAME: &[u8] = b"SyncML";
/// End tags that are tried for one message: each message may hold others in its data.
const MOST_INNER: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn carved(text: &str) -> Vec<(String, bool)> {
        let text = Bytes::from(text.to_owned());
        let limits = Limits::default();
        let found = carve(&text, &limits);
        found
            .map(|message| {
                let bytes = text.slice(message.range);
                let string = String::from_utf8_lossy(&bytes).into_owned();
                (string, message.document.is_ok())
            })
            .collect()
    }

    fn check(text: &str, expected: &[(&str, bool)]) {
        let found = carved(text);
        let found: Vec<_> = found.iter().map(|(text, is)| (&**text, *is)).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn messages_are_found_between_other_text() {
        let (one, two) = (
            "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncBody/></SyncML>",
            "<x:SyncML xmlns:x='SYNCML:SYNCML1.2'><x:SyncBody/></x:SyncML >",
        );
        check(
            &format!("<!-- any -->\r\n{one}\r\n10:22 got SyncML: {two} end"),
            &[(one, true), (two, true)],
        );
        check("no SyncML here, <SyncMLViewer/> neither", &[]);
        check("", &[]);
    }

    #[test]
    fn a_message_in_the_data_of_another_is_part_of_it() {
        let outer = "<SyncML><SyncBody><Add><Data><![CDATA[<SyncML><a/></SyncML>]]></Data></Add></SyncBody></SyncML>";
        check(
            &format!("{outer}\n{outer}"),
            &[(outer, true), (outer, true)],
        );
    }

    #[test]
    fn a_broken_message_does_not_swallow_the_next() {
        let whole = "<SyncML><SyncBody/></SyncML>";
        check(
            &format!("<SyncML><SyncBody><Add>{whole}"),
            &[("<SyncML><SyncBody><Add>", false), (whole, true)],
        );
        check(
            &format!("<SyncML><SyncBody><Add></SyncML>{whole}"),
            &[("<SyncML><SyncBody><Add></SyncML>", false), (whole, true)],
        );
        check("<SyncML><SyncBody>", &[("<SyncML><SyncBody>", false)]);
    }
}
