//! Messages inside a text that is not itself a message: a log, a trace of a device, several messages in one file.
//!
//! ```text
//! <!-- 1/17/2025 10:22:33 AM -->      the text in front of a message may have its time
//! <SyncML ...> ... </SyncML>          a message ends at the first end tag with which it decodes
//! ```

use std::ops::Range;

use bytes::Bytes;

use crate::markup::{DecodeError, Document, Hint, Limits, decode};

/// A message found in a text.
#[derive(Debug)]
pub struct CarvedMessage {
    /// The place of the message in the text.
    pub range: Range<usize>,
    /// The decoded message, or the reason why it is broken.
    pub document: Result<Document, DecodeError>,
    /// The end of the previous message, where the text in front of this one begins.
    pub before: usize,
}

/// Finds the messages in a text, in order. Each is decoded at most [`MOST_INNER`] + 1 times, however many tags there
/// are.
pub fn carve<'t>(text: &'t Bytes, limits: &'t Limits) -> impl Iterator<Item = CarvedMessage> + 't {
    let (starts, ends): (Vec<_>, Vec<_>) = tags(text).partition(|tag| tag.is_start);
    let (mut at, mut number) = (0, 0);
    std::iter::from_fn(move || {
        number += starts[number..]
            .iter()
            .take_while(|tag| tag.at < at)
            .count();
        let Tag {
            at: start, root, ..
        } = *starts.get(number)?;
        let end_of = |tag: &Tag| tag.at;
        // A message may contain others, but only a limited number.
        let beyond = starts.get(number + MOST_INNER).map_or(text.len(), end_of);
        let next = starts.get(number + 1).map_or(text.len(), end_of);
        let first = ends.partition_point(|end| end.at <= start);
        let ends = ends[first..]
            .iter()
            .take_while(|end| end.at <= beyond)
            .filter(|end| end.root == root)
            .map(end_of);
        let (end, document) = end_of_message(text, start, next, ends, limits);
        let before = std::mem::replace(&mut at, end);
        Some(CarvedMessage {
            range: start..end,
            document,
            before,
        })
    })
}

/// Whether a text contains the beginning of a message.
pub fn has_message(text: &[u8]) -> bool {
    tags(text).any(|tag| tag.is_start)
}

/// A root tag of a message: the offset where a start tag begins, or where an end tag ends.
struct Tag {
    at: usize,
    is_start: bool,
    /// The name of the element, without a prefix.
    root: &'static [u8],
}

/// Finds the root tags of messages in a text. Their names may have a prefix.
fn tags(text: &[u8]) -> impl Iterator<Item = Tag> + '_ {
    memchr::memchr_iter(b'<', text).filter_map(|at| {
        // Markdown and JSON write `\<`: then the whole message is escaped.
        if text[..at].ends_with(b"\\") {
            return None;
        }
        let is_start = text.get(at + 1) != Some(&b'/');
        let begins = at + if is_start { 1 } else { 2 };
        let longest = &text[begins.min(text.len())..text.len().min(begins + LONGEST_NAME)];
        let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b":-".contains(byte);
        let length = longest.iter().position(|byte| !is_of_name(byte))?;
        let local = longest[..length].rsplit(|byte| *byte == b':').next()?;
        let root = ROOTS.into_iter().find(|root| *root == local)?;
        let ends = begins + length;
        let behind = &text[ends..];
        let at = match is_start {
            true => (behind[0].is_ascii_whitespace() || behind[0] == b'>').then_some(at)?,
            false => {
                let blanks = behind.iter().take(LONGEST_NAME);
                let blanks = blanks.take_while(|byte| byte.is_ascii_whitespace()).count();
                (behind.get(blanks) == Some(&b'>')).then_some(ends + blanks + 1)?
            }
        };
        Some(Tag { at, is_start, root })
    })
}

/// Finds the end of a message: the first end tag with which it decodes, since a message may contain another. A broken
/// message ends at its first end tag, or where the next message begins.
fn end_of_message(
    text: &Bytes,
    start: usize,
    next: usize,
    ends: impl Iterator<Item = usize>,
    limits: &Limits,
) -> (usize, Result<Document, DecodeError>) {
    let mut first = None;
    for end in ends.take(MOST_INNER) {
        first = first.or(Some(end));
        if let Ok(document) = decode(text.slice(start..end), Hint::default(), limits) {
            return (end, Ok(document));
        }
    }
    let end = first.map_or(next, |end| end.min(next));
    (end, decode(text.slice(start..end), Hint::default(), limits))
}

/// The root elements of messages: of management, of enrollment (some copies have it in lower case), of provisioning.
const ROOTS: [&[u8]; 4] = [b"SyncML", b"Envelope", b"envelope", b"wap-provisioningdoc"];
/// The most end tags tried for one message. It also bounds how many messages one message may contain.
const MOST_INNER: usize = 8;
/// The most bytes of a name with its prefix, and of the blanks in an end tag.
const LONGEST_NAME: usize = 96;

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
    fn envelopes_and_provisioning_documents_are_messages_too() {
        let (soap, wap, dm) = (
            "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope'><s:Body/></s:Envelope>",
            "<wap-provisioningdoc version='1.1'/>".replace("/>", "></wap-provisioningdoc>"),
            "<SyncML><SyncBody/></SyncML>",
        );
        let cut = "<s:Envelope><s:Body>";
        check(
            &format!("got {soap} and {wap}, then {dm} <EnvelopeX> {cut}{dm}"),
            &[
                (soap, true),
                (&wap, true),
                (dm, true),
                (cut, false),
                (dm, true),
            ],
        );
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

    #[test]
    fn many_tags_are_no_more_work_than_few() {
        let limits = Limits::default();
        for text in ["<SyncML>\n".repeat(200_000), "SyncML".repeat(300_000)] {
            let text = Bytes::from(text);
            assert!(carve(&text, &limits).all(|message| message.document.is_err()));
        }
        let inner = "<SyncML>".repeat(50_000) + "</SyncML>";
        let text = Bytes::from(inner);
        assert_eq!(carve(&text, &limits).count(), 50_000);
    }
}
