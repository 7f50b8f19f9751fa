//! Random documents with random edits, against the meaning of each edit carried out on a plain tree.

use std::collections::BTreeSet;

use dmtap::markup::edit::{self, Edit, EditError, Place};
use dmtap::markup::wbxml::encode;
use dmtap::markup::{Document, Element, Hint, Kind, Limits, NodeId, decode};
use proptest::prelude::*;

use super::{fragment, insert, parse, set_attribute, set_text};

/// What a document says, whatever its encoding.
#[derive(Clone, Debug, PartialEq)]
enum Tree {
    Text(String),
    Element {
        name: String,
        attributes: Vec<(String, String)>,
        children: Vec<Self>,
    },
}

/// The tree of an element with `edits` carried out on it, by the meaning of each edit.
fn intended(element: Element<'_>, edits: &[Edit]) -> Tree {
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
                    children.push(Tree::Text(text.value().into_owned()));
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
    attributes
}

/// Neighbouring texts as one, and none that is white space only: indentation is no text while it stands
/// between tags, and is one where the tags are gone.
fn joined(children: Vec<Tree>) -> Vec<Tree> {
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

/// Writes a tree as XML in one of many forms, which `style` chooses step by step.
fn write(out: &mut String, tree: &Tree, style: &mut u64) {
    let mut choice = |of: u64| {
        *style = style
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (*style >> 33) % of
    };
    match tree {
        Tree::Text(text) if choice(3) == 0 => {
            out.push_str(&format!(
                "<![CDATA[{}]]>",
                text.replace("]]>", "]]]]><![CDATA[>")
            ));
        }
        Tree::Text(text) => {
            let text = text
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace("]]>", "]]&gt;");
            out.push_str(&text);
        }
        Tree::Element {
            name,
            attributes,
            children,
        } => {
            out.push_str(&format!("<{name}"));
            for (name, value) in attributes {
                let value = value
                    .replace('&', "&amp;")
                    .replace('<', "&lt;")
                    .replace('"', "&#34;");
                let space = [" ", "\n\t"][choice(2) as usize];
                out.push_str(&format!("{space}{name}=\"{value}\""));
            }
            out.push_str(["", " "][choice(2) as usize]);
            if children.is_empty() && choice(2) == 0 {
                return out.push_str("/>");
            }
            out.push('>');
            let mixed = children.iter().any(|child| matches!(child, Tree::Text(_)));
            let indent = if mixed || children.is_empty() {
                ""
            } else {
                ["", "\n  ", "<!-- & -->"][choice(3) as usize]
            };
            for child in children {
                out.push_str(indent);
                write(out, child, style);
            }
            out.push_str(&format!("{indent}</{name}>"));
        }
    }
}

fn texts() -> impl Strategy<Value = String> {
    "[a-z0-9&<>'\"é€ \\]]{0,6}|]]>|x\r\ny"
}

fn elements(children: impl Strategy<Value = Vec<Tree>>) -> impl Strategy<Value = Tree> {
    let name = prop::sample::select(vec![
        "Item", "Data", "Meta", "Type", "Format", "LocURI", "Foo",
    ]);
    let attributes = prop::collection::btree_map("[abc]", texts(), 0..3);
    (name, attributes, children).prop_map(|(name, attributes, children)| Tree::Element {
        name: name.into(),
        attributes: attributes.into_iter().collect(),
        children: joined(children),
    })
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![texts().prop_map(Tree::Text), elements(Just(Vec::new()))];
    let inner = leaf.prop_recursive(4, 24, 4, |child| {
        elements(prop::collection::vec(child, 0..4))
    });
    let root = |children| Tree::Element {
        name: "SyncML".into(),
        attributes: Vec::new(),
        children,
    };
    prop::collection::vec(inner, 0..4).prop_map(move |children| root(joined(children)))
}

#[derive(Clone, Debug)]
struct Wish {
    act: u8,
    node: usize,
    text: String,
    tree: Tree,
}

fn wishes() -> impl Strategy<Value = Vec<Wish>> {
    let wish = (
        any::<u8>(),
        any::<usize>(),
        texts(),
        elements(Just(vec![Tree::Text("x&".into())])),
    );
    let wish = wish.prop_map(|(act, node, text, tree)| Wish {
        act,
        node,
        text,
        tree,
    });
    prop::collection::vec(wish, 1..5)
}

/// The edit nearest to a wish, if there is one that fits its node.
fn granted(document: &Document, wish: &Wish) -> Option<Edit> {
    let nodes: Vec<_> = nodes(document);
    let node = nodes[wish.node % nodes.len()];
    let mut xml = String::new();
    write(&mut xml, &wish.tree, &mut u64::from(wish.act));
    let (is_element, is_root) = (
        document.element(node).is_some(),
        node == document.root().id(),
    );
    let is_attribute = document.kind(node) == Some(Kind::Attribute);
    match wish.act % 8 {
        0 if is_element => Some(set_text(node, &wish.text)),
        1 if is_element => Some(set_attribute(
            node,
            ["a", "b", "d"][wish.node % 3],
            &wish.text,
        )),
        2 if !is_root => Some(Edit::Remove { node }),
        3 if is_element => Some(Edit::Replace {
            node,
            fragment: fragment(&xml),
        }),
        4 if is_element => Some(insert(Place::FirstIn(node), &xml)),
        5 if is_element => Some(insert(Place::LastIn(node), &xml)),
        6 if !is_root && !is_attribute => Some(insert(Place::Before(node), &xml)),
        7 if !is_root && !is_attribute => Some(insert(Place::After(node), &xml)),
        _ => None,
    }
}

fn nodes(document: &Document) -> Vec<NodeId> {
    let inside = document.elements().flat_map(Element::child_ids);
    std::iter::once(document.root().id())
        .chain(inside)
        .collect()
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
        Edit::Insert { place, .. } => match *place {
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

fn check_random(document: &Document, wishes: &[Wish]) {
    let edits: Vec<_> = wishes
        .iter()
        .filter_map(|wish| granted(document, wish))
        .collect();
    let mut colliding = BTreeSet::new();
    for (number, one) in edits.iter().enumerate() {
        let others = edits[number + 1..].iter();
        colliding.extend(
            others
                .filter(|other| collide(document, one, other))
                .map(|_| number),
        );
    }
    let patch = match edit::plan(document, &edits) {
        Ok(patch) => patch,
        Err(EditError::Overlap { .. }) if !colliding.is_empty() => return,
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
    let after = decode(written.clone(), Hint::default(), &Limits::default())
        .unwrap_or_else(|error| panic!("{error}\n{written:?}\n{edits:?}"));
    assert_eq!(
        intended(after.root(), &[]),
        intended(document.root(), &edits),
        "{written:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000,
        failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_edits_give_the_intended_tree_in_xml(tree in trees(), style: u64, wishes in wishes()) {
        let mut xml = String::new();
        write(&mut xml, &tree, &mut style.clone());
        let document = parse(xml);
        prop_assert_eq!(intended(document.root(), &[]), tree);
        check_random(&document, &wishes);
    }

    #[test]
    fn random_edits_give_the_intended_tree_in_wbxml(tree in trees(), style: u64, wishes in wishes()) {
        let mut xml = String::new();
        write(&mut xml, &tree, &mut style.clone());
        let binary = encode::encode(&parse(xml), &encode::WbxmlOptions::default()).unwrap();
        let document = parse(binary);
        prop_assert_eq!(intended(document.root(), &[]), tree);
        check_random(&document, &wishes);
    }
}
