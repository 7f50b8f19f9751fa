//! The keys of a table and the elements of a list, without the parts that are left out.

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Error as _, IntoDeserializer, MapAccess, SeqAccess};

use super::{DeTable, Failure, Node, Range, Value};

/// A key, its place, and its value.
type Entry<'t> = (&'t str, Range<usize>, &'t Value<'t>);

pub(super) struct Entries<'r, 't> {
    table: Node<'r, 't>,
    entries: std::vec::IntoIter<Entry<'t>>,
    verb: Option<&'t str>,
    next: Option<Entry<'t>>,
}

impl<'r, 't> Entries<'r, 't> {
    pub(super) fn new(table: Node<'r, 't>, map: &'t DeTable<'t>, verb: Option<&'t str>) -> Self {
        let entries = map
            .iter()
            .map(|(key, value)| (&**key.get_ref(), key.span(), value));
        let entries = entries.filter(|(_, span, _)| !table.left_out.has(span));
        Self {
            table,
            entries: entries.collect::<Vec<_>>().into_iter(),
            verb,
            next: None,
        }
    }
}

impl<'t> MapAccess<'t> for Entries<'_, 't> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'t>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Failure> {
        self.next = self.entries.next();
        let Some((name, span, _)) = &self.next else {
            return Ok(None);
        };
        let key = if self.verb == Some(name) { "=" } else { name };
        let key: StrDeserializer<'_, Failure> = key.into_deserializer();
        seed.deserialize(key)
            .map(Some)
            .map_err(|error| match error {
                Failure::Mistake(mistake) => {
                    Failure::LeftOut(span.start, Some(mistake.in_key(name, span.clone())))
                }
                other => other,
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
        node.read(seed, span.start)
    }
}

/// The elements of a list, or the one value that stands for a list.
pub(super) struct Elements<'r, 't> {
    pub(super) values: std::vec::IntoIter<&'t Value<'t>>,
    pub(super) list: Node<'r, 't>,
}

impl<'t> SeqAccess<'t> for Elements<'_, 't> {
    type Error = Failure;

    fn next_element_seed<S: DeserializeSeed<'t>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Failure> {
        let left_out = self.list.left_out;
        let next = self.values.find(|value| !left_out.has(&value.span()));
        let node = next.map(|value| Node { value, ..self.list });
        node.map(|node| node.read(seed, node.value.span().start))
            .transpose()
    }
}

impl<'t> Node<'_, 't> {
    /// Reads an entry or an element that begins at `start`.
    fn read<S: DeserializeSeed<'t>>(self, seed: S, start: usize) -> Result<S::Value, Failure> {
        let read = seed.deserialize(self);
        read.map_err(|error| {
            let (start, mistake) = error.leave_out(&self, start);
            Failure::LeftOut(start, mistake)
        })
    }
}
