//! The Meta that applies to a `Data`, found in time independent of the number of its siblings.

use super::{Element, NameId, tag};

/// Returns the field of Meta that applies to a `Data`: from the Meta of its item, otherwise of the command around.
///
/// A Meta precedes Data and items (SyncML Representation Protocol 1.2.2 §6.6), so only the first children are searched.
/// For a hostile message a full search for each Data would take quadratic time, and so would reading a long field for
/// each.
pub(crate) fn field(data: Element<'_>, name: NameId) -> Option<Element<'_>> {
    let item = data.parent()?;
    let found = near(item, tag::META).and_then(|meta| near(meta, name));
    let found = found.or_else(|| {
        let command = item.parent().filter(|_| item.is(tag::ITEM))?;
        near(command, tag::META).and_then(|meta| near(meta, name))
    });
    found.filter(|field| field.span().len() <= LONGEST)
}

/// Returns the child element of this name, if it is among the first children.
pub(crate) fn near(parent: Element<'_>, name: NameId) -> Option<Element<'_>> {
    let mut first = parent.child_ids().take(FIRST);
    first.find_map(|id| parent.document().element(id).filter(|child| child.is(name)))
}

/// Many times the number of elements that the standards put in front of Data, of items, or into Meta.
const FIRST: usize = 64;

/// Many times the length in bytes of a media type with its parameters.
const LONGEST: usize = 4 << 10;
