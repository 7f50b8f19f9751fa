//! Rare content stays unchanged: names beyond ASCII in other charsets than UTF-8, and octets in attribute values.

use dmtap::markup::convert::{XmlLayout, to_xml};
use dmtap::markup::edit::{Edit, plan};
use dmtap::markup::wbxml::{WbxmlOptions, encode};

use crate::codec_wbxml::support::{bytes, decode, flags, outline};

/// SyncML in ISO-8859-1 with a string table of `é`, the name of a tag with this text.
fn latin(table: &str, length: &str, more: &str) -> Vec<u8> {
    bytes(&format!(
        "02 A4 01 04 {length} {table} 6D 44 00 03 'x' E9 00 01 {more} 01"
    ))
}

#[test]
fn names_beyond_ascii_are_those_of_the_charset() {
    let document = decode(&latin("E9 00", "02", "")).unwrap();
    assert_eq!(outline(&document), "SyncML(é(\"xé\"))");
    let xml = to_xml(&document, XmlLayout::Compact).xml;
    assert_eq!(
        xml,
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><é xmlns=\"\">xé</é></SyncML>"
    );
    // UTF-8 is what conversion writes.
    let again = encode(&document, &WbxmlOptions::default()).unwrap();
    assert_eq!(
        again,
        bytes("02 A4 01 6A 03 C3 A9 00 6D 44 00 03 'x' C3 A9 00 01 01")
    );
    // The prefix of a tag is no part of its name, an attribute's is.
    let document = decode(&bytes(
        "02 A4 01 04 05 E9 ':' F6 'n' 00 6D C4 00 04 00 03 E4 00 01 01 01",
    ))
    .unwrap();
    assert_eq!(outline(&document), "SyncML(ön(@é:ön=\"ä\"))");
}

#[test]
fn new_names_are_written_in_the_charset_or_refused() {
    let document = decode(&latin("E9 00", "02", "")).unwrap();
    let element = document.root().elements().next().unwrap().id();
    let set = |name: &str| {
        let (name, value) = (name.into(), "\u{e4}\u{20ac}".into());
        plan(
            &document,
            &[Edit::SetAttribute {
                element,
                name,
                value,
            }],
        )
    };
    let written = set("\u{f6}").unwrap().apply(document.source());
    assert_eq!(
        written,
        bytes("02 A4 01 04 04 E9 00 F6 00 6D C4 00 04 02 03 E4 00 02 C1 2C 01 03 'x' E9 00 01 01")
    );
    // The name that is there already is found again.
    let written = set("\u{e9}").unwrap().apply(document.source());
    assert_eq!(
        written,
        bytes("02 A4 01 04 02 E9 00 6D C4 00 04 00 03 E4 00 02 C1 2C 01 03 'x' E9 00 01 01")
    );
    let refused = set("\u{20ac}").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "\"€\" cannot be written as a name in WBXML"
    );
}

#[test]
fn names_that_are_no_text_are_refused_where_they_stand() {
    // UTF-8, and US-ASCII, where UTF-8 is let pass.
    for charset in ["6A", "03"] {
        let refused = decode(&bytes(&format!("02 A4 01 {charset} 02 E9 00 6D 04 00 01")));
        let refused = refused.unwrap_err();
        assert_eq!((refused.at, refused.kind.id()), (8, Some("F35")));
    }
    assert!(decode(&bytes("02 A4 01 03 03 C3 A9 00 6D 04 00 01")).is_ok());
}

#[test]
fn octets_in_the_value_of_an_attribute_stay_and_are_reported() {
    let source = bytes("02 A4 01 6A 02 'a' 00 AD 04 00 03 'x' 00 C3 02 FF 01 03 'y' 00 01");
    let document = decode(&source).unwrap();
    assert!(
        flags(&document).contains(&(13, "-")),
        "{:?}",
        document.flags()
    );
    assert_eq!(encode(&document, &WbxmlOptions::default()).unwrap(), source);
    let converted = to_xml(&document, XmlLayout::Compact);
    assert_eq!(converted.adaptations.len(), 1);
    assert!(
        converted.xml.contains("a=\"x\u{fffd}\u{fffd}y\""),
        "{}",
        converted.xml
    );
    // OPAQUE that is text is written as text, as ever.
    let text = bytes("02 A4 01 6A 02 'a' 00 AD 04 00 03 'x' 00 C3 01 'z' 03 'y' 00 01");
    let document = decode(&text).unwrap();
    assert!(!flags(&document).iter().any(|flag| flag.0 == 13));
    assert_eq!(
        encode(&document, &WbxmlOptions::default()).unwrap(),
        bytes("02 A4 01 6A 02 'a' 00 AD 04 00 03 'xzy' 00 01")
    );
    // Provisioning: the start token stays in front of the octets.
    let source = bytes("03 0B 6A 00 C5 46 01 86 55 03 'a' 00 C3 01 FF 01 01");
    let document = decode(&source).unwrap();
    let options = WbxmlOptions {
        version: dmtap::markup::wbxml::Version::V1_3,
        ..WbxmlOptions::default()
    };
    assert_eq!(encode(&document, &options).unwrap(), source);
}
