//! Single edits, splice by splice.

use dmtap::markup::edit::{Edit, EditError, Fragment, Place, plan};
use dmtap::markup::{Document, NodeId, wbxml};
use dmtap::patch::Splice;

use crate::codec_wbxml::support::{bytes, decode, outline};

/// The `n`th element of this name, counted from 0.
fn element(document: &Document, name: &str, n: usize) -> NodeId {
    document
        .elements()
        .filter(|element| element.local() == name)
        .nth(n)
        .unwrap()
        .id()
}

fn set_text(document: &Document, name: &str, text: &str) -> Edit {
    Edit::SetText {
        element: element(document, name, 0),
        text: text.into(),
    }
}

fn set_attribute(document: &Document, name: &str, attribute: &str, value: &str) -> Edit {
    Edit::SetAttribute {
        element: element(document, name, 0),
        name: attribute.into(),
        value: value.into(),
    }
}

fn remove(document: &Document, name: &str) -> Edit {
    Edit::Remove {
        node: element(document, name, 0),
    }
}

fn insert(place: Place, xml: &str) -> Edit {
    Edit::Insert {
        place,
        fragment: Fragment::parse(xml).unwrap(),
    }
}

/// Splices as (offset, bytes removed, hexadecimal of what is put there), and the tree that comes of them.
fn check(
    source: &str,
    edits: impl Fn(&Document) -> Vec<Edit>,
    splices: &[(u32, usize, &str)],
    tree: &str,
) {
    let document = decode(&bytes(source)).unwrap();
    let patch = plan(&document, &edits(&document)).unwrap();
    let expected: Vec<_> = splices
        .iter()
        .map(|(at, gone, with)| (*at, *gone, bytes(with)))
        .collect();
    let plain = |splice: &Splice| (splice.span.start, splice.span.len(), splice.with.clone());
    assert_eq!(
        patch.splices().iter().map(plain).collect::<Vec<_>>(),
        expected,
        "{source}"
    );
    let patched = patch.apply(document.source());
    assert_eq!(outline(&decode(&patched).unwrap()), tree, "{source}");
}

/// Offsets: SyncML 5, SyncBody 6, Item 7, Meta 8, Format 11, Data 22.
const ITEM: &str =
    "02 A4 01 6A 00 6D 6B 54 5A 00 01 47 03 'chr' 00 01 01 00 00 4F C3 02 'en' 01 01 01 01";

#[test]
fn a_text_keeps_its_form() {
    check(
        ITEM,
        |d| vec![set_text(d, "Data", "x"), set_text(d, "Format", "bool")],
        &[(12, 5, "03 'bool' 00"), (22, 4, "C3 01 'x'")],
        r#"SyncML(SyncBody(Item(Meta(Format("bool")) Data("x"))))"#,
    );
    check(
        ITEM,
        |d| vec![set_text(d, "Format", "a\0b")],
        &[(12, 5, "C3 03 'a' 00 'b'")],
        r#"SyncML(SyncBody(Item(Meta(Format("a\0b")) Data("en"))))"#,
    );
}

#[test]
fn a_text_takes_the_place_of_all_content() {
    check(
        ITEM,
        |d| vec![set_text(d, "Meta", "m")],
        &[(9, 9, "03 'm' 00")],
        r#"SyncML(SyncBody(Item(Meta("m") Data("en"))))"#,
    );
}

#[test]
fn opening_an_empty_tag_is_one_splice() {
    let source = "02 A4 01 6A 00 6D 6B 54 0F 01 12 01 01";
    check(
        source,
        |d| vec![set_text(d, "Data", "x")],
        &[(8, 1, "4F 03 'x' 00 01")],
        r#"SyncML(SyncBody(Item(Data("x")) Final))"#,
    );
    check(
        source,
        |d| {
            vec![insert(
                Place::LastIn(element(d, "Final", 0)),
                "<Format>b64</Format>",
            )]
        },
        &[(10, 1, "52 00 01 47 03 'b64' 00 01 01")],
        r#"SyncML(SyncBody(Item(Data) Final(Format("b64"))))"#,
    );
    check(
        source,
        |d| vec![set_text(d, "Data", "")],
        &[],
        r#"SyncML(SyncBody(Item(Data) Final))"#,
    );
}

#[test]
fn a_removed_element_takes_its_page_switch_along() {
    check(
        ITEM,
        |d| vec![remove(d, "Data")],
        &[(19, 8, "")],
        r#"SyncML(SyncBody(Item(Meta(Format("chr")))))"#,
    );
    let more = ITEM.replace("01 01 01 01", "01 01 12 01 01");
    check(
        &more,
        |d| vec![remove(d, "Data")],
        &[(19, 8, ""), (28, 0, "00 00")],
        r#"SyncML(SyncBody(Item(Meta(Format("chr"))) Final))"#,
    );
}

#[test]
fn the_next_tag_that_relied_on_the_page_gets_it_back() {
    let source = "02 A4 01 6A 00 6D 6B 54 4F 03 'x' 00 01 01 04 00 12 01 01"
        .replace("6A 00", "6A 02 'l' 00");
    check(
        &source,
        |d| {
            vec![insert(
                Place::After(element(d, "Data", 0)),
                "<Meta><Type>t</Type></Meta>",
            )]
        },
        &[(15, 0, "5A 00 01 53 03 't' 00 01 01"), (18, 0, "00 00")],
        r#"SyncML(SyncBody(Item(Data("x") Meta(Type("t"))) l Final))"#,
    );
}

#[test]
fn new_names_go_behind_the_string_table() {
    let edit = |d: &Document| vec![set_attribute(d, "Final", "msft:originalerror", "1")];
    check(
        "02 A4 01 6A 00 6D 6B 12 01 01",
        edit,
        &[
            (4, 1, "13"),
            (5, 0, "'msft:originalerror' 00"),
            (7, 1, "92 04 00 03 '1' 00 01"),
        ],
        r#"SyncML(SyncBody(Final(@msft:originalerror="1")))"#,
    );
    check(
        "02 00 00 6A 1D '-//SYNCML//DTD SyncML 1.2//EN' 6D 6B 12 01 01",
        edit,
        &[
            (4, 1, "31"),
            (34, 0, "00 'msft:originalerror' 00"),
            (36, 1, "92 04 1E 03 '1' 00 01"),
        ],
        r#"SyncML(SyncBody(Final(@msft:originalerror="1")))"#,
    );
    check(
        "02 A4 01 6A 00 ED 04 00 03 'u' 00 01 12 01",
        edit,
        &[
            (4, 1, "19"),
            (5, 0, "'xmlns' 00 'msft:originalerror' 00"),
            (12, 1, "92 04 06 03 '1' 00 01"),
        ],
        r#"SyncML(@xmlns="u" Final(@msft:originalerror="1"))"#,
    );
}

#[test]
fn provisioning_attributes_become_tokens_again() {
    let source =
        "03 0B 6A 00 C5 46 01 C6 00 01 55 01 87 36 06 03 'w7' 00 01 87 34 06 03 'a.b' 00 01 01 01";
    let tree = |middle: &str| {
        format!(
            "wap-provisioningdoc(@version=\"1.0\" characteristic(@type=\"APPLICATION\" {middle} \
             parm(@name=\"ADDR\" @value=\"a.b\")))"
        )
    };
    check(
        source,
        |d| vec![set_attribute(d, "parm", "value", "w8")],
        &[(17, 1, "'8'")],
        &tree(r#"parm(@name="APPID" @value="w8")"#),
    );
    check(
        source,
        |d| vec![set_attribute(d, "parm", "name", "PXADDR")],
        &[(13, 1, "00 00 20 00 01")],
        &tree(r#"parm(@name="PXADDR" @value="w7")"#),
    );
    check(
        source,
        |d| {
            vec![insert(
                Place::Before(element(d, "parm", 0)),
                "<parm name='AUTHTYPE' value='PAP'/>",
            )]
        },
        &[(12, 0, "87 00 00 0C 06 9A 01"), (13, 0, "00 01")],
        &tree(r#"parm(@name="AUTHTYPE" @value="PAP") parm(@name="APPID" @value="w7")"#),
    );
}

#[test]
fn attributes_come_and_go_with_their_list() {
    let source = "03 0B 6A 00 C5 46 01 87 06 03 'x' 00 01 01";
    let attribute = |d: &Document, name| {
        let owner = d.element(element(d, name, 0)).unwrap();
        Edit::Remove {
            node: owner.attributes().next().unwrap().id(),
        }
    };
    check(
        source,
        |d| vec![attribute(d, "parm")],
        &[(7, 6, "07")],
        r#"wap-provisioningdoc(@version="1.0" parm)"#,
    );
    check(
        source,
        |d| {
            vec![
                attribute(d, "parm"),
                set_attribute(d, "parm", "name", "n"),
                set_text(d, "parm", "t"),
            ]
        },
        &[(7, 6, "C7 05 03 'n' 00 01 03 't' 00 01")],
        r#"wap-provisioningdoc(@version="1.0" parm(@name="n" "t"))"#,
    );
}

#[test]
fn a_character_that_the_charset_lacks_is_an_entity() {
    check(
        "02 A4 01 04 00 6D 6B 54 4F 03 'x' 00 01 01 01 01",
        |d| vec![set_text(d, "Data", "é€!")],
        &[(9, 3, "03 E9 00 02 C1 2C 03 '!' 00")],
        "SyncML(SyncBody(Item(Data(\"é€!\"))))",
    );
}

#[test]
fn what_does_not_fit_is_refused() {
    let document = decode(&bytes(ITEM)).unwrap();
    let root = document.root().id();
    let text = document
        .elements()
        .last()
        .unwrap()
        .texts()
        .next()
        .unwrap()
        .id();
    for edit in [
        Edit::Remove { node: root },
        insert(Place::After(root), "<Final/>"),
        insert(Place::FirstIn(text), "<Final/>"),
        Edit::SetText {
            element: text,
            text: "x".into(),
        },
        Edit::Replace {
            node: text,
            fragment: Fragment::parse("<Final/>").unwrap(),
        },
    ] {
        let refused = plan(&document, std::slice::from_ref(&edit));
        assert!(matches!(refused, Err(EditError::Unfit { .. })), "{edit:?}");
    }
    let name = set_attribute(&document, "Data", "a b", "");
    assert!(matches!(
        plan(&document, &[name]),
        Err(EditError::Unwritable(_))
    ));
}

#[test]
fn a_1_0_header_with_a_charset_stays_that_when_the_table_grows() {
    let document = decode(&bytes("00 A4 01 03 00 6D 4F 03 'x' 00 01 01")).unwrap();
    let root = document.root().id();
    let grow = |length: usize| set_attribute(&document, "Data", &"n".repeat(length), "");
    assert!(plan(&document, &[grow(2)]).is_ok());
    for length in 1..300 {
        let edits = [grow(length), insert(Place::LastIn(root), "<Final/>")];
        match plan(&document, &edits) {
            Err(error) => assert!(matches!(error, EditError::Unwritable(_)), "{error}"),
            Ok(patch) => {
                let patched = patch.apply(document.source());
                assert_eq!(decode(&patched).unwrap().elements().count(), 3);
            }
        }
    }
}

#[test]
fn a_document_in_data_becomes_what_its_type_announces() {
    let xml = "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncBody><Put><Meta><Type xmlns='syncml:metinf'>\
               application/vnd.syncml-devinf+SUFFIX</Type></Meta><Item><Data>\
               <DevInf xmlns='syncml:devinf'><VerDTD>1.1</VerDTD></DevInf></Data></Item></Put></SyncBody></SyncML>";
    for (suffix, data) in [
        ("wbxml", Some("02 9F 54 6A 00 4A 65 03 '1.1' 00 01 01")),
        ("xml", None),
    ] {
        let document = decode(xml.replace("SUFFIX", suffix).as_bytes()).unwrap();
        let written = wbxml::encode(&document, &wbxml::WbxmlOptions::default()).unwrap();
        let again = decode(&written).unwrap();
        let found = again
            .elements()
            .find(|element| element.local() == "Data")
            .unwrap();
        match data {
            Some(data) => assert_eq!(*found.octets(), bytes(data)),
            None => assert!(found.child(dmtap::markup::tag::DEV_INF).is_some()),
        }
    }
}
