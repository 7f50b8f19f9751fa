//! Values that consist of several adjacent elements, as in Windows policies (ADMX).

use dmtap::markup::{Document, Limits};
use dmtap::rules::{Stage, Verdict};

use super::support::{Talk, book, decode, drawn, message_text, wbxml};

const POLICY: &str =
    "<enabled/><data id=\"EncryptionMethod\" value=\"6\"/><data id=\"Name\" value=\"a &amp; b\"/>";

/// A policy in a Replace: escaped, in CDATA, and either of them in WBXML.
fn policies() -> Vec<Document> {
    let escaped = POLICY.replace('&', "&amp;").replace('<', "&lt;");
    let data = [escaped, format!("<![CDATA[{POLICY}]]>")];
    let xml = data.map(|data| {
        decode(&message_text(
            1,
            &format!(
                "<Replace><CmdID>2</CmdID><Item><Target><LocURI>./Device/Vendor/MSFT/BitLocker/EncryptionMethodByDriveType\
                 </LocURI></Target><Data>{data}</Data></Item></Replace>"
            ),
        ))
    });
    let in_wbxml: Vec<Document> = xml.iter().map(wbxml).collect();
    xml.into_iter().chain(in_wbxml).collect()
}

fn decide(matcher: &str, step: &str, document: &Document) -> Verdict {
    let rules = format!(
        "[[rule]]\nname = \"r\"\nstage = \"response\"\nmatch = {{ command = \"Replace\", {matcher} }}\nstep = {step}\n"
    );
    Talk::new(1, "urn:device").decide(&book(&rules), Stage::Response, document)
}

/// The policy in a message.
fn policy(document: &Document) -> String {
    let data = document.elements().find(|e| e.local() == "Data").unwrap();
    let inside = data.embedded(&Limits::default()).expect("a fragment");
    String::from_utf8(inside.document().source().to_vec()).unwrap()
}

#[test]
fn a_matcher_looks_at_each_root_of_a_value() {
    for document in policies() {
        let acts = |matcher: &str| {
            decide(matcher, "{ answer = 503 }", &document)
                .answer
                .is_some()
        };
        let at = |at: &str, value: &str| {
            acts(&format!(
                "where = {{ at = \"Item/Data!/{at}\", equals = \"{value}\" }}"
            ))
        };
        assert!(at("data/@value", "6"));
        assert!(at("data/@value", "a & b"));
        assert!(at("data[1]/@value", "6"));
        assert!(!at("data[2]/@value", "6"));
        assert!(at("data[@id='Name']/@value", "a & b"));
        assert!(!at("data[@id='Name']/@value", "6"));
        assert!(!at("data[3]/@value", "6"));
        assert!(acts("has = \"Item/Data!/enabled\""));
        assert!(acts("has = \"Item/Data!/data[2]\""));
        assert!(!acts("has = \"Item/Data!/disabled\""));
        assert!(!acts("has = \"Item/Data!/enabled[2]\""));
    }
}

#[test]
fn a_step_changes_one_root_and_leaves_the_rest_of_the_value_as_it_is() {
    let check = |step: &str, before: &str, after: &str| {
        for document in policies() {
            let verdict = decide("", step, &document);
            let sent = verdict
                .document
                .unwrap_or_else(|| panic!("{step}: {:?}", verdict.applied));
            assert_eq!(policy(&sent), POLICY.replace(before, after), "{step}");
            assert_eq!(sent.is_wbxml(), document.is_wbxml());
        }
    };
    let second = "<data id=\"Name\" value=\"a &amp; b\"/>";
    check(
        "{ set-attribute = \"value\", value = \"7\", at = \"Item/Data!/data[1]\" }",
        "\"6\"",
        "\"7\"",
    );
    check("{ remove = true, at = \"Item/Data!/data[2]\" }", second, "");
    check(
        "{ remove = true, at = \"Item/Data!/data[@id='Name']\" }",
        second,
        "",
    );
    check(
        "{ replace = \"<disabled/>\", at = \"Item/Data!/enabled\" }",
        "<enabled/>",
        "<disabled/>",
    );
    check(
        "{ insert = \"<data id='c' value='1'/>\", after = \"Item/Data!/data[2]\" }",
        second,
        &format!("{second}<data id='c' value='1'/>"),
    );
}

#[test]
fn an_attribute_is_no_place_of_a_step() {
    let file = "[[rule]]\nname = \"a\"\nstage = \"response\"\nmatch = { command = \"Replace\" }\n\
                step = { set-text = \"7\", at = \"Item/Data!/data/@value\" }\n";
    let found = drawn(file);
    assert!(found.contains("test.toml:5:31"), "{found}");
    assert!(found.contains("set-attribute = \"value\""), "{found}");
}
