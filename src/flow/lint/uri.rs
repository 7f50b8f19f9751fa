//! The rules for LocURIs: URI-01 to URI-03.

use super::Findings;
use crate::flow::Severity;
use crate::markup::Element;

/// Checks the LocURI of a node, with the blanks around it.
pub(super) fn check(found: &mut Findings, uri: &str, at: Element<'_>) {
    let written = uri.split('?').next().unwrap_or_default();
    let path = written.trim();
    if let Some(what) = broken(path) {
        found.add("URI-01", Some(at), format!("LocURI {path} {what}"));
    } else if !path.starts_with("./") && path != "." {
        let severity = match found.is_windows {
            true => Severity::Error,
            false => Severity::Warning,
        };
        found.add_as(
            "URI-01",
            severity,
            Some(at),
            format!("LocURI {path} does not begin with ./"),
        );
    }
    if has_blank_at_edge(written) {
        found.add(
            "URI-02",
            Some(at),
            format!("LocURI {path} has {BLANK_AT_EDGE}: take it out"),
        );
    } else if let Some(what) = unescaped(path) {
        found.add("URI-02", Some(at), format!("LocURI {path} has {what}"));
    }
    let query = uri.trim_end().split_once('?').map(|(_, query)| query);
    if query.is_some_and(|query| !is_query(query)) {
        found.add(
            "URI-03",
            Some(at),
            format!("LocURI {path} has a query that is not known"),
        );
    }
}

/// Returns the error that makes a LocURI invalid: the id of the note, and a text such as `ends with /`.
pub fn mistake_in_uri(uri: &str) -> Option<(&'static str, String)> {
    let path = uri.split('?').next().unwrap_or_default().trim();
    if let Some(what) = broken(path) {
        return Some(("URI-01", what.to_owned()));
    }
    if !path.starts_with("./") && path != "." {
        return Some(("URI-01", "does not begin with ./".to_owned()));
    }
    has_blank_at_edge(path).then(|| ("URI-02", format!("has {BLANK_AT_EDGE}")))
}

fn has_blank_at_edge(path: &str) -> bool {
    path.split('/').any(|segment| segment != segment.trim())
}

const BLANK_AT_EDGE: &str = "a blank at the beginning or the end of a segment";

fn broken(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some("is empty");
    }
    if path.starts_with('/') {
        return Some("begins with /");
    }
    if path == "./" {
        return Some("is ./ alone; the root is .");
    }
    if path.ends_with('/') {
        return Some("ends with /");
    }
    let rest = path.strip_prefix("./").unwrap_or(path);
    let mut segments = rest.split('/');
    segments.find_map(|segment| match segment {
        "" => Some("has an empty segment"),
        "*" => Some("has a segment that is * alone"),
        ".." => Some("has a segment .."),
        "." if path != "." => Some("has a segment . inside"),
        _ => None,
    })
}

fn unescaped(path: &str) -> Option<String> {
    let bytes = path.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'%' => {
                let hex = |offset: usize| bytes.get(at + offset).is_some_and(u8::is_ascii_hexdigit);
                if !(hex(1) && hex(2)) {
                    return Some("a % without two hexadecimal digits".to_owned());
                }
            }
            b' ' | b'<' | b'>' | b'"' | b'{' | b'}' | b'|' | b'\\' | b'^' | b'`' => {
                return Some(format!(
                    "`{}`, which must be percent-encoded",
                    char::from(*byte)
                ));
            }
            byte if !byte.is_ascii() => {
                return Some("characters that must be percent-encoded".to_owned());
            }
            _ => {}
        }
    }
    None
}

/// Whether a query is one of OMA DM: `list=Struct`, `prop=ACL`, `list=TNDS+ACL`.
fn is_query(query: &str) -> bool {
    let Some((name, value)) = query.split_once('=') else {
        return false;
    };
    match name {
        "prop" => PROPERTIES.contains(&value),
        "list" => {
            let mixed = value.contains('+') && value.contains('-');
            ["Struct", "StructData"].contains(&value) || value.starts_with("TNDS") && !mixed
        }
        _ => false,
    }
}

const PROPERTIES: [&str; 8] = [
    "ACL", "Format", "Name", "Size", "Title", "TStamp", "Type", "VerNo",
];

/// Returns a URI for a note, without the parts that may have a secret: the user, the query and the fragment.
pub(super) fn without_query(uri: &str) -> String {
    let shown = uri.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = shown.split_once("://") else {
        return shown.to_owned();
    };
    let host_end = rest.find('/').unwrap_or(rest.len());
    let host_start = rest[..host_end].rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}://{}", &rest[host_start..])
}

/// Returns the path of a URI, without scheme, host and query.
pub(super) fn path(uri: &str) -> &str {
    let rest = match uri.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => uri,
    };
    rest.split('?').next().unwrap_or_default()
}
