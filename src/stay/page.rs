//! HTML of sign-in pages: it is not rewritten, and noted where it leads a browser past dmtap.

use super::turn::signs_in;
use crate::flow::origin::{LearnedHosts, OriginMap, Reach, Turned, UrlOrigin};
use crate::flow::{Note, Severity};

/// Notes on the absolute URLs of a page: those of servers behind dmtap wherever they stand, those of others where the
/// browser goes by itself. Each host is noted once.
pub fn page(body: &[u8], map: &OriginMap) -> Vec<Note> {
    let text = String::from_utf8_lossy(body.get(..LONGEST).unwrap_or(body));
    let mut hosts: Vec<String> = Vec::new();
    let mut notes = Vec::new();
    for (at, _) in text.match_indices("://") {
        let Some((before, url)) = around(&text, at) else {
            continue;
        };
        let Some(found) = UrlOrigin::of(url) else {
            continue;
        };
        let way = way(before);
        let (severity, note) = match map.to_device(&found, Reach::Mapped, &LearnedHosts::default())
        {
            Turned::Same => continue,
            Turned::To { .. } => {
                let host = found.origin.authority();
                let how = way.unwrap_or("a link or a resource");
                let note = format!(
                    "the page leads to {host} itself ({how}), because dmtap does not rewrite HTML: relative URLs would \
                     stay on dmtap"
                );
                (Severity::Warning, (host, note))
            }
            Turned::Away(host) => {
                let Some(how) = way else {
                    continue;
                };
                let note = signs_in(&host, how);
                (Severity::Info, (host, note))
            }
        };
        let (host, text) = note;
        if hosts.contains(&host) {
            continue;
        }
        hosts.push(host);
        notes.push(Note {
            id: "STAY-06",
            severity,
            at: None,
            text,
        });
        if notes.len() == MOST_NOTES {
            break;
        }
    }
    notes
}

/// What stands in front of a URL, and the URL; `at` is that of `://`.
fn around(text: &str, at: usize) -> Option<(&str, &str)> {
    let front = text[..at].trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let scheme = &text[front.len()..at];
    let is_http = ["http", "https"]
        .iter()
        .any(|http| scheme.eq_ignore_ascii_case(http));
    let url = &text[front.len()..];
    let end = url.find(|c: char| c.is_whitespace() || "\"'<>()\\".contains(c));
    is_http.then(|| (front, &url[..end.unwrap_or(url.len())]))
}

/// How a browser goes to the URL behind this text without a click; `None` where it does not.
fn way(before: &str) -> Option<&'static str> {
    let before = before.trim_end_matches(|c: char| c.is_whitespace() || "\"'(".contains(c));
    let mut start = before.len().saturating_sub(LONGEST_WAY);
    while !before.is_char_boundary(start) {
        start += 1;
    }
    let end: String = before[start..].split_whitespace().collect();
    let end = end.to_ascii_lowercase();
    let found = WAYS.iter().find(|(written, _)| end.ends_with(written));
    found.map(|(_, way)| *way)
}

/// What is written in front of a URL that a browser goes to, and what to call it.
const WAYS: [(&str, &str); 5] = [
    ("action=", "action of a form"),
    ("url=", "refresh of the page"),
    ("location=", "script"),
    ("location.href=", "script"),
    ("location.replace", "script"),
];
/// Bytes of a page that are looked at.
const LONGEST: usize = 256 << 10;
/// Bytes in front of a URL that say how a browser goes there.
const LONGEST_WAY: usize = 32;
const MOST_NOTES: usize = 8;
