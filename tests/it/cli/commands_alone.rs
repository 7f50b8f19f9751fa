//! Commands that stand alone, without a message around them, and the answers to them: what Fleet, SyncMLViewer and osquery
//! print.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::pasted::printed;

const ID: &str = "7d1c3f5e-88a0-4b62-9a0d-6b3ad4b0f2f1";
const UPDATE: &str = "./Device/Vendor/MSFT/Policy/Config/Update";

fn replace(id: &str, node: &str) -> String {
    format!(
        "<Replace><CmdID>{id}</CmdID><Item><Target><LocURI>{node}</LocURI></Target><Meta><Format \
         xmlns=\"syncml:metinf\">int</Format></Meta><Data>1</Data></Item></Replace>"
    )
}

fn get(id: &str, node: &str) -> String {
    format!("<Get><CmdID>{id}</CmdID><Item><Target><LocURI>{node}</LocURI></Target></Item></Get>")
}

/// The answer of a device to message 1, with the Statuses (CmdRef, Cmd, Data).
fn answer(header: &str, statuses: &[(&str, &str, u16)]) -> String {
    let of_header = ("0", "SyncHdr", 200);
    let statuses = std::iter::once(&of_header).chain(statuses).zip(1..);
    let statuses = statuses.map(|((reference, cmd, code), id)| {
        format!(
            "<Status><CmdID>{id}</CmdID><MsgRef>1</MsgRef><CmdRef>{reference}</CmdRef><Cmd>{cmd}</Cmd><Data>{code}</Data></Status>"
        )
    });
    let statuses: String = statuses.collect();
    format!("<SyncML>{header}<SyncBody>{statuses}<Final/></SyncBody></SyncML>")
}

fn header(device: &str) -> String {
    format!(
        "<SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>5A</SessionID><MsgID>2</MsgID><Target>\
         <LocURI>https://mdm.example.com/omadm</LocURI></Target><Source><LocURI>{device}</LocURI></Source></SyncHdr>"
    )
}

#[test]
fn what_stands_inside_an_atomic_is_paired_as_in_a_whole_session() {
    let inside = ["a", "b"].map(|letter| ID.replace('7', letter));
    let [first, second] = &inside;
    let payload = format!(
        "<Atomic><CmdID>{ID}</CmdID>{}{}</Atomic>",
        replace(first, &format!("{UPDATE}/P0")),
        replace(second, &format!("{UPDATE}/P1"))
    );
    let results = answer(
        &header("DESK1"),
        &[
            (ID, "Atomic", 507),
            (first, "Replace", 500),
            (second, "Replace", 216),
        ],
    );
    let text = format!("PAYLOAD:\n{payload}\n\nRESULTS:\n{results}\n");
    let json = json!({"results": [{"payload": STANDARD.encode(&payload), "result": STANDARD.encode(&results)}]});
    for text in [text, json.to_string()] {
        let (code, found, error) = printed("why", &text);
        assert_eq!(code, Some(1), "{found}{error}");
        let what = format!("✖ Atomic: 507 Atomic failed, because of Replace {UPDATE}/P0");
        assert!(found.contains(&what), "{found}");
        assert!(found.contains("1 rolled back (216)"), "{found}");
        assert_eq!(found.matches('✖').count(), 1, "{found}");
        assert!(!found.contains("own log"), "{found}");
        assert!(!found.contains("SessionID and Source"), "{found}");
    }
}

#[test]
fn a_payload_belongs_to_the_results_behind_it_though_another_has_the_same_cmd_id() {
    let block = |time: &str, device: &str, code: u16| {
        let payload = replace(ID, &format!("{UPDATE}/P0"));
        let results = answer(&header(device), &[(ID, "Replace", code)]);
        format!(
            "TIME:\n{time}\n\nHOSTNAME:\n{device}\n\nPAYLOAD:\n{payload}\n\nRESULTS:\n{results}\n"
        )
    };
    let times = ["2026-09-17T04:17:01Z", "2026-09-17T05:17:01Z"];
    for [one, two] in [times, [times[1], times[0]], [times[0], times[0]]] {
        // The times are those of the excerpts, and say nothing of the session between them.
        for codes in [[200, 500], [500, 200]] {
            let text = block(one, "DESK1", codes[0]) + &block(two, "DESK2", codes[1]);
            let (code, found, _) = printed("why", &text);
            assert_eq!(code, Some(1), "{found}");
            assert!(
                found.contains(&format!("✖ Replace {UPDATE}/P0: 500")),
                "{found}"
            );
            assert_eq!(found.matches('✖').count(), 1, "{text}\n{found}");
            assert!(
                found.contains("2 sessions, something pending in 1"),
                "{found}"
            );
        }
    }
}

#[test]
fn the_answer_to_many_commands_of_one_text_is_paired_with_each() {
    let id = |number: u32| format!("{number:08x}{}", &ID[8..]);
    let commands = (0..900).map(|it| replace(&id(it), &format!("{UPDATE}/P{it}")) + "\n");
    let commands: String = commands.collect();
    let ids: Vec<String> = (0..900).map(id).collect();
    let statuses = ids.iter().zip(0..);
    let statuses = statuses.map(|(id, number)| match number {
        3 | 899 => (&**id, "Replace", 500),
        _ => (&**id, "Replace", 200),
    });
    let results = answer(&header("DESK1"), &statuses.collect::<Vec<_>>());
    let (code, found, error) = printed("why", commands + &results);
    assert_eq!(code, Some(1), "{found}{error}");
    assert!(found.contains("2 of 900 commands failed"), "{found}");
    for number in [3, 899] {
        assert!(found.contains(&format!("{UPDATE}/P{number}")), "{found}");
    }
    assert!(!found.contains("not in the record"), "{found}");
}

#[test]
fn of_commands_without_an_answer_the_newest_are_kept() {
    let id = |number: u32| format!("{number:08x}{}", &ID[8..]);
    let message = |number: u32| {
        let commands = (0..100).map(|it| it + number * 100);
        let commands: String = commands
            .map(|it| replace(&id(it), &format!("{UPDATE}/P{it}")))
            .collect();
        format!("<SyncML><SyncBody>{commands}</SyncBody></SyncML>\n")
    };
    let messages: String = (0..11).map(message).collect();
    let why = |number: u32| {
        let results = answer(&header("DESK1"), &[(&id(number), "Replace", 500)]);
        printed("why", messages.clone() + &results).1
    };
    let found = why(1_099);
    assert!(
        found.contains(&format!("✖ Replace {UPDATE}/P1099: 500")),
        "{found}"
    );
    let found = why(0);
    assert!(found.contains("not in the record"), "{found}");
}

#[test]
fn an_answer_of_local_mdm_belongs_to_the_commands_in_front_of_it() {
    let policy = format!("{UPDATE}/AllowAutoUpdate");
    let local = |statuses: &[(&str, &str, u16)]| answer("<SyncHdr/>", statuses);
    let asked = [get("1", "./DevDetail/SwV"), get("2", &policy)].concat();
    let answered = local(&[("1", "Get", 200), ("2", "Get", 404)]);
    let row = json!([{"mdm_command_input": format!("<SyncBody>{asked}</SyncBody>"), "raw_mdm_command_output": answered}]);
    let alone = |commands: &str| {
        format!("<SyncML xmlns=\"SYNCML:SYNCML1.1\"><SyncBody>{commands}</SyncBody></SyncML>\n")
    };
    let empty = alone(&asked).replace("<SyncBody>", "<SyncHdr/><SyncBody>");
    // The CmdIDs begin anew in each request.
    let before = alone(&get("2", "./DevDetail/HwV")) + &local(&[("2", "Get", 200)]);
    for text in [
        alone(&asked) + &answered,
        empty + &answered,
        row.to_string(),
        before.clone() + "\n" + &alone(&asked) + &answered,
        // More than are kept without an answer.
        (before.clone() + "\n").repeat(1_001) + &alone(&asked) + &answered,
    ] {
        let (code, found, error) = printed("why", &text);
        assert_eq!(code, Some(1), "{found}{error}");
        assert!(found.contains("━━ local MDM ━━"), "{found}");
        assert!(
            found.contains(&format!("✖ Get {policy}: 404 Not found")),
            "{text}\n{found}"
        );
        assert!(found.contains("an enrollment of its own"), "{found}");
        assert!(
            found.contains("PolicyManager\\current\\device\\update"),
            "{found}"
        );
        assert_eq!(found.matches('✖').count(), 1, "{found}");
        assert!(!found.contains("not in the record"), "{found}");
    }
    let (code, found, _) = printed("why", &before);
    assert_eq!(code, Some(0), "{found}");
    // A command without an answer.
    let text = alone(&asked) + &local(&[("1", "Get", 200)]);
    let (code, found, _) = printed("why", &text);
    assert_eq!(code, Some(1), "{found}");
    assert!(
        found.contains(&format!("✖ Get {policy}: never answered")),
        "{found}"
    );
}

#[test]
fn a_failure_in_an_alert_is_pending_without_a_session_too() {
    let alert = |code: u16, value: &str| {
        let item = format!(
            "<Item><Source><LocURI>./Device/Vendor/MSFT/EnterpriseDesktopAppManagement/MSI/1/DownloadInstall</LocURI></Source><Meta>\
             <Format xmlns=\"syncml:metinf\">int</Format><Type \
             xmlns=\"syncml:metinf\">Reversed-Domain-Name:com.microsoft.mdm.win32csp_install</Type></Meta><Data>{value}</Data></Item>"
        );
        format!("<Alert><CmdID>1</CmdID><Data>{code}</Data>{item}</Alert>")
    };
    for header in ["", "<SyncHdr/>"] {
        let why = |alert: &str| {
            let message = format!("<SyncML>{header}<SyncBody>{alert}<Final/></SyncBody></SyncML>");
            printed("why", message)
        };
        let (code, text, _) = why(&alert(1226, "1603"));
        assert_eq!(code, Some(1), "{text}");
        assert!(
            text.contains("DownloadInstall: the device reports a failure, 1603"),
            "{text}"
        );
        let (code, text, _) = why("<Alert><CmdID>1</CmdID><Data>1223</Data></Alert>");
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("Alert 1223 Session abort"), "{text}");
        let (code, text, _) = why(&alert(1226, "3010"));
        assert_eq!(code, Some(0), "{text}");
    }
}

#[test]
fn lint_judges_commands_that_stand_alone() {
    let two = format!(
        "<!-- what to install -->\n{}\n<!-- and to remove -->\n{}\n",
        replace("1", "./A/B"),
        replace("1", "./A/B")
    );
    let one = replace("1", "./A/B");
    let without_id = one.replace("<CmdID>1</CmdID>", "");
    let atomic = format!("<?xml version=\"1.0\"?>\n<Atomic>{one}</Atomic>");
    let in_body = format!("<SyncBody>{one}</SyncBody>");
    for text in [&two, &one, &without_id, &atomic, &in_body] {
        let (code, found, error) = printed("lint", text);
        assert_eq!(code, Some(0), "{text}: {found}{error}");
        assert!(
            found.contains("HDR-07") && found.contains("commands alone"),
            "{found}"
        );
        let wrong = text.replace("Item", "item");
        let (code, found, _) = printed("lint", &wrong);
        assert_eq!(code, Some(1), "{wrong}: {found}");
        assert!(!found.contains("XML-01"), "{wrong}: {found}");
    }
    // The place is that in the file.
    let wrong = two.replace(">1</Data>", ">one</Data>");
    let (_, found, _) = printed("lint", &wrong);
    let at = wrong.find("<Item>").unwrap();
    assert!(
        found.contains("ITM-03") && found.contains(&format!("at byte {at}")),
        "{at}: {found}"
    );
}

#[test]
fn a_profile_with_https_in_a_namespace_is_judged_though_its_secrets_are_masked() {
    let profile = "<VPNProfile><NativeProfile><Servers>vpn.example.com</Servers><Authentication><Eap><Configuration>\
                   <EapHostConfig><TLSExtensions \
                   xmlns=\"https://www.microsoft.com/provisioning/EapTlsConnectionPropertiesV2\"><Key>geheim</Key>\
                   </TLSExtensions></EapHostConfig></Configuration></Eap></Authentication></NativeProfile></VPNProfile>";
    let node = "./User/Vendor/MSFT/VPNv2/Office/ProfileXML";
    let data = format!("<Data>{}</Data>", profile.replace('<', "&lt;"));
    let add = replace("1", node).replace(">int<", ">chr<");
    let text = add.replace("<Data>1</Data>", &data);
    let (_, found, error) = printed("lint", &text);
    assert!(found.contains("ITM-04"), "{found}{error}");
    let alone = format!("<SyncML><SyncBody>{text}</SyncBody></SyncML>");
    let (_, shown, _) = printed("show", alone);
    assert!(!shown.contains("geheim"), "{shown}");
}

#[test]
fn the_advice_about_commands_that_stand_alone_can_be_followed() {
    let advice = |text: &str| printed("why", text).2;
    let one = replace("1", "./A/B");
    let value = "<Data><![CDATA[<?xml version=\"1.0\"?><WLANProfile/>]]></Data>";
    let in_cdata = one.replace("<Data>1</Data>", value);
    let in_body = format!("<SyncBody>{one}</SyncBody>");
    for text in [&one, &in_cdata, &in_body] {
        let error = advice(&format!(
            "An example of the documentation, with a long text in front of the commands:\n{text}"
        ));
        let advised = "`dmtap lint` judges a file that has nothing but commands";
        assert!(error.contains(advised), "{error}");
        let (code, found, error) = printed("lint", text);
        assert_eq!(code, Some(0), "{found}{error}");
    }
}

#[test]
fn a_message_of_management_is_no_answer_to_a_request_of_enrollment() {
    let request = std::fs::read_to_string("tests/data/enrollment/request-empty.xml").unwrap();
    let commands = format!(
        "<SyncML><SyncBody>{}</SyncBody></SyncML>",
        get("1", "./DevDetail/SwV")
    );
    let message = format!(
        "<SyncML>{}<SyncBody>{}<Final/></SyncBody></SyncML>",
        header("D1"),
        get("1", "./DevDetail/SwV")
    );
    let message = message.replace("LocURI>https://mdm.example.com/omadm<", "LocURI>D2<");
    for behind in [commands, message] {
        let (code, found, error) = printed("why", format!("{request}\n{behind}\n"));
        assert_ne!(code, Some(2), "{error}");
        assert!(found.contains("· Enrollment"), "{found}");
        assert!(!found.contains("refused"), "{found}");
    }
}
