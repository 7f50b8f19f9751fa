//! Random documents with random edits, compared with the same edits applied to a plain tree.

use dmtap::markup::edit::{Edit, Place};
use dmtap::markup::wbxml::encode;
use dmtap::markup::{Document, Element, Kind, NodeId};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::meant::{self, Tree, intended, joined};
use super::{fragment, insert, parse, set_attribute, set_text};

/// Writes a tree as XML in one of many forms, which `style` chooses step by step.
pub(crate) fn write(out: &mut String, tree: &Tree, style: &mut u64) {
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

pub(crate) fn elements(children: impl Strategy<Value = Vec<Tree>>) -> impl Strategy<Value = Tree> {
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

/// What may stand in an element: a text, or an element with all that is in it.
pub(crate) fn contents() -> impl Strategy<Value = Tree> + Clone {
    let leaf = prop_oneof![texts().prop_map(Tree::Text), elements(Just(Vec::new()))];
    leaf.prop_recursive(4, 24, 4, |child| {
        elements(prop::collection::vec(child, 0..4))
    })
}

fn trees() -> impl Strategy<Value = Tree> {
    let root = |children| Tree::Element {
        name: "SyncML".into(),
        attributes: Vec::new(),
        children,
    };
    prop::collection::vec(contents(), 0..4).prop_map(move |children| root(joined(children)))
}

#[derive(Clone, Debug)]
pub(crate) struct Wish {
    act: u8,
    node: usize,
    text: String,
    tree: Tree,
}

pub(crate) fn wishes() -> impl Strategy<Value = Vec<Wish>> {
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

/// The edits nearest to the wishes, where there is one that fits its node.
fn granted(document: &Document, wishes: &[Wish]) -> Vec<Edit> {
    let nodes = nodes(document);
    let grant = |wish| edit_of(document, &nodes, Some(document.root().id()), wish);
    wishes.iter().filter_map(grant).collect()
}

/// The edit nearest to a wish; the `root` of a document can neither go nor get a neighbour.
pub(crate) fn edit_of(
    document: &Document,
    nodes: &[NodeId],
    root: Option<NodeId>,
    wish: &Wish,
) -> Option<Edit> {
    let node = nodes[wish.node % nodes.len()];
    let mut xml = String::new();
    write(&mut xml, &wish.tree, &mut u64::from(wish.act));
    let (is_element, is_root) = (document.element(node).is_some(), root == Some(node));
    let is_attribute = document.kind(node) == Some(Kind::Attribute);
    match wish.act % 9 {
        8 if !is_root && !is_attribute => {
            let is_element = |id: &NodeId| document.element(*id).is_some();
            let elements: Vec<NodeId> = nodes.iter().copied().filter(is_element).collect();
            let copied = elements[wish.text.len() % elements.len()];
            let text = (copied, wish.text.clone());
            Some(Edit::Copy {
                place: [Place::Before, Place::After][usize::from(wish.act > 128)](node),
                node: copied,
                texts: (wish.act > 64).then_some(text).into_iter().collect(),
            })
        }
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

/// What stands at the top, and all that is in it.
pub(crate) fn nodes(document: &Document) -> Vec<NodeId> {
    let inside = document.elements().flat_map(Element::child_ids);
    document.top_ids().chain(inside).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000,
        failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn random_edits_give_the_intended_tree_in_xml(tree in trees(), style: u64, wishes in wishes()) {
        let mut xml = String::new();
        write(&mut xml, &tree, &mut style.clone());
        let document = parse(xml);
        prop_assert_eq!(intended(document.root(), &[]), tree);
        meant::check(&document, &granted(&document, &wishes));
    }

    #[test]
    fn random_edits_give_the_intended_tree_in_wbxml(tree in trees(), style: u64, wishes in wishes()) {
        let mut xml = String::new();
        write(&mut xml, &tree, &mut style.clone());
        let binary = encode::encode(&parse(xml), &encode::WbxmlOptions::default()).unwrap();
        let document = parse(binary);
        prop_assert_eq!(intended(document.root(), &[]), tree);
        meant::check(&document, &granted(&document, &wishes));
    }
}
