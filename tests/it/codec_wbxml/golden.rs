//! Small documents byte by byte, and the header forms of real messages.

use dmtap::markup::Hint;

use crate::codec_wbxml::support::{bytes, decode, decode_as, flags, outline};

const BODY: &str =
    "6D 6C 71 03 '1.2' 00 01 72 03 'DM/1.2' 00 01 65 03 '1' 00 01 5B 03 '1' 00 01 01 6B 12 01 01";
const TREE: &str = r#"SyncML(SyncHdr(VerDTD("1.2") VerProto("DM/1.2") SessionID("1") MsgID("1")) SyncBody(Final))"#;

fn check(written: &str, expected: &str, expected_flags: &[(u32, &str)]) {
    let document = decode(&bytes(written)).unwrap_or_else(|e| panic!("{written}: {e}"));
    assert_eq!(outline(&document), expected, "{written}");
    assert_eq!(flags(&document), expected_flags, "{written}");
}

#[test]
fn every_header_form_gives_the_same_tree() {
    let fpi = "'-//SYNCML//DTD SyncML 1.2//EN'";
    for (header, expected_flags) in [
        ("02 A4 01 6A 00".to_owned(), &[][..]),
        (format!("02 00 00 6A 1D {fpi}"), &[(34, "F13")]),
        (format!("02 00 00 6A 1E {fpi} 00"), &[]),
        ("02 A4 01 00 00".into(), &[]),
        ("03 A4 01 6A 00".into(), &[]),
        ("01 A4 01 6A 00".into(), &[]),
        ("02 9F 53 6A 00".into(), &[]),
        ("02 9F 51 03 00".into(), &[]),
        ("02 A4 01 04 00".into(), &[]),
        ("00 A4 01 00".into(), &[]),
        ("00 A4 01 6A 00".into(), &[(0, "F02")]),
        ("04 A4 01 6A 00".into(), &[(0, "F02")]),
        ("02 A4 01 80 6A 00".into(), &[(3, "F04")]),
    ] {
        check(&format!("{header} {BODY}"), TREE, expected_flags);
    }
}

#[test]
fn a_string_of_the_table_is_text() {
    let table = "'-//SYNCML//DTD SyncML 1.2//EN' 00 'DM/1.2' 00";
    let body = BODY.replace("72 03 'DM/1.2' 00 01", "72 83 1E 01");
    check(&format!("02 00 00 6A 25 {table} {body}"), TREE, &[]);
}

#[test]
fn pages_stay_until_the_next_switch() {
    let body = "6D 6B 54 5A 00 01 47 03 'chr' 00 01 53 03 'text/plain' 00 01 01 00 00 4F C3 05 'en-US' 01 01 01 01";
    let tree = r#"SyncML(SyncBody(Item(Meta(Format("chr") Type("text/plain")) Data("en-US"))))"#;
    check(&format!("02 A4 01 6A 00 {body}"), tree, &[]);
}

#[test]
fn an_entity_is_a_character_of_the_text_around_it() {
    let tree = r#"SyncML(SyncBody(Item(Data("\u{a0}x"))))"#;
    check(
        "02 A4 01 6A 00 6D 6B 54 4F 02 81 20 03 'x' 00 01 01 01 01",
        tree,
        &[],
    );
}

#[test]
fn device_descriptions_are_on_page_two() {
    let fpi = "'-//OMA//DTD-DM-DDF 1.2//EN'";
    let tree = r#"MgmtTree(VerDTD("1.2"))"#;
    check(
        &format!("02 00 00 6A 1A {fpi} 00 02 60 77 03 '1.2' 00 01 01"),
        tree,
        &[(31, "F13")],
    );
    check(
        &format!("02 00 00 6A 1B {fpi} 00 00 02 60 77 03 '1.2' 00 01 01"),
        tree,
        &[],
    );
}

#[test]
fn provisioning_attributes_are_tokens() {
    let written =
        "03 0B 6A 00 C5 46 01 C6 00 01 55 01 87 36 06 03 'w7' 00 01 87 34 06 03 'a.b' 00 01 01 01";
    let tree = "wap-provisioningdoc(@version=\"1.0\" characteristic(@type=\"APPLICATION\" \
                parm(@name=\"APPID\" @value=\"w7\") parm(@name=\"ADDR\" @value=\"a.b\")))";
    check(written, tree, &[]);
    let mixed =
        "03 0B 6A 00 C5 46 01 87 05 03 'A' 00 02 42 C3 01 'C' 06 00 01 91 92 00 00 9A 01 01";
    let tree = "wap-provisioningdoc(@version=\"1.0\" parm(@name=\"ABC\" @value=\"HTTP-BASICPAP\"))";
    check(mixed, tree, &[]);
}

#[test]
fn the_media_type_settles_what_the_identifier_leaves_open() {
    let source = bytes("01 01 6A 00 60 77 03 '1.2' 00 01 01");
    let hint = Hint {
        media_type: Some("application/vnd.syncml.dmtnds+wbxml"),
        charset: None,
    };
    let document = decode_as(&source, hint).unwrap();
    assert_eq!(outline(&document), r#"MgmtTree(VerDTD("1.2"))"#);
    assert_eq!(flags(&document), [(4, "F34")]);
    let dm = Hint {
        media_type: Some("application/vnd.syncml.dm+wbxml"),
        charset: Some("utf-8"),
    };
    let document = decode_as(&bytes(&format!("02 01 00 00 {BODY}")), dm).unwrap();
    assert_eq!(
        (outline(&document), flags(&document)),
        (TREE.into(), vec![])
    );
}

#[test]
fn a_literal_without_a_table_is_xmlns() {
    let written = "02 A4 01 6A 00 ED 04 00 03 'SYNCML:SYNCML1.2' 00 01 6B 12 01 01";
    let tree = r#"SyncML(@xmlns="SYNCML:SYNCML1.2" SyncBody(Final))"#;
    check(written, tree, &[(5, "F21"), (6, "F12")]);
}

#[test]
fn latin_1_is_read_as_such() {
    check(
        "02 A4 01 04 00 6D 6B 54 4F 03 'caf' E9 00 C3 01 E8 01 01 01 01",
        "SyncML(SyncBody(Item(Data(\"café\u{E8}\"))))",
        &[],
    );
}

#[test]
fn literals_and_unknown_tokens_are_elements() {
    check(
        "02 A4 01 6A 04 'x:y' 00 6D 6B 54 4F 44 00 03 'a' 00 01 04 00 01 01 01 01",
        r#"SyncML(SyncBody(Item(Data(y("a") y))))"#,
        &[],
    );
    check(
        "02 A4 01 6A 00 6D 6B 54 4F 00 07 4A 03 'a' 00 01 00 00 3E 01 01 01 01",
        r#"SyncML(SyncBody(Item(Data(unknown_07_0A("a") unknown_00_3E))))"#,
        &[(11, "F19"), (18, "F19")],
    );
    let devinf = "02 A4 01 6A 0D 'xmlns' 00 'DevInf' 00 6D 6B 54 4F C4 06 04 00 03 'syncml:devinf' 00 01 01 01 01 01 01";
    check(
        devinf,
        r#"SyncML(SyncBody(Item(Data(DevInf(@xmlns="syncml:devinf")))))"#,
        &[],
    );
    let document = decode(&bytes(devinf)).unwrap();
    assert_eq!(
        document.elements().last().unwrap().name(),
        dmtap::markup::tag::DEV_INF
    );
}
