//! The Meta that holds for a `Data`, in time that does not grow with the number of items beside it.

use super::{Element, NameId, tag};

/// The field of Meta that holds for a `Data`: that of its item, else that of the command around.
///
/// A command's Meta stands in front of its items (SyncML Representation Protocol 1.2.2 §6.6). To look behind them
/// for each item would take quadratic time.
pub(crate) fn field(data: Element<'_>, name: NameId) -> Option<Element<'_>> {
    let item = data.parent()?;
    let own = item.child(tag::META).and_then(|meta| meta.child(name));
    if own.is_some() || !item.is(tag::ITEM) {
        return own;
    }
    let in_front = item
        .parent()?
        .elements()
        .take_while(|element| !element.is(tag::ITEM));
    in_front
        .filter(|element| element.is(tag::META))
        .find_map(|meta| meta.child(name))
}
