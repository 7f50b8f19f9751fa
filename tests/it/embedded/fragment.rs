//! Several elements in one text, as in Windows policies.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dmtap::markup::edit::{self, Edit, Fragment, NestedEdit, Place};
use dmtap::markup::wbxml::EncodeError;
use dmtap::markup::{Document, Path, Wrapping, tag};

use super::{DATA, LIMITS, escaped, find, opaque, parse, set_text, string, text_at, wbxml, xml};

const POLICY: &str =
    "<enabled/>\r\n <data id=\"Limit\" value=\"1\"/><data id=\"Text\" value=\"a &amp; b\"/>";

/// A message with this text in its `Data`, in every wrapping.
fn wrapped(text: &str) -> [(Wrapping, Vec<u8>); 6] {
    let t = "text/plain";
    [
        (Wrapping::Escaped, xml(t, escaped(text))),
        (Wrapping::Cdata, xml(t, format!("<![CDATA[{text}]]>"))),
        (Wrapping::Base64, xml(t, STANDARD.encode(text))),
        (Wrapping::String, wbxml(t, string(text))),
        (Wrapping::Opaque, wbxml(t, opaque(text))),
        (Wrapping::Base64, wbxml(t, opaque(STANDARD.encode(text)))),
    ]
}

fn inside(
    document: &Document,
    path: &str,
    edit: impl FnOnce(dmtap::markup::NodeId) -> Edit,
) -> NestedEdit {
    let (holders, node) = find(document, &format!("{DATA}!{path}"));
    let edit = edit(node);
    NestedEdit { holders, edit }
}

fn insert(place: Place, xml: &str) -> Edit {
    let fragment = Fragment::parse(xml).unwrap();
    Edit::Insert { place, fragment }
}

/// Carries out the edits that `edits` makes, in every wrapping, and compares the text that comes of them.
#[track_caller]
fn check(text: &str, edits: impl Fn(&Document) -> Vec<NestedEdit>, expected: &str) {
    for ((wrapping, source), (_, expected)) in wrapped(text).into_iter().zip(wrapped(expected)) {
        let document = parse(source);
        let data = document.elements().find(|e| e.is(tag::DATA)).unwrap();
        assert_eq!(data.embedded(&LIMITS).unwrap().wrapping(), wrapping);
        let patch = edit::plan_within(&document, &edits(&document), &LIMITS).unwrap();
        let written = patch.apply(document.source());
        assert_eq!(
            String::from_utf8_lossy(&written),
            String::from_utf8_lossy(&expected)
        );
    }
}

#[test]
fn every_root_has_a_path() {
    for (_, source) in wrapped(POLICY) {
        let document = parse(source);
        let data = document.elements().find(|e| e.is(tag::DATA)).unwrap();
        let embedded = data.embedded(&LIMITS).unwrap();
        let inner = embedded.document();
        let paths: Vec<_> = inner.roots().map(|root| root.path().to_string()).collect();
        assert_eq!(paths, ["/enabled", "/data[1]", "/data[2]"]);
        for element in inner.elements() {
            let path = data.path().joined(&element.path());
            assert_eq!(find(&document, path.as_str()).1, element.id());
            assert!(element.parent().is_none());
        }
        let found: Path = format!("{DATA}!/data[2]").parse().unwrap();
        let found = found.find(&document, &LIMITS).unwrap();
        let value = found
            .element(&document)
            .unwrap()
            .attribute("value")
            .unwrap();
        assert_eq!(value.value(), "a & b");
        assert_eq!(found.document(&document).root().local(), "enabled");
        for nowhere in ["/data[3]", "/disabled", "/enabled/data"] {
            let path: Path = format!("{DATA}!{nowhere}").parse().unwrap();
            assert!(path.find(&document, &LIMITS).is_none());
        }
    }
}

#[test]
fn an_edit_of_a_root_leaves_the_others() {
    check(
        POLICY,
        |document| {
            let value = |element| Edit::SetAttribute {
                element,
                name: "value".into(),
                value: "2<".into(),
            };
            let disabled = |node| Edit::Replace {
                node,
                fragment: Fragment::parse("<disabled/>").unwrap(),
            };
            vec![
                inside(document, "/data[2]", value),
                inside(document, "/enabled", disabled),
            ]
        },
        "<disabled/>\r\n <data id=\"Limit\" value=\"1\"/><data id=\"Text\" value=\"2&lt;\"/>",
    );
    check(
        POLICY,
        |document| {
            let remove = |node| Edit::Remove { node };
            vec![
                inside(document, "/enabled", remove),
                inside(document, "/data[2]", remove),
            ]
        },
        "\r\n <data id=\"Limit\" value=\"1\"/>",
    );
    check(
        "<a>1</a> and <b>2</b>",
        |document| vec![set_text(document, &format!("{DATA}!/b"), "3")],
        "<a>1</a> and <b>3</b>",
    );
}

#[test]
fn roots_come_to_stand_beside_roots() {
    let data = "<data id=\"x\" value=\"y\"/>";
    check(
        "<enabled/>",
        |document| {
            vec![
                inside(document, "/enabled", |node| {
                    insert(Place::After(node), data)
                }),
                inside(document, "/enabled", |node| {
                    insert(Place::Before(node), "<v/>")
                }),
            ]
        },
        &format!("<v/><enabled/>{data}"),
    );
    // A prolog says that it is a document, which has one root.
    let document = parse(xml("x", escaped("<?xml version='1.0'?><enabled/>")));
    for edit in [
        inside(&document, "/enabled", |node| {
            insert(Place::After(node), data)
        }),
        inside(&document, "/enabled", |node| Edit::Remove { node }),
    ] {
        let error = edit::plan_within(&document, &[edit], &LIMITS).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("does not fit /SyncML/SyncBody/Add/Item/Data!/enabled")
        );
    }
}

#[test]
fn white_space_between_roots_is_none_of_their_texts() {
    let text = " <a> </a>\n<!-- c --> <?p i?>\t<b/> &amp; <![CDATA[ ]]><c/>\n";
    let document = parse(xml("x", escaped(text)));
    let data = document.elements().find(|e| e.is(tag::DATA)).unwrap();
    let embedded = data.embedded(&LIMITS).unwrap();
    let inner = embedded.document();
    assert_eq!(inner.roots().count(), 3);
    // Three elements, the text of the first, ` & ` and the CDATA section.
    assert_eq!(inner.len(), 6);
    assert_eq!(text_at(&document, &format!("{DATA}!/a")), " ");
}

#[test]
fn messages_and_fragments_to_insert_have_one_root() {
    for source in ["<a/><b/>", "<a/>b", "<a/><![CDATA[b]]>", "<a/>&amp;"] {
        let source = bytes::Bytes::from(source);
        let refused =
            dmtap::markup::decode(source.clone(), dmtap::markup::Hint::default(), &LIMITS);
        assert_eq!(refused.unwrap_err().at, 4);
        assert!(Fragment::parse(std::str::from_utf8(&source).unwrap()).is_err());
    }
}

#[test]
fn several_roots_are_written_as_xml_and_not_as_wbxml() {
    let document = parse(xml("x", escaped("<a>1</a>\n and <b/>")));
    let data = document.elements().find(|e| e.is(tag::DATA)).unwrap();
    let embedded = data.embedded(&LIMITS).unwrap();
    let layout = dmtap::markup::convert::XmlLayout::Compact;
    let converted = dmtap::markup::convert::to_xml(embedded.document(), layout);
    assert_eq!(converted.xml, "<a>1</a>\n and <b/>");
    let refused = dmtap::markup::wbxml::encode(embedded.document(), &Default::default());
    assert_eq!(refused, Err(EncodeError::Fragment));
}
