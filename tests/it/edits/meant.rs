//! The meaning of edits: edits applied to a plain tree, to compare with the result of their patch. Shared by tests and
//! fuzz targets.

use std::collections::BTreeSet;

use bytes::Bytes;
use dmtap::markup::edit::{self, Edit, EditError, Place};
use dmtap::markup::{
    Charset, DecodeErrorKind, Document, Element, Encoding, Hint, Kind, Limits, NodeId, Text, decode,
};
use dmtap::patch::Patch;

/// What a document says, whatever its encoding.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    Text(String),
    Element {
        name: String,
        attributes: Vec<(String, String)>,
        children: Vec<Self>,
    },
}

/// The tree of an element with `edits` carried out on it, by the meaning of each edit.
pub(crate) fn intended(element: Element<'_>, edits: &[Edit]) -> Tree {
    let (document, id) = (element.document(), element.id());
    let replaced = |node| {
        edits.iter().find_map(|edit| match edit {
            Edit::Replace { node: n, fragment } if *n == node => Some(Some(fragment)),
            Edit::Remove { node: n } if *n == node => Some(None),
            _ => None,
        })
    };
    if let Some(Some(fragment)) = replaced(id) {
        return intended(fragment.document().root(), &[]);
    }
    let inserted = |wanted: Place| {
        edits.iter().filter_map(move |edit| match edit {
            Edit::Insert { place, fragment } if *place == wanted => {
                Some(intended(fragment.document().root(), &[]))
            }
            Edit::Copy { place, node, texts } if *place == wanted => {
                let set = |(element, text): &(NodeId, String)| Edit::SetText {
                    element: *element,
                    text: text.clone(),
                };
                let texts: Vec<Edit> = texts.iter().map(set).collect();
                Some(intended(document.element(*node).unwrap(), &texts))
            }
            _ => None,
        })
    };
    let text = edits.iter().find_map(|edit| match edit {
        Edit::SetText { element, text } if *element == id => Some(text),
        _ => None,
    });
    let mut children = Vec::new();
    if let Some(text) = text {
        children.push(Tree::Text(text.clone()));
    } else {
        children.extend(inserted(Place::FirstIn(id)));
        for child in element
            .child_ids()
            .filter(|id| document.kind(*id) != Some(Kind::Attribute))
        {
            children.extend(inserted(Place::Before(child)));
            match (replaced(child), document.element(child)) {
                (Some(None), _) => {}
                (_, Some(element)) => children.push(intended(element, edits)),
                (_, None) => {
                    let text = element.texts().find(|t| t.id() == child).unwrap();
                    children.push(Tree::Text(intended_text(text, edits)));
                }
            }
            children.extend(inserted(Place::After(child)));
        }
        children.extend(inserted(Place::LastIn(id)));
    }
    let attributes = intended_attributes(element, edits, |node| replaced(node).is_some());
    Tree::Element {
        name: element.local().into(),
        attributes,
        children: joined(children),
    }
}

fn intended_text(text: Text<'_>, edits: &[Edit]) -> String {
    let patch = edits.iter().find_map(|edit| match edit {
        Edit::PatchText { text: t, patch } if *t == text.id() => Some(patch),
        _ => None,
    });
    match patch {
        Some(patch) => {
            let octets = patch.apply(&text.octets().into_owned().into());
            match text.document().encoding() {
                // OPAQUE is octets; as text they are characters of the document's charset.
                Encoding::Wbxml(header)
                    if text.kind() == Kind::Opaque && header.text == Charset::Latin1 =>
                {
                    octets.iter().copied().map(char::from).collect()
                }
                _ => String::from_utf8_lossy(&octets).into_owned(),
            }
        }
        None => text.value().into_owned(),
    }
}

fn intended_attributes(
    element: Element<'_>,
    edits: &[Edit],
    removed: impl Fn(NodeId) -> bool,
) -> Vec<(String, String)> {
    let kept = element
        .attributes()
        .filter(|attribute| !removed(attribute.id()));
    let mut attributes: Vec<_> = kept
        .map(|a| (a.name().into_owned(), a.value().into_owned()))
        .collect();
    for edit in edits {
        if let Edit::SetAttribute {
            element: e,
            name,
            value,
        } = edit
            && *e == element.id()
        {
            match attributes.iter_mut().find(|(there, _)| there == name) {
                Some(attribute) => attribute.1 = value.clone(),
                None => attributes.push((name.clone(), value.clone())),
            }
        }
    }
    // Namespaces are for code pages to tell in WBXML.
    attributes.retain(|(name, _)| name != "xmlns" && !name.starts_with("xmlns:"));
    attributes
}

/// Neighbouring texts as one, and none that is white space only: indentation is no text while it stands
/// between tags, and is one where the tags are gone.
pub(crate) fn joined(children: Vec<Tree>) -> Vec<Tree> {
    let mut out: Vec<Tree> = Vec::new();
    for child in children {
        match (out.last_mut(), child) {
            (Some(Tree::Text(before)), Tree::Text(text)) => before.push_str(&text),
            (_, child) => out.push(child),
        }
    }
    out.retain(|child| !matches!(child, Tree::Text(text) if text.trim().is_empty()));
    out
}

/// The node whose bytes an edit may touch: the element around an attribute or a place.
fn target(document: &Document, edit: &Edit) -> NodeId {
    let parent = |node| {
        document
            .elements()
            .find(|e| e.child_ids().any(|id| id == node))
            .unwrap()
            .id()
    };
    match edit {
        Edit::SetText { element, .. } | Edit::SetAttribute { element, .. } => *element,
        Edit::Remove { node } if document.kind(*node) == Some(Kind::Attribute) => parent(*node),
        Edit::Remove { node } | Edit::Replace { node, .. } => *node,
        Edit::PatchText { text, .. } => *text,
        Edit::Insert { place, .. } | Edit::Copy { place, .. } => match *place {
            Place::FirstIn(element) | Place::LastIn(element) => element,
            Place::Before(node) | Place::After(node) => parent(node),
        },
    }
}

/// Whether two edits want the same thing, by the words of the contract and one pair at a time.
fn collide(document: &Document, one: &Edit, other: &Edit) -> bool {
    let covers = |outer: NodeId, inner: NodeId| {
        document
            .span(outer)
            .unwrap()
            .covers(document.span(inner).unwrap())
    };
    let takes = |edit: &Edit| match edit {
        Edit::Remove { node } if document.kind(*node) != Some(Kind::Attribute) => Some(*node),
        Edit::Replace { node, .. } => Some(*node),
        Edit::PatchText { text, .. } => Some(*text),
        _ => None,
    };
    let attribute = |edit: &Edit| match edit {
        Edit::SetAttribute { name, .. } => Some(name.clone()),
        Edit::Remove { node } if document.kind(*node) == Some(Kind::Attribute) => {
            let element = document.element(target(document, edit)).unwrap();
            let attribute = element.attributes().find(|a| a.id() == *node).unwrap();
            Some(attribute.name().into_owned())
        }
        _ => None,
    };
    let clash = |a: &Edit, b: &Edit| {
        let (at, bt) = (target(document, a), target(document, b));
        let removes = takes(a).is_some_and(|node| covers(node, bt));
        let sets = matches!(a, Edit::SetText { .. })
            && if at == bt {
                attribute(b).is_none()
            } else {
                covers(at, bt)
            };
        removes || sets
    };
    let same_attribute = attribute(one).is_some()
        && attribute(one) == attribute(other)
        && target(document, one) == target(document, other);
    clash(one, other) || clash(other, one) || same_attribute
}

/// Plans `edits` and carries them out: those that collide are refused, others give the tree that is meant, and
/// no byte outside the splices is another.
pub(crate) fn check(document: &Document, edits: &[Edit]) {
    let mut colliding = BTreeSet::new();
    for (number, one) in edits.iter().enumerate() {
        let others = edits[number + 1..].iter();
        colliding.extend(
            others
                .filter(|other| collide(document, one, other))
                .map(|_| number),
        );
    }
    let patch = match edit::plan(document, edits) {
        Ok(patch) => patch,
        Err(EditError::Overlap { .. }) if !colliding.is_empty() => return,
        Err(EditError::Unwritable(_)) if is_1_0(document) => return,
        Err(error) => panic!("{error}\n{edits:?}"),
    };
    assert!(colliding.is_empty(), "{edits:?}");
    if !document.is_wbxml() {
        for splice in patch.splices() {
            let spans = |edit| document.span(target(document, edit)).unwrap();
            assert!(
                edits.iter().any(|edit| spans(edit).covers(splice.span)),
                "{splice:?}"
            );
        }
    }
    let written = patch.apply(document.source());
    assert_others_stay(&patch, document.source(), &written);
    // What is inserted may go deeper than what may come in.
    let limits = Limits {
        depth: 2 * Limits::default().depth,
        ..Limits::default()
    };
    let after = match decode(written.clone(), Hint::default(), &limits) {
        // An attribute more than an element may have.
        Err(error) if matches!(error.kind, DecodeErrorKind::TooLarge { .. }) => return,
        decoded => decoded.unwrap_or_else(|error| panic!("{error}\n{written:?}\n{edits:?}")),
    };
    let (is, meant) = (
        intended(after.root(), &[]),
        intended(document.root(), edits),
    );
    if is != meant && has_indented_text(document) {
        return assert_eq!(squeezed(is), squeezed(meant), "{written:?}");
    }
    assert_eq!(is, meant, "{written:?}");
}

/// Whether it is WBXML 1.0, where a longer string table may read as another header.
fn is_1_0(document: &Document) -> bool {
    matches!(document.encoding(), Encoding::Wbxml(header) if header.version == 0)
}

/// The bytes around the splices are those of the source.
fn assert_others_stay(patch: &Patch, source: &Bytes, written: &Bytes) {
    let (mut from, mut at) = (0, 0);
    for splice in patch.splices() {
        let kept = &source[from..splice.span.start as usize];
        assert_eq!(kept, &written[at..at + kept.len()]);
        at += kept.len() + splice.with.len();
        from = splice.span.end as usize;
    }
    assert_eq!(source[from..], written[at..]);
}

/// Whether XML has white space that is text or not by what belongs to it: alone between tags it is none,
/// beside text or CDATA it is some, and edits change what is there.
fn has_indented_text(document: &Document) -> bool {
    let mixed = |e: Element<'_>| {
        let mut texts = e.texts();
        let alone = |text: Text<'_>| text.value().trim().is_empty();
        texts.clone().any(alone) || texts.next().is_some() && e.elements().next().is_some()
    };
    !document.is_wbxml() && document.elements().any(mixed)
}

/// The tree without any white space.
pub(crate) fn squeezed(tree: Tree) -> Tree {
    match tree {
        Tree::Text(text) => Tree::Text(text.split_whitespace().collect()),
        Tree::Element {
            name,
            attributes,
            children,
        } => Tree::Element {
            name,
            attributes,
            children: joined(children.into_iter().map(squeezed).collect()),
        },
    }
}
