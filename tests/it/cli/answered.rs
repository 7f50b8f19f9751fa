//! `dmtap rules try`: rules that answer in the server's place, rules that could not act, rules that act by chance.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::trial::{conversation, message, shows, text, tried};

fn rule(folder: &Path, text: &str) {
    fs::write(folder.join("rule.toml"), text).unwrap();
}

fn json(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    let arguments = [arguments, &["--output", "json"]].concat();
    let lines = text(&tried(folder, &arguments).stdout);
    let lines = lines.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn what_dmtap_answers_in_the_servers_place_is_shown() {
    let folder = TempDir::new().unwrap();
    conversation(folder.path());
    let check = |step: &str, expected: &[&str]| {
        let stage = "[[rule]]\nname = 'a'\nstage = 'request'\n";
        rule(folder.path(), &format!("{stage}step = {step}\n"));
        let messages = ["rule.toml", "asks.xml", "answers.xml"];
        let output = tried(folder.path(), &messages);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let shown = text(&output.stdout);
        shows(&shown, expected);
        let reported = json(folder.path(), &messages);
        assert!(reported[0]["answer"].is_null(), "{reported:?}");
        assert!(reported[1]["answer"]["status"].is_u64(), "{reported:?}");
    };
    let instead = "  dmtap answers in place of the server, which is not asked: ";
    check(
        "{ answer = 503, body = 'come back later' }",
        &[
            &format!("{instead}503 Service Unavailable\n"),
            "    come back later\n",
        ],
    );
    check(
        "{ challenge = 401 }",
        &[
            &format!("{instead}200 OK\n    content-type: application/vnd.syncml.dm+xml\n"),
            "<NextNonce",
            "<Data>401</Data>",
        ],
    );
    check(
        "{ busy = 503, retry-after = 30 }",
        &[&format!(
            "{instead}503 Service Unavailable\n    retry-after: 30\n"
        )],
    );
}

/// The device asks for the server's message, which dmtap kept: the answer is made where the account is settled.
#[test]
fn an_answer_that_was_promised_before_is_shown_too() {
    let folder = TempDir::new().unwrap();
    conversation(folder.path());
    rule(
        folder.path(),
        "[[rule]]\nname = 'a'\nstage = 'response'\nlimit = { times = 1 }\nstep = { next-message = true }\n",
    );
    let (device, server) = ("urn:uuid:1", "https://mdm.example/dm");
    let header = "<Status><CmdID>9</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>200</Data></Status>";
    let get = "<Get><CmdID>1</CmdID><Item><Target><LocURI>./Vendor/MSFT/Node</LocURI></Target></Item></Get>";
    let more = "<Alert><CmdID>8</CmdID><Data>1222</Data></Alert>";
    let asks = message(server, device, &format!("{header}{get}"));
    fs::write(folder.path().join("asks.xml"), asks).unwrap();
    let answers = message(device, server, &format!("{header}{more}"));
    let answers = answers.replace("<MsgID>1<", "<MsgID>2<");
    fs::write(folder.path().join("answers.xml"), answers).unwrap();
    let reported = json(folder.path(), &["rule.toml", "asks.xml", "answers.xml"]);
    assert!(
        reported[0]["answer"]["body"]
            .as_str()
            .unwrap()
            .contains("1222"),
        "{reported:?}"
    );
    let answer = &reported[1]["answer"];
    assert_eq!(answer["status"], 200, "{reported:?}");
    assert!(
        answer["body"]
            .as_str()
            .unwrap()
            .contains("./Vendor/MSFT/Node"),
        "{reported:?}"
    );
}

#[test]
fn a_soap_fault_is_shown_in_place_of_the_enrollment_response() {
    let folder = TempDir::new().unwrap();
    let envelope = "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope' \
                    xmlns:a='http://www.w3.org/2005/08/addressing'><s:Header><a:MessageID>urn:uuid:7</a:MessageID>\
                    </s:Header><s:Body><x/></s:Body></s:Envelope>";
    fs::write(folder.path().join("enrolls.xml"), envelope).unwrap();
    rule(
        folder.path(),
        "[[rule]]\nname = 'a'\nstage = 'request'\nstep = { soap-fault = { subcode = 's:Authorization' } }\n",
    );
    let output = tried(folder.path(), &["rule.toml", "enrolls.xml"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let shown = text(&output.stdout);
    shows(
        &shown,
        &[
            "dmtap answers in place of the server",
            "s:Authorization",
            "urn:uuid:7",
        ],
    );
}

#[test]
fn a_response_that_dmtap_answers_instead_of_is_reported_as_such() {
    let folder = TempDir::new().unwrap();
    conversation(folder.path());
    rule(
        folder.path(),
        "[[rule]]\nname = 'a'\nstage = 'response'\nstep = { answer = 500 }\n",
    );
    let shown = text(&tried(folder.path(), &["rule.toml", "asks.xml"]).stdout);
    let expected = "  dmtap answers in place of this response: 500 Internal Server Error\n";
    assert!(shown.contains(expected), "{shown}");
}

#[test]
fn a_rule_that_could_not_act_on_what_it_found_did_nothing() {
    let folder = TempDir::new().unwrap();
    conversation(folder.path());
    let unfit = "[[rule]]\nname = 'unfit'\nstage = 'request'\nmatch = { command = 'Status' }\n\
                 step = { set-text = 'x', at = 'Nowhere' }\n";
    rule(folder.path(), unfit);
    let output = tried(folder.path(), &["rule.toml", "answers.xml"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let shown = text(&output.stdout);
    let expected =
        "  no rule acts on it\n    unfit: /SyncML/SyncBody/Status[1]: not applied: set-text";
    assert!(shown.contains(expected), "{shown}");
    let reported = json(folder.path(), &["rule.toml", "answers.xml"]);
    assert_eq!(
        reported[0]["applied"],
        serde_json::json!([]),
        "{reported:?}"
    );
    assert_eq!(reported[0]["silent"][0]["rule"], "unfit", "{reported:?}");

    // One that is right beside it acts, and what the other one lacked is still reported.
    let fit = unfit.replace("unfit", "fit").replace("Nowhere", "Data");
    rule(folder.path(), &format!("{unfit}{fit}"));
    let output = tried(folder.path(), &["rule.toml", "answers.xml"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let shown = text(&output.stdout);
    assert!(shown.contains("  rule fit\n"), "{shown}");
    assert!(
        shown.contains("Status[1]: not applied: set-text: "),
        "{shown}"
    );
}

#[test]
fn chance_is_drawn_from_the_seed() {
    let folder = TempDir::new().unwrap();
    conversation(folder.path());
    rule(
        folder.path(),
        "[[rule]]\nname = 'a'\nstage = 'request'\nmatch = { command = 'Status' }\n\
         limit = { chance = 0.5 }\nstep = { set-status = 500 }\n",
    );
    let outcome = |seed: &str| {
        let arguments = ["rule.toml", "answers.xml", "--seed", seed];
        let output = tried(folder.path(), &arguments);
        let said = text(&output.stderr);
        assert!(said.contains(&format!("--seed {seed}")), "{said}");
        text(&output.stdout)
    };
    let seeds: Vec<String> = (0..12)
        .map(|seed: u32| outcome(&seed.to_string()))
        .collect();
    assert_eq!(outcome("3"), seeds[3]);
    assert!(seeds.iter().any(|other| *other != seeds[0]), "{}", seeds[0]);
}
