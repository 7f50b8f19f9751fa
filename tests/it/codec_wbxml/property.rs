//! Random documents, spelled in random ways, and random edits of them: reading gives the intended tree.

use dmtap::markup::edit::{Edit, Fragment, Place, plan};
use dmtap::markup::{Document, Element, NodeId, wbxml};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::codec_wbxml::model::{self, Family, Node, Tape};
use crate::codec_wbxml::support::decode;

const FRAGMENTS: [&str; 8] = [
    "<Item><Meta><Type xmlns='syncml:metinf'>t</Type></Meta><Data>d</Data></Item>",
    "<Final/>",
    "<Format xmlns='syncml:metinf'>chr</Format>",
    "<Node xmlns='syncml:dmddf1.2'><NodeName/></Node>",
    "<own xmlns='urn:own' k='v'>x<inner/></own>",
    "<Data msft:originalerror='1' xmlns:msft='urn:m'>y</Data>",
    "<parm name='APPID' value='w7'/>",
    "<characteristic type='NAPDEF'><parm name='NAME' value='x'/></characteristic>",
];

/// The tree in a line, in document order: spaces and names, attributes, texts that follow each other as one.
fn line(element: Element<'_>) -> String {
    let mut parts = vec![element.local().to_owned()];
    for attribute in element
        .attributes()
        .filter(|attribute| !attribute.name().starts_with("xmlns"))
    {
        parts.push(format!("@{}={:?}", attribute.name(), attribute.value()));
    }
    let mut run = String::new();
    for id in element.child_ids() {
        match element.document().element(id) {
            Some(child) => {
                flush(&mut run, &mut parts);
                parts.push(line(child));
            }
            None => run.extend(
                element
                    .texts()
                    .find(|text| text.id() == id)
                    .map(|text| text.value().into_owned()),
            ),
        }
    }
    flush(&mut run, &mut parts);
    format!("({})", parts.join(" "))
}

fn flush(run: &mut String, parts: &mut Vec<String>) {
    if !run.is_empty() {
        parts.push(format!("{run:?}"));
        run.clear();
    }
}

/// What is to become of the tree: the edits, and the plain tree's nodes in document order.
struct Intended<'e> {
    document: &'e Document,
    edits: &'e [Edit],
    ids: Vec<NodeId>,
    at: usize,
}

impl Intended<'_> {
    fn next_id(&mut self) -> NodeId {
        self.at += 1;
        self.ids[self.at - 1]
    }

    fn inserted(&self, place: Place, parts: &mut Vec<String>) {
        for edit in self.edits {
            if let Edit::Insert {
                place: here,
                fragment,
            } = edit
                && *here == place
            {
                parts.push(line(fragment.document().root()));
            }
            if let Edit::Copy {
                place: here, node, ..
            } = edit
                && *here == place
            {
                parts.push(line(self.document.element(*node).unwrap()));
            }
        }
    }

    /// The parts that a node of the plain tree becomes. Texts are not yet joined.
    fn node(&mut self, node: &Node, parts: &mut Vec<String>) {
        let id = self.next_id();
        self.inserted(Place::Before(id), parts);
        let removed = self
            .edits
            .iter()
            .any(|edit| matches!(edit, Edit::Remove { node } if *node == id));
        let replaced = self.edits.iter().find_map(|edit| match edit {
            Edit::Replace { node, fragment } if *node == id => {
                Some(line(fragment.document().root()))
            }
            _ => None,
        });
        match node {
            Node::Text(text) if !removed => parts.push(format!("\u{1}{text}")),
            Node::Text(_) => {}
            Node::Element {
                name,
                attributes,
                children,
            } => {
                let own = self.element(id, name.local(), attributes, children);
                match replaced {
                    Some(other) => parts.push(other),
                    None if removed => {}
                    None => parts.push(own),
                }
            }
        }
        self.inserted(Place::After(id), parts);
    }

    fn element(
        &mut self,
        id: NodeId,
        local: &str,
        attributes: &[(String, String)],
        children: &[Node],
    ) -> String {
        let mut parts = vec![local.to_owned()];
        let mut set: Vec<_> = self
            .edits
            .iter()
            .filter_map(|edit| match edit {
                Edit::SetAttribute {
                    element,
                    name,
                    value,
                } if *element == id => Some((name, value)),
                _ => None,
            })
            .collect();
        for (name, value) in attributes {
            let attribute = self.next_id();
            if self
                .edits
                .iter()
                .any(|edit| matches!(edit, Edit::Remove { node } if *node == attribute))
            {
                continue;
            }
            let changed = set
                .iter()
                .position(|(own, _)| *own == name)
                .map(|at| set.remove(at).1);
            parts.push(format!("@{name}={:?}", changed.unwrap_or(value)));
        }
        parts.extend(set.iter().map(|(name, value)| format!("@{name}={value:?}")));
        let mut content = Vec::new();
        self.inserted(Place::FirstIn(id), &mut content);
        children
            .iter()
            .for_each(|child| self.node(child, &mut content));
        self.inserted(Place::LastIn(id), &mut content);
        for edit in self.edits {
            if let Edit::SetText { element, text } = edit
                && *element == id
            {
                content = vec![format!("\u{1}{text}")];
            }
        }
        let mut run = String::new();
        for part in content {
            match part.strip_prefix('\u{1}') {
                Some(text) => run.push_str(text),
                None => {
                    flush(&mut run, &mut parts);
                    parts.push(part);
                }
            }
        }
        flush(&mut run, &mut parts);
        format!("({})", parts.join(" "))
    }
}

fn intended(root: &Node, document: &Document, edits: &[Edit]) -> String {
    let mut parts = Vec::new();
    Intended {
        document,
        edits,
        ids: all_nodes(document),
        at: 0,
    }
    .node(root, &mut parts);
    parts.join(" ")
}

fn all_nodes(document: &Document) -> Vec<NodeId> {
    let mut ids: Vec<_> = document
        .elements()
        .flat_map(|element| element.child_ids())
        .collect();
    ids.push(document.root().id());
    ids.sort();
    ids
}

/// A few edits that do not touch each other.
fn edits(document: &Document, tape: &mut Tape<'_>) -> Vec<Edit> {
    let ids = all_nodes(document);
    let mut edits: Vec<Edit> = Vec::new();
    for _ in 0..1 + tape.pick(6) {
        let node = tape.of(&ids);
        let fragment = || Fragment::parse(FRAGMENTS[0]).unwrap();
        let mut edit = match tape.pick(11) {
            0 => Edit::Remove { node },
            1 => Edit::SetText {
                element: node,
                text: tape.of(&["new", "", "nul\0nul", "€"]).into(),
            },
            2 => Edit::Replace {
                node,
                fragment: fragment(),
            },
            3 => Edit::Insert {
                place: Place::Before(node),
                fragment: fragment(),
            },
            4 => Edit::Insert {
                place: Place::After(node),
                fragment: fragment(),
            },
            5 => Edit::Insert {
                place: Place::FirstIn(node),
                fragment: fragment(),
            },
            9 | 10 => {
                let element = |id: &NodeId| document.element(*id).is_some();
                let elements: Vec<NodeId> = ids.iter().copied().filter(element).collect();
                let places = [Place::Before, Place::After, Place::FirstIn, Place::LastIn];
                Edit::Copy {
                    place: tape.of(&places)(node),
                    node: tape.of(&elements),
                    texts: Vec::new(),
                }
            }
            6 => Edit::Insert {
                place: Place::LastIn(node),
                fragment: fragment(),
            },
            _ => {
                let (name, value) = tape.of(&[
                    ("name", "APPID"),
                    ("value", "IPV6"),
                    ("k:new", "v"),
                    ("type", "PORT"),
                ]);
                Edit::SetAttribute {
                    element: node,
                    name: name.into(),
                    value: value.into(),
                }
            }
        };
        if let Edit::Replace { fragment, .. } | Edit::Insert { fragment, .. } = &mut edit {
            *fragment = Fragment::parse(tape.of(&FRAGMENTS)).unwrap();
        }
        let alone =
            |other: &Edit| !disturbs(document, &edit, other) && !disturbs(document, other, &edit);
        if fits(document, &edit) && edits.iter().all(alone) {
            edits.push(edit);
        }
    }
    edits
}

fn target(edit: &Edit) -> NodeId {
    match edit {
        Edit::SetText { element, .. } | Edit::SetAttribute { element, .. } => *element,
        Edit::Remove { node } | Edit::Replace { node, .. } => *node,
        Edit::PatchText { text, .. } => *text,
        Edit::Insert { place, .. } | Edit::Copy { place, .. } => match place {
            Place::Before(node)
            | Place::After(node)
            | Place::FirstIn(node)
            | Place::LastIn(node) => *node,
        },
    }
}

fn is_attribute(document: &Document, node: NodeId) -> bool {
    document.kind(node) == Some(dmtap::markup::Kind::Attribute)
}

fn fits(document: &Document, edit: &Edit) -> bool {
    let node = target(edit);
    match edit {
        Edit::Remove { .. } => node != document.root().id(),
        Edit::Insert {
            place: Place::Before(_) | Place::After(_),
            ..
        }
        | Edit::Copy {
            place: Place::Before(_) | Place::After(_),
            ..
        } => node != document.root().id() && !is_attribute(document, node),
        _ => document.element(node).is_some(),
    }
}

/// Whether `edit` takes away what `other` works on.
fn disturbs(document: &Document, edit: &Edit, other: &Edit) -> bool {
    let (node, there) = (target(edit), target(other));
    let inside = document
        .span(node)
        .unwrap()
        .covers(document.span(there).unwrap());
    match edit {
        Edit::Remove { .. } | Edit::Replace { .. } | Edit::PatchText { .. } => inside,
        Edit::SetText { .. } if node == there => {
            matches!(
                other,
                Edit::SetText { .. }
                    | Edit::Insert {
                        place: Place::FirstIn(_) | Place::LastIn(_),
                        ..
                    }
                    | Edit::Copy {
                        place: Place::FirstIn(_) | Place::LastIn(_),
                        ..
                    }
            )
        }
        Edit::SetText { .. } => {
            let own = document
                .element(node)
                .unwrap()
                .attributes()
                .any(|attribute| attribute.id() == there);
            inside && !own
        }
        Edit::SetAttribute { name, .. } => match other {
            Edit::SetAttribute { name: second, .. } => node == there && name == second,
            _ => {
                let element = document.element(node).unwrap();
                element
                    .attributes()
                    .any(|attribute| attribute.id() == there && attribute.name() == *name)
            }
        },
        Edit::Insert { .. } | Edit::Copy { .. } => false,
    }
}

fn idle_switches(document: &Document) -> usize {
    document
        .flags()
        .iter()
        .filter(|flag| flag.kind.id() == Some("F33"))
        .count()
}

fn check(family: Family, tape: &[u8]) {
    let tape = &mut Tape::new(tape);
    let tree = model::document(family, tape);
    let bytes = model::write(family, &tree, tape);
    let document = decode(&bytes).unwrap_or_else(|e| panic!("{bytes:02X?}: {e}"));
    assert_eq!(line(document.root()), intended(&tree, &document, &[]));

    let written = wbxml::encode(&document, &wbxml::WbxmlOptions::default()).unwrap();
    let again = decode(&written).unwrap_or_else(|e| panic!("{written:02X?}: {e}"));
    assert_eq!(line(again.root()), line(document.root()));
    assert_eq!(
        wbxml::encode(&again, &wbxml::WbxmlOptions::default()).unwrap(),
        written
    );

    let edits = edits(&document, tape);
    let patch = plan(&document, &edits).unwrap();
    let patched = patch.apply(document.source());
    let result =
        decode(&patched).unwrap_or_else(|e| panic!("{e}\n{edits:?}\n{bytes:02X?}\n{patched:02X?}"));
    assert_eq!(
        line(result.root()),
        intended(&tree, &document, &edits),
        "{edits:?}\n{bytes:02X?}\n{patched:02X?}"
    );
    if idle_switches(&document) == 0 {
        assert_eq!(
            idle_switches(&result),
            0,
            "{edits:?}\n{bytes:02X?}\n{patched:02X?}"
        );
    }
}

/// Bytes of a good document, some of them changed: refused or read, and what is read can be shown, written
/// and edited.
fn check_hostile(family: Family, tape: &[u8], changes: &[(u16, u8)]) {
    let tape = &mut Tape::new(tape);
    let tree = model::document(family, tape);
    let mut bytes = model::write(family, &tree, tape);
    for (at, byte) in changes {
        let at = usize::from(*at) % bytes.len();
        bytes[at] = *byte;
    }
    let Ok(document) = decode(&bytes) else { return };
    if document.is_wbxml() {
        let shown = line(document.root());
        let written = wbxml::encode(&document, &wbxml::WbxmlOptions::default());
        // A name may be one that only a string table in another charset can hold.
        if let Ok(written) = written {
            let again =
                decode(&written).unwrap_or_else(|e| panic!("{e}: {bytes:02X?}\n{written:02X?}"));
            assert!(!line(again.root()).is_empty() && !shown.is_empty());
        }
        let Ok(patch) = plan(&document, &edits(&document, tape)) else {
            return;
        };
        let patched = patch.apply(document.source());
        decode(&patched).unwrap_or_else(|e| panic!("{e}: {bytes:02X?}\n{patched:02X?}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8000, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn edits_of_messages_give_the_tree_meant(tape in prop::collection::vec(any::<u8>(), 0..300)) {
        check(Family::SyncMl, &tape);
    }

    #[test]
    fn edits_of_provisioning_documents_give_the_tree_meant(tape in prop::collection::vec(any::<u8>(), 0..300)) {
        check(Family::Prov, &tape);
    }

    #[test]
    fn hostile_bytes_are_refused_or_survive_everything(
        tape in prop::collection::vec(any::<u8>(), 0..300),
        changes in prop::collection::vec((any::<u16>(), any::<u8>()), 1..6),
        prov in any::<bool>(),
    ) {
        check_hostile(if prov { Family::Prov } else { Family::SyncMl }, &tape, &changes);
    }
}
