//! Replacement of base64 by other base64 in the same layout: line breaks and padding stay as they were.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::xml::is_white;
use crate::patch::{Patch, Span, Splice};

/// Returns the patch that turns a base64 text, perhaps in several lines, into the base64 of other octets. White space
/// keeps its bytes; additional lines are separated as the first two are.
pub fn replacing(text: &[u8], octets: &[u8]) -> Patch {
    let lines = lines(text);
    let length: usize = lines.iter().map(ExactSizeIterator::len).sum();
    let whole = match length.is_multiple_of(4) {
        true => STANDARD.encode(octets),
        false => STANDARD_NO_PAD.encode(octets),
    };
    let (Some(first), Some(last)) = (lines.first(), lines.last()) else {
        return Patch::replacing(Span::at(0), whole.into_bytes());
    };
    let (width, between) = match lines.get(1) {
        Some(second) => (first.len(), &text[first.end..second.start]),
        None => (usize::MAX, &b""[..]),
    };
    let mut chunks = whole.as_bytes().chunks(width);
    let mut splices = Vec::new();
    let mut end = first.start;
    for line in &lines {
        let (start, with) = match chunks.next() {
            Some(chunk) => (line.start, chunk),
            // Fewer lines than before: the separators in front of the removed lines go, too.
            None => (end, &b""[..]),
        };
        splices.push(splice(start..line.end, with));
        end = line.end;
    }
    for chunk in chunks {
        splices.push(splice(last.end..last.end, &[between, chunk].concat()));
    }
    splices.retain(|splice| splice.span.of(text) != splice.with);
    // The splices are in order and disjoint.
    Patch::new(splices).unwrap_or_default()
}

/// Returns the ranges of consecutive bytes that are not white space.
fn lines(text: &[u8]) -> Vec<Range<usize>> {
    let mut lines: Vec<Range<usize>> = Vec::new();
    for (at, _) in text
        .iter()
        .enumerate()
        .filter(|(_, byte)| !is_white(**byte))
    {
        match lines.last_mut().filter(|line| line.end == at) {
            Some(line) => line.end += 1,
            None => lines.push(at..at + 1),
        }
    }
    lines
}

fn splice(range: Range<usize>, with: &[u8]) -> Splice {
    Splice {
        span: Span::new(range.start as u32, range.end as u32),
        with: with.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_keeps_the_form_of_what_it_replaces() {
        let check = |text: &'static str, expected: &str| {
            let patch = replacing(text.as_bytes(), b"0123456789");
            let new = patch.apply(&bytes::Bytes::from(text));
            assert_eq!(String::from_utf8_lossy(&new), expected, "{text:?}");
        };
        check("AAAA", "MDEyMzQ1Njc4OQ==");
        check(" AAAA\n", " MDEyMzQ1Njc4OQ==\n");
        check("AA", "MDEyMzQ1Njc4OQ");
        check("AAAAAAAA\nAAAA", "MDEyMzQ1\nNjc4OQ==");
        check("AAAA\r\n  AAAA\n", "MDEy\r\n  MzQ1\r\n  Njc4\r\n  OQ==\n");
        check(
            "AAAAAAAA\nAAAAAAAA\nAAAAAAAA\n\nAAAA\n",
            "MDEyMzQ1\nNjc4OQ==\n",
        );
        check("", "MDEyMzQ1Njc4OQ==");
    }
}
