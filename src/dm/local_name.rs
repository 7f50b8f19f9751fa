//! Look-up of elements and attributes by local name: prefixes differ from peer to peer, and some servers write the
//! names of SOAP faults in lower case.

use std::borrow::Cow;

use super::message::trimmed;
use crate::markup::Element;

/// Whether an element has this local name; case does not matter.
pub(crate) fn is_named(element: Element<'_>, name: &str) -> bool {
    element.local().eq_ignore_ascii_case(name)
}

/// Returns the first child element of this local name.
pub(crate) fn child<'d>(element: Element<'d>, name: &str) -> Option<Element<'d>> {
    element.elements().find(|child| is_named(*child, name))
}

/// Iterates over the child elements of this local name.
pub(crate) fn children<'d>(
    element: Element<'d>,
    name: &'static str,
) -> impl Iterator<Item = Element<'d>> {
    element
        .elements()
        .filter(move |child| is_named(*child, name))
}

/// Returns the element at the end of a path of local names, following the first child of each name.
pub(crate) fn descendant<'d>(element: Element<'d>, names: &[&str]) -> Option<Element<'d>> {
    names
        .iter()
        .try_fold(element, |element, name| child(element, name))
}

/// Returns the text of the element at the end of a path of local names, without white space around it. `None` if there
/// is no such element, or it is empty.
pub(crate) fn text<'d>(element: Element<'d>, names: &[&str]) -> Option<Cow<'d, str>> {
    let text = trimmed(descendant(element, names)?);
    (!text.is_empty()).then_some(text)
}

/// Returns the value of the attribute with this local name, without white space around it.
pub(crate) fn attribute<'d>(element: Element<'d>, name: &str) -> Option<Cow<'d, str>> {
    let mut attributes = element.attributes();
    let found = attributes.find(|attribute| {
        let written = attribute.name();
        let local = written.rsplit(':').next().unwrap_or_default();
        local.eq_ignore_ascii_case(name)
    });
    found.map(|attribute| match attribute.value() {
        Cow::Borrowed(value) => Cow::Borrowed(value.trim_ascii()),
        Cow::Owned(value) => Cow::Owned(value.trim_ascii().to_owned()),
    })
}
