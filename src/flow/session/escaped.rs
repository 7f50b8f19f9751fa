//! Values that were escaped twice: the device gets the text of a document instead of the document.

use crate::dm::{Command, Message};
use crate::flow::Note;
use crate::markup::{Document, Element, Text};

/// Returns notes on Data whose text is a document escaped twice. Windows answers 200 to such an Exec and does nothing.
pub fn note_escaped_twice(document: &Document) -> Vec<Note> {
    // Almost no message has the bytes anywhere.
    if memchr::memmem::find(document.source(), LESS).is_none() {
        return Vec::new();
    }
    let commands = Message::of(document).into_iter();
    let items = commands.flat_map(Message::all_commands);
    let data = items
        .flat_map(Command::items)
        .filter_map(|item| item.data());
    let twice = data.filter(|data| is_escaped_twice(*data));
    let text = "Data is a document escaped twice: its text begins with &lt;";
    let note = |data: Element<'_>| Note::new("ITM-01", text).at(data.span().start);
    twice.take(MOST_NOTES).map(note).collect()
}

fn is_escaped_twice(data: Element<'_>) -> bool {
    let mut texts = data.texts();
    texts.next().is_some_and(|text| {
        // A long value is not read to the end for this check.
        has_less(text) && begins_escaped(&text.value())
    })
}

/// Whether a reference to `<` may stand near the beginning of a text.
fn has_less(text: Text<'_>) -> bool {
    let written = text.span().of(text.document().source());
    let beginning = &written[..written.len().min(MAX_SEARCHED_BYTES)];
    memchr::memmem::find(beginning, LESS).is_some()
}

/// Whether a text begins like a document that is escaped once more.
pub fn begins_escaped(text: &str) -> bool {
    let inner = text.trim_ascii_start().strip_prefix("&lt;");
    let next = inner.and_then(|inner| inner.chars().next());
    next.is_some_and(|next| next.is_alphabetic() || matches!(next, '?' | '!' | '_'))
}

/// The end of a reference to `<`.
const LESS: &[u8] = b"lt;";
/// The bytes at the beginning of a text that are searched.
const MAX_SEARCHED_BYTES: usize = 64;
/// The most notes about one message.
const MOST_NOTES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markup::{Hint, Limits, decode};

    #[test]
    fn data_that_is_a_document_escaped_twice_is_noted() {
        let check = |data: &str, expected: bool| {
            let text = format!(
                r#"<SyncML xmlns="SYNCML:SYNCML1.2"><SyncBody><Sequence><Exec><Item>
                <Data>{data}</Data></Item></Exec></Sequence></SyncBody></SyncML>"#
            );
            let document = decode(text.into(), Hint::default(), &Limits::default()).unwrap();
            let notes = note_escaped_twice(&document);
            assert_eq!(notes.len(), usize::from(expected), "{data}");
        };
        check(
            "&amp;lt;MsiInstallJob id=&amp;quot;1&amp;quot;/&amp;gt;",
            true,
        );
        check(" \n&amp;lt;?xml version='1.0'?&amp;gt;", true);
        check("&#38;lt;a/&amp;gt;", true);
        check("<![CDATA[&lt;a/&gt;]]>", true);
        check("&lt;MsiInstallJob/&gt;", false);
        check("<![CDATA[<a/>]]>", false);
        check("a &amp;lt;b", false);
        check("&amp;lt; 5", false);
        check("5", false);
        check("", false);
    }
}
