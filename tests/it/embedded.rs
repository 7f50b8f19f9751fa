//! Documents inside documents: opened in place, edited through paths, in every wrapping.
#![allow(clippy::unwrap_used, reason = "what a test cannot do fails it")]

mod closed;
mod fragment;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use dmtap::markup::edit::{self, Edit, Fragment, NestedEdit, Place};
use dmtap::markup::wbxml::{WbxmlOptions, encode};
use dmtap::markup::{Document, EmbeddedResult, Hint, Limits, Path, Wrapping, decode, tag};

const LIMITS: Limits = Limits {
    bytes: 1 << 20,
    depth: 64,
    nodes: 10_000,
    expansion: 1 << 20,
    embedded: 2,
};

const TREE: &str = "<MgmtTree xmlns=\"syncml:dmddf1.2\"><VerDTD>1.2</VerDTD><Node><NodeName>a</NodeName>\
    <Value>x &amp; y</Value></Node></MgmtTree>";

fn parse(source: impl Into<Vec<u8>>) -> Document {
    decode(Bytes::from(source.into()), Hint::default(), &LIMITS).unwrap()
}

/// A message with this content in its `Data`, as XML.
fn xml(media_type: &str, data: impl AsRef<[u8]>) -> Vec<u8> {
    let front = format!(
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncBody><Add><Item><Meta>\
        <Type xmlns=\"syncml:metinf\">{media_type}</Type><Size xmlns=\"syncml:metinf\">9</Size></Meta><Data>"
    );
    let back = b"</Data></Item></Add></SyncBody></SyncML>";
    [front.as_bytes(), data.as_ref(), back].concat()
}

/// The same as WBXML, with these tokens in `Data`.
fn wbxml(media_type: &str, data: impl AsRef<[u8]>) -> Vec<u8> {
    let front = b"\x02\xA4\x01\x6A\x00\x6D\x6B\x45\x54\x5A\x00\x01\x53\x03";
    let middle = b"\x00\x01\x52\x039\x00\x01\x01\x00\x00\x4F";
    let back = b"\x01\x01\x01\x01\x01";
    [front, media_type.as_bytes(), middle, data.as_ref(), back].concat()
}

fn opaque(octets: impl AsRef<[u8]>) -> Vec<u8> {
    let octets = octets.as_ref();
    assert!(octets.len() < 1 << 14);
    let length = octets.len() as u8;
    match octets.len() {
        ..0x80 => [&[0xC3, length][..], octets].concat(),
        more => [&[0xC3, 0x80 | (more >> 7) as u8, length & 0x7F][..], octets].concat(),
    }
}

fn string(text: impl AsRef<[u8]>) -> Vec<u8> {
    [b"\x03", text.as_ref(), b"\0"].concat()
}

fn binary(xml: &str) -> Vec<u8> {
    encode(&parse(xml), &WbxmlOptions::default()).unwrap()
}

fn escaped(xml: &str) -> String {
    xml.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn find(document: &Document, path: &str) -> (Vec<dmtap::markup::NodeId>, dmtap::markup::NodeId) {
    let path: Path = path.parse().unwrap();
    let found = path.find(document, &LIMITS);
    let found = found.unwrap_or_else(|| panic!("{path} leads nowhere"));
    (found.holders(), found.id())
}

fn set_text(document: &Document, path: &str, text: &str) -> NestedEdit {
    let (holders, element) = find(document, path);
    let text = text.into();
    let edit = Edit::SetText { element, text };
    NestedEdit { holders, edit }
}

fn text_at(document: &Document, path: &str) -> String {
    let found = path.parse::<Path>().unwrap().find(document, &LIMITS);
    let found = found.unwrap_or_else(|| panic!("{path} leads nowhere"));
    found.element(document).unwrap().text().into_owned()
}

const DATA: &str = "/SyncML/SyncBody/Add/Item/Data";
const NAME: &str = "/SyncML/SyncBody/Add/Item/Data!/MgmtTree/Node/NodeName";

/// Opens the document in `Data`, sets the text of its NodeName, and compares the outer source that comes of it.
#[track_caller]
fn check(outer: Vec<u8>, wrapping: Wrapping, text: &str, expected: Vec<u8>) {
    let document = parse(outer);
    let holder = document.elements().find(|e| e.is(tag::DATA)).unwrap();
    let embedded = holder.embedded(&LIMITS).unwrap();
    assert_eq!(embedded.wrapping(), wrapping);
    let value = format!("{DATA}!/MgmtTree/Node/Value");
    assert_eq!(
        (&*text_at(&document, NAME), &*text_at(&document, &value)),
        ("a", "x & y")
    );
    let patch = edit::plan_within(&document, &[set_text(&document, NAME, text)], &LIMITS).unwrap();
    assert_eq!(patch.splices().len(), 1);
    let written = patch.apply(document.source());
    assert_eq!(
        String::from_utf8_lossy(&written),
        String::from_utf8_lossy(&expected)
    );
    assert_eq!(written, expected);
    let again = parse(written);
    assert_eq!(
        (&*text_at(&again, NAME), &*text_at(&again, &value)),
        (text, "x & y")
    );
}

fn with_name(text: &str) -> String {
    TREE.replace("<NodeName>a<", &format!("<NodeName>{text}<"))
}

#[test]
fn an_edit_inside_is_one_splice_outside_in_every_wrapping_of_xml() {
    let t = "text/xml";
    let cdata = |inner: &str| format!("\n <![CDATA[{inner}]]>\n");
    let long = "b".repeat(200);
    for name in ["b", "", &long] {
        let other = with_name(name);
        check(
            xml(t, escaped(TREE)),
            Wrapping::Escaped,
            name,
            xml(t, escaped(&other)),
        );
        check(
            xml(t, cdata(TREE)),
            Wrapping::Cdata,
            name,
            xml(t, cdata(&other)),
        );
        let base64 = |inner: &[u8]| xml(t, STANDARD.encode(inner));
        check(
            base64(TREE.as_bytes()),
            Wrapping::Base64,
            name,
            base64(other.as_bytes()),
        );
        // The empty text is an empty STR_I, as edits leave it; the encoder leaves the tag without content.
        if !name.is_empty() {
            check(
                base64(&binary(TREE)),
                Wrapping::Base64,
                name,
                base64(&binary(&other)),
            );
        }
    }
}

#[test]
fn an_edit_inside_is_one_splice_outside_in_every_wrapping_of_wbxml() {
    let t = "application/vnd.syncml.dmtnds+wbxml";
    let long = "b".repeat(200);
    for name in ["b", "", &long] {
        let other = with_name(name);
        check(
            wbxml(t, string(TREE)),
            Wrapping::String,
            name,
            wbxml(t, string(&other)),
        );
        check(
            wbxml(t, opaque(TREE)),
            Wrapping::Opaque,
            name,
            wbxml(t, opaque(&other)),
        );
        let packed = opaque(binary(TREE));
        // The empty text is an empty STR_I, as edits leave it; the encoder leaves the tag without content.
        if !name.is_empty() {
            check(
                wbxml(t, packed),
                Wrapping::Opaque,
                name,
                wbxml(t, opaque(binary(&other))),
            );
        }
        let base64 = |inner: &[u8]| wbxml(t, opaque(STANDARD.encode(inner)));
        check(
            base64(TREE.as_bytes()),
            Wrapping::Base64,
            name,
            base64(other.as_bytes()),
        );
        let base64 = |inner: &[u8]| wbxml(t, string(STANDARD.encode(inner)));
        check(
            base64(TREE.as_bytes()),
            Wrapping::Base64,
            name,
            base64(other.as_bytes()),
        );
    }
}

#[test]
fn bytes_that_the_edit_does_not_name_stay_as_they_are_written() {
    // References of every kind, line ends, and an escaped declaration that speaks of UTF-16.
    let front = "\r\n&#60;?xml version=&quot;1.0&quot; encoding=&#x22;utf-16&quot;?>\r\n&lt;MgmtTree>&lt;Node>&lt;NodeName>";
    let back = "&lt;/NodeName>&lt;Value>x &amp;amp; y&lt;/Value>&lt;/Node>&lt;/MgmtTree>\r\n";
    let source = |name: &str| xml("x", format!("{front}{name}{back}"));
    check(
        source("a"),
        Wrapping::Escaped,
        "b & c",
        source("b &amp;amp; c"),
    );
    let returns = |name: &str| xml("x", format!("<![CDATA[{}\r\n]]>", with_name(name)));
    check(returns("a"), Wrapping::Cdata, "b", returns("b"));
    // What CDATA cannot hold is written as text.
    let plain = |name: &str| xml("x", format!("<![CDATA[{}]]>", with_name(name)));
    let document = parse(plain("a"));
    let cut = [set_text(&document, NAME, "]]>")];
    let written = edit::plan_within(&document, &cut, &LIMITS)
        .unwrap()
        .apply(document.source());
    assert_eq!(text_at(&parse(written), NAME), "]]>");
}

#[test]
fn charsets_of_the_outer_document_do_not_move_places() {
    let declared = |data: &[u8]| {
        let declaration = b"<?xml version='1.0' encoding='ISO-8859-1'?>".as_slice();
        [declaration, &xml("x", data)].concat()
    };
    let source = |name: &[u8]| {
        declared(
            &[
                b"<![CDATA[<MgmtTree><Node><e t='\xE9'/><NodeName>",
                name,
                b"</NodeName><Value>x &amp; y</Value></Node></MgmtTree>]]>",
            ]
            .concat(),
        )
    };
    check(source(b"a"), Wrapping::Cdata, "\u{e9}b", source(b"\xE9b"));
    let source = |name: &[u8]| {
        declared(
            &[
                b"&lt;MgmtTree>&lt;Node>&lt;e t='\xE9&#233;'/>&lt;NodeName>",
                name,
                b"&lt;/NodeName>&lt;Value>x &amp;amp; y&lt;/Value>&lt;/Node>&lt;/MgmtTree>",
            ]
            .concat(),
        )
    };
    check(
        source(b"a"),
        Wrapping::Escaped,
        "\u{e9}\u{20ac}",
        source(b"\xE9&#x20AC;"),
    );
}

#[test]
fn base64_is_read_in_lines_and_written_in_lines() {
    let lines = |octets: &[u8]| {
        let packed = STANDARD.encode(octets);
        let lines = packed.as_bytes().chunks(60);
        let lines: Vec<_> = lines.map(String::from_utf8_lossy).collect();
        format!("\r\n{}\r\n", lines.join("\r\n"))
    };
    let source = xml("x", lines(TREE.as_bytes()));
    let expected = xml("x", lines(with_name("b").as_bytes()));
    check(source, Wrapping::Base64, "b", expected);
}

#[test]
fn a_splice_in_several_cdata_sections_writes_the_text_anew() {
    let document = parse(xml("x", "<![CDATA[<a><b>1]]]]><![CDATA[></b></a>]]>"));
    let embedded = document
        .elements()
        .find(|e| e.is(tag::DATA))
        .unwrap()
        .embedded(&LIMITS);
    // `]]>` in text is let pass with a flag.
    assert_eq!(embedded.unwrap().document().flags().len(), 1);
    let path = format!("{DATA}!/a/b");
    let set = [set_text(&document, &path, "2")];
    let patch = edit::plan_within(&document, &set, &LIMITS).unwrap();
    assert_eq!(
        patch.apply(document.source()),
        xml("x", "<![CDATA[<a><b>2</b></a>]]>")
    );
}

#[test]
fn documents_open_two_levels_deep_and_no_further() {
    let profile = "<P><Name>n</Name></P>";
    let second = |inner: &str| format!("<MgmtTree><Node><Value>{inner}</Value></Node></MgmtTree>");
    let first = |inner: &str| wbxml("x", opaque(binary(&second(&escaped(inner)))));
    let document = parse(first(profile));
    let path = format!("{DATA}!/MgmtTree/Node/Value!/P/Name");
    assert_eq!(text_at(&document, &path), "n");
    let long = "m".repeat(150);
    let patch =
        edit::plan_within(&document, &[set_text(&document, &path, &long)], &LIMITS).unwrap();
    assert_eq!(patch.splices().len(), 1);
    let expected = first(&profile.replace('n', &long));
    assert_eq!(patch.apply(document.source()), expected);

    let third = parse(first("<P><Name>&lt;Q/></Name></P>"));
    let found = format!("{DATA}!/MgmtTree/Node/Value!/P")
        .parse::<Path>()
        .unwrap();
    let found = found.find(&third, &LIMITS).unwrap();
    let holder = found.element(&third).unwrap().elements().next().unwrap();
    let limits = found.opened().last().unwrap().limits();
    let EmbeddedResult::Unopened(flag) = holder.open(limits) else {
        panic!()
    };
    assert_eq!(
        (flag.kind.id(), holder.text().as_ref()),
        (Some("F31"), "<Q/>")
    );
    assert!(
        format!("{DATA}!/MgmtTree/Node/Value!/P/Name!/Q")
            .parse::<Path>()
            .unwrap()
            .find(&third, &LIMITS)
            .is_none()
    );
}

#[test]
fn depth_adds_up_over_the_levels() {
    let document = parse(xml("x", escaped("<a><b><c/></b></a>")));
    let data = document.elements().find(|e| e.is(tag::DATA)).unwrap();
    let limits = |depth| Limits { depth, ..LIMITS };
    assert!(data.embedded(&limits(8)).is_some());
    assert!(data.embedded(&limits(7)).is_none());
}

#[test]
fn edits_inside_and_outside_are_planned_together_and_may_collide() {
    let document = parse(xml("x", escaped(TREE)));
    let size = "/SyncML/SyncBody/Add/Item/Meta/Size";
    let (holders, node) = find(&document, &format!("{DATA}!/MgmtTree/Node"));
    let fragment = Fragment::parse("<Path>.&amp;</Path>").unwrap();
    let insert = Edit::Insert {
        place: Place::LastIn(node),
        fragment,
    };
    let edits = [
        set_text(&document, NAME, "b"),
        set_text(&document, size, "10"),
        NestedEdit {
            holders,
            edit: insert,
        },
    ];
    let patch = edit::plan_within(&document, &edits, &LIMITS).unwrap();
    assert_eq!(patch.splices().len(), 3);
    let written = parse(patch.apply(document.source()));
    assert_eq!(
        text_at(&written, &format!("{DATA}!/MgmtTree/Node/Path")),
        ".&"
    );
    assert_eq!(
        (&*text_at(&written, NAME), &*text_at(&written, size)),
        ("b", "10")
    );

    let twice = [
        set_text(&document, NAME, "b"),
        set_text(&document, NAME, "c"),
    ];
    let error = edit::plan_within(&document, &twice, &LIMITS).unwrap_err();
    assert_eq!(error.to_string(), format!("two edits touch {NAME}"));
    let both = [
        set_text(&document, NAME, "b"),
        set_text(&document, DATA, "c"),
    ];
    let error = edit::plan_within(&document, &both, &LIMITS).unwrap_err();
    assert_eq!(error.to_string(), format!("two edits touch {DATA}"));
    let mut closed = set_text(&document, size, "b");
    closed.holders = vec![find(&document, size).1];
    let error = edit::plan_within(&document, &[closed], &LIMITS).unwrap_err();
    assert_eq!(error.to_string(), format!("set text does not fit {size}!"));
    let same = [set_text(&document, NAME, "a")];
    assert!(
        edit::plan_within(&document, &same, &LIMITS)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_path_leads_back_to_its_element() {
    for source in [
        xml("x", escaped(TREE)),
        xml("x", TREE),
        wbxml("x", opaque(binary(TREE))),
    ] {
        let document = parse(source);
        for element in document.elements() {
            let path = element.path();
            assert_eq!(find(&document, path.as_str()), (vec![], element.id()));
            let Some(embedded) = element.embedded(&LIMITS) else {
                continue;
            };
            for inner in embedded.document().elements() {
                let path = path.joined(&inner.path());
                assert_eq!(
                    find(&document, path.as_str()),
                    (vec![element.id()], inner.id())
                );
            }
        }
    }
    for wrong in [
        "", "a", "/", "/a/", "/a[0]", "/a[x]", "/a[1", "/a!", "/a!b", "!/a",
    ] {
        assert!(wrong.parse::<Path>().is_err(), "{wrong}");
    }
}
