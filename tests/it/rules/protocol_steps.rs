//! Protocol steps in rule files, and where they cannot be played.

use dmtap::flow::reconciler::ReconcileContext;
use dmtap::flow::{Obligation, SessionChange, Side};
use dmtap::markup::{Document, Hint, Limits};
use dmtap::rules::{Stage, Verdict};
use std::sync::Arc;

use super::support::{Talk, book, decode, drawn, message, message_text, on, status, wbxml};

fn rule(stage: &str, matcher: &str, step: &str) -> String {
    format!("[[rule]]\nname = \"r\"\nstage = \"{stage}\"\nmatch = {matcher}\nstep = {step}\n")
}

fn decide(rules: &str, stage: Stage, body: &Document) -> Verdict {
    Talk::new(1, "d").decide(&book(rules), stage, body)
}

fn why_not(verdict: &Verdict) -> String {
    let changes = verdict.applied.iter().flat_map(|applied| &applied.changes);
    let refused = changes.filter(|change| change.step == "not applied");
    refused.map(|change| change.after.clone()).collect()
}

#[test]
fn errors_in_protocol_steps_name_the_remedy() {
    let check = |stage: &str, matcher: &str, step: &str, words: &[&str]| {
        let drawn = drawn(&rule(stage, matcher, step));
        for word in words {
            assert!(drawn.contains(word), "{word}:\n{drawn}");
        }
    };
    let get = "{ command = \"Get\" }";
    check(
        "response",
        get,
        "{ refuse = 555 }",
        &["no status code 555", "force"],
    );
    check(
        "response",
        "{ message = 1 }",
        "{ refuse = 500 }",
        &["`refuse` is about commands"],
    );
    check(
        "request",
        get,
        "{ hide-status = true }",
        &["`hide-status` is about a Status", "this selects"],
    );
    check(
        "response",
        get,
        "{ inject-command = '<Gat/>' }",
        &["`Gat` is not a command", "`Get`"],
    );
    check(
        "response",
        get,
        "{ inject-command = '<Get>' }",
        &["not well-formed"],
    );
    check(
        "response",
        get,
        "{ inject-command = '<Status/>' }",
        &["`Status` is not a command"],
    );
    check("request", get, "{ challenge = 403 }", &["401, 407"]);
    check(
        "request",
        get,
        "{ challenge = 401, scheme = \"md-5\" }",
        &["did you mean `md5`?"],
    );
    check(
        "request",
        get,
        "{ challenge = 401, scheme = \"basic\", nonce = \"used\" }",
        &["Basic has no nonce"],
    );
    check("request", get, "{ busy = 500 }", &["417, 429, 503"]);
    for wrong in ["'soon'", "'30 s later'", "-1", "'Sunday'"] {
        let step = format!("{{ busy = 503, retry-after = {wrong} }}");
        check("request", get, &step, &["retry-after"]);
    }
    check(
        "request",
        get,
        "{ busy = 417, retry-after = 3 }",
        &["417 has no Retry-After"],
    );
    check(
        "request",
        get,
        "{ break-msgid = \"skipp\" }",
        &["did you mean `skip`?"],
    );
    check(
        "response",
        get,
        "{ duplicate-message = true }",
        &["no place at the stage `response`"],
    );
    check(
        "response",
        get,
        "{ atomic-rollback = 404, undone = 217 }",
        &["216, 516"],
    );
    check(
        "response",
        get,
        "{ wrong-version = \"verproto\" }",
        &["did you mean `ver-proto`?"],
    );
    check("response", get, "{ wrong-size = 0 }", &["not 0"]);
    let fault =
        "{ soap-fault = { subcode = \"s:Authorisation\", error-type = \"DeviceCapReach\" } }";
    check(
        "request",
        "{}",
        fault,
        &[
            "did you mean `s:Authorization`?",
            "did you mean `DeviceCapReached`?",
        ],
    );
    check(
        "request",
        "{}",
        "{ soap-fault = { message = \"x\" } }",
        &["has no `subcode`"],
    );
    check(
        "request",
        "{}",
        "{ answer = 503, headers = { \"a b\" = \"x\", Content-Length = \"3\" } }",
        &["not the name of a header field", "not for an answer to say"],
    );
}

#[test]
fn a_protocol_step_that_cannot_act_says_why_and_changes_nothing() {
    let check = |stage: Stage, matcher: &str, step: &str, body: &Document, words: &str| {
        let name = stage.name();
        let verdict = decide(&rule(name, matcher, step), stage, body);
        assert!(
            verdict.body.is_none()
                && verdict.session_effects.is_empty()
                && verdict.answer.is_none()
        );
        let why = why_not(&verdict);
        assert!(why.contains(words), "{step}: {why}");
    };
    let body = message(1, &status(1, 1, 0, "SyncHdr", 200));
    let any = "{ method = \"POST\" }";
    check(
        Stage::Response,
        any,
        "{ atomic-rollback = 404 }",
        &body,
        "nothing that gets a Status",
    );
    check(
        Stage::Request,
        any,
        "{ atomic-rollback = 404 }",
        &body,
        "no Status of an Atomic",
    );
    check(
        Stage::Response,
        any,
        "{ break-msgid = \"repeat\" }",
        &body,
        "no message before",
    );
    let open = decode(&message_text(1, "").replace("<Final/>", ""));
    check(
        Stage::Response,
        any,
        "{ drop-final = true }",
        &open,
        "no Final",
    );
    check(
        Stage::Response,
        any,
        "{ challenge = 401 }",
        &open,
        "no Status for the header",
    );
    let other = decode("<a/>");
    check(
        Stage::Response,
        any,
        "{ inject-command = '<Get/>' }",
        &other,
        "not a SyncML message",
    );
    check(
        Stage::Request,
        any,
        "{ soap-fault = { subcode = \"s:Authorization\" } }",
        &other,
        "not a SOAP message",
    );
    let binary = wbxml(&message(1, &on("Get", 2, "./A")));
    check(
        Stage::Response,
        any,
        "{ wrong-version = \"namespace\" }",
        &binary,
        "public identifier",
    );
}

#[test]
fn a_protocol_step_without_a_session_is_not_played() {
    for step in [
        "{ refuse = 500 }",
        "{ break-msgid = \"zero\" }",
        "{ session-abort = true }",
    ] {
        let body = message(1, &on("Get", 2, "./A"));
        let rules = rule("response", "{ command = \"Get\" }", step);
        let mut talk = Talk::new(1, "d");
        talk.has_account = false;
        let verdict = talk.decide(&book(&rules), Stage::Response, &body);
        assert!(verdict.body.is_none() && verdict.session_effects.is_empty());
        assert!(why_not(&verdict).contains("no DM session"), "{step}");
    }
}

#[test]
fn what_is_put_into_a_message_with_prefixes_is_in_its_namespace() {
    let body = decode(
        "<d:SyncML xmlns:d='SYNCML:SYNCML1.2'><d:SyncHdr><d:SessionID>7</d:SessionID><d:MsgID>1</d:MsgID>\
         <d:Target><d:LocURI>a</d:LocURI></d:Target><d:Source><d:LocURI>b</d:LocURI></d:Source></d:SyncHdr>\
         <d:SyncBody><d:Final/></d:SyncBody></d:SyncML>",
    );
    let rules = rule(
        "response",
        "{ message = 1 }",
        "{ inject-command = '<Get><Item/></Get>' }",
    );
    let sent = decide(&rules, Stage::Response, &body).body.unwrap();
    let sent = String::from_utf8(sent.to_vec()).unwrap();
    let get = "<Get xmlns=\"SYNCML:SYNCML1.2\"><CmdID>1</CmdID><Item/></Get><d:Final/>";
    assert!(sent.contains(get), "{sent}");
}

#[test]
fn no_two_commands_that_a_rule_puts_in_have_one_cmdid() {
    let steps = "[{ duplicate = true, new-ids = true }, { inject-command = '<Get/>' }]";
    let rules = rule("response", "{ command = \"Get\" }", steps);
    let verdict = decide(&rules, Stage::Response, &message(1, &on("Get", 2, "./A")));
    let sent = verdict.document.unwrap();
    let commands = dmtap::dm::Message::of(&sent).unwrap().commands();
    let ids: Vec<String> = commands
        .filter_map(|command| Some(command.cmd_id()?.into_owned()))
        .collect();
    assert_eq!(ids, ["2", "3", "4"]);
}

#[test]
fn a_repeated_message_gets_the_same_answers_again_and_a_later_one_none() {
    let server = message(1, &[on("Get", 2, "./A"), on("Add", 3, "./B")].concat());
    let rules = rule("response", "{ command = \"Add\" }", "{ refuse = 418 }");
    let mut talk = Talk::new(1, "d");
    let verdict = talk.decide(&book(&rules), Stage::Response, &server);
    assert!(matches!(
        verdict.session_effects.owed[0].obligation,
        Obligation::Status(_)
    ));
    talk.session
        .reconciler
        .take_on(&verdict.session_effects)
        .unwrap();
    let settle = |talk: &mut Talk, number: u32| {
        let commands = [status(1, 1, 0, "SyncHdr", 200), status(2, 1, 2, "Get", 200)];
        let body = Arc::new(message(number, &commands.concat()));
        talk.session
            .reconciler
            .note_received(Side::Device, dmtap::dm::Message::of(&body).unwrap());
        let setting = ReconcileContext {
            speaker: Side::Device,
            limits: &Limits::default(),
            hint: Hint::default(),
        };
        talk.session.reconcile(&body, setting).body
    };
    let first = settle(&mut talk, 2).unwrap();
    let text = String::from_utf8(first.to_vec()).unwrap();
    let owed = "<CmdRef>2</CmdRef><Cmd>Get</Cmd><Data>200</Data></Status><Status><CmdID>3</CmdID>\
                <MsgRef>1</MsgRef><CmdRef>3</CmdRef><Cmd>Add</Cmd><Data>418</Data></Status><Final/>";
    assert!(text.contains(owed), "{text}");
    assert_eq!(settle(&mut talk, 2), Some(first));
    assert_eq!(settle(&mut talk, 3), None);
    assert!(talk.session.reconciler.is_empty());
}

#[test]
fn an_account_is_bounded_and_says_so_before_anything_is_changed() {
    let many: String = (1..=5000).map(|id| on("Get", id, "./A")).collect();
    let rules = rule("response", "{ command = \"Get\" }", "{ refuse = 500 }");
    let verdict = decide(&rules, Stage::Response, &message(1, &many));
    assert!(verdict.body.is_none() && verdict.session_effects.is_empty());
    assert!(
        why_not(&verdict).contains("4096 answers"),
        "{}",
        why_not(&verdict)
    );
}

#[test]
fn two_rules_together_promise_no_more_than_an_account_holds() {
    // Each of them alone has room.
    let many: String = (1..=5000)
        .map(|id| on(if id % 2 == 0 { "Get" } else { "Add" }, id, "./A"))
        .collect();
    let one = rule("response", "{ command = \"Get\" }", "{ refuse = 500 }");
    let two = rule("response", "{ command = \"Add\" }", "{ refuse = 404 }");
    let rules = [one, two.replace("\"r\"", "\"s\"")].concat();
    let body = message(1, &many);
    let mut talk = Talk::new(1, "d");
    let verdict = talk.decide(&book(&rules), Stage::Response, &body);
    let [first, second] = &verdict.applied[..] else {
        panic!("{:?}", verdict.applied)
    };
    assert_eq!(first.changes[0].step, "refuse");
    assert_eq!(second.changes[0].step, "not applied");
    assert!(
        second.changes[0].after.contains("4096 answers"),
        "{second:?}"
    );
    // What is owed because of the first one is kept, and the Adds pass.
    assert_eq!(verdict.session_effects.owed.len(), 2500);
    talk.session
        .reconciler
        .take_on(&verdict.session_effects)
        .unwrap();
    let document = verdict.document.unwrap();
    let left = dmtap::dm::Message::of(&document).unwrap().commands();
    assert_eq!(left.count(), 2500);
}

#[test]
fn a_message_that_waits_is_not_lost_to_one_that_cannot_be_answered() {
    let server = message(
        1,
        &[status(1, 1, 0, "SyncHdr", 200), on("Get", 2, "./A")].concat(),
    );
    let rules = rule("response", "{ message = 1 }", "{ next-message = true }");
    let mut talk = Talk::new(1, "d");
    let verdict = talk.decide(&book(&rules), Stage::Response, &server);
    assert!(matches!(
        verdict.session_effects.changes[..],
        [(_, SessionChange::MessageHeld { .. })]
    ));
    talk.session
        .reconciler
        .take_on(&verdict.session_effects)
        .unwrap();
    let mut ask = |number: &str| {
        let more = "<Alert><CmdID>2</CmdID><Data>1222</Data></Alert>";
        let text = message_text(2, &(status(1, 1, 0, "SyncHdr", 200) + more));
        let text = text.replace("<MsgID>2</MsgID>", &format!("<MsgID>{number}</MsgID>"));
        let setting = ReconcileContext {
            speaker: Side::Device,
            limits: &Limits::default(),
            hint: Hint::default(),
        };
        let document = Arc::new(decode(&text));
        let message = dmtap::dm::Message::of(&document).unwrap();
        let reconciler = &mut talk.session.reconciler;
        reconciler.note_received(Side::Device, message);
        reconciler.reconcile(&document, setting, &[]).reply
    };
    assert_eq!(ask("two"), None);
    let reply = String::from_utf8(ask("2").unwrap().to_vec()).unwrap();
    assert!(reply.contains("<Get><CmdID>2</CmdID>"), "{reply}");
    assert_eq!(ask("3"), None, "it is given once");
}
