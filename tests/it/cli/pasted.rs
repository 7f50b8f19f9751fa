//! Messages in the form in which people paste them: envelopes of enrollment, escapes, dumps, fragments.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dmtap::markup::{Hint, Limits, decode};
use serde_json::json;
use tempfile::TempDir;

use super::log::{formatted, known, messages, shown};
use super::peers::dmtap;
use super::traffic_files::session;
use super::{run, stdout};

/// What `dmtap` prints about a file on standard output and on standard error, and its exit code.
pub(super) fn printed(verb: &str, text: impl AsRef<[u8]>) -> (Option<i32>, String, String) {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("report.txt"), text).unwrap();
    let output = run(dmtap().current_dir(&folder).args([verb, "report.txt"]));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), stdout(&output), error)
}

fn envelope(header: &str, body: &str) -> String {
    format!(
        "<s:Envelope\n\txmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"\n\txmlns:a=\"http://www.w3.org/2005/08/addressing\">\n\
         <s:Header>{header}</s:Header>\n<s:Body>{body}</s:Body>\n</s:Envelope>"
    )
}

fn discover() -> String {
    envelope(
        "<a:Action s:mustUnderstand=\"1\">http://schemas.microsoft.com/windows/management/2012/01/enrollment/IDiscoveryService/\
         Discover</a:Action><a:To s:mustUnderstand=\"1\">https://mdm.example:443/EnrollmentServer/Discovery.svc</a:To>",
        "<Discover xmlns=\"http://schemas.microsoft.com/windows/management/2012/01/enrollment\"><request>\
         <EmailAddress>user@example.com</EmailAddress><RequestVersion>4.0</RequestVersion></request></Discover>",
    )
}

fn fault() -> String {
    envelope(
        "",
        "<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>s:Authorization</s:Value></s:Subcode></s:Code>\
         <s:Reason><s:Text xml:lang=\"en-US\">Device Identifier not preregistered</s:Text></s:Reason><s:Detail>\
         <DeviceEnrollmentServiceError xmlns=\"http://schemas.microsoft.com/windows/pki/2009/01/enrollment\">\
         <ErrorType>DeviceNotSupported</ErrorType><Message>Device Identifier not preregistered</Message>\
         <TraceId>c12da796</TraceId></DeviceEnrollmentServiceError></s:Detail></s:Fault>",
    )
}

#[test]
fn envelopes_of_enrollment_are_found_in_text() {
    let log = format!(
        "Here it is:\n```xml\n$ enroll -v\n{}\n```\nand back:\n```\n{}\n```\n",
        discover(),
        fault()
    );
    let events = shown(&log, &[]);
    let halves: Vec<_> = events
        .iter()
        .map(|it| (it.exchange, it.from.as_deref().unwrap()))
        .collect();
    assert_eq!(halves, [(Some(1), "device"), (Some(1), "server")]);
    let escaped = json!({"msg": "soap", "body": fault()}).to_string();
    for (text, asked) in [
        (log, "Enrollment (Discover) refused"),
        (format!("Answer:\n\n{}\n", fault()), "Enrollment refused"),
        (fault(), "Enrollment refused"),
        (escaped, "Enrollment refused"),
    ] {
        let (code, why, _) = printed("why", &text);
        assert_eq!(code, Some(1), "{why}");
        for expected in [
            asked,
            "WHY-13",
            "the server's own words: Device Identifier not preregistered",
            "Windows shows 0x8018",
        ] {
            assert!(why.contains(expected), "{expected}: {why}\n{text}");
        }
        assert!(!why.contains("HTTP"), "{why}");
    }
    // Envelopes of other services are not of OMA DM.
    let other = envelope("", "<GetStatus xmlns=\"urn:printer\"/>");
    let (code, _, error) = printed("why", format!("log\n{other}\n"));
    assert_eq!(code, Some(2), "{error}");
    // lint judges management alone.
    let (code, text, _) = printed("lint", fault());
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn messages_under_escapes_are_found() {
    let messages = messages();
    let expected: Vec<_> = messages.iter().take(4).map(known).collect();
    let plain: Vec<String> = messages.iter().take(4).map(formatted).collect();
    let lines = |each: &dyn Fn(&str) -> String| -> String {
        plain.iter().map(|text| each(text) + "\n").collect()
    };
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    let html = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
    };
    let forms = [
        (
            "a log of containers",
            lines(&|text| {
                let inner = json!({"level": "debug", "body": text}).to_string();
                let inner = inner.replace('<', "\\u003c").replace('>', "\\u003e");
                json!({"log": inner + "\n", "stream": "stdout"}).to_string()
            }),
        ),
        (
            "text within JSON within JSON",
            lines(&|text| {
                let inner = quoted(text).replace('<', "\\u003c").replace('>', "\\u003e");
                json!({"log": format!("10:00 DEBUG body={inner}")}).to_string()
            }),
        ),
        ("Go", lines(&|text| format!("10:00 body={}", quoted(text)))),
        ("Python", lines(&|text| text.replace('"', "\\'"))),
        (
            "CSV",
            lines(&|text| format!("10:00,TX,\"{}\"", text.replace('"', "\"\""))),
        ),
        ("a page", lines(&|text| text.replace('"', "&#39;"))),
        (
            "a page with colours",
            lines(&|text| {
                let coloured = html(text).replace("&gt;", "<span class=\"nt\">&gt;</span>");
                coloured
                    .replace("&lt;", "<span class=\"nt\">&lt;")
                    .replace(" xmlns", "</span> <b>xmlns</b>")
            }),
        ),
        ("Markdown", lines(&|text| text.replace('<', "\\<"))),
    ];
    for (what, text) in forms {
        let events = shown(&text, &[]);
        let found: Vec<_> = events.iter().map(known).collect();
        assert_eq!(found, expected, "{what}: {text}");
    }
}

#[test]
fn messages_in_the_lines_of_a_log_are_found_in_base64_and_hex() {
    let messages = messages();
    let is_wbxml = |body: &[u8]| {
        matches!(body.first(), Some(1..=3))
            && decode(body.to_vec().into(), Hint::default(), &Limits::default()).is_ok()
    };
    let bodies = messages
        .iter()
        .map(|it| it.body.as_ref().unwrap().0.clone());
    let bodies: Vec<_> = bodies.filter(|body| is_wbxml(body)).take(2).collect();
    assert_eq!(bodies.len(), 2);
    let rows = |body: &[u8]| -> String {
        let row = |row: &[u8]| -> String {
            let octets: Vec<_> = row.iter().map(|byte| format!("{byte:02X}")).collect();
            format!("05-01 10:00:00.123 D DMEngine: {}\n", octets.join(" "))
        };
        body.chunks(16).map(row).collect()
    };
    let base64 = bodies.iter().map(|body| {
        format!(
            "2024-05-01T10:00:00Z request body base64: {}\n",
            STANDARD.encode(body)
        )
    });
    let hex = bodies
        .iter()
        .map(|body| format!("send\n{}sent\n", rows(body)));
    for text in [base64.collect::<String>(), hex.collect()] {
        let events = shown(&text, &[]);
        let found: Vec<_> = events
            .iter()
            .map(|it| it.body.as_ref().unwrap().0.clone())
            .collect();
        assert_eq!(found, bodies, "{text}");
    }
}

/// Octets as `xxd` prints them.
pub(super) fn dump(octets: &[u8]) -> String {
    let row = |(number, row): (usize, &[u8])| {
        let octets: String = row.iter().map(|byte| format!("{byte:02x} ")).collect();
        format!(
            "{:08x}: {octets:<48} {}\n",
            number * 16,
            ".".repeat(row.len())
        )
    };
    octets.chunks(16).enumerate().map(row).collect()
}

#[test]
fn several_dumps_are_several_messages_and_two_answers_two_exchanges() {
    let messages = messages();
    let of_server = |it: &&dmtap::record::EventRecord| it.from.as_deref() == Some("server");
    let bodies = messages.iter().filter(of_server);
    let bodies: Vec<_> = bodies
        .map(|it| it.body.as_ref().unwrap().0.clone())
        .filter(|body| body.len() > 1 && matches!(body[0], 1..=3))
        .take(2)
        .collect();
    let text = format!("first:\n{}\nthen:\n{}", dump(&bodies[0]), dump(&bodies[1]));
    let events = shown(&text, &[]);
    let found: Vec<_> = events
        .iter()
        .map(|it| it.body.as_ref().unwrap().0.clone())
        .collect();
    assert_eq!(found, bodies, "{text}");
    let exchanges: Vec<_> = events.iter().map(|it| it.exchange).collect();
    assert_eq!(exchanges, [Some(1), Some(2)]);
}

#[test]
fn a_dump_hides_no_other_message_of_a_log() {
    let messages = session().map(String::into_bytes);
    let rows = |message: &[u8]| -> String {
        let row = |row: &[u8]| {
            let octets: Vec<_> = row.iter().map(|byte| format!("{byte:02X}")).collect();
            format!("10:00 D DMEngine: {}\n", octets.join(" "))
        };
        message.chunks(16).map(row).collect()
    };
    let word = |message: &[u8]| format!("10:00 body={}\n", STANDARD.encode(message));
    let block = |message: &[u8]| format!("body:\n{}\n\n", STANDARD.encode(message));
    let [one, two, three, four] = &messages;
    for text in [
        word(one) + &dump(two) + &word(three) + &rows(four) + "end\n",
        rows(one) + &dump(two) + &block(three) + &word(four),
        block(one) + &word(two) + &block(three) + &dump(four),
    ] {
        let events = shown(&text, &[]);
        let found: Vec<_> = events
            .iter()
            .map(|it| it.body.as_ref().unwrap().0.clone())
            .collect();
        assert_eq!(found, messages, "{text}");
    }
}

#[test]
fn decode_points_to_show_where_a_file_has_messages_in_it() {
    let message = formatted(&messages()[0]);
    let log = format!("10:00 sent\n{message}\n10:01 sent\n{message}\n");
    let (code, _, error) = printed("decode", log);
    assert_eq!(code, Some(2), "{error}");
    let help = "help: dmtap show report.txt finds 2 messages in it";
    assert!(error.contains(help), "{error}");
    let (_, _, error) = printed("decode", "<SyncML><SyncBody></SyncML>");
    assert!(!error.contains("help"), "{error}");
}

#[test]
fn what_is_no_message_is_named_as_what_it_is() {
    let commands = "I get this:\n<Replace><CmdID>1</CmdID><Item><Target><LocURI>./A</LocURI></Target></Item></Replace>\n";
    let log = "{\"level\":\"error\",\"err\":\"soap fault: no token\"}\n{\"level\":\"info\"}\n";
    for (text, expected) in [
        (commands, "`dmtap lint` judges a file"),
        (log, "no message of SyncML or enrollment stands in it"),
    ] {
        for verb in ["show", "why", "lint"] {
            let (code, _, error) = printed(verb, text);
            assert_ne!(code, Some(0), "{error}");
            assert!(error.contains(expected), "{verb}: {error}");
            assert!(!error.contains("missing field"), "{verb}: {error}");
        }
    }
    let (_, _, error) = printed("decode", "<SyncML xmlns=\u{201d}SYNCML:SYNCML1.2\u{201d}/>");
    assert!(error.contains("a typographic quotation mark"), "{error}");
}

#[test]
fn a_command_that_stands_beside_its_answer_is_the_one_that_failed() {
    const ID: &str = "7d1c3f5e-88a0-4b62-9a0d-6b3ad4b0f2f1";
    const NODE: &str = "./Device/Vendor/MSFT/RemoteWipe/doWipeProtected";
    let command = format!(
        "<Exec>\n<Item><Target><LocURI>{NODE}</LocURI></Target><Data/></Item>\n<CmdID>{ID}</CmdID></Exec>"
    );
    let answer = format!(
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>34\
         </SessionID><MsgID>2</MsgID><Target><LocURI>https://mdm.example.com/</LocURI></Target><Source><LocURI>D1\
         </LocURI></Source></SyncHdr><SyncBody><Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr\
         </Cmd><Data>200</Data></Status><Status><CmdID>2</CmdID><MsgRef>1</MsgRef><CmdRef>{ID}</CmdRef><Cmd>Exec</Cmd>\
         <Data>500</Data></Status><Final/></SyncBody></SyncML>"
    );
    let (payload, result) = (STANDARD.encode(&command), STANDARD.encode(&answer));
    let json = json!({"results": [{"payload": payload, "result": result}]});
    for text in [
        format!("STATUS:\n500\n\nPAYLOAD:\n{command}\n\nRESULTS:\n{answer}\n"),
        json.to_string(),
    ] {
        let (code, found, error) = printed("why", &text);
        assert_eq!(code, Some(1), "{found}{error}");
        let what = format!("✖ Exec {NODE}: 500 Command failed    WHY-01");
        assert!(found.contains(&what), "{text}\n{found}");
        assert!(found.contains("Windows RE"), "{found}");
        assert!(!found.contains("not in the record"), "{found}");
    }
    // The second of two.
    let second = |text: &str| {
        text.replace(ID, &ID.replace('7', "8"))
            .replace("500", "200")
    };
    let two = format!("{command}\n{answer}\n");
    let (_, found, _) = printed("why", two.clone() + &second(&two));
    assert!(found.contains("1 of 2 commands failed"), "{found}");
    // Numbers that each message begins anew name no command of another one.
    let text = two.replace(ID, "2");
    let (_, found, _) = printed("why", text);
    assert!(found.contains("not in the record"), "{found}");
}

#[test]
fn the_failures_in_lines_of_an_event_log_are_named_with_their_nodes() {
    let event = |result: &str| {
        format!(
            "MDM ConfigurationManager: Command failure status. Provider Name: (BitLocker), CSP\n    URI: \
             (./Device/Vendor/MSFT/BitLocker/RequireDeviceEncryption), Result:\n    ({result}).\n"
        )
    };
    let enrollment = "MDM Enroll: OMA-DM client configuration failed. RAWResult: (0x800706D9) Result: (Unknown Win32 \
                      Error code: 0x80180023).\nMDM Unenroll: Result: (Incorrect function.).\n";
    let node = "at ./Device/Vendor/MSFT/BitLocker/RequireDeviceEncryption";
    let cases: [(String, &[&str]); 10] = [
        (
            "Server error code: 801900c8\n".to_owned(),
            &["0x801900C8 ", "`dmtap explain 0x801900C8`"],
        ),
        (
            "MDM Enroll: Server Returned Fault/Code/Subcode/Value=(DeviceNotSupported) Fault/Reason/Text=(Blocked)".to_owned(),
            &["0x80180014 MENROLL_E_DEVICENOTSUPPORTED"],
        ),
        (
            "Auto MDM Enroll: Device Credential (0x0), Failed (Mobile Device Management (MDM) is not configured.)".to_owned(),
            &["0x80180031 MENROLL_E_MDM_NOT_CONFIGURED"],
        ),
        (
            "Auto MDM Enroll: Device Credential (0x1), Failed (Bad request (400).)".to_owned(),
            &["0x80190190 HTTP_E_STATUS_BAD_REQUEST"],
        ),
        (
            "./Device/A/B: status 500, ./Device/A/C: status 404".to_owned(),
            &["reports 500 Command failed, at ./Device/A/B", "reports 404 Not found, at ./Device/A/C"],
        ),
        (
            event("Access is denied."),
            &["0x80070005 E_ACCESSDENIED", node],
        ),
        (
            event("Unknown Win32 Error code: 0x86000031"),
            &["0x86000031", node],
        ),
        (
            event("The widget is not ready."),
            &["The widget is not ready, at ", node],
        ),
        (
            enrollment.to_owned(),
            &["0x80180023", "`dmtap explain 0x80180023`"],
        ),
        ("apply failed (2147947423)".to_owned(), &["0x8007139F"]),
    ];
    for (text, expected) in &cases {
        let (code, _, error) = printed("why", text);
        assert_eq!(code, Some(2), "{error}");
        for expected in *expected {
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
    let (_, _, error) = printed("why", enrollment);
    let places = ["0x80180023", "0x80070001", "0x800706D9"].map(|code| error.find(code).unwrap());
    assert!(places.is_sorted(), "{error}");
    // The node of an event is not that of what another program writes behind it.
    let (_, _, error) = printed(
        "why",
        event("Access is denied.") + "Installer: Result: (all went well).\n",
    );
    assert!(!error.contains("all went well"), "{error}");
    // Beside a message the events still say what failed; its own data are no events.
    let message = "<SyncML><SyncBody><Replace><CmdID>1</CmdID><Item><Target><LocURI>./A</LocURI></Target>\
                   <Data>0x80180023</Data></Item></Replace></SyncBody></SyncML>";
    let (code, _, error) = printed("why", event("Access is denied.") + message);
    assert_eq!(code, Some(0), "{error}");
    assert!(
        error.contains("0x80070005") && error.contains(node),
        "{error}"
    );
    assert!(!error.contains("0x80180023"), "{error}");
}

#[test]
fn a_failed_document_of_declared_configuration_is_reported_without_a_header() {
    // The form of Microsoft's pages.
    let result = "<SyncML xmlns:msft=\"http://schemas.microsoft.com/MobileDevice/MDM\"><SyncHdr/><SyncBody>\
        <Status><CmdID>2</CmdID><MsgRef>1</MsgRef><CmdRef>2</CmdRef><Cmd>Get</Cmd><Data>200</Data></Status>\
        <Results><CmdID>3</CmdID><MsgRef>1</MsgRef><CmdRef>2</CmdRef><Item><Source><LocURI>./User/Vendor/MSFT/\
        DeclaredConfiguration/Host/Complete/Results/DCA0/Document</LocURI></Source><Data>\
        &lt;DeclaredConfigurationResult id=\"DCA0\" state=\"61\"&gt;&lt;CSP name=\"./Vendor/MSFT/VPNv2\" state=\"61\"&gt;\
        &lt;URI path=\"Test/AlwaysOn\" status=\"404\" state=\"61\"/&gt;&lt;/CSP&gt;&lt;/DeclaredConfigurationResult&gt;\
        </Data></Item></Results><Final/></SyncBody></SyncML>";
    for header in ["<SyncHdr/>", ""] {
        let page = format!("```xml\n{}\n```\n", result.replace("<SyncHdr/>", header));
        let (code, why, _) = printed("why", page);
        assert_eq!(code, Some(1), "{why}");
        for expected in [
            "Declared configuration DCA0: state 61",
            "reported by Results in x1 (CmdID 3)",
            "./Vendor/MSFT/VPNv2/Test/AlwaysOn: status 404, state 61",
        ] {
            assert!(why.contains(expected), "{expected}: {why}");
        }
    }
}

#[test]
fn messages_that_a_program_logs_twice_are_copies() {
    let messages = session();
    let (_, once, _) = printed("why", messages.join("\n"));
    let log = |line: fn(usize, &str) -> String| {
        let lines = (0..)
            .zip(&messages)
            .map(|(number, message)| line(number, message));
        lines.collect::<String>()
    };
    for (log, is_copied) in [
        (log(|_, it| format!("IN {it}\nOUT {it}\n")), true),
        (
            log(|number, it| {
                let at = format!("2025-11-27 10:22:1{number}");
                format!("{at} IN {it}\n{at} OUT {it}\n")
            }),
            true,
        ),
        // Ten seconds later it was sent once more.
        (
            log(|number, it| {
                let at = |tens: u8| format!("2025-11-27 10:22:{tens}{number}");
                let again = (number == 0).then(|| format!("{} {it}\n", at(2)));
                let tens = if number == 0 { 1 } else { 3 };
                format!("{} {it}\n", at(tens)) + &again.unwrap_or_default()
            }),
            false,
        ),
    ] {
        let (_, why, error) = printed("why", &log);
        assert_eq!(
            why.contains("The device tried again"),
            !is_copied,
            "{log}\n{why}"
        );
        assert_eq!(
            error.contains("4 messages with the bytes and the time"),
            is_copied,
            "{error}"
        );
        assert!(!is_copied || why == once, "{why}");
    }
}
