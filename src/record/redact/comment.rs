//! Comments and processing instructions: the tree has no nodes for them.

use std::ops::Range;

use memchr::memmem;

use crate::markup::{Document, Kind, NodeId};

/// Comments and processing instructions of XML, in order, without their brackets.
pub(super) fn comments(document: &Document) -> Vec<Range<usize>> {
    let source = document.source();
    let mut comments = Vec::new();
    if document.is_wbxml() {
        return comments;
    }
    let mut sections = (0..document.len() as u32)
        .map(|at| document.node(NodeId(at)))
        .filter(|node| node.kind == Kind::Cdata)
        .map(|node| node.span)
        .peekable();
    let mut at = 0;
    while let Some(found) = memchr::memchr2_iter(b'!', b'?', &source[at..])
        .map(|found| at + found)
        .find(|mark| mark.checked_sub(1).is_some_and(|open| source[open] == b'<'))
    {
        while sections
            .next_if(|span| (span.end as usize) < found)
            .is_some()
        {}
        let section = sections.peek().filter(|span| span.start as usize <= found);
        let (from, close): (usize, &[u8]) = match &source[found..] {
            _ if section.is_some() => (found + 1, b"]]>"),
            [b'!', b'-', b'-', ..] => (found + 3, b"-->"),
            [b'?', ..] => (found + 1, b"?>"),
            _ => (found + 1, b""),
        };
        let len = memmem::find(&source[from..], close).unwrap_or(source.len() - from);
        if section.is_none() && !close.is_empty() {
            let name = match close {
                b"?>" => source[from..from + len]
                    .iter()
                    .take_while(|b| !b.is_ascii_whitespace())
                    .count(),
                _ => 0,
            };
            comments.push(from + name..from + len);
        }
        at = (from + len).min(source.len());
    }
    comments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markup::{Hint, Limits, decode};

    #[test]
    fn comments_are_found_where_they_are_comments() {
        let check = |source: &'static str, expected: &[&str]| {
            let document = decode(source.into(), Hint::default(), &Limits::default());
            let found = comments(&document.unwrap());
            let found: Vec<&str> = found.into_iter().map(|c| &source[c]).collect();
            assert_eq!(found, expected, "{source}");
        };
        check("<a>b</a>", &[]);
        check(
            "<?xml version=\"1.0\"?><a><!--b--><?c d?>!?<e/><!----></a><!--f-->",
            &[" version=\"1.0\"", "b", " d", "", "f"],
        );
        check(
            "<a><![CDATA[<!--b-->]]><!--c--><![CDATA[<?d?>]]></a>",
            &["c"],
        );
    }
}
