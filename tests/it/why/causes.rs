//! The findings about the answers of real devices and servers: the responsible peer, and the remedy.

use dmtap::flow::Side;
use dmtap::record::Colour;
use dmtap::record::model::{EventKind, SessionFinding};

use super::unanswered::event;
use super::{analysed, blocks, script};

/// The findings of a session with these lines.
pub(super) fn findings(server: &str, device: &str) -> Vec<SessionFinding> {
    let script =
        format!("session 1 09:12:00\n> 1\n  2 Alert 1201\n< 1\n{server}> 2\n{device}< -\n");
    let sessions = analysed(&script::records(&script));
    sessions
        .into_iter()
        .flat_map(|it| it.summary.findings)
        .filter(|it| it.pending)
        .collect()
}

#[test]
fn work_that_the_device_reports_as_failed_is_a_failure() {
    const NODE: &str = "./Vendor/MSFT/EnterpriseDesktopAppManagement/MSI/x/DownloadInstall";
    let exec = format!("  1 Exec {NODE}\n");
    let alert = |code: u16, meta: &str, data: &str| {
        format!(
            "  2 Status 1/1 Exec 202\n  <Alert><CmdID>9</CmdID><Data>{code}</Data><Item><Source><LocURI>{NODE}</LocURI></Source>\
             <Meta>{meta}</Meta><Data>{data}</Data></Item></Alert>\n"
        )
    };
    let install = "<Type xmlns=\"syncml:metinf\">Reversed-Domain-Name:com.microsoft.mdm.win32csp_install</Type>";
    let other = "<Type xmlns=\"syncml:metinf\">com.microsoft/MDM/done</Type>";
    let critical = "<Mark xmlns=\"syncml:metinf\">critical</Mark>";
    for (code, meta, data) in [
        (1224, install, "1603"),
        (1224, install, "5"),
        (1224, other, "1603"),
        (1226, other, "0x80070005"),
        (1226, other, "-2147024891"),
        (1226, other, "2147942405"),
        (1226, critical, "no space"),
    ] {
        let found = findings(&exec, &alert(code, meta, data));
        let [failure] = &found[..] else {
            panic!("{meta} {data}: {found:#?}");
        };
        assert!(failure.pending && failure.id == "WHY-01", "{failure:#?}");
        assert!(
            failure.what.starts_with(&format!("Exec {NODE}")),
            "{failure:#?}"
        );
        assert!(failure.why[0].contains(&code.to_string()), "{failure:#?}");
    }
    for (meta, data) in [
        (install, "0"),
        (install, "3010"),
        (other, "3"),
        (other, "done"),
    ] {
        let found = findings(&exec, &alert(1226, meta, data));
        assert!(found.is_empty(), "{meta} {data}: {found:#?}");
    }
}

#[test]
fn commands_that_were_undone_did_not_succeed() {
    const POLICY: &str = "./Device/Vendor/MSFT/Policy/Config";
    let found = findings(
        &format!("  1 Atomic\n  2   Replace {POLICY}/A/B = 1\n  3   Replace {POLICY}/C/D = 1\n"),
        "  1 Status 1/1 Atomic 507\n  2 Status 1/2 Replace 216\n  3 Status 1/3 Replace 404\n",
    );
    let text = format!("{found:#?}");
    assert!(!text.contains("succeeded"), "{text}");
    assert!(
        !text.contains("Replace creates no node") && !text.contains("send Add"),
        "{text}"
    );
}

#[test]
fn another_cause_than_a_missing_user_is_no_missing_user() {
    let session = |answers: &str| {
        let script = format!(
            "session 1 09:12:00\n> 1\n  2 Alert 1201\n  3 Alert 1224 com.microsoft/MDM/LoginStatus others\n< 1\n  \
             1 Replace ./User/Vendor/MSFT/A/B = 1\n  2 Replace ./User/Vendor/MSFT/C/D = 1\n> 2\n{answers}< -\n"
        );
        let sessions = analysed(&script::records(&script));
        let findings = sessions
            .into_iter()
            .flat_map(|it| it.summary.findings)
            .filter(|it| it.pending);
        findings.map(|it| it.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(
        session("  1 Status 1/1 Replace 500\n  2 Status 1/2 Replace 500\n"),
        ["WHY-07"]
    );
    assert_eq!(
        session("  1 Status 1/1 Replace 500\n  2 Status 1/2 Replace 200\n"),
        ["WHY-01"]
    );
    assert_eq!(
        session("  1 Status 1/1 Replace 500 0x80070005\n  2 Status 1/2 Replace 500 0x86000022\n"),
        ["WHY-07", "WHY-01"]
    );
}

#[test]
fn a_server_that_asks_for_a_client_certificate_is_the_cause() {
    let mut records = script::records(
        "session 1 09:12:00\n> 1\n  2 Alert 1201\nfail server cause=client-certificate dm.example.com asks for a client certificate (alert 116). dmtap has \
         none for device 192.0.2.7: enroll through dmtap with --swap-client-identity\n< - http=502\n",
    );
    records.last_mut().unwrap().own = true;
    let sessions = analysed(&records);
    let text = blocks(&sessions);
    let finding = &sessions[0].summary.findings[0];
    assert!(
        finding.why[0].contains("asks for a client certificate (alert 116)"),
        "{text}"
    );
    assert!(finding.next.contains("--swap-client-identity"), "{text}");
    assert_eq!(
        (sessions[0].summary.findings.len(), finding.by),
        (1, None),
        "{text}"
    );
}

#[test]
fn an_http_status_is_no_status_of_a_command() {
    let summary = dmtap::record::model::SessionSummary {
        findings: vec![SessionFinding {
            id: "WHY-13".into(),
            pending: true,
            what: "Enrollment refused".into(),
            code: Some(500),
            ..SessionFinding::default()
        }],
        ..Default::default()
    };
    let mut failures = dmtap::record::transcript::Failures::default();
    failures.enter(&summary, 0);
    let text = failures.text(Colour::Plain);
    assert!(
        text.contains("HTTP 500") && !text.contains("Command failed"),
        "{text}"
    );
}

#[test]
fn a_device_with_a_certificate_of_dmtap_is_not_sent_to_enroll_with_the_swap_again_at_once() {
    for (verdict, next) in [
        ("dmtap-ca", "look for this device with dmtap identity list"),
        ("untrusted", "enroll the device through dmtap"),
    ] {
        let mut records =
            script::records("session 1 09:12:00\n> 1\n  2 Alert 1201\n< - http=403\n");
        let refused = records.last_mut().unwrap();
        refused.client_auth = Some(dmtap::flow::ClientAuth {
            asked: true,
            shown: None,
        });
        let tls = serde_json::json!({"client_certificate": {"subject": "CN=a", "issuer": "", "serial": "1", "sha1": "AB", "sha256": "CD",
            "verdict": verdict}});
        refused.connection.tls = serde_json::from_value(tls).unwrap();
        let text = blocks(&analysed(&records));
        assert!(text.contains(&format!("next: {next}")), "{text}");
    }
}

#[test]
fn the_servers_own_words_come_first_and_name_what_to_do() {
    let head = |status: u16, media_type: &str| serde_json::json!({"status": status, "version": "HTTP/1.1", "headers": [["content-type", media_type]]});
    let discover = serde_json::json!({"from": "device", "enrollment": {"message": "Discover", "facts": {"RequestVersion": "9.0"}}});
    let answer = serde_json::json!({"from": "server", "head": head(400, "application/json"),
        "reading": {"is": "undecoded", "media_type": "application/json"},
        "body": {"text": "{\"reason\":\"invalid discover message: Request.RequestVersion\"}"}});
    let sessions = analysed(&[event(1, "request", discover), event(2, "response", answer)]);
    let text = blocks(&sessions);
    let finding = &sessions[0].summary.findings[0];
    assert!(
        finding.why[0].starts_with("the server's own words: "),
        "{text}"
    );
    assert!(finding.next.contains("RequestVersion 9.0"), "{text}");

    let fault = serde_json::json!({"from": "server", "head": head(200, "application/soap+xml"),
        "enrollment": {"fault": {"subcode": "s:MessageFormat", "hresult": "0x80180001", "reason": "unmarshalling: EOF"}}});
    let request = serde_json::json!({"from": "device", "bytes": 0, "reading": {"is": "empty"},
        "head": {"method": "POST", "uri": "/", "version": "HTTP/1.1", "headers": [["content-type", "application/soap+xml"]]}});
    let sessions = analysed(&[event(1, "request", request), event(2, "response", fault)]);
    let text = blocks(&sessions);
    assert!(text.contains("The request had no body"), "{text}");
    assert!(!text.contains("server's log"), "{text}");
}

#[test]
fn who_took_long_is_named_and_nothing_is_pending_for_it() {
    let slow = |wait: &str, took_us: u64| {
        let script = format!(
            "session 1 09:12:00\n> 1\n  2 Alert 1201\n< 1\n  1 Status 1/0 SyncHdr 200\n  2 Status 1/2 Alert 200\n  \
             5 Get ./DevDetail/SwV\n+ {wait}\n> 2\n  1 Status 1/0 SyncHdr 200\n  2 Status 1/5 Get 200\n  \
             3 Results 1/5 ./DevDetail/SwV = 10\n< 2\n  1 Status 2/0 SyncHdr 200\n"
        );
        let mut records = script::records(&script);
        let mut responses = records
            .iter_mut()
            .filter(|it| it.event == EventKind::Response);
        responses.next().unwrap().took_us = Some(took_us);
        let sessions = analysed(&records);
        let findings = sessions.into_iter().flat_map(|it| it.summary.findings);
        let findings = findings.map(|it| (it.id.to_string(), it.what, it.by, it.pending));
        findings.collect::<Vec<_>>()
    };
    let found = |what: &str, by: Side| {
        let id = "WHY-11".to_owned();
        (id, what.to_owned(), Some(by), false)
    };
    assert!(slow("4s", 4_000_000).is_empty());
    assert_eq!(
        slow("30s", 6_000_000),
        [
            found("The server took 6.0 s in x1", Side::Server),
            found("The device took 30.0 s in x2", Side::Device),
        ]
    );
}

#[test]
fn a_rule_that_held_the_request_back_is_why_the_answer_came_late() {
    let mut records = script::records(
        "session 1 09:12:00\n> 1\n  2 Alert 1201\n< 1\n  1 Status 1/0 SyncHdr 200\n  2 Status 1/2 Alert 200\n",
    );
    let effect = serde_json::json!({"rule": "late", "changes": [{"path": "", "step": "delay", "kind": "delayed", "before": "", "after": "6s"}]});
    let request = records
        .iter_mut()
        .find(|it| it.event == EventKind::Request)
        .unwrap();
    request
        .applied
        .push(serde_json::from_value(effect).unwrap());
    let wait = serde_json::json!({"wait-us": 6_000_000});
    request.delivery.push(serde_json::from_value(wait).unwrap());
    let response = records
        .iter_mut()
        .find(|it| it.event == EventKind::Response);
    response.unwrap().took_us = Some(6_001_000);
    let text = blocks(&analysed(&records));
    for words in [
        "The server took 6.0 s in x1    WHY-11",
        "Rule late of dmtap held the message back.",
        "next: take the rule out",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn a_payload_escaped_twice_is_the_cause_only_where_the_device_took_it_and_nothing_put_it_right() {
    const X: &str = "./Device/Vendor/MSFT/A/X";
    const ESCAPED: &str = "&amp;lt;Job/&amp;gt;";
    let is_cause = |commands: &[(&str, &str, u16)]| {
        let (mut server, mut device) = (String::new(), String::new());
        for (at, (command, data, code)) in commands.iter().enumerate() {
            let (id, kind) = (at + 1, command.split(' ').next().unwrap());
            let data = if data.is_empty() {
                String::new()
            } else {
                format!(" = {data}")
            };
            server += &format!("  {id} {command}{data}\n");
            device += &format!("  {id} Status 1/{id} {kind} {code}\n");
        }
        let found = findings(&server, &device);
        let gone = found.iter().find(|it| it.code == Some(404)).unwrap();
        gone.why.iter().any(|line| line.contains("escaped twice"))
    };
    let (exec, get) = (format!("Exec {X}/Install"), format!("Get {X}"));
    assert!(is_cause(&[(&exec, ESCAPED, 200), (&get, "", 404)]));
    // The device did not take it.
    assert!(!is_cause(&[(&exec, ESCAPED, 500), (&get, "", 404)]));
    // Another command put it right, on the same node in another spelling.
    let right = "Replace ./Vendor/MSFT/A/X/Install";
    assert!(!is_cause(&[
        (&exec, ESCAPED, 200),
        (right, "1", 200),
        (&get, "", 404)
    ]));
    assert!(is_cause(&[
        (&exec, ESCAPED, 200),
        (right, "1", 500),
        (&get, "", 404)
    ]));
    assert!(is_cause(&[
        (right, "1", 200),
        (&exec, ESCAPED, 200),
        (&get, "", 404)
    ]));
    // What lacks is below the payload, or next to it.
    let (below, beside) = (format!("{exec}/State"), format!("Get {X}Y"));
    let below = below.replace("Exec", "Get");
    assert!(!is_cause(&[(&exec, ESCAPED, 200), (&below, "", 404)]));
    assert!(!is_cause(&[(&exec, ESCAPED, 200), (&beside, "", 404)]));
}

#[test]
fn a_payload_escaped_twice_in_a_session_before_is_not_the_cause() {
    let session = |id: u32, command: &str, code: u16| {
        let kind = command.split(' ').next().unwrap();
        format!(
            "session {id} 09:12:00\n> 1\n  2 Alert 1201\n< 1\n  1 {command}\n> 2\n  1 Status 1/1 {kind} {code}\n< -\n"
        )
    };
    let script = session(1, "Exec ./Vendor/MSFT/A/X = &amp;lt;Job/&amp;gt;", 200)
        + &session(2, "Get ./Vendor/MSFT/A/X", 404);
    let text = blocks(&analysed(&script::records(&script)));
    assert!(
        text.contains("404") && !text.contains("escaped twice"),
        "{text}"
    );
}

#[test]
fn failures_that_follow_from_one_another_are_one_finding() {
    let found = findings(
        "  1 Add ./Vendor/MSFT/A\n  2 Add ./Vendor/MSFT/A/B\n  3 Add ./Vendor/MSFT/A/B/C\n  4 Get ./Vendor/MSFT/A/B/C/D\n",
        "  1 Status 1/1 Add 500\n  2 Status 1/2 Add 404\n  3 Status 1/3 Add 404\n  4 Status 1/4 Get 404\n",
    );
    let [finding] = &found[..] else {
        panic!("{found:#?}");
    };
    assert_eq!(finding.transactions, [2, 3, 4, 5], "{finding:#?}");
    assert_eq!(finding.code, Some(500), "{finding:#?}");
    assert!(!finding.next.contains("spelling"), "{finding:#?}");
}

#[test]
fn a_size_that_a_rule_changed_later_did_not_cause_a_413() {
    const SIZE: &str = "<Meta><MaxObjSize xmlns=\"syncml:metinf\">9000</MaxObjSize></Meta>";
    let rules = |first: bool| {
        let rule = "rule small /SyncML/SyncBody/Get[1]/Meta/MaxObjSize 10 max-obj-size\n";
        let (early, late) = if first { (rule, "") } else { ("", rule) };
        let get = format!(
            "  <Get><CmdID>3</CmdID>{SIZE}<Item><Target><LocURI>./A/B</LocURI></Target></Item></Get>\n  4 Get ./C/D\n"
        );
        let script = format!(
            "session 1 09:12:00\n> 1\n  2 Alert 1201\n< 1\n{get}{early}> 2\n  1 Status 1/3 Get 200\n  \
             2 Status 1/4 Get 413\n< 2\n{get}{late}> 3\n  1 Status 2/3 Get 200\n  2 Status 2/4 Get 200\n< -\n"
        );
        let sessions = analysed(&script::records(&script));
        let mut found = sessions.into_iter().flat_map(|it| it.summary.findings);
        found.find(|it| it.code == Some(413)).unwrap().rules
    };
    assert_eq!(rules(true), ["small"]);
    assert!(rules(false).is_empty());
}
