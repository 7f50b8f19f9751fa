//! A message in, rules, a message out: only the expected parts change.

use dmtap::flow::Side;
use dmtap::markup::{self, Document};
use dmtap::rules::{Stage, Verdict};

use super::support::{Talk, book, decode, message, message_text, on, status, tree, wbxml};

/// A book of one rule.
pub(super) fn rule(stage: &str, matcher: &str, steps: &str) -> String {
    format!("[[rule]]\nname = \"r\"\nstage = \"{stage}\"\nmatch = {matcher}\nstep = {steps}\n")
}

/// What the body becomes, in XML; in WBXML it must become the same tree.
fn after(rules: &str, stage: Stage, talk: &mut Talk, body: &Document) -> Option<String> {
    let book = book(rules);
    let xml = talk.decide(&book, stage, body);
    let binary = wbxml(body);
    let verdict = talk.decide(&book, stage, &binary);
    assert_eq!(verdict.body.is_some(), xml.body.is_some());
    if let (Some(meant), Some(got)) = (&xml.document, &verdict.document) {
        assert!(got.is_wbxml());
        assert_eq!(tree(got), tree(meant), "{rules}");
        only_splices_differ(&binary, &verdict);
        only_splices_differ(body, &xml);
    }
    sent(&xml)
}

/// The bytes outside the splices are the received ones.
pub(crate) fn only_splices_differ(received: &Document, verdict: &Verdict) {
    let patched = verdict.applied.iter().map(|applied| &applied.patch);
    let [patch] = &patched.collect::<Vec<_>>()[..] else {
        panic!("one rule, one patch: {:?}", verdict.applied);
    };
    let (before, after) = (received.source(), verdict.body.as_ref().unwrap());
    let (mut from, mut to) = (0, 0);
    for splice in patch.splices() {
        let kept = splice.span.start as usize - from;
        assert_eq!(before[from..from + kept], after[to..to + kept]);
        to += kept;
        assert_eq!(after[to..to + splice.with.len()], splice.with[..]);
        to += splice.with.len();
        from = splice.span.end as usize;
    }
    assert_eq!(before[from..], after[to..]);
}

fn sent(verdict: &Verdict) -> Option<String> {
    let body = verdict.body.as_ref()?;
    Some(String::from_utf8(body.to_vec()).unwrap())
}

/// What the server asked for in its message 1, and the device's answer.
fn asked() -> Document {
    let commands = [
        on("Add", 2, "./Device/Vendor/MSFT/DMTap/Greeting"),
        on("Replace", 3, "./vendor/msft/dmtap/COLOUR"),
        on("Exec", 4, "./User/Vendor/MSFT/DMTap/Restart"),
        format!(
            "<Atomic><CmdID>5</CmdID>{}<Sequence><CmdID>7</CmdID>{}</Sequence></Atomic>",
            on("Replace", 6, "./Vendor/MSFT/DMTap/Inner"),
            on("Delete", 8, "./DevDetail/Ext/X")
        ),
    ];
    message(1, &commands.concat())
}

pub(super) fn answered() -> String {
    [
        status(1, 1, 0, "SyncHdr", 200),
        status(2, 1, 2, "Add", 201),
        status(3, 1, 3, "Replace", 200),
        status(4, 1, 4, "Exec", 202),
        status(5, 1, 5, "Atomic", 200),
        status(6, 1, 6, "Replace", 200),
        status(7, 1, 7, "Sequence", 404),
        status(8, 1, 8, "Delete", 200),
    ]
    .concat()
}

/// `set-status = 500` on the device's answer turns exactly these CmdRefs to 500.
fn fails(matcher: &str, refs: &[u32]) {
    let rules = rule("request", matcher, "{ set-status = 500 }");
    let mut talk = Talk::new(1, "urn:uuid:D1").said(Side::Server, &asked());
    let answer = answered();
    let mut expected = message_text(2, &answer);
    for cmd_ref in refs {
        let start = expected.find(&format!("<CmdRef>{cmd_ref}<")).unwrap();
        let data = start + expected[start..].find("<Data>").unwrap() + "<Data>".len();
        expected.replace_range(data..data + 3, "500");
    }
    let got = after(&rules, Stage::Request, &mut talk, &message(2, &answer));
    let expected = (!refs.is_empty()).then_some(expected);
    assert_eq!(got, expected, "{matcher}");
}

#[test]
fn a_status_is_found_by_what_the_answered_command_is_about() {
    let about = |uri: &str| format!("{{ command = \"Status\", loc-uri = \"{uri}\" }}");
    fails(&about("./Device/Vendor/MSFT/DMTap/Greeting"), &[2]);
    fails(&about("./vendor/MSFT/dmtap/greeting"), &[2]);
    fails(&about("./Vendor/MSFT/DMTap/**"), &[2, 3, 6]);
    fails(&about("./Vendor/MSFT/DMTap/*"), &[2, 3, 6]);
    fails(&about("./Vendor/MSFT/*"), &[]);
    fails(&about("./User/**"), &[4]);
    fails(&about("./Device/**"), &[2, 3, 6, 8]);
    fails(&about("./**"), &[2, 3, 4, 6, 8]);
    fails(&about("./DevDetail/**"), &[8]);
    fails(&about("./DevInfo/**"), &[]);
}

#[test]
fn a_status_is_found_by_its_code_and_the_name_it_answers() {
    fails("{ status = 201 }", &[2]);
    fails("{ status = [201, 202] }", &[2, 4]);
    fails("{ status = \"2xx\" }", &[0, 2, 3, 4, 5, 6, 8]);
    fails("{ status = [404, \"3xx\"] }", &[7]);
    fails("{ command = \"Status\", answers = \"SyncHdr\" }", &[0]);
    fails(
        "{ status = \"2xx\", answers = [\"Replace\", \"Delete\"] }",
        &[3, 6, 8],
    );
    fails("{ status = 404, answers = \"Replace\" }", &[]);
    let both =
        "{ status = 200, answers = \"Replace\", loc-uri = [\"./A\", \"./Vendor/**/Inner\"] }";
    fails(both, &[6]);
}

#[test]
fn a_rule_asks_about_message_session_device_and_address() {
    for holds in [
        "message = 2",
        "message = [1, 2]",
        "device = \"URN:uuid:*\"",
        "session = \"7\"",
        "host = \"MDM.example\"",
        "host = [\"x\", \"*.example\"]",
        "path = \"/dm\"",
        "method = \"POST\"",
    ] {
        fails(&format!("{{ status = 201, {holds} }}"), &[2]);
    }
    for fails_to_hold in [
        "message = 1",
        "device = \"urn:imei:*\"",
        "session = \"8\"",
        "host = \"example\"",
        "path = \"/dm/*\"",
        "method = \"GET\"",
    ] {
        fails(&format!("{{ status = 201, {fails_to_hold} }}"), &[]);
    }
}

#[test]
fn refs_of_a_status_say_more_than_the_command_it_answers() {
    let get = "<Get><CmdID>2</CmdID><Item><Target><LocURI>./A/One</LocURI></Target></Item>\
               <Item><Target><LocURI>./A/Two</LocURI></Target></Item></Get>";
    let one = "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>2</CmdRef><Cmd>Get</Cmd>\
               <TargetRef>./A/One</TargetRef><Data>200</Data></Status>";
    let two = one.replace("One", "Two").replace("<CmdID>1<", "<CmdID>2<");
    let mut talk = Talk::new(1, "d").said(Side::Server, &message(1, get));
    let rules = rule(
        "request",
        "{ command = \"Status\", loc-uri = \"./A/Two\" }",
        "{ set-status = 404 }",
    );
    let body = message(2, &format!("{one}{two}"));
    let got = after(&rules, Stage::Request, &mut talk, &body);
    let expected = message_text(2, &format!("{one}{}", two.replace("200", "404")));
    assert_eq!(got.as_deref(), Some(&*expected));
}

#[test]
fn commands_are_found_wherever_they_are_nested() {
    let sent = asked();
    let text = String::from_utf8(sent.source().to_vec()).unwrap();
    let check = |matcher: &str, gone: &[String]| {
        let rules = rule("response", matcher, "{ remove = true }");
        let got = after(&rules, Stage::Response, &mut Talk::new(1, "d"), &sent);
        let expected = gone
            .iter()
            .fold(text.clone(), |text, gone| text.replace(gone, ""));
        assert_eq!(got, (!gone.is_empty()).then_some(expected), "{matcher}");
    };
    let inner = on("Replace", 6, "./Vendor/MSFT/DMTap/Inner");
    let delete = on("Delete", 8, "./DevDetail/Ext/X");
    check("{ command = \"Delete\" }", std::slice::from_ref(&delete));
    check(
        "{ loc-uri = \"./device/devdetail/ext/x\" }",
        std::slice::from_ref(&delete),
    );
    check(
        "{ command = \"Replace\", loc-uri = \"./**/Inner\" }",
        std::slice::from_ref(&inner),
    );
    check(
        "{ command = \"Sequence\" }",
        &[format!("<Sequence><CmdID>7</CmdID>{delete}</Sequence>")],
    );
    check(
        "{ command = [\"Sequence\", \"Delete\"] }",
        &[format!("<Sequence><CmdID>7</CmdID>{delete}</Sequence>")],
    );
    check("{ command = \"Get\" }", &[]);
}

#[test]
fn text_changes_where_the_step_says() {
    let results = "<Results><CmdID>3</CmdID><MsgRef>1</MsgRef><CmdRef>2</CmdRef>\
        <Item><Source><LocURI>./DevInfo/Lang</LocURI></Source><Data>en-GB</Data></Item>\
        <Item><Source><LocURI>./DevInfo/Mod</LocURI></Source><Meta><Type>text/plain</Type></Meta><Data>X1</Data></Item>\
        </Results>";
    let check = |matcher: &str, step: &str, from: &str, to: &str| {
        let rules = rule("request", matcher, step);
        let got = after(
            &rules,
            Stage::Request,
            &mut Talk::new(1, "d"),
            &message(2, results),
        );
        let expected = message_text(2, results).replace(from, to);
        assert_eq!(got.as_deref(), Some(&*expected), "{matcher} {step}");
    };
    let lang = "{ command = \"Results\", loc-uri = \"./DevInfo/Lang\" }";
    let all = "{ command = \"Results\" }";
    check(lang, "{ set-text = \"xx\" }", "en-GB", "xx");
    check(
        lang,
        "{ set-text = \"<&>\", at = \"Item/Data\" }",
        "en-GB",
        "&lt;&amp;&gt;",
    );
    check(
        all,
        "{ set-text = \"Y2\", at = \"Item[2]/Data\" }",
        "X1",
        "Y2",
    );
    check(
        all,
        "{ set-text = \"a/b\", at = \"Item/Meta/Type\" }",
        "text/plain",
        "a/b",
    );
    check(
        "{}",
        "{ set-text = \"8\", at = \"SyncHdr/SessionID\" }",
        "<SessionID>7<",
        "<SessionID>8<",
    );
    check(
        "{}",
        "{ remove = true, at = \"SyncBody/Final\" }",
        "<Final/>",
        "",
    );
    let both = "[{ set-text = \"xx\" }, { remove = true, at = \"Item/Source\" }]";
    check(
        lang,
        both,
        "<Source><LocURI>./DevInfo/Lang</LocURI></Source><Data>en-GB",
        "<Data>xx",
    );
}

#[test]
fn white_space_and_attributes_around_a_code_stay() {
    let text = "<SyncML>\r\n <SyncHdr/><SyncBody><Status a='1'> <Data x=\"&lt;\" >200</Data ></Status>\n</SyncBody></SyncML>\n";
    let rules = rule("request", "{ status = 200 }", "{ set-status = 500 }");
    let got = after(
        &rules,
        Stage::Request,
        &mut Talk::new(1, "d"),
        &decode(text),
    );
    assert_eq!(got, Some(text.replace("200", "500")));
}

#[test]
fn a_code_in_wbxml_changes_in_its_digits_only() {
    let rules = book(&rule("request", "{ status = 201 }", "{ set-status = 500 }"));
    let body = wbxml(&message(2, &answered()));
    let verdict = Talk::new(1, "d").decide(&rules, Stage::Request, &body);
    let (before, after) = (body.source(), verdict.body.unwrap());
    assert_eq!(before.len(), after.len());
    let differ: Vec<(u8, u8)> = before
        .iter()
        .zip(&after)
        .filter(|(a, b)| a != b)
        .map(|(a, b)| (*a, *b))
        .collect();
    assert_eq!(differ, [(b'2', b'5'), (b'1', b'0')]);
}

#[test]
fn a_status_without_data_gets_one() {
    let bare =
        "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd></Status>";
    let rules = rule(
        "request",
        "{ command = \"Status\" }",
        "{ set-status = 401 }",
    );
    let got = after(
        &rules,
        Stage::Request,
        &mut Talk::new(1, "d"),
        &message(2, bare),
    );
    let expected = message_text(2, &bare.replace("</Status>", "<Data>401</Data></Status>"));
    assert_eq!(got.as_deref(), Some(&*expected));
}

#[test]
fn the_second_rule_sees_what_the_first_one_left() {
    let rules = "
        [[rule]]
        name = \"fails\"
        stage = \"request\"
        match = { status = 201, loc-uri = \"./**/Greeting\" }
        step = { set-status = 500 }

        [[rule]]
        name = \"never\"
        stage = \"request\"
        match = { status = 201 }
        step = { reset = true }

        [[rule]]
        name = \"vanishes\"
        stage = \"request\"
        match = { command = \"Status\", answers = \"SyncHdr\" }
        step = { remove = true }

        [[rule]]
        name = \"goes on\"
        stage = \"request\"
        match = { status = 500, loc-uri = \"./**/Greeting\" }
        step = [{ set-status = 418 }, { delay = \"1.5s\" }]
    ";
    let mut talk = Talk::new(1, "d").said(Side::Server, &asked());
    let body = message(2, &answered());
    let verdict = talk.decide(&book(rules), Stage::Request, &body);
    let names: Vec<&str> = verdict.applied.iter().map(|a| &*a.rule).collect();
    assert_eq!(names, ["fails", "vanishes", "goes on"]);
    let expected = message_text(2, &answered())
        .replace(">201<", ">418<")
        .replace(&status(1, 1, 0, "SyncHdr", 200), "");
    assert_eq!(sent(&verdict), Some(expected));
    let document = verdict.document.unwrap();
    assert_eq!(Some(document.source()), verdict.body.as_ref());
}

#[test]
fn what_was_done_is_reported() {
    let rules = rule(
        "request",
        "{ status = 201 }",
        "[{ set-status = 500 }, { delay = \"250ms\" }]",
    );
    let mut talk = Talk::new(1, "d");
    let body = message(2, &answered());
    let verdict = talk.decide(&book(&rules), Stage::Request, &body);
    let [applied] = &verdict.applied[..] else {
        panic!("{:?}", verdict.applied);
    };
    let reported: Vec<_> = applied
        .changes
        .iter()
        .map(|c| (&*c.path, &*c.step, &*c.before, &*c.after))
        .collect();
    assert_eq!(
        reported,
        [
            (
                "/SyncML/SyncBody/Status[2]/Data",
                "set-status",
                "201",
                "500"
            ),
            ("", "delay", "", "250ms"),
        ]
    );
    assert_eq!(applied.patch.splices().len(), 1);
    assert_eq!(Some(applied.patch.apply(body.source())), verdict.body);
}

#[test]
fn a_step_that_finds_no_place_says_so_and_changes_nothing() {
    let rules = rule("request", "{ status = 201 }", "{ set-text = \"a\" }");
    let verdict = Talk::new(1, "d").decide(&book(&rules), Stage::Request, &message(2, &answered()));
    assert!(verdict.body.is_none());
    let change = &verdict.applied[0].changes[0];
    assert_eq!(
        (&*change.path, &*change.step, &*change.after),
        (
            "/SyncML/SyncBody/Status[2]",
            "not applied",
            "set-text: there is no Item/Data"
        )
    );
}

#[test]
fn of_very_many_changes_the_first_thousand_are_reported_and_all_are_made() {
    let rules = book(&rule("request", "{ status = 200 }", "{ set-status = 500 }"));
    let many: String = (0..1500).map(|n| status(n, 1, n, "Get", 200)).collect();
    let verdict = Talk::new(1, "d").decide(&rules, Stage::Request, &message(2, &many));
    assert_eq!(
        sent(&verdict).map(|body| body.matches(">500</Data>").count()),
        Some(1500)
    );
    let changes = &verdict.applied[0].changes;
    assert_eq!(changes.len(), 1001);
    assert_eq!(changes[1000].after, "and 500 more like these");
}

#[test]
fn edits_that_clash_are_reported_and_none_is_made() {
    let steps = "[{ set-text = \"a\", at = \"Data\" }, { set-status = 500 }]";
    let rules = rule("request", "{ status = 201 }", steps);
    let verdict = Talk::new(1, "d").decide(&book(&rules), Stage::Request, &message(2, &answered()));
    assert!(verdict.body.is_none());
    assert_eq!(verdict.applied[0].changes[0].step, "not applied");
}

#[test]
fn a_rule_of_the_other_stage_keeps_quiet() {
    let rules = rule("response", "{ status = 201 }", "{ set-status = 500 }");
    let verdict = Talk::new(1, "d").decide(&book(&rules), Stage::Request, &message(2, &answered()));
    assert!(verdict.body.is_none() && verdict.applied.is_empty());
}

#[test]
fn markup_that_is_no_message_has_no_commands_and_can_be_edited_as_a_whole() {
    let soap = decode("<Envelope><Body><Fault>Status</Fault></Body></Envelope>");
    let body_after = |matcher: &str, step: &str| {
        let book = book(&rule("response", matcher, step));
        sent(&Talk::new(1, "d").decide(&book, Stage::Response, &soap))
    };
    let by_command = body_after("{ command = \"Status\" }", "{ remove = true }");
    assert_eq!(by_command, None);
    let whole = body_after("{}", "{ set-text = \"x\", at = \"Body/Fault\" }");
    let expected = "<Envelope><Body><Fault>x</Fault></Body></Envelope>";
    assert_eq!(whole.as_deref(), Some(expected));
}

#[test]
fn a_thousand_rules_that_do_not_match_leave_the_bytes_alone() {
    let mut rules = String::new();
    for n in 0..1000 {
        let uri = match n % 3 {
            0 => format!("./Vendor/MSFT/Csp{n}/**"),
            1 => format!("./Vendor/*/Csp{n}/*/Leaf"),
            _ => format!("./Device/Vendor/MSFT/Csp{n}/Leaf"),
        };
        rules.push_str(&format!(
            "[[rule]]\nname = \"r{n}\"\nstage = \"request\"\nstep = {{ set-status = 500 }}\n\
             match = {{ command = \"Status\", loc-uri = \"{uri}\" }}\n"
        ));
    }
    let book = book(&rules);
    let mut talk = Talk::new(1, "d").said(Side::Server, &asked());
    let body = message(2, &answered());
    for _ in 0..1000 {
        let verdict = talk.decide(&book, Stage::Request, &body);
        assert!(verdict.body.is_none() && verdict.applied.is_empty());
    }
    let hit = rules.replace("Csp999/", "DMTap/");
    let verdict = talk.decide(&super::support::book(&hit), Stage::Request, &body);
    assert_eq!(verdict.applied.len(), 1);
    assert!(
        markup::decode(
            verdict.body.unwrap(),
            Default::default(),
            &Default::default()
        )
        .is_ok()
    );
}
