//! HTML of sign-in pages: dmtap rewrites URLs that a browser follows if their server is in the map, and notes other
//! URLs that lead past dmtap.

use std::collections::HashSet;

use memchr::{memchr, memmem};

use super::address::{Address, ends_url, respelled};
use super::turn::sign_in_text;
use super::{StayOutcome, effect};
use crate::flow::origin::{LearnedHosts, OriginMap, Reach, Scheme, Turned, UrlOrigin};
use crate::flow::{EffectDetail, Note, Severity};
use crate::patch::{Patch, Span, Splice};

/// Rewrites a page. Changes only the origins of URLs, and only in places that a browser follows: a hidden field may
/// contain a token with the server's name. `received` is the page before rules changed it: URLs from those rules are
/// not rewritten.
pub fn rewrite_page(body: &[u8], received: &[u8], map: &OriginMap) -> StayOutcome {
    let body = &body[..body.len().min(LONGEST)];
    // Fast path: plain text labelled as HTML has no links. Servers answer a GET of Discovery with it.
    if !body.contains(&b'<') {
        return StayOutcome::default();
    }
    let ways = ways(body);
    let kept = &received[..received.len().min(LONGEST)];
    let kept: Option<HashSet<String>> = (body != kept).then(|| {
        let kept = addresses(kept, &self::ways(kept), map.scheme());
        kept.into_iter().map(|it| it.url.into_owned()).collect()
    });
    let (mut splices, mut changes) = (Vec::new(), Vec::<EffectDetail>::new());
    let (mut hosts, mut notes) = (Vec::<String>::new(), Vec::new());
    for address in addresses(body, &ways, map.scheme()) {
        let (start, url) = (address.start, &*address.url);
        let Some(found) = UrlOrigin::of(url) else {
            continue;
        };
        let way = ways.binary_search_by_key(&start, |(at, _)| *at);
        let way = way.ok().and_then(|way| ways.get(way)).map(|(_, way)| *way);
        let turned = map.to_device(&found, Reach::Mapped, &LearnedHosts::default());
        let (host, severity, text) = match (turned, way) {
            (Turned::Same, _) | (Turned::Away(_), None | Some(LINK)) => continue,
            (Turned::To { length, with, .. }, Some(_))
                if kept.as_ref().is_none_or(|kept| kept.contains(url)) =>
            {
                let end = start + address.written(length);
                let before = String::from_utf8_lossy(&body[start..end]);
                let change = EffectDetail::rewritten(String::new(), &before, &with);
                if changes.len() < MOST_CHANGES && !changes.contains(&change) {
                    changes.push(change);
                }
                splices.push(Splice {
                    span: Span::new(start as u32, end as u32),
                    with: with.into_bytes(),
                });
                continue;
            }
            (Turned::To { .. }, _) => {
                let host = found.origin.authority();
                let text = format!(
                    "the page names {host} outside of links, forms, refreshes and script locations; dmtap does not \
                     rewrite it there"
                );
                (host, Severity::Warning, text)
            }
            (Turned::Away(origin), Some(way)) => {
                let text = sign_in_text(&origin, way);
                (origin.authority(), Severity::Info, text)
            }
        };
        if notes.len() < MOST_NOTES && !hosts.contains(&host) {
            hosts.push(host);
            notes.push(Note::new("STAY-06", text).with_severity(severity));
        }
    }
    let patch = Patch::new(splices).unwrap_or_default();
    StayOutcome {
        effect: (!patch.is_empty()).then(|| effect(changes, patch)),
        notes,
        learned: Vec::new(),
    }
}

/// Notes that a page without a media type leads past dmtap, which does not read it as one. A browser does.
pub fn note_untyped_page(body: &[u8], map: &OriginMap) -> StayOutcome {
    let start = body.trim_ascii_start();
    let begins = |tag: &&[u8]| {
        let start = start.get(..tag.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(tag))
    };
    let is_page = [&b"<!doctype html"[..], b"<html"].iter().any(begins);
    let mut outcome = StayOutcome::default();
    if is_page && rewrite_page(body, body, map).effect.is_some() {
        let text = "the page names a server behind dmtap and has no Content-Type, so dmtap rewrites no URL in it; let the \
                    server send Content-Type: text/html";
        outcome.notes.push(Note::new("STAY-06", text.to_owned()));
    }
    outcome
}

/// Notes that a message which does not decode leads past dmtap. The device may read it.
pub fn note_undecoded(body: &[u8], map: &OriginMap) -> Vec<Note> {
    let found = urls(&body[..body.len().min(LONGEST)]).find_map(|(_, url)| {
        let found = UrlOrigin::of(url)?;
        let turned = map.to_device(&found, Reach::Mapped, &LearnedHosts::default());
        matches!(turned, Turned::To { .. }).then_some(found.origin)
    });
    let note = found.map(|origin| {
        let host = origin.authority();
        let text = format!(
            "the message does not decode, so its URLs stay as they are and lead the device to {host}, past dmtap"
        );
        Note::new("STAY-01", text)
    });
    note.into_iter().collect()
}

/// Finds the addresses of a page in document order: every http and https URL, and the addresses to open or to load that
/// are written otherwise. `scheme` is that of the page.
fn addresses<'p>(
    page: &'p [u8],
    ways: &[(usize, &'static str)],
    scheme: Scheme,
) -> Vec<Address<'p>> {
    let plain = urls(page).map(|(start, url)| Address {
        start,
        url: url.into(),
        ends: Vec::new(),
    });
    let others = ways.iter().filter_map(|(start, _)| {
        let (url, ends) = respelled(&page[*start..], scheme)?;
        Some(Address {
            start: *start,
            url: url.into(),
            ends,
        })
    });
    let plain = plain.filter(|address| UrlOrigin::of(&address.url).is_some());
    let mut addresses: Vec<Address<'p>> = plain.chain(others).collect();
    // A URL with a reference behind its origin is found twice; the sort keeps it in front of the other.
    addresses.sort_by_key(|address| address.start);
    addresses.dedup_by_key(|address| address.start);
    addresses
}

/// Finds every http and https URL, with its offset.
fn urls(page: &[u8]) -> impl Iterator<Item = (usize, &str)> {
    memmem::find_iter(page, b"://").filter_map(|colon| {
        let scheme = page[..colon].iter().rev().take(LONGEST_SCHEME);
        let scheme = scheme.take_while(|byte| byte.is_ascii_alphabetic());
        let start = colon - scheme.count();
        let scheme = &page[start..colon];
        if !(scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https")) {
            return None;
        }
        let longest = &page[start..page.len().min(start + LONGEST_URL)];
        let length = longest.iter().position(|byte| ends_url(*byte));
        let length = length.unwrap_or(longest.len());
        Some((start, std::str::from_utf8(&longest[..length]).ok()?))
    })
}

/// Finds the texts that a browser uses as an address to open or to load: the offset and the kind of use of each, in
/// document order.
fn ways(page: &[u8]) -> Vec<(usize, &'static str)> {
    let mut ways = Vec::new();
    let mut at = 0;
    while let Some(open) = memchr(b'<', &page[at..]).map(|more| at + more + 1) {
        if page[open..].starts_with(b"!--") {
            let end = memmem::find(&page[open..], b"-->");
            at = end.map_or(page.len(), |end| open + end);
            continue;
        }
        let name = page[open..]
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric());
        at = open + name.count();
        let name = &page[open..at];
        if name.is_empty() {
            continue;
        }
        let (attributes, end) = attributes(page, at);
        at = end;
        let is = |attribute: &Attribute<'_>, name: &str| {
            attribute.name.eq_ignore_ascii_case(name.as_bytes())
        };
        let stands_for = |field: &str| {
            name.eq_ignore_ascii_case(b"meta")
                && attributes.iter().any(|it| {
                    let value = it.value.trim_ascii();
                    is(it, "http-equiv") && value.eq_ignore_ascii_case(field.as_bytes())
                })
        };
        let refreshes = stands_for("refresh");
        let is_policy = stands_for("content-security-policy");
        for attribute in &attributes {
            let blank = attribute.value.len() - attribute.value.trim_ascii_start().len();
            let start = attribute.start + blank;
            if let Some((_, way)) = ATTRIBUTES.iter().find(|(name, _)| is(attribute, name)) {
                ways.push((start, *way));
            } else if refreshes && is(attribute, "content") {
                let url = url_of_refresh(attribute.value);
                ways.extend(url.map(|url| (attribute.start + url, "refresh of the page")));
            } else if is_policy && is(attribute, "content") {
                let sources = urls(attribute.value);
                ways.extend(sources.map(|(at, _)| (attribute.start + at, LINK)));
            }
        }
        if name.eq_ignore_ascii_case(b"script") {
            let end = memmem::find(&page[at..], b"</").map_or(page.len(), |end| at + end);
            let starts = locations(&page[at..end]);
            ways.extend(starts.into_iter().map(|start| (at + start, "script")));
            at = end;
        }
    }
    ways
}

/// An attribute of a tag.
struct Attribute<'p> {
    name: &'p [u8],
    value: &'p [u8],
    /// The offset of the value in the page.
    start: usize,
}

/// Returns the attributes with values of the tag whose name ends at `at`, and the end of the tag.
fn attributes(page: &[u8], mut at: usize) -> (Vec<Attribute<'_>>, usize) {
    let mut attributes = Vec::new();
    let run = |from: usize, belongs: &dyn Fn(u8) -> bool| {
        let rest = page.get(from..).unwrap_or_default();
        from + rest.iter().take_while(|byte| belongs(**byte)).count()
    };
    let is_blank = |byte: u8| byte.is_ascii_whitespace();
    loop {
        at = run(at, &|byte| is_blank(byte) || byte == b'/');
        match page.get(at) {
            None => return (attributes, page.len()),
            Some(b'>') => return (attributes, at + 1),
            Some(_) => {}
        }
        // A name may begin with any character, even `=`.
        let end = run(at + 1, &|byte| !is_blank(byte) && !b"=>/".contains(&byte));
        let name = &page[at..end];
        let equals = run(end, &is_blank);
        at = equals;
        if page.get(equals) != Some(&b'=') {
            continue;
        }
        let first = run(equals + 1, &is_blank);
        let (start, end, next) = match page.get(first) {
            Some(quote @ (b'"' | b'\'')) => {
                let end = memchr(*quote, &page[first + 1..]);
                let end = end.map_or(page.len(), |more| first + 1 + more);
                (first + 1, end, end + 1)
            }
            _ => {
                let end = run(first, &|byte| !is_blank(byte) && byte != b'>');
                (first, end, end)
            }
        };
        attributes.push(Attribute {
            name,
            value: &page[start..end],
            start,
        });
        at = next;
    }
}

/// Returns the offset of the URL in a refresh, of a page or of a header field: `5; url='https://…'`.
pub fn url_of_refresh(content: &[u8]) -> Option<usize> {
    let before = |byte: &u8| byte.is_ascii_digit() || b" \t\r\n.".contains(byte);
    let number = content.iter().take_while(|byte| before(byte)).count();
    let text = [b';', b',']
        .iter()
        .find_map(|sign| after(content, number, *sign));
    let text = text.unwrap_or(number);
    let is_named = content[text..].get(..3)?.eq_ignore_ascii_case(b"url");
    match is_named {
        true => after(content, text + 3, b'='),
        false => Some(text),
    }
}

/// Returns the offsets of the texts that a script assigns to `location` or passes to its methods.
fn locations(script: &[u8]) -> Vec<usize> {
    let place = |at: usize| {
        let is_part_of_a_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_$-".contains(byte);
        if script[..at].last().is_some_and(is_part_of_a_name) {
            return None;
        }
        let end = at + LOCATION.len();
        let rest = &script[end..];
        let goes_on = |name: &str| rest.starts_with(name.as_bytes());
        if let Some(name) = [".replace", ".assign"]
            .into_iter()
            .find(|name| goes_on(name))
        {
            return after(script, end + name.len(), b'(');
        }
        let href = if goes_on(".href") { ".href".len() } else { 0 };
        after(script, end + href, b'=')
    };
    memmem::find_iter(script, LOCATION)
        .filter_map(place)
        .collect()
}

/// Returns the offset of the text after a sign, skipping blanks around the sign and a quote in front of the text.
fn after(text: &[u8], at: usize, sign: u8) -> Option<usize> {
    let blanks = |at: usize| {
        let rest = text.get(at..).unwrap_or_default();
        at + rest.len() - rest.trim_ascii_start().len()
    };
    let sign_at = blanks(at);
    let start = blanks(sign_at + 1);
    let is_quote = matches!(text.get(start), Some(b'"' | b'\'' | b'`'));
    (text.get(sign_at) == Some(&sign)).then_some(start + usize::from(is_quote))
}

/// Attributes whose value is an address, and their description in notes.
const ATTRIBUTES: [(&str, &str); 5] = [
    ("action", "action of a form"),
    ("formaction", "action of a form"),
    ("href", LINK),
    ("src", LINK),
    ("data", LINK),
];
/// Browsers open links only after a click, and resources are only a part of the page: those that lead away are not
/// noted.
const LINK: &str = "a link or a resource";
const LOCATION: &[u8] = b"location";
/// The most bytes of a page that are examined; sign-in pages have about 100 KB.
const LONGEST: usize = 1 << 20;
/// The most bytes of a URL that are examined; a longer URL is truncated, but its origin is still rewritten.
const LONGEST_URL: usize = 2 << 10;
/// The most letters examined in front of `://`: one more than in `https`.
const LONGEST_SCHEME: usize = 6;
const MOST_CHANGES: usize = 16;
const MOST_NOTES: usize = 8;
