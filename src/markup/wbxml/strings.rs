//! The string table of a writer: the present strings, and those it appends.

use std::collections::BTreeMap;

/// A string table that grows at its end, so that existing indices keep their meaning.
pub(crate) struct Strings<'t> {
    present: &'t [u8],
    added: Vec<u8>,
    /// The offset of each string; filled from the table at the first query.
    known: Option<BTreeMap<Box<[u8]>, u32>>,
}

impl<'t> Strings<'t> {
    /// Creates a table with the given present bytes.
    pub(crate) fn new(present: &'t [u8]) -> Self {
        Self {
            present,
            added: Vec::new(),
            known: None,
        }
    }

    /// Returns the index of a string, given in the document's charset; appends it if the table does not have it.
    pub(crate) fn index(&mut self, text: &[u8]) -> u32 {
        let known = self.known.get_or_insert_with(|| read(self.present));
        if let Some(index) = known.get(text) {
            return *index;
        }
        if self.added.is_empty() && self.present.last().is_some_and(|last| *last != 0) {
            self.added.push(0);
        }
        let index = (self.present.len() + self.added.len()) as u32;
        self.added.extend_from_slice(text);
        self.added.push(0);
        known.insert(text.into(), index);
        index
    }

    /// Returns the bytes to append to the present table.
    pub(crate) fn added(&self) -> &[u8] {
        &self.added
    }
}

fn read(table: &[u8]) -> BTreeMap<Box<[u8]>, u32> {
    let mut at = 0;
    let mut known = BTreeMap::new();
    for string in table.split(|byte| *byte == 0) {
        if at < table.len() {
            known.entry(string.into()).or_insert(at as u32);
        }
        at += string.len() + 1;
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_found_or_appended() {
        for (present, texts, indices, added) in [
            (
                &b""[..],
                &["a", "b", "a"][..],
                &[0, 2, 0][..],
                &b"a\0b\0"[..],
            ),
            (b"x\0yz\0", &["yz", "z", "x"], &[2, 5, 0], b"z\0"),
            (b"open", &["a", "open"], &[5, 0], b"\0a\0"),
        ] {
            let mut strings = Strings::new(present);
            let found: Vec<_> = texts
                .iter()
                .map(|text| strings.index(text.as_bytes()))
                .collect();
            assert_eq!((&found[..], strings.added()), (indices, added));
        }
    }
}
