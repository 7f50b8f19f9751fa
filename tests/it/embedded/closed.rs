//! Texts that are not opened: ordinary text, and text that is declared as a document but is not one.

use dmtap::markup::{EmbeddedResult, FlagKind, tag};

use super::{DATA, LIMITS, TREE, binary, escaped, opaque, parse, string, text_at, wbxml, xml};

#[test]
fn ordinary_text_is_no_document() {
    for text in [
        "",
        " ",
        "200",
        "1.2",
        "./DevInfo/DevId",
        "0",
        "true",
        "< 3",
        "<",
        "<>",
        "<3/>",
        "<a>",
        "a <b/>",
        "a <b/><c/>",
        "<a/> b",
        "<!-- --> a <b/><c/>",
        "<a/><b>",
        "<a/>&<b/>",
        "<?xml version='1.0'?><a/><b/>",
        "<!DOCTYPE a><a/><b/>",
        "<a/><?xml version='1.0'?><b/>",
        "<a/></b><b/>",
        "{F4B5F8A0-1C7E-4C3B-9D5E-000000000000}",
        "F4B5F8A01C7E4C3B9D5E000000000000",
        "PGE+",
        "PGEvPg",
        "PEFBQUFBQUFBQUFBQUFB",
        "AgAAAAAAAAAAAAAA",
        "AqQBagA=",
        "PDw8PDw8PDw8PDw8",
        "SGVsbG8gd29ybGQsIHRoaXMgaXM=",
        "&#x41;",
        "PHZlcnkgbG9uZyB0ZXh0IHdpdGhvdXQgZW5k",
        "\u{feff}",
    ] {
        for source in [
            xml("x", escaped(text)),
            wbxml("x", string(text)),
            wbxml("x", opaque(text)),
        ] {
            let document = parse(source);
            for element in document.elements() {
                assert!(
                    matches!(element.open(&LIMITS), EmbeddedResult::Plain),
                    "{text:?} {element:?}"
                );
            }
        }
    }
    let markup = parse(xml("x", "<MgmtTree/>"));
    assert!(
        markup
            .elements()
            .all(|element| element.embedded(&LIMITS).is_none())
    );
    let octets = parse(wbxml("x", opaque([2, 0xA4, 1, 0x6A, 0, 0x6D])));
    assert!(
        octets
            .elements()
            .all(|element| matches!(element.open(&LIMITS), EmbeddedResult::Plain))
    );
}

#[test]
fn what_is_declared_wbxml_and_is_none_stays_octets_with_a_flag() {
    let declared = "application/vnd.syncml-devinf+wbxml";
    let broken = &binary(TREE)[..20];
    for octets in [broken, b"hello", b"", &[0xFF, 0x00]] {
        let document = parse(wbxml(declared, opaque(octets)));
        let data = document.elements().find(|e| e.is(tag::DATA)).unwrap();
        let EmbeddedResult::Unopened(flag) = data.open(&LIMITS) else {
            panic!("{octets:?}")
        };
        assert!(matches!(flag.kind, FlagKind::EmbeddedUnreadable(_)));
        assert_eq!(
            (flag.kind.id(), flag.at),
            (Some("F32"), data.texts().next().unwrap().span().start)
        );
        assert_eq!(data.octets(), octets);
    }
    // The unknown public id 0x01 is settled by the declared type, as in files of one vendor.
    let unknown = [b"\x01\x01\x6A\x00\x60\x77\x031.2\x00\x01\x01".as_slice()].concat();
    let document = parse(wbxml(
        "application/vnd.syncml.dmtnds+wbxml",
        opaque(&unknown),
    ));
    assert_eq!(
        text_at(&document, &format!("{DATA}!/MgmtTree/VerDTD")),
        "1.2"
    );
    let document = parse(wbxml("text/plain", opaque(&unknown)));
    assert!(
        document
            .elements()
            .all(|element| element.embedded(&LIMITS).is_none())
    );
}
