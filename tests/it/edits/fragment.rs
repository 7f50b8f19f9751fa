//! Random edits of random fragments inside a message, compared with the same edits with an element around the fragment.

use bytes::Bytes;
use dmtap::markup::edit::{self, Edit, EditError, NestedEdit};
use dmtap::markup::{Document, EmbeddedResult, Limits, NodeId, tag};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::meant::{Tree, intended, joined, squeezed};
use super::random::{Wish, contents, edit_of, elements, nodes, wishes, write};
use super::{parse, set_text};

/// Messages with an empty text in `Data`, in each form that a text keeps.
const SHELLS: [&[u8]; 4] = [
    b"<SyncML><Data></Data></SyncML>",
    b"<SyncML><Data><![CDATA[]]></Data></SyncML>",
    b"\x02\xA4\x01\x6A\x00\x6D\x4F\x03\x00\x01\x01",
    b"\x02\xA4\x01\x6A\x00\x6D\x4F\xC3\x00\x01\x01",
];

fn data(document: &Document) -> dmtap::markup::Element<'_> {
    document.elements().find(|e| e.is(tag::DATA)).unwrap()
}

fn with_data(shell: &[u8], text: &str) -> Document {
    let document = parse(shell);
    let set = [set_text(data(&document).id(), text)];
    parse(
        edit::plan(&document, &set)
            .unwrap()
            .apply(document.source()),
    )
}

/// The text with an element around it: well-formed content is what may stand in one (XML 1.0 §4.3.2).
fn around(text: &str) -> Document {
    parse(format!("<f>{text}</f>"))
}

/// The nodes in document order.
fn sorted(document: &Document) -> Vec<NodeId> {
    let mut nodes = nodes(document);
    nodes.sort_unstable();
    nodes
}

fn check(shell: &[u8], text: &str, wishes: &[Wish]) {
    let outer = with_data(shell, text);
    let EmbeddedResult::Document(inner) = data(&outer).open(&Limits::default()) else {
        panic!("{text:?} stays closed");
    };
    let (inner, around_it) = (inner.document(), around(text));
    // Both have the same nodes, but for the element around.
    let (inside, places) = (sorted(inner), sorted(&around_it).split_off(1));
    assert_eq!(inside.len(), places.len(), "{text:?}");
    let granted = |document, nodes: &[NodeId]| -> Vec<Edit> {
        let grant = |wish| edit_of(document, nodes, None, wish);
        wishes.iter().filter_map(grant).collect()
    };
    let (edits, meant) = (granted(inner, &inside), granted(&around_it, &places));
    let holder = data(&outer).id();
    let within = edits.into_iter().map(|edit| NestedEdit {
        holders: vec![holder],
        edit,
    });
    let within: Vec<NestedEdit> = within.collect();
    let planned = edit::plan_within(&outer, &within, &Limits::default());
    let patch = match (planned, edit::plan(&around_it, &meant)) {
        (Ok(patch), Ok(_)) => patch,
        (Err(EditError::Overlap { .. }), Err(EditError::Overlap { .. })) => return,
        (planned, other) => panic!("{planned:?} but {other:?} for {text:?}"),
    };
    let written = parse(patch.apply(outer.source()));
    let is = intended(around(&data(&written).text()).root(), &[]);
    let meant = intended(around_it.root(), &meant);
    assert_eq!(squeezed(is), squeezed(meant), "{text:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000,
        failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn random_edits_of_fragments_give_the_intended_content(
        first in elements(Just(Vec::new())),
        rest in prop::collection::vec(contents(), 0..4),
        second in elements(Just(vec![Tree::Text("x&".into())])),
        style: u64,
        shell in 0..SHELLS.len(),
        wishes in wishes(),
    ) {
        let mut style = style;
        let mut text = String::new();
        let mut all = vec![first];
        all.extend(rest);
        all.push(second);
        for tree in joined(all) {
            write(&mut text, &tree, &mut style);
        }
        check(SHELLS[shell], &text, &wishes);
    }
}

#[test]
fn bytes_outside_the_fragment_stay() {
    let outer = with_data(SHELLS[0], "<a/><b/>");
    let mut within = Vec::new();
    let EmbeddedResult::Document(inner) = data(&outer).open(&Limits::default()) else {
        panic!();
    };
    for root in inner.document().roots() {
        let edit = super::set_attribute(root.id(), "c", "d");
        let holders = vec![data(&outer).id()];
        within.push(NestedEdit { holders, edit });
    }
    let patch = edit::plan_within(&outer, &within, &Limits::default()).unwrap();
    assert_eq!(
        patch.apply(outer.source()),
        Bytes::from("<SyncML><Data>&lt;a c=\"d\"/&gt;&lt;b c=\"d\"/&gt;</Data></SyncML>")
    );
}
