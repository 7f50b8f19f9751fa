//! Answers about several nodes: a change for one node leaves the others alone.

use dmtap::flow::Side;
use dmtap::markup::Document;
use dmtap::rules::load::inline_rule;
use dmtap::rules::{RuleSet, Stage};

use super::support::{Talk, book, message, message_text};

/// The server's Get of the nodes of `DevDetail`.
fn get(leaves: &[&str]) -> Document {
    let items = leaves
        .iter()
        .map(|leaf| format!("<Item><Target><LocURI>./DevDetail/{leaf}</LocURI></Target></Item>"));
    let items: String = items.collect();
    message(1, &format!("<Get><CmdID>5</CmdID>{items}</Get>"))
}

fn status(id: u32, leaf: &str, code: u16) -> String {
    format!(
        "<Status><CmdID>{id}</CmdID><MsgRef>1</MsgRef><CmdRef>5</CmdRef><Cmd>Get</Cmd>\
         <TargetRef>./DevDetail/{leaf}</TargetRef><Data>{code}</Data></Status>"
    )
}

fn results(leaves: &[&str]) -> String {
    let items = leaves.iter().map(|leaf| {
        format!(
            "<Item><Source><LocURI>./DevDetail/{leaf}</LocURI></Source><Data>{leaf}</Data></Item>"
        )
    });
    let items: String = items.collect();
    format!("<Results><CmdID>9</CmdID><MsgRef>1</MsgRef><CmdRef>5</CmdRef>{items}</Results>")
}

/// The rules change what the device reports of SwV, HwV and FwV in one Results to `expected`.
fn check(rules: &RuleSet, expected: &str) {
    let mut talk = Talk::new(1, "d").said(Side::Server, &get(&["SwV", "HwV", "FwV"]));
    let leaves = ["SwV", "HwV", "FwV"];
    let said = [
        status(2, "SwV", 200),
        status(3, "HwV", 200),
        status(4, "FwV", 200),
    ];
    let body = message(2, &(said.concat() + &results(&leaves)));
    let verdict = talk.decide(rules, Stage::Request, &body);
    let sent = String::from_utf8(verdict.body.unwrap().to_vec()).unwrap();
    assert_eq!(sent, message_text(2, expected), "{rules:?}");
}

fn fail(argument: &str) -> RuleSet {
    RuleSet::from_rules(inline_rule::fail(argument).unwrap()).unwrap()
}

#[test]
fn a_failed_node_leaves_the_results_of_the_others() {
    check(
        &fail("./DevDetail/HwV=404"),
        &[
            status(2, "SwV", 200),
            status(3, "HwV", 404),
            status(4, "FwV", 200),
            results(&["SwV", "FwV"]),
        ]
        .concat(),
    );
    check(
        &fail("./DevDetail/*wV=404"),
        &[
            status(2, "SwV", 404),
            status(3, "HwV", 404),
            status(4, "FwV", 404),
        ]
        .concat(),
    );
}

#[test]
fn a_removal_of_selected_items_leaves_the_others() {
    let rules = "[[rule]]\nname = \"r\"\nstage = \"request\"\n\
         match = { command = \"Results\", data = [\"HwV\", \"FwV\"] }\nstep = { remove = true }\n";
    check(
        &book(rules),
        &[
            status(2, "SwV", 200),
            status(3, "HwV", 200),
            status(4, "FwV", 200),
            results(&["SwV"]),
        ]
        .concat(),
    );
}

#[test]
fn a_hidden_status_of_one_node_takes_only_its_results_along() {
    let hide = |uri: &str| {
        book(&format!(
            "[[rule]]\nname = \"r\"\nstage = \"request\"\n\
             match = {{ command = \"Status\", loc-uri = \"./DevDetail/{uri}\" }}\nstep = {{ hide-status = true }}\n"
        ))
    };
    check(
        &hide("HwV"),
        &[
            status(2, "SwV", 200),
            status(4, "FwV", 200),
            results(&["SwV", "FwV"]),
        ]
        .concat(),
    );
    check(&hide("*"), "");
}

#[test]
fn a_result_of_windows_stands_beside_the_status_in_a_declared_namespace() {
    let failed = status(3, "HwV", 500).replace(
        "<Data>",
        "<Data xmlns:msft=\"http://schemas.microsoft.com/MobileDevice/MDM\" \
         msft:originalerror=\"0x86000011\">",
    );
    check(
        &fail("./DevDetail/HwV=500:0x86000011"),
        &[
            status(2, "SwV", 200),
            failed,
            status(4, "FwV", 200),
            results(&["SwV", "FwV"]),
        ]
        .concat(),
    );
}

#[test]
fn a_namespace_that_is_declared_is_not_declared_again() {
    let rules = "[[rule]]\nname = \"r\"\nstage = \"request\"\nmatch = { command = \"Status\" }\n\
         step = [{ set-attribute = \"xmlns:msft\", value = \"urn:x\", at = \"Data\" }, \
         { set-attribute = \"msft:originalerror\", value = \"0x1\", at = \"Data\" }]\n";
    let mut talk = Talk::new(1, "d").said(Side::Server, &get(&["SwV"]));
    let body = message(2, &status(2, "SwV", 500));
    let verdict = talk.decide(&book(rules), Stage::Request, &body);
    let sent = String::from_utf8(verdict.body.unwrap().to_vec()).unwrap();
    assert_eq!(sent.matches("xmlns:msft").count(), 1, "{sent}");

    let root = body.source().clone();
    let root = String::from_utf8(root.to_vec()).unwrap();
    let root = root.replacen("<SyncBody>", "<SyncBody xmlns:msft=\"urn:m\">", 1);
    let body = super::support::decode(&root);
    let mut talk = Talk::new(1, "d").said(Side::Server, &get(&["SwV"]));
    let verdict = talk.decide(
        &fail("./DevDetail/SwV=500:0x86000011"),
        Stage::Request,
        &body,
    );
    let sent = String::from_utf8(verdict.body.unwrap().to_vec()).unwrap();
    assert_eq!(sent.matches("xmlns:msft").count(), 1, "{sent}");
    assert!(
        sent.contains("<Data msft:originalerror=\"0x86000011\">500"),
        "{sent}"
    );
}
