//! The Meta that holds for a `Data`, in time that does not grow with its siblings.

use super::{Element, NameId, tag};

/// The field of Meta that holds for a `Data`: that of its item, else that of the command around.
///
/// A Meta stands in front of Data and items (SyncML Representation Protocol 1.2.2 §6.6). To look at all that a
/// hostile message has next to each Data would take quadratic time, and so would reading a long field for each.
pub(crate) fn field(data: Element<'_>, name: NameId) -> Option<Element<'_>> {
    let item = data.parent()?;
    let found = near(item, tag::META).and_then(|meta| near(meta, name));
    let found = found.or_else(|| {
        let command = item.parent().filter(|_| item.is(tag::ITEM))?;
        near(command, tag::META).and_then(|meta| near(meta, name))
    });
    found.filter(|field| field.span().len() <= LONGEST)
}

/// The child element of this name, if it is one of the first.
pub(crate) fn near(parent: Element<'_>, name: NameId) -> Option<Element<'_>> {
    let mut first = parent.child_ids().take(FIRST);
    first.find_map(|id| parent.document().element(id).filter(|child| child.is(name)))
}

/// Many times what the standards put in front of Data, of items, or into Meta.
const FIRST: usize = 64;

/// Many times the bytes of a media type with its parameters.
const LONGEST: usize = 4 << 10;
