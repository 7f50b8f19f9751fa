//! Finds comments and processing instructions, which do not become nodes of the tree.

use std::ops::Range;

use memchr::{memchr_iter, memmem};

use crate::markup::Document;

/// Returns the ranges of XML comments and processing instructions, in order, without their delimiters and without the
/// name of an instruction.
pub(super) fn comments(document: &Document) -> Vec<Range<usize>> {
    if document.is_wbxml() {
        return Vec::new();
    }
    let source = document.source();
    let mut comments = Vec::new();
    let mut behind_last = 0;
    for start in memchr_iter(b'<', source) {
        if start < behind_last {
            continue;
        }
        let markup = &source[start..];
        let known = MARKUP.iter().find(|(front, _)| markup.starts_with(front));
        let Some((front, end)) = known else {
            continue;
        };
        let inner = &markup[front.len()..];
        let Some(len) = memmem::find(inner, end) else {
            continue;
        };
        let inner_start = start + front.len();
        behind_last = inner_start + len + end.len();
        match *front {
            // It may contain text that looks like a comment.
            CDATA => {}
            INSTRUCTION => {
                let name = inner[..len].iter();
                let name = name.take_while(|byte| !byte.is_ascii_whitespace());
                comments.push(inner_start + name.count()..inner_start + len);
            }
            _ => comments.push(inner_start..inner_start + len),
        }
    }
    comments
}

const CDATA: &[u8] = b"<![CDATA[";
const INSTRUCTION: &[u8] = b"<?";
/// How markup that is no element begins and ends.
const MARKUP: [(&[u8], &[u8]); 3] = [(CDATA, b"]]>"), (INSTRUCTION, b"?>"), (b"<!--", b"-->")];

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
        check("<a><?b?><?c ?></a>", &["", " "]);
        check(
            "<a><![CDATA[<!--b-->]]><!--c--><![CDATA[<?d?>]]></a>",
            &["c"],
        );
    }
}
