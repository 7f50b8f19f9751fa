//! The JSON of linked enrollment (WinDC): dmtap does not rewrite its URLs, but notes those that lead past dmtap.

use super::turn::left_as_it_is;
use crate::flow::Note;
use crate::flow::origin::{LearnedHosts, OriginMap, Reach, Turned, UrlOrigin};

/// Returns the notes on the URLs in a JSON body.
pub fn note_linked_enrollment_urls(body: &[u8], map: &OriginMap) -> Vec<Note> {
    let Some(text) = std::str::from_utf8(body)
        .ok()
        .filter(|text| text.len() <= LONGEST)
    else {
        return Vec::new();
    };
    let found = KEYS.iter().filter_map(|key| Some((key, url(text, key)?)));
    let notes = found.filter_map(|(key, url)| {
        let url = UrlOrigin::of(url)?;
        match map.to_device(&url, Reach::Mapped, &LearnedHosts::default()) {
            Turned::Same => None,
            // Sign-in pages of unmapped hosts are not noted.
            Turned::Away(_) if PAGES.contains(key) => None,
            Turned::To { .. } | Turned::Away(_) => {
                let text = left_as_it_is(&url.origin.authority(), key);
                Some(Note::new("STAY-01", text))
            }
        }
    });
    notes.collect()
}

/// Returns the text after a key: `"key" : "text`.
fn url<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let at = text.find(&format!("\"{key}\""))?;
    let rest = text[at + key.len() + 2..].trim_start().strip_prefix(':')?;
    rest.trim_start().strip_prefix('"')
}

const KEYS: [&str; 4] = [
    "EnrollmentServiceUrl",
    "EnrollmentPolicyServiceUrl",
    PAGES[0],
    PAGES[1],
];
const PAGES: [&str; 2] = ["AuthenticationServiceUrl", "TouUrl"];
/// The longest JSON body to read; linked enrollment needs a few hundred bytes.
const LONGEST: usize = 64 << 10;
