//! The keys of `match` that select commands and places, in XML and in WBXML.

use std::sync::Arc;

use dmtap::dm::Message;
use dmtap::flow::Side;
use dmtap::markup::wbxml::encode::{WbxmlOptions, encode};
use dmtap::markup::{self, Document, Hint, Limits};
use dmtap::rules::Stage;

use super::messages::talk;
use super::support::{Talk, book, decode, message, on, status, wbxml};

/// The CmdIDs that a matcher selects: what `remove` takes away, in XML and in WBXML.
fn found(stage: &str, talk: &mut Talk, matcher: &str, body: &Document) -> Vec<String> {
    let rules = format!(
        "[[rule]]\nname = \"r\"\nstage = \"{stage}\"\nmatch = {matcher}\nstep = {{ remove = true, at = \"CmdID\" }}\n"
    );
    let book = book(&rules);
    let at = match stage {
        "request" => Stage::Request,
        _ => Stage::Response,
    };
    let mut gone = |body: &Document| {
        let verdict = talk.decide(&book, at, body);
        let left = verdict.document.map(|document| ids(&document));
        let left = left.unwrap_or_else(|| ids(body));
        let all = ids(body).into_iter();
        all.filter(|id| !left.contains(id)).collect::<Vec<_>>()
    };
    let binary = gone(&wbxml(body));
    let xml = gone(body);
    assert_eq!(xml, binary, "XML and WBXML: {matcher}");
    xml
}

fn ids(document: &Document) -> Vec<String> {
    let commands = Message::of(document)
        .into_iter()
        .flat_map(Message::all_commands);
    commands
        .filter_map(|c| Some(c.cmd_id()?.into_owned()))
        .collect()
}

/// What the device says in its second message.
fn device_says() -> Document {
    let alert = |id: u32, code: u16, kind: &str, mark: &str, data: &str| {
        format!(
            "<Alert><CmdID>{id}</CmdID><Data>{code}</Data><Item><Meta>\
             <Type xmlns=\"syncml:metinf\">{kind}</Type><Format xmlns=\"syncml:metinf\">chr</Format>{mark}\
             </Meta><Data>{data}</Data></Item></Alert>"
        )
    };
    let item = |uri: &str, format: &str, data: &str| {
        format!(
            "<Item><Source><LocURI>{uri}</LocURI></Source><Meta>\
             <Format xmlns=\"syncml:metinf\">{format}</Format></Meta><Data>{data}</Data></Item>"
        )
    };
    let profile = "&lt;Profile&gt;&lt;Wifi&gt;Guest&lt;/Wifi&gt;&lt;Wifi&gt;Staff&lt;/Wifi&gt;&lt;/Profile&gt;";
    let commands = [
        status(1, 1, 0, "SyncHdr", 200),
        status(2, 1, 2, "Get", 200),
        status(3, 1, 3, "Exec", 202),
        status(4, 1, 4, "Exec", 404),
        format!(
            "<Results><CmdID>5</CmdID><MsgRef>1</MsgRef><CmdRef>2</CmdRef>{}{}</Results>",
            item("./DevInfo/Lang", "chr", "en-GB"),
            item("./DevInfo/Count", "int", "42"),
        ),
        format!(
            "<Results><CmdID>6</CmdID><MsgRef>1</MsgRef><CmdRef>2</CmdRef><Meta>\
             <Format xmlns=\"syncml:metinf\">xml</Format><Type xmlns=\"syncml:metinf\">text/xml</Type></Meta>\
             <Item><Source><LocURI>./Vendor/Profile</LocURI></Source><Data>{profile}</Data></Item></Results>"
        ),
        alert(
            7,
            1226,
            "com.microsoft:mdm.unenrollment.userrequest",
            "<Mark xmlns=\"syncml:metinf\">critical</Mark>",
            "1",
        ),
        alert(8, 1224, "com.microsoft/MDM/LoginStatus", "", "user"),
    ];
    message(2, &commands.concat())
}

fn server_said() -> Document {
    let commands = [
        on("Get", 2, "./DevInfo/Lang"),
        on("Exec", 3, "./Vendor/MSFT/Reboot/RebootNow"),
        on("Exec", 4, "./Vendor/MSFT/RemoteWipe/DoWipe"),
    ];
    message(1, &commands.concat())
}

/// What a matcher selects of what the device says.
fn check(matcher: &str, expected: &[&str]) {
    let mut talk = Talk::new(1, "urn:uuid:D1").said(Side::Server, &server_said());
    let got = found("request", &mut talk, matcher, &device_says());
    assert_eq!(got, expected, "{matcher}");
}

#[test]
fn the_sessions_of_a_device_are_counted() {
    let acts = |asked: &str, of_device: u64| {
        let mut talk = Talk::new(7, "d1");
        talk.session.of_device = of_device;
        let rules = format!(
            "[[rule]]\nname = \"r\"\nstage = \"request\"\nmatch = {{ device-session = {asked} }}\nstep = {{ answer = 503 }}\n"
        );
        let book = book(&rules);
        assert!(
            book.reads_bodies(Side::Device),
            "only a body tells the session"
        );
        talk.decide(&book, Stage::Request, &message(1, ""))
            .answer
            .is_some()
    };
    assert!(!acts("2", 1));
    assert!(acts("2", 2));
    assert!(acts("\"2..\"", 3));
    assert!(!acts("[1, 3]", 2));
}

#[test]
fn commands_are_found_by_their_ids_codes_and_kinds() {
    check("{ command = \"Alert\" }", &["7", "8"]);
    check("{ cmd-id = \"3\" }", &["3"]);
    check("{ cmd-id = [3, 7] }", &["3", "7"]);
    check("{ status = \"2xx\" }", &["1", "2", "3"]);
    check("{ alert = 1226 }", &["7"]);
    check("{ alert = [1224, 1226] }", &["7", "8"]);
    check("{ alert = { code = 1299, force = true } }", &[]);
    check(
        "{ alert-type = \"com.microsoft:mdm.unenrollment*\" }",
        &["7"],
    );
    check("{ alert-type = \"COM.microsoft/*\", alert = 1224 }", &["8"]);
    check("{ alert-type = \"com.microsoft/*\", alert = 1226 }", &[]);
}

#[test]
fn an_answer_is_found_by_the_command_it_answers() {
    check("{ answers = \"Exec\" }", &["3", "4"]);
    check("{ answers = { command = \"Exec\" } }", &["3", "4"]);
    check(
        "{ answers = { command = \"Exec\", loc-uri = \"./Device/Vendor/MSFT/Reboot/**\" } }",
        &["3"],
    );
    check(
        "{ answers = [\"SyncHdr\", { command = \"Exec\", loc-uri = \"./**/DoWipe\" }] }",
        &["1", "4"],
    );
    check(
        "{ answers = { loc-uri = \"./DevInfo/**\" } }",
        &["2", "5", "6"],
    );
    check(
        "{ command = \"Status\", answers = { loc-uri = \"./DevInfo/**\" } }",
        &["2"],
    );
    check("{ answers = { cmd-id = 4 } }", &["4"]);
    check(
        "{ answers = { command = \"Exec\", data = \"old\" } }",
        &["3", "4"],
    );
    check("{ answers = { command = \"Exec\", data = \"new\" } }", &[]);
    check(
        "{ answers = { command = \"Get\", loc-uri = \"./Vendor/**\" } }",
        &[],
    );
}

#[test]
fn values_are_equal_or_contain_or_fit_an_expression() {
    check("{ data = \"en-GB\" }", &["5"]);
    check("{ data = \"EN-gb\" }", &[]);
    check("{ data = 42 }", &["5"]);
    check("{ data = [1, \"user\"] }", &["7", "8"]);
    check("{ data = { contains = \"-G\" } }", &["5"]);
    check("{ data = { equals = \"user\" } }", &["8"]);
    check("{ data = { regex = '^[0-9]+$' } }", &["5", "7"]);
    check("{ data = { regex = '(?i)STAFF' } }", &["6"]);
    check("{ format = \"int\" }", &["5"]);
    check("{ format = \"xml\" }", &["6"]);
    check("{ type = \"text/*\" }", &["6"]);
    check(
        "{ command = \"Results\", format = [\"CHR\", \"b64\"] }",
        &["5"],
    );
}

#[test]
fn what_is_asked_of_an_item_is_asked_of_one_and_the_same() {
    check("{ loc-uri = \"./DevInfo/Lang\", data = \"en-GB\" }", &["5"]);
    check("{ loc-uri = \"./DevInfo/Count\", data = \"en-GB\" }", &[]);
    check(
        "{ loc-uri = \"./DevInfo/Count\", format = \"int\", data = \"42\" }",
        &["5"],
    );
    check("{ format = \"int\", data = \"en-GB\" }", &[]);
    let apart = "{ all = [{ format = \"int\" }, { data = \"en-GB\" }] }";
    check(apart, &[]);
}

#[test]
fn steps_act_on_the_items_that_were_found() {
    let after = |matcher: &str, expected: &[&str]| {
        let rules = format!(
            "[[rule]]\nname = \"r\"\nstage = \"request\"\nmatch = {matcher}\nstep = {{ set-text = \"x\" }}\n"
        );
        for body in [device_says(), wbxml(&device_says())] {
            let verdict = Talk::new(1, "d").decide(&book(&rules), Stage::Request, &body);
            let document = verdict.document.unwrap();
            let commands = Message::of(&document).unwrap().all_commands();
            let results = commands.filter(|c| c.cmd_id().as_deref() == Some("5"));
            let items = results.flat_map(|c| c.items());
            let data: Vec<String> = items
                .map(|item| item.data().unwrap().text().into_owned())
                .collect();
            assert_eq!(data, expected, "{matcher}");
        }
    };
    after("{ data = \"42\" }", &["en-GB", "x"]);
    after("{ command = \"Results\", format = \"chr\" }", &["x", "42"]);
    after("{ command = \"Results\" }", &["x", "x"]);
    after(
        "{ command = \"Results\", not = { data = \"42\" } }",
        &["x", "42"],
    );
    after(
        "{ any = [{ data = \"42\" }, { loc-uri = \"./DevInfo/Lang\" }] }",
        &["x", "x"],
    );
    after(
        "{ all = [{ loc-uri = \"./DevInfo/*\" }, { format = \"int\" }] }",
        &["en-GB", "x"],
    );
}

#[test]
fn places_are_there_or_hold_a_text() {
    check("{ command = \"Alert\", has = \"Item/Meta/Mark\" }", &["7"]);
    check(
        "{ command = \"Alert\", not = { has = \"Item/Meta/Mark\" } }",
        &["8"],
    );
    check(
        "{ command = \"Alert\", has = [\"Item/Meta/Nothing\", \"Correlator\"] }",
        &[],
    );
    let data =
        |how: &str| format!("{{ command = \"Alert\", where = {{ at = \"Item/Data\", {how} }} }}");
    check(&data("equals = \"user\""), &["8"]);
    check(&data("contains = \"se\""), &["8"]);
    check(&data("regex = \"^.$\""), &["7"]);
    check(
        "{ command = \"Status\", where = { at = \"CmdRef\", regex = \"^[34]$\" } }",
        &["3", "4"],
    );
    check(
        "{ command = \"Results\", where = { at = \"Item[2]/Data\", equals = 42 } }",
        &["5"],
    );
    let both = "{ command = \"Alert\", where = [{ at = \"Data\", equals = 1224 }, { at = \"Item/Data\", equals = 1 }] }";
    check(both, &["7", "8"]);
}

#[test]
fn places_lie_in_documents_inside_a_value_too() {
    let staff = "where = { at = \"Item/Data!/Profile/Wifi\", equals = \"Staff\" }";
    check(&format!("{{ command = \"Results\", {staff} }}"), &["6"]);
    check(
        "{ command = \"Results\", has = \"Item/Data!/Profile/Wifi[2]\" }",
        &["6"],
    );
    check(
        "{ command = \"Results\", has = \"Item/Data!/Profile\" }",
        &["6"],
    );
    check(
        "{ command = \"Results\", has = \"Item/Data!/Other/Wifi\" }",
        &[],
    );
    check(
        "{ command = \"Results\", has = \"Item/Data!/Profile/Wifi[3]\" }",
        &[],
    );
}

#[test]
fn documents_are_opened_in_every_wrapping() {
    let profile = "<Profile><Wifi>Staff</Wifi></Profile>";
    let base64 = "PFByb2ZpbGU+PFdpZmk+U3RhZmY8L1dpZmk+PC9Qcm9maWxlPg==";
    let escaped = profile.replace('<', "&lt;");
    let matcher =
        "{ command = \"Add\", where = { at = \"Item/Data!/Profile/Wifi\", equals = \"Staff\" } }";
    for data in [base64, &escaped, &format!("<![CDATA[{profile}]]>")] {
        let add = format!(
            "<Add><CmdID>2</CmdID><Item><Target><LocURI>./A</LocURI></Target><Data>{data}</Data></Item></Add>"
        );
        let got = found(
            "response",
            &mut Talk::new(1, "d"),
            matcher,
            &message(1, &add),
        );
        assert_eq!(got, ["2"], "{data}");
    }
    // OPAQUE, which only WBXML has.
    let add = "<Add><CmdID>2</CmdID><Item><Target><LocURI>./A</LocURI></Target><Meta>\
         <Format xmlns=\"syncml:metinf\">bin</Format></Meta><Data>PLACE</Data></Item></Add>";
    let mut bytes = encode(&message(1, add), &WbxmlOptions::default()).unwrap();
    let at = bytes.windows(5).position(|w| w == b"PLACE").unwrap();
    // STR_I PLACE 0 becomes OPAQUE with a length.
    let opaque = [&[0xC3, profile.len() as u8], profile.as_bytes()].concat();
    bytes.splice(at - 1..at + 6, opaque);
    let body = markup::decode(bytes.into(), Hint::default(), &Limits::default()).unwrap();
    let rules = format!(
        "[[rule]]\nname = \"r\"\nstage = \"response\"\nmatch = {matcher}\nstep = {{ remove = true }}\n"
    );
    let verdict = Talk::new(1, "d").decide(&book(&rules), Stage::Response, &body);
    assert_eq!(verdict.document.map(|d| ids(&d)), Some(vec![]));
}

#[test]
fn attributes_are_places_too() {
    let text = "<SyncML xmlns:msft=\"http://schemas.microsoft.com/MobileDevice/MDM\"><SyncHdr/><SyncBody>\
        <Status><CmdID>1</CmdID><Data msft:originalerror=\"0x80070005\">500</Data></Status>\
        <Status><CmdID>2</CmdID><Data>500</Data></Status></SyncBody></SyncML>";
    let denied = "{ command = \"Status\", where = { at = \"Data/@msft:originalerror\", equals = \"0x80070005\" } }";
    let rules = format!(
        "[[rule]]\nname = \"r\"\nstage = \"request\"\nmatch = {denied}\nstep = {{ remove = true }}\n"
    );
    let verdict = Talk::new(1, "d").decide(&book(&rules), Stage::Request, &decode(text));
    assert_eq!(ids(&verdict.document.unwrap()), ["2"]);
}

#[test]
fn matchers_are_negated_and_combined() {
    check(
        "{ not = { command = [\"Status\", \"Results\"] } }",
        &["7", "8"],
    );
    check("{ not = { not = { command = \"Alert\" } } }", &["7", "8"]);
    check(
        "{ any = [{ command = \"Alert\", alert = 1226 }, { status = 404 }] }",
        &["4", "7"],
    );
    check(
        "{ command = \"Status\", not = { any = [{ status = 200 }, { status = 202 }] } }",
        &["4"],
    );
    check(
        "{ command = \"Status\", all = [{ status = \"2xx\" }, { not = { status = 200 } }] }",
        &["3"],
    );
    check(
        "{ any = [{ host = \"elsewhere\" }, { status = 404 }] }",
        &["4"],
    );
    check(
        "{ command = \"Alert\", any = [{ host = \"mdm.example\" }, { status = 404 }] }",
        &["7", "8"],
    );
    check(
        "{ command = \"Alert\", not = { host = \"mdm.example\" } }",
        &[],
    );
    check(
        "{ not = { command = \"Status\", status = 200 } }",
        &["3", "4", "5", "6", "7", "8"],
    );
    check(
        "{ any = [{ loc-uri = \"./DevInfo/Count\" }, { loc-uri = \"./Vendor/MSFT/RemoteWipe/**\" }] }",
        &["4", "5"],
    );
}

#[test]
fn a_rule_after_an_edit_sees_the_body_as_it_is_then() {
    let rules = "
        [[rule]]
        name = \"first\"
        stage = \"request\"
        match = { data = \"en-GB\" }
        step = { set-text = \"changed\" }

        [[rule]]
        name = \"second\"
        stage = \"request\"
        match = { data = \"changed\", loc-uri = \"./DevInfo/Lang\" }
        step = { set-text = \"again\" }

        [[rule]]
        name = \"never\"
        stage = \"request\"
        match = { data = \"en-GB\" }
        step = { reset = true }
    ";
    let verdict = Talk::new(1, "d").decide(&book(rules), Stage::Request, &device_says());
    let names: Vec<&str> = verdict.applied.iter().map(|a| &*a.rule).collect();
    assert_eq!(names, ["first", "second"]);
}

#[test]
fn rules_under_every_kind_of_key_are_found_among_many() {
    let keys = [
        "loc-uri = \"./DevInfo/NAME\"",
        "data = \"NAME\"",
        "cmd-id = \"NAME\"",
        "answers = { loc-uri = \"./Vendor/MSFT/NAME/*\" }",
        "device = \"NAME\"",
        "session = \"NAME\"",
        "sni = \"NAME\"",
        "host = \"NAME\"",
        "path = \"/NAME\"",
        "any = [{ data = \"NAME\" }, { host = \"NAME\" }]",
        "all = [{ data = \"NAME\" }]",
        "any = [{ data = \"NAME\" }, { format = \"NAME\" }]",
    ];
    let right = [
        "Lang",
        "en-GB",
        "7",
        "Reboot",
        "urn:uuid:D1",
        "7",
        "MDM.example",
        "mdm.EXAMPLE",
        "dm/x",
        "en-GB",
        "42",
        "int",
    ];
    for (key, right) in keys.iter().zip(right) {
        let rule = |n: usize, name: &str| {
            let key = key.replace("NAME", name);
            format!(
                "[[rule]]\nname = \"r{n}\"\nstage = \"request\"\nmatch = {{ {key} }}\nstep = {{ delay = \"1s\" }}\n"
            )
        };
        let many: String = (0..50)
            .map(|n| match n {
                33 => rule(n, right),
                _ => rule(n, &format!("other{n}")),
            })
            .collect();
        let book = book(&many);
        let mut talk = talk().said(Side::Server, &server_said());
        for body in [device_says(), wbxml(&device_says())] {
            let body = Arc::new(body);
            let applied = talk.decide(&book, Stage::Request, &body).applied;
            let names: Vec<&str> = applied.iter().map(|a| &*a.rule).collect();
            assert_eq!(names, ["r33"], "{key}");
        }
    }
}

#[test]
fn the_examples_of_the_manual_load() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules.md");
    let text = std::fs::read_to_string(path).unwrap();
    let blocks: Vec<&str> = text
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(blocks.len() >= 4);
    for block in blocks {
        let step = match block.contains("step = ") {
            true => "",
            false => "step = { delay = \"1s\" }",
        };
        match block.contains("[[rule]]") {
            true => book(block),
            false => book(&format!(
                "[[rule]]\nname = \"r\"\nstage = \"request\"\n{block}\n{step}\n"
            )),
        };
    }
}
