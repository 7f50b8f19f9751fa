//! The readable part of a document that does not decode to its end.

use bytes::Bytes;
use quick_xml::events::Event;
use quick_xml::reader::Reader;

use super::wbxml::header;
use super::wbxml::token::{END, WITH_ATTRIBUTES, WITH_CONTENT};
use super::wbxml::token_scanner::{ScannedToken, TokenScanner};
use super::{DecodeError, Document, Hint, Limits, decode, wbxml};

/// Returns a document of the whole elements in front of the decoding error, with the elements around them closed;
/// `None` if there are none. Its source differs from the broken document, but the offsets are the same.
pub fn readable_part(
    source: &Bytes,
    error: &DecodeError,
    hint: Hint<'_>,
    limits: &Limits,
) -> Option<Document> {
    let front = &source[..source.len().min(error.at as usize)];
    let closed = match wbxml::looks_like(source) {
        true => closed_wbxml(front, hint)?,
        false => closed_xml(front)?,
    };
    decode(closed.into(), hint, limits).ok()
}

fn closed_xml(front: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader::from_reader(front);
    let (mut open, mut whole) = (Vec::new(), None);
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag)) => open.push(tag.name().as_ref().to_owned()),
            Ok(Event::End(_)) => drop(open.pop()),
            Ok(Event::Empty(_)) => {}
            Ok(Event::Eof) | Err(_) => break,
            Ok(_) => continue,
        }
        whole = Some((reader.buffer_position() as usize, open.len()));
    }
    // A start tag counts as whole, too: its element is closed directly behind it.
    let (end, depth) = whole?;
    let mut closed = front[..end].to_vec();
    for name in open[..depth].iter().rev() {
        closed.extend(format!("</{name}>").bytes());
    }
    Some(closed)
}

fn closed_wbxml(front: &[u8], hint: Hint<'_>) -> Option<Vec<u8>> {
    let body = header::read(front, hint, &mut Vec::new()).ok()?.body;
    let mut tokens = TokenScanner::new(front, body as usize);
    let (mut depth, mut whole) = (0_usize, None);
    let mut has_content = false;
    loop {
        let was_in_attributes = tokens.in_attributes;
        let Some(seen) = tokens.next() else { break };
        match seen {
            ScannedToken::Tag(byte) => {
                has_content = byte & WITH_CONTENT != 0;
                if byte & WITH_ATTRIBUTES != 0 {
                    continue;
                }
                depth += usize::from(has_content);
            }
            ScannedToken::End if was_in_attributes => depth += usize::from(has_content),
            ScannedToken::End => depth = depth.checked_sub(1)?,
            _ => continue,
        }
        whole = Some((tokens.at(), depth));
    }
    let (end, depth) = whole?;
    let mut closed = front[..end].to_vec();
    closed.resize(end + depth, END);
    Some(closed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markup::convert::{XmlLayout, to_xml};

    fn front(source: &[u8]) -> Option<String> {
        let (source, hint, limits) = (
            Bytes::copy_from_slice(source),
            Hint::default(),
            Limits::default(),
        );
        let error = decode(source.clone(), hint, &limits).unwrap_err();
        let document = readable_part(&source, &error, hint, &limits)?;
        Some(to_xml(&document, XmlLayout::Compact).xml)
    }

    #[test]
    fn whole_elements_in_front_of_the_break_of_xml_are_kept() {
        let check = |source: &str, expected: Option<&str>| {
            assert_eq!(front(source.as_bytes()).as_deref(), expected, "{source}");
        };
        check("<a><b>1</b><c>2", Some("<a><b>1</b></a>"));
        check("<a><b>1</b><c/><d", Some("<a><b>1</b><c/></a>"));
        check("<a><b>1</b></x></a>", Some("<a><b>1</b></a>"));
        check("<a><b>1</b>& <c/></a>", Some("<a><b>1</b></a>"));
        check("<a", None);
    }

    #[test]
    fn whole_elements_in_front_of_the_break_of_wbxml_are_kept() {
        let whole: Bytes = b"\x03\x00\x00\x6a\x1d-//SYNCML//DTD SyncML 1.2//EN\x6d\x6c\x71\x03\x31.2\x00\x01\x5b\x03\x31\x00\x01\x01\x01"[..].into();
        let limits = Limits::default();
        decode(whole.clone(), Hint::default(), &limits).unwrap();
        let names = |length: usize| front(&whole[..length]).unwrap_or_default();
        assert_eq!(names(whole.len() - 1), names(whole.len() - 2));
        assert!(names(whole.len() - 3).contains("1.2"));
        let mut lengths: Vec<_> = (0..whole.len()).map(|length| names(length).len()).collect();
        lengths.dedup();
        assert!(lengths.is_sorted() && lengths.len() > 3, "{lengths:?}");
    }
}
