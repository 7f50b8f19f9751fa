//! Pages in HTML that a server sends in place of an answer.

use std::sync::LazyLock;

use regex::Regex;

use super::model::{EventRecord, ParsedBodyRecord};

/// Whether the body is HTML, by its type or its root.
pub(super) fn is_html(record: &EventRecord) -> bool {
    match &record.reading {
        Some(ParsedBodyRecord::OtherType { media_type, .. }) => {
            media_type.to_ascii_lowercase().contains("html")
        }
        Some(ParsedBodyRecord::Document { root, .. }) => root.eq_ignore_ascii_case("html"),
        _ => false,
    }
}

/// Returns the visible text of an HTML page, one line for each element. Styles, scripts and comments are left out.
pub(super) fn visible(html: &str) -> String {
    let words: Vec<&str> = html.split_ascii_whitespace().collect();
    let text = words.join(" ");
    let [hidden, inline, tag] = &*TAGS;
    let text = hidden.replace_all(&text, "\n");
    let text = inline.replace_all(&text, "");
    let text = tag.replace_all(&text, "\n");
    let resolved = |text: String, (entity, character)| text.replace(entity, character);
    ENTITIES.into_iter().fold(text.into_owned(), resolved)
}

/// Invisible parts, elements that do not begin a line, and all other tags.
static TAGS: LazyLock<[Regex; 3]> = LazyLock::new(|| {
    [
        r"(?i)<!--.*?(?:-->|$)|<style.*?(?:</style>|$)|<script.*?(?:</script>|$)",
        r"(?i)<(?:a [^>]*|/a|/?[bi]|/?(?:span|strong|code)[^>]*)>",
        r"<[^>]*(?:>|$)",
    ]
    .map(|tags| Regex::new(tags).expect("a regular expression"))
});

/// `&amp;` is last, so that its result is not resolved again.
const ENTITIES: [(&str, &str); 8] = [
    ("&nbsp;", " "),
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", "\""),
    ("&#39;", "'"),
    ("&#x27;", "'"),
    ("&apos;", "'"),
    ("&amp;", "&"),
];
