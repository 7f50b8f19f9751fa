//! Finds comments and processing instructions, which do not become nodes of the tree.

use std::ops::Range;
use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::markup::Document;

/// Returns the ranges of XML comments and processing instructions, in order, without their delimiters.
pub(super) fn comments(document: &Document) -> Vec<Range<usize>> {
    if document.is_wbxml() {
        return Vec::new();
    }
    let source = document.source();
    let comment = |found: Range<usize>| match &source[found.clone()] {
        [b'<', b'?', inner @ .., b'?', b'>'] => {
            let name = inner.iter().take_while(|byte| !byte.is_ascii_whitespace());
            Some(found.start + 2 + name.count()..found.end - 2)
        }
        written if written.starts_with(b"<!--") => Some(found.start + 4..found.end - 3),
        // A CDATA section may contain text that looks like a comment.
        _ => None,
    };
    let found = MARKUP.find_iter(source).map(|found| found.range());
    found.filter_map(comment).collect()
}

static MARKUP: LazyLock<Regex> = LazyLock::new(|| {
    let markup = Regex::new(r"(?s-u)<!--.*?-->|<\?.*?\?>|<!\[CDATA\[.*?\]\]>");
    markup.expect("a regular expression")
});

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
