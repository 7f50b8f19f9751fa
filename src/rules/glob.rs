//! Globs. Both kinds ignore case, and only `*` has a special meaning.

use std::sync::Arc;

use crate::dm::locuri;

/// A pattern for plain text such as a host: `*` matches any characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Vec<String>);

impl Glob {
    /// Creates a pattern; every text is a valid pattern.
    pub fn new(pattern: &str) -> Self {
        Self(pattern.split('*').map(str::to_owned).collect())
    }

    pub(super) fn text(&self) -> String {
        self.0.join("*")
    }

    /// Returns the pattern without white space around it.
    pub(super) fn trimmed(&self) -> Self {
        Self::new(self.text().trim_ascii())
    }

    /// Returns the only text that the pattern matches; `None` if it has a `*`.
    pub(super) fn exact(&self) -> Option<&str> {
        match &self.0[..] {
            [whole] => Some(whole),
            _ => None,
        }
    }

    /// Whether the pattern matches the whole of `text`.
    pub fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = &self.0[..] else {
            return self.0.iter().any(|whole| whole.eq_ignore_ascii_case(text));
        };
        let text = text.as_bytes();
        if text.len() < first.len() + last.len() {
            return false;
        }
        let (head, rest) = text.split_at(first.len());
        let (mut rest, tail) = rest.split_at(rest.len() - last.len());
        if !head.eq_ignore_ascii_case(first.as_bytes())
            || !tail.eq_ignore_ascii_case(last.as_bytes())
        {
            return false;
        }
        middle.iter().all(|piece| match find(rest, piece) {
            Some(end) => {
                rest = &rest[end..];
                true
            }
            None => false,
        })
    }
}

/// Whether one of the patterns matches a text; an empty list always matches.
pub fn any_matches<G: AsRef<Glob>>(patterns: &[G], text: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|glob| glob.as_ref().matches(text))
}

impl AsRef<Self> for Glob {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// Returns the end of the first `piece` in `text`.
fn find(text: &[u8], piece: &str) -> Option<usize> {
    let piece = piece.as_bytes();
    (0..=text.len().checked_sub(piece.len())?)
        .find(|at| text[*at..at + piece.len()].eq_ignore_ascii_case(piece))
        .map(|at| at + piece.len())
}

/// A pattern for LocURIs: `*` matches any characters in a segment, `**` any number of segments.
///
/// It matches canonical forms ([`locuri::canonical`]), so `./Device/Vendor` and `./Vendor` are the same.
/// `x/**` matches `x` itself, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UriGlob {
    segments: Arc<[Segment]>,
    /// Whether the pattern says `./Device/` before a wildcard, which then does not match `./User`.
    device_only: bool,
}

/// One segment of a pattern, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// Exactly this text.
    Is(String),
    /// A text with `*` in it.
    Like(Glob),
    /// `**`.
    Deep,
}

/// The error of an invalid LocURI pattern, and the remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct BadGlob {
    /// The error.
    pub what: &'static str,
    /// The remedy.
    pub remedy: &'static str,
}

impl UriGlob {
    /// Parses a pattern.
    ///
    /// # Errors
    /// [`BadGlob`] for a pattern that can match no LocURI, or does not mean what it seems to.
    pub fn new(pattern: &str) -> Result<Self, BadGlob> {
        refuse(pattern)?;
        let canonical = locuri::canonical(pattern);
        let bare = pattern.strip_prefix("./").unwrap_or(pattern);
        let says_device = bare
            .get(.."device/".len())
            .is_some_and(|start| start.eq_ignore_ascii_case("device/"));
        Ok(Self {
            device_only: says_device && canonical.starts_with('*'),
            segments: canonical.split('/').map(segment).collect(),
        })
    }

    /// Whether the pattern matches a canonical LocURI. It matches no LocURI of more than [`MOST_SEGMENTS`] segments.
    pub fn matches(&self, canonical: &str) -> bool {
        self.matches_segments(&segments(canonical))
    }

    /// Whether the pattern matches the canonical LocURI with these segments, as [`segments`] returns them.
    pub(super) fn matches_segments(&self, texts: &[&str]) -> bool {
        if texts.len() > MOST_SEGMENTS || self.device_only && texts.first() == Some(&"user") {
            return false;
        }
        let (mut at, mut text) = (0, 0);
        // The last `**` so far, and the end of its match. After a mismatch, only that one needs to match more.
        let mut deep = None;
        while text < texts.len() || at < self.segments.len() {
            let fits = match (self.segments.get(at), texts.get(text)) {
                (Some(Segment::Deep), _) => {
                    deep = Some((at, text));
                    at += 1;
                    continue;
                }
                (Some(Segment::Is(is)), Some(text)) => is == text,
                (Some(Segment::Like(wild)), Some(text)) => wild.matches(text),
                _ => false,
            };
            if fits {
                (at, text) = (at + 1, text + 1);
                continue;
            }
            match deep {
                Some((star, reached)) if reached < texts.len() => {
                    deep = Some((star, reached + 1));
                    (at, text) = (star + 1, reached + 1);
                }
                _ => return false,
            }
        }
        true
    }

    /// Returns the segments before the first one with a star, in lower case.
    pub(super) fn exact_beginning(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().map_while(Segment::exact)
    }

    pub(super) fn has_star(&self) -> bool {
        self.segments
            .iter()
            .any(|segment| segment.exact().is_none())
    }
}

impl Segment {
    fn exact(&self) -> Option<&str> {
        match self {
            Self::Is(text) => Some(text),
            Self::Like(_) | Self::Deep => None,
        }
    }
}

/// Returns the segments of a canonical LocURI; of very many, the first ones.
pub(super) fn segments(canonical: &str) -> Vec<&str> {
    canonical.split('/').take(MOST_SEGMENTS + 1).collect()
}

/// The most segments of a LocURI; real nodes have about a dozen.
const MOST_SEGMENTS: usize = 1_000;

fn refuse(pattern: &str) -> Result<(), BadGlob> {
    let bad = |what, remedy| Err(BadGlob { what, remedy });
    if pattern.contains('?') {
        return bad(
            "a LocURI is matched without its query, and `?` stands for nothing else",
            "leave the query out; `*` stands for any run of characters within a segment",
        );
    }
    if pattern.trim() != pattern || pattern.trim_matches(['.', '/']).is_empty() {
        return bad(
            "this matches no LocURI",
            "write a pattern such as ./Device/Vendor/MSFT/BitLocker/**",
        );
    }
    if pattern.trim_end_matches('/').contains("//") {
        return bad("a segment is empty", "write one slash between two segments");
    }
    let fused = |segment: &str| segment.contains("**") && segment != "**";
    if pattern.split('/').any(fused) {
        return bad(
            "`**` shares its segment with other characters",
            "`**` stands alone between slashes: ./Vendor/**/Status; within a segment write `*`",
        );
    }
    Ok(())
}

fn segment(text: &str) -> Segment {
    match text {
        "**" => Segment::Deep,
        _ if text.contains('*') => Segment::Like(Glob::new(text)),
        _ => Segment::Is(text.to_owned()),
    }
}
