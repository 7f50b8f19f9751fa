//! Edits chosen by a tape of bytes.

use std::borrow::Cow;

use dmtap::markup::edit::{Edit, Fragment, Place};
use dmtap::markup::{Document, Element, Kind, NodeId, Text};
use dmtap::patch::{Patch, Span};

use crate::model::Tape;

const TEXTS: [&str; 6] = ["new", "", " ", "é€ &<>\"'", "]]>", "a\r\nb"];

const ATTRIBUTES: [&str; 6] = ["a", "b", "value", "name", "k:new", "type"];

const VALUES: [&str; 6] = ["v", "", "APPID", "IPV6x", "é€ &<>\"'\t\n", "APPLICATION"];

const FRAGMENTS: [&str; 8] = [
    "<Final/>",
    "<Item><Meta><Type xmlns='syncml:metinf'>t</Type></Meta><Data>d&amp;</Data></Item>",
    "<Format xmlns='syncml:metinf'>chr</Format>",
    "<Node xmlns='syncml:dmddf1.2'><NodeName/></Node>",
    "<own xmlns='urn:own' k='v'>x<inner/><![CDATA[<y>]]></own>",
    "<Data msft:originalerror='1' xmlns:msft='urn:m'>y</Data>",
    "<parm name='APPID' value='w7'/>",
    "<characteristic type='NAPDEF'><parm name='NAME' value='x'/></characteristic>",
];

/// The document and the tape of an input.
pub fn parted(data: &[u8]) -> (&[u8], Cow<'_, [u8]>) {
    if let Some(at) = data.windows(2).rposition(|pair| pair == [0xFF; 2]) {
        return (&data[..at], Cow::Borrowed(&data[at + 2..]));
    }
    let mut state = data.iter().fold(0xCBF2_9CE4_8422_2325_u64, |state, byte| {
        (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    });
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    (data, (0..24).map(|_| next()).collect())
}

/// Up to six edits that fit their nodes; they may collide.
pub fn edits(document: &Document, tape: &mut Tape<'_>) -> Vec<Edit> {
    let inside = document.elements().flat_map(Element::child_ids);
    let nodes: Vec<_> = std::iter::once(document.root().id())
        .chain(inside)
        .collect();
    (0..=tape.pick(6))
        .filter_map(|_| {
            let node = nodes[(tape.pick(256) * 256 + tape.pick(256)) % nodes.len()];
            edit(document, node, tape)
        })
        .collect()
}

fn edit(document: &Document, node: NodeId, tape: &mut Tape<'_>) -> Option<Edit> {
    let is_element = document.element(node).is_some();
    let is_root = node == document.root().id();
    let is_attribute = document.kind(node) == Some(Kind::Attribute);
    let act = tape.pick(9);
    let mut fragment = || Fragment::parse(tape.of(&FRAGMENTS)).expect("fragments are sound");
    match act {
        0 if is_element => Some(Edit::SetText {
            element: node,
            text: tape.of(&TEXTS).into(),
        }),
        1 if is_element => Some(Edit::SetAttribute {
            element: node,
            name: tape.of(&ATTRIBUTES).into(),
            value: tape.of(&VALUES).into(),
        }),
        2 if !is_root => Some(Edit::Remove { node }),
        3 if is_element => Some(Edit::Replace {
            node,
            fragment: fragment(),
        }),
        4 if is_element => Some(insert(Place::FirstIn(node), fragment())),
        5 if is_element => Some(insert(Place::LastIn(node), fragment())),
        6 if !is_root && !is_attribute => Some(insert(Place::Before(node), fragment())),
        7 if !is_root && !is_attribute => Some(insert(Place::After(node), fragment())),
        8 => patch(document, node, tape),
        _ => None,
    }
}

/// Some characters of a text, or octets of OPAQUE, for others.
fn patch(document: &Document, node: NodeId, tape: &mut Tape<'_>) -> Option<Edit> {
    let kind = document.kind(node)?;
    let text = text(document, node)?;
    let octets = text.octets();
    let ends: Vec<_> = match kind {
        Kind::Opaque => (0..=octets.len()).collect(),
        _ => {
            let value = text.value();
            let starts = value.char_indices().map(|(at, _)| at);
            starts.chain([value.len()]).collect()
        }
    };
    let (one, other) = (tape.of(&ends), tape.of(&ends));
    let span = Span::new(one.min(other) as u32, one.max(other) as u32);
    let with = tape.of(&TEXTS).as_bytes().to_vec();
    let patch = Patch::replacing(span, with);
    Some(Edit::PatchText { text: node, patch })
}

fn text(document: &Document, node: NodeId) -> Option<Text<'_>> {
    document
        .elements()
        .flat_map(Element::texts)
        .find(|text| text.id() == node)
}

fn insert(place: Place, fragment: Fragment) -> Edit {
    Edit::Insert { place, fragment }
}
