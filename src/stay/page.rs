//! HTML of sign-in pages: URLs that a browser follows lead to dmtap where their server is in the map; what leads past it
//! all the same is noted.

use memchr::memmem;

use super::turn::signs_in;
use super::{StayOutcome, effect};
use crate::flow::origin::{LearnedHosts, OriginMap, Reach, Turned, UrlOrigin};
use crate::flow::{EffectDetail, Note, Severity};
use crate::patch::{Patch, Span, Splice};

/// What becomes of a page. Only the origins of URLs change, where [`WAYS`] says that a browser goes there: a hidden field
/// may hold a token with the server's name. `received` is the page before rules changed it: what they wrote stays.
pub fn page(body: &[u8], received: &[u8], map: &OriginMap) -> StayOutcome {
    // Plain text under the type of HTML has no link: Discovery is answered so to GET.
    if !body.contains(&b'<') {
        return StayOutcome::default();
    }
    let (mut splices, mut changes) = (Vec::new(), Vec::<EffectDetail>::new());
    let (mut hosts, mut notes) = (Vec::<String>::new(), Vec::new());
    for at in memmem::find_iter(body, b"://") {
        let Some((start, url)) = url(body, at) else {
            continue;
        };
        let Some(found) = UrlOrigin::of(url) else {
            continue;
        };
        let way = way(&body[..start]);
        let turned = map.to_device(&found, Reach::Mapped, &LearnedHosts::default());
        let (host, severity, text) = match (turned, way) {
            (Turned::Same, _) | (Turned::Away(_), None | Some(LINK)) => continue,
            (Turned::To { length, with, .. }, Some(_))
                if splices.len() < MOST_URLS
                    && memmem::find(received, url.as_bytes()).is_some() =>
            {
                let before = url[..length].to_owned();
                let change = EffectDetail::own("rewrite", String::new(), before, with.clone());
                if changes.len() < MOST_CHANGES && !changes.contains(&change) {
                    changes.push(change);
                }
                let end = start + length;
                splices.push(Splice {
                    span: Span::new(start as u32, end as u32),
                    with: with.into_bytes(),
                });
                continue;
            }
            (Turned::To { .. }, _) => {
                let host = found.origin.authority();
                let text = format!(
                    "the page names {host} itself, where dmtap rewrites no URL: only links, forms, refreshes and \
                     script locations lead to dmtap"
                );
                (host, Severity::Warning, text)
            }
            (Turned::Away(host), Some(way)) => {
                let text = signs_in(&host, way);
                (host, Severity::Info, text)
            }
        };
        if notes.len() < MOST_NOTES && !hosts.contains(&host) {
            hosts.push(host);
            notes.push(Note {
                id: "STAY-06",
                severity,
                at: None,
                text,
            });
        }
    }
    let patch = Patch::new(splices).unwrap_or_default();
    StayOutcome {
        effect: (!patch.is_empty()).then(|| effect(changes, patch)),
        notes,
        learned: Vec::new(),
    }
}

/// Where the URL around `://` begins, and the URL.
fn url(body: &[u8], at: usize) -> Option<(usize, &str)> {
    let scheme = body[..at].iter().rev();
    let start = at - scheme.take_while(|byte| byte.is_ascii_alphabetic()).count();
    let is_end = |byte: &u8| !byte.is_ascii_graphic() || b"\"'<>()\\".contains(byte);
    let length = body[start..].iter().position(is_end);
    let url = &body[start..start + length.unwrap_or(body.len() - start)];
    Some((start, std::str::from_utf8(url).ok()?))
}

/// How a browser goes to the URL behind this text; `None` where it does not.
fn way(before: &[u8]) -> Option<&'static str> {
    let before = &before[before.len().saturating_sub(LONGEST_WAY)..];
    let is_ignored = |byte: &u8| byte.is_ascii_whitespace();
    let mut end = before.to_ascii_lowercase();
    end.retain(|byte| !is_ignored(byte) && !b"\"'(".contains(byte));
    let found = WAYS
        .iter()
        .find(|(written, _)| end.ends_with(written.as_bytes()));
    found.map(|(_, way)| *way)
}

/// What is written in front of a URL that a browser goes to, without quotes and white space, and what to call it.
const WAYS: [(&str, &str); 9] = [
    ("formaction=", "action of a form"),
    ("action=", "action of a form"),
    ("url=", "refresh of the page"),
    ("location=", "script"),
    ("location.href=", "script"),
    ("location.replace", "script"),
    ("href=", LINK),
    ("src=", LINK),
    ("data=", LINK),
];
/// Nobody goes there without a click, or it is only a part of the page.
const LINK: &str = "a link or a resource";
/// Bytes in front of a URL that say how a browser goes there.
const LONGEST_WAY: usize = 32;
const MOST_URLS: usize = 10_000;
const MOST_CHANGES: usize = 16;
const MOST_NOTES: usize = 8;
