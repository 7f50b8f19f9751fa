//! Spans of a source and the splices that change it: the only way bytes are ever altered.

use bytes::Bytes;

/// A half-open range of byte offsets into one source.
///
/// Sources are at most 4 GiB ([`crate::markup::Limits`] keeps them far smaller), so two `u32` do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Span {
    /// The span from `start` up to, not including, `end`.
    pub const fn new(start: u32, end: u32) -> Self {
        Self { start, end }
    }

    /// An empty span: the place in front of `at`.
    pub const fn at(at: u32) -> Self {
        Self { start: at, end: at }
    }

    /// How many bytes it covers.
    pub const fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether it covers nothing.
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The bytes it covers of `source`, or nothing where it reaches beyond.
    pub fn of(self, source: &[u8]) -> &[u8] {
        source
            .get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }

    /// Whether `inner` lies wholly inside.
    pub const fn covers(self, inner: Self) -> bool {
        self.start <= inner.start && inner.end <= self.end
    }
}

/// One replacement: the bytes of `span` give way to `with`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splice {
    /// What is replaced; empty to insert.
    pub span: Span,
    /// What stands there afterwards; empty to remove.
    pub with: Vec<u8>,
}

/// A change of one source: disjoint splices in source order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    splices: Vec<Splice>,
}

/// Two splices that want the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("two changes overlap at byte {at}")]
pub struct Overlap {
    /// Where the second begins inside the first.
    pub at: u32,
}

impl Patch {
    /// A patch of these splices, in any order. Insertions at one place keep their given order.
    ///
    /// # Errors
    /// [`Overlap`] if two of them share a byte.
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

    /// The patch that replaces one span.
    pub fn replacing(span: Span, with: Vec<u8>) -> Self {
        let splices = vec![Splice { span, with }];
        Self { splices }
    }

    /// The splices, disjoint and in source order.
    pub fn splices(&self) -> &[Splice] {
        &self.splices
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.splices.is_empty()
    }

    /// The source with every splice carried out. An empty patch gives the very same bytes, uncopied.
    pub fn apply(&self, source: &Bytes) -> Bytes {
        if self.splices.is_empty() {
            return source.clone();
        }
        let grown: usize = self.splices.iter().map(|s| s.with.len()).sum();
        let mut out = Vec::with_capacity(source.len() + grown);
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
}
