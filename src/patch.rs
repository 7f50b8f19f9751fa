//! Spans of a source and the splices that change it. All changes of bytes go through these types.

use bytes::Bytes;

/// A half-open range of byte offsets into one source.
///
/// Sources are at most 4 GiB ([`crate::markup::Limits`] keeps them far smaller), so two `u32` are enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Span {
    /// Returns the span from `start` up to, not including, `end`.
    pub const fn new(start: u32, end: u32) -> Self {
        Self { start, end }
    }

    /// Returns an empty span: the place in front of the byte at `at`.
    pub const fn at(at: u32) -> Self {
        Self { start: at, end: at }
    }

    /// Returns the number of bytes in the span.
    pub const fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether the span is empty.
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Returns the bytes of `source` in the span, or an empty slice if the span reaches beyond the source.
    pub fn of(self, source: &[u8]) -> &[u8] {
        source
            .get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }

    /// Whether `inner` lies wholly inside the span.
    pub const fn covers(self, inner: Self) -> bool {
        self.start <= inner.start && inner.end <= self.end
    }
}

/// One replacement: the bytes `with` replace those in `span`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splice {
    /// The bytes to replace; empty for an insertion.
    pub span: Span,
    /// The replacement; empty for a removal.
    pub with: Vec<u8>,
}

/// A change of one source: disjoint splices in source order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    splices: Vec<Splice>,
}

/// Two splices that change the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("two changes overlap at byte {at}")]
pub struct Overlap {
    /// The offset at which the second splice begins inside the first.
    pub at: u32,
}

impl Patch {
    /// Creates a patch from splices in any order. Insertions at one place keep their given order.
    ///
    /// # Errors
    /// [`Overlap`] if two splices share a byte.
    pub fn new(mut splices: Vec<Splice>) -> Result<Self, Overlap> {
        splices.sort_by_key(|s| (s.span.start, s.span.end));
        for pair in splices.windows(2) {
            if pair[1].span.start < pair[0].span.end {
                return Err(Overlap {
                    at: pair[1].span.start,
                });
            }
        }
        Ok(Self { splices })
    }

    /// Creates the patch that replaces one span.
    pub fn replacing(span: Span, with: Vec<u8>) -> Self {
        let splices = vec![Splice { span, with }];
        Self { splices }
    }

    /// Returns the splices, disjoint and in source order.
    pub fn splices(&self) -> &[Splice] {
        &self.splices
    }

    /// Whether the patch changes nothing.
    pub fn is_empty(&self) -> bool {
        self.splices.is_empty()
    }

    /// Combines this patch of `source` with `next`, a patch of the result, into one patch of `source`.
    pub fn then(&self, next: &Self, source: &Bytes) -> Self {
        let whole = [Piece::Kept(Span::new(0, source.len() as u32))];
        let pieces = spliced(&spliced(&whole, &self.splices), &next.splices);
        let mut splices: Vec<Splice> = Vec::new();
        let mut pending = empty_at(0);
        for piece in pieces {
            match piece {
                Piece::New(bytes) => pending.with.extend_from_slice(&bytes),
                Piece::Kept(kept) => {
                    pending.span.end = kept.start;
                    splices.push(std::mem::replace(&mut pending, empty_at(kept.end)));
                }
            }
        }
        pending.span.end = source.len() as u32;
        splices.push(pending);
        splices.retain(|splice| splice.span.of(source) != splice.with);
        Self { splices }
    }

    /// Applies every splice to the source. An empty patch returns the same bytes without a copy.
    pub fn apply(&self, source: &Bytes) -> Bytes {
        if self.splices.is_empty() {
            return source.clone();
        }
        let inserted: usize = self.splices.iter().map(|s| s.with.len()).sum();
        let mut out = Vec::with_capacity(source.len() + inserted);
        let mut from = 0;
        for splice in &self.splices {
            out.extend_from_slice(Span::new(from, splice.span.start).of(source));
            out.extend_from_slice(&splice.with);
            from = splice.span.end;
        }
        out.extend_from_slice(source.get(from as usize..).unwrap_or_default());
        out.into()
    }
}

/// Bytes that stay from the source, or new bytes.
#[derive(Clone, Debug)]
enum Piece {
    Kept(Span),
    New(Bytes),
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Self::Kept(span) => span.len(),
            Self::New(bytes) => bytes.len(),
        }
    }

    /// Returns the part of the piece between two offsets in it.
    fn part(&self, from: usize, to: usize) -> Self {
        match self {
            Self::Kept(span) => {
                Self::Kept(Span::new(span.start + from as u32, span.start + to as u32))
            }
            Self::New(bytes) => Self::New(bytes.slice(from..to)),
        }
    }
}

/// Applies splices to the sequence of bytes that the pieces make up. Drops empty pieces and does not join neighbours.
fn spliced(pieces: &[Piece], splices: &[Splice]) -> Vec<Piece> {
    let mut out = Vec::with_capacity(pieces.len() + 2 * splices.len());
    let mut rest = pieces.iter();
    let (mut piece, mut used, mut at) = (rest.next(), 0, 0);
    // Advances to an offset in the sequence; the pieces it passes are appended to `pass`, if there is one.
    let mut advance = |to: usize, mut pass: Option<&mut Vec<Piece>>| {
        while at < to {
            let Some(here) = piece else { return };
            let take = (here.len() - used).min(to - at);
            if let Some(out) = pass.as_mut().filter(|_| take > 0) {
                out.push(here.part(used, used + take));
            }
            (used, at) = (used + take, at + take);
            if used == here.len() {
                (piece, used) = (rest.next(), 0);
            }
        }
    };
    for splice in splices {
        advance(splice.span.start as usize, Some(&mut out));
        if !splice.with.is_empty() {
            out.push(Piece::New(splice.with.clone().into()));
        }
        advance(splice.span.end as usize, None);
    }
    advance(usize::MAX, Some(&mut out));
    out
}

fn empty_at(at: u32) -> Splice {
    Splice {
        span: Span::at(at),
        with: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn splice(start: u32, end: u32, with: &str) -> Splice {
        Splice {
            span: Span::new(start, end),
            with: with.into(),
        }
    }

    #[test]
    fn splices_apply_in_source_order_whatever_order_they_came_in() {
        let patch = Patch::new(vec![
            splice(4, 5, "E"),
            splice(0, 1, "A"),
            splice(2, 2, "++"),
        ]);
        assert_eq!(patch.unwrap().apply(&Bytes::from("abcdefg")), "Ab++cdEfg");
    }

    #[test]
    fn an_empty_patch_shares_the_source() {
        let source = Bytes::from("abc");
        assert_eq!(Patch::default().apply(&source).as_ptr(), source.as_ptr());
    }

    #[test]
    fn overlapping_splices_are_refused() {
        let patch = Patch::new(vec![splice(0, 3, ""), splice(2, 4, "")]);
        assert_eq!(patch, Err(Overlap { at: 2 }));
    }

    #[test]
    fn a_patch_after_another_is_one_patch_of_the_source() {
        let source = Bytes::from("abcdefghij");
        // Each splice of one offset, length and text, applied after each of three patches.
        let firsts = [
            Vec::new(),
            vec![splice(0, 0, "<<"), splice(3, 6, "X"), splice(10, 10, ">>")],
            vec![splice(0, 4, ""), splice(5, 5, "12345"), splice(8, 10, "Z")],
        ];
        for first in firsts.map(|splices| Patch::new(splices).unwrap()) {
            let between = first.apply(&source);
            let length = between.len() as u32;
            for (start, end) in (0..=length).flat_map(|s| (s..=length).map(move |e| (s, e))) {
                for with in ["", "new"] {
                    let next = Patch::replacing(Span::new(start, end), with.into());
                    let both = first.then(&next, &source);
                    assert_eq!(
                        both.apply(&source),
                        next.apply(&between),
                        "{first:?} {next:?}"
                    );
                    assert_eq!(Patch::new(both.splices.clone()), Ok(both));
                }
            }
        }
    }
}
