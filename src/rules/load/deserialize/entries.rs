//! The keys of a table and the elements of a list, without those that are wrong.

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Error as _, IntoDeserializer, MapAccess, SeqAccess};

use super::{DeTable, Failure, Node, Range, Value};

/// A key with its place, and what stands under it.
type Entry<'t> = (&'t str, Range<usize>, &'t Value<'t>);

pub(super) struct Entries<'r, 'f, 't> {
    table: Node<'r, 'f, 't>,
    entries: std::vec::IntoIter<Entry<'t>>,
    verb: Option<&'t str>,
    next: Option<Entry<'t>>,
}

impl<'r, 'f, 't> Entries<'r, 'f, 't> {
    pub(super) fn new(
        table: Node<'r, 'f, 't>,
        map: &'t DeTable<'t>,
        verb: Option<&'t str>,
        is_read: impl Fn(&str) -> bool,
    ) -> Self {
        let entries = map.iter().map(|(key, value)| {
            let name: &str = key.get_ref();
            (name, key.span(), value)
        });
        let entries: Vec<_> = entries
            .filter(|(key, span, _)| is_read(key) && !table.reading.is_left_out(span.start))
            .collect();
        Self {
            table,
            entries: entries.into_iter(),
            verb,
            next: None,
        }
    }
}

impl<'t> MapAccess<'t> for Entries<'_, '_, 't> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'t>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Failure> {
        self.next = self.entries.next();
        let Some((name, span, _)) = &self.next else {
            return Ok(None);
        };
        let (key, name, span) = (*name, *name, span.clone());
        let key = if self.verb == Some(key) { "=" } else { key };
        let key: StrDeserializer<'_, Failure> = key.into_deserializer();
        seed.deserialize(key).map(Some).map_err(|error| {
            let reading = self.table.reading;
            if let Failure::Mistake(mistake) = error {
                reading.left_out.borrow_mut().0.insert(span.start);
                reading.report.borrow_mut().mistake(mistake, span, name);
            }
            Failure::Reported
        })
    }

    fn next_value_seed<S: DeserializeSeed<'t>>(&mut self, seed: S) -> Result<S::Value, Failure> {
        let next = self.next.take();
        let (key, span, value) = next.ok_or_else(|| Failure::custom("a value without a key"))?;
        let node = Node {
            value,
            key,
            step: None,
            ..self.table
        };
        let read = seed.deserialize(node);
        read.map_err(|error| self.table.reading.leave_out(error, span.start, value, key))
    }
}

/// The elements of a list, or the one value that stands for it.
pub(super) struct Elements<'r, 'f, 't> {
    pub(super) values: std::vec::IntoIter<&'t Value<'t>>,
    pub(super) list: Node<'r, 'f, 't>,
}

impl<'t> SeqAccess<'t> for Elements<'_, '_, 't> {
    type Error = Failure;

    fn next_element_seed<S: DeserializeSeed<'t>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Failure> {
        let reading = self.list.reading;
        let Some(value) = self
            .values
            .find(|value| !reading.is_left_out(value.span().start))
        else {
            return Ok(None);
        };
        let node = Node { value, ..self.list };
        let read = seed.deserialize(node);
        let start = value.span().start;
        let failed = |error| reading.leave_out(error, start, value, self.list.key);
        read.map(Some).map_err(failed)
    }
}
