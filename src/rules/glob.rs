//! Globs. Both kinds ignore case and know no character but `*`.

use std::sync::Arc;

use crate::dm::locuri;

/// A pattern for flat text such as a host: `*` stands for any run of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Vec<String>);

impl Glob {
    /// Reads a pattern; every text is one.
    pub fn new(pattern: &str) -> Self {
        Self(pattern.split('*').map(str::to_owned).collect())
    }

    pub(super) fn text(&self) -> String {
        self.0.join("*")
    }

    /// The same without white space around it.
    pub(super) fn trimmed(&self) -> Self {
        Self::new(self.text().trim_ascii())
    }

    /// The one text it matches, where there is no `*` in it.
    pub(super) fn exact(&self) -> Option<&str> {
        match &self.0[..] {
            [whole] => Some(whole),
            _ => None,
        }
    }

    /// Whether it matches the whole of `text`.
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

impl AsRef<Self> for Glob {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// Where the first `piece` in `text` ends.
fn find(text: &[u8], piece: &str) -> Option<usize> {
    let piece = piece.as_bytes();
    (0..=text.len().checked_sub(piece.len())?)
        .find(|at| text[*at..at + piece.len()].eq_ignore_ascii_case(piece))
        .map(|at| at + piece.len())
}

/// A pattern for LocURIs: `*` stands for any run within a segment, `**` for any number of segments.
///
/// It is matched on canonical forms ([`locuri::canonical`]), so `./Device/Vendor` and `./Vendor` are one.
/// `x/**` matches `x` itself, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UriGlob {
    segments: Arc<[Segment]>,
    /// `./Device/**`: the wildcard does not reach into `./User`.
    device_only: bool,
}

/// One segment of a pattern, case folded.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// This very text.
    Is(String),
    /// A text with `*` in it.
    Like(Glob),
    /// `**`.
    Deep,
}

/// What is wrong with a LocURI pattern, and how it is put right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct BadGlob {
    /// What is wrong.
    pub what: &'static str,
    /// The remedy.
    pub remedy: &'static str,
}

impl UriGlob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`BadGlob`] for a pattern that can match no LocURI, or says something else than it seems to.
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

    /// Whether it matches a canonical LocURI; none of more than [`MOST_SEGMENTS`] segments.
    pub fn matches(&self, canonical: &str) -> bool {
        if self.device_only && (canonical == "user" || canonical.starts_with("user/")) {
            return false;
        }
        let texts = canonical.split('/').take(MOST_SEGMENTS + 1);
        let texts: Vec<&str> = texts.collect();
        if texts.len() > MOST_SEGMENTS {
            return false;
        }
        let (mut at, mut text) = (0, 0);
        // The last `**` passed, and how far it reaches: only that one need ever reach further.
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

    /// The segments in front of the first one with a star.
    pub(super) fn exact_beginning(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().map_while(Segment::exact)
    }

    pub(super) fn has_star(&self) -> bool {
        self.segments
            .iter()
            .any(|segment| segment.exact().is_none())
    }

    /// Its segments without a star, in lower case.
    pub(super) fn exact_segments(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(Segment::exact)
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

/// Segments of a LocURI at most: nodes have a dozen.
pub(super) const MOST_SEGMENTS: usize = 1_000;

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
