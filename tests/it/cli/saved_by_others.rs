//! What curl, Wireshark, Fleet and Windows save: what `why` says of it.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Output;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use super::peers::dmtap;
use super::traffic_files::{answer, archive, session};
use super::{run, stdout};

pub(super) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Exit code and output of a verb over files of `tests/data/saved`.
pub(super) fn printed(verb: &str, files: &[&str]) -> (Option<i32>, String) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/saved");
    let output = run(dmtap().current_dir(folder).arg(verb).args(files));
    (output.status.code(), stdout(&output) + &stderr(&output))
}

/// The same of a file with this content.
pub(super) fn printed_of(verb: &str, content: &[u8]) -> (Option<i32>, String) {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("file"), content).unwrap();
    let output = run(dmtap().current_dir(&folder).args([verb, "file"]));
    (output.status.code(), stdout(&output) + &stderr(&output))
}

pub(super) fn check(files: &[&str], code: i32, expected: &[&str]) {
    let (found, text) = printed("why", files);
    assert_eq!(found, Some(code), "{files:?}: {text}");
    for expected in expected {
        assert!(
            text.contains(expected),
            "{files:?}: {expected} is missing in {text}"
        );
    }
}

pub(super) const NOT_FOUND: &str =
    "✖ Replace ./Device/Vendor/MSFT/BitLocker/RequireDeviceEncryption: 404 Not found    WHY-01";

#[test]
fn signs_of_curl_and_borders_of_tables_hide_no_message() {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/saved");
    let message = |number: u8| fs::read_to_string(data.join(format!("{number}.xml"))).unwrap();
    let messages: String = (1..=4).map(|number| message(number) + "\n").collect();
    for front in [
        "> POST /dm HTTP/1.1\nsent\n",
        "< HTTP/1.1 200 OK\n",
        "+---+---+\n| a |\n\n",
    ] {
        let (code, text) = printed_of("why", format!("{front}{messages}").as_bytes());
        assert_eq!(code, Some(1), "{front}: {text}");
        assert!(text.contains(NOT_FOUND), "{front}: {text}");
    }
}

#[test]
fn the_two_directions_of_a_stream_are_paired() {
    let alone = printed("show", &["1.xml", "2.xml", "3.xml", "4.xml"]);
    assert!(
        alone.1.contains("x2") && !alone.1.contains("x3"),
        "{}",
        alone.1
    );
    for files in [
        ["requests.txt", "responses.txt"],
        ["responses.txt", "requests.txt"],
    ] {
        check(&files, 1, &[NOT_FOUND, "answered in x2"]);
        let (_, shown) = printed("show", &files);
        assert!(shown.contains("200 OK") && !shown.contains("x3"), "{shown}");
    }
    check(&["requests.txt", "responses-503.txt"], 1, &["HTTP 503"]);
    check(&["1.xml", "2.xml", "3.xml", "4.xml"], 1, &[NOT_FOUND]);
    check(&["1.xml", "2.xml", "3.xml", "4.xml", "~cmd Get"], 0, &[]);
}

#[test]
fn files_with_one_direction_each_are_paired_by_their_numbers() {
    let folder = TempDir::new().unwrap();
    let [req1, rsp1, req2, rsp2] = session();
    let (requests, responses) = (format!("{req1}\n{req2}"), format!("{rsp1}\n{rsp2}"));
    let why = |files: &[&str]| {
        let names: Vec<_> = (0..files.len()).map(|number| number.to_string()).collect();
        let names: Vec<_> = names.iter().map(|name| format!("{name}.xml")).collect();
        for (name, text) in names.iter().zip(files) {
            fs::write(folder.path().join(name), text).unwrap();
        }
        stdout(&run(dmtap().current_dir(&folder).arg("why").args(names)))
    };
    let expected = why(&[&req1, &rsp1, &req2, &rsp2]);
    assert!(expected.contains("WHY-01"), "{expected}");
    for files in [
        &[&*requests, &responses][..],
        &[&responses, &requests],
        &[&req1, &req2, &rsp1, &rsp2],
        &[&rsp1, &rsp2, &req1, &req2],
        &[&req2, &req1, &rsp2, &rsp1],
    ] {
        assert_eq!(why(files), expected, "{files:?}");
    }
    // An answer that is missing moves no other.
    let one_missing = why(&[&req1, &rsp1, &req2]);
    assert_eq!(why(&[&req1, &req2, &rsp1]), one_missing);
}

#[test]
fn an_http_error_that_curl_prints_is_named_though_its_request_has_no_body() {
    let [_, body, ..] = session();
    let asked = "> POST /dm HTTP/1.1\n> Host: mdm.example\n> User-Agent: curl/7.88.1\n\
                 > Content-Type: application/vnd.syncml.dm+xml\n> Content-Length: 881\n> \n} [881 bytes data]\n";
    let answered = format!(
        "{asked}< HTTP/1.1 200 OK\n< Content-Type: application/vnd.syncml.dm+xml\n< Content-Length: {}\n< \n{body}",
        body.len()
    );
    let refused = format!(
        "{asked}< HTTP/1.1 500 Internal Server Error\n< Content-Type: application/json\n< Content-Length: 20\n< \n\
         * Connection #0 to host localhost left intact\n{{\"error\":\"internal\"}}"
    );
    let (code, text) = printed_of("why", format!("{answered}\n{refused}\n").as_bytes());
    assert_eq!(code, Some(1), "{text}");
    for expected in [
        "HTTP 500",
        "{\"error\":\"internal\"}",
        "curl -v does not show",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    // The client went on.
    let (_, text) = printed_of("why", format!("{refused}\n{answered}\n").as_bytes());
    assert!(!text.contains("HTTP 500"), "{text}");
}

#[test]
fn a_log_that_goes_on_without_the_last_answer_has_something_pending() {
    let [one, two, three, four] = session();
    let three = three.replace("<Data>405", "<Data>200");
    let line = |text: &str| format!("2026-11-30 12:34:23,497 DEBUG {text}\n");
    let begin = [&one, &two, &three].map(|it| line(it)).concat();
    let access =
        |path: &str, status: u16| line(&format!("127.0.0.1 - \"POST {path} HTTP/1.1\" {status} -"));
    let error = line("ERROR KeyError: policy-17");
    let json = "{\"time\": \"2026-11-30T12:34:23Z\", \"msg\": \"response\", \"status\": 500}\n";
    for (behind, expected) in [
        (
            error.clone() + &access("/dm", 500),
            "line 5 of the file has HTTP 500 instead",
        ),
        (
            error.clone() + json,
            "line 5 of the file has HTTP 500 instead",
        ),
        (error.clone(), "the file goes on without one"),
        (access("/other", 500), "the file goes on without one"),
    ] {
        let (code, text) = printed_of("why", (begin.clone() + &behind).as_bytes());
        assert_eq!(code, Some(1), "{behind}: {text}");
        assert!(text.contains(expected), "{behind}: {text}");
    }
    // The log ends, has only the status of the answer, or has the answer.
    for behind in ["\n".to_owned(), access("/dm", 200), line(&four) + &error] {
        let (code, text) = printed_of("why", (begin.clone() + &behind).as_bytes());
        assert_eq!(code, Some(0), "{behind}: {text}");
    }
}

#[test]
fn half_of_a_character_in_a_har_hides_nothing_but_itself() {
    let [one, two, three, four] = session();
    let one = one.replace("en</Data>", "en HALF</Data>");
    let text = archive(&[("00", &one, answer(&two)), ("01", &three, answer(&four))]);
    for half in [r"\ud83d", r"\uDE00", r"\ud83d\ud83d", r"\ud83d\\"] {
        let (code, why) = printed_of("why", text.replace("HALF", half).as_bytes());
        assert_eq!(code, Some(1), "{half}: {why}");
        for expected in [
            "line 1 of the file has half of a character",
            "./Vendor/MSFT/Node: 405",
        ] {
            assert!(why.contains(expected), "{half}: {expected}: {why}");
        }
    }
    for whole in [r"\ud83d\ude00", r"\\ud83d"] {
        let (_, why) = printed_of("why", text.replace("HALF", whole).as_bytes());
        assert!(!why.contains("half of a character"), "{whole}: {why}");
    }
}

#[test]
fn a_har_that_cannot_be_read_says_where_its_json_breaks() {
    let [one, two, ..] = session();
    let whole = archive(&[("01", &one, answer(&two))]);
    let check = |text: &str, expected: &str| {
        for verb in ["why", "show", "lint"] {
            let (code, printed) = printed_of(verb, text.as_bytes());
            assert_eq!(code, Some(2), "{verb}: {printed}");
            assert!(printed.contains(expected), "{verb}: {printed}");
        }
    };
    for length in [whole.len() / 3, whole.len() * 2 / 3] {
        let text = &whole[..length];
        check(text, "this is a HAR that breaks off in line 1, column");
    }
    let control = whole.replace("PHONE-7", "\x01PHONE-7");
    check(
        &control,
        "this is a HAR whose JSON breaks in line 1, column",
    );
}

#[test]
fn messages_of_wbxml_in_files_of_their_own_are_one_conversation() {
    let folder = TempDir::new().unwrap();
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/saved");
    for name in ["1", "2", "3", "4"] {
        let from = data.join(format!("{name}.xml"));
        let to = folder.path().join(format!("{name}.wbxml"));
        assert!(
            run(dmtap().arg("encode").arg(from).arg("-o").arg(to))
                .status
                .success()
        );
    }
    let files = ["1.wbxml", "2.wbxml", "3.wbxml", "4.wbxml"];
    let output = run(dmtap().current_dir(&folder).arg("why").args(files));
    assert!(
        stdout(&output).contains(NOT_FOUND),
        "{}{}",
        stdout(&output),
        stderr(&output)
    );
}

/// Lines of hex are what Wireshark copies and most logs print; `cat` joins the bodies that a program saved.
#[test]
fn messages_of_wbxml_one_behind_the_other_are_all_read() {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/saved");
    let encoded = ["1.xml", "2.xml", "3.xml", "4.xml"].map(|name| {
        let output = run(dmtap().arg("encode").arg(data.join(name)));
        assert!(output.status.success(), "{}", stderr(&output));
        output.stdout
    });
    let hex = |separator: &str| {
        encoded.each_ref().map(|message| {
            let octets: Vec<_> = message.iter().map(|byte| format!("{byte:02x}")).collect();
            octets.join(separator)
        })
    };
    let base64 = encoded.each_ref().map(|it| STANDARD.encode(it));
    let mut cut = hex("");
    cut[0].truncate(200);
    for text in [
        hex("").join("\n").into_bytes(),
        hex(":").join("\n").into_bytes(),
        hex(" ").join("\n\n").into_bytes(),
        base64.join("\n").into_bytes(),
        encoded.concat(),
        encoded.join(&b"\n"[..]),
        STANDARD.encode(encoded.concat()).into_bytes(),
        format!("body={}\n", STANDARD.encode(encoded.concat())).into_bytes(),
        format!("{{\"all\":\"{}\"}}", hex("").concat()).into_bytes(),
    ] {
        let (code, why) = printed_of("why", &text);
        assert!(code == Some(1) && why.contains(NOT_FOUND), "{why}");
        let (code, lint) = printed_of("lint", &text);
        assert!(code == Some(0) && lint.contains("4 messages"), "{lint}");
        assert!(!lint.contains("F27"), "{lint}");
    }
    let (code, first) = printed_of("decode", &encoded.concat());
    assert!(
        code == Some(0) && first.contains("has 4 messages: this is the first"),
        "{first}"
    );
    let (code, why) = printed_of("why", cut.join("\n").as_bytes());
    assert!(code == Some(1) && why.contains(NOT_FOUND), "{why}");
}

#[test]
fn bodies_that_are_not_text_stand_in_a_stream_of_http() {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/saved");
    let wbxml = |number: u8| {
        let encoded = run(dmtap()
            .arg("encode")
            .arg(data.join(format!("{number}.xml"))));
        encoded.stdout
    };
    let gzipped = |bytes: &[u8]| {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    };
    for is_gzipped in [false, true] {
        let mut stream = Vec::new();
        for number in 1..=4 {
            let (body, coding) = match is_gzipped {
                true => (gzipped(&wbxml(number)), "Content-Encoding: gzip\r\n"),
                false => (wbxml(number), ""),
            };
            let first = match number % 2 {
                1 => "POST /dm HTTP/1.1\r\nHost: mdm.example.com",
                _ => "HTTP/1.1 200 OK",
            };
            let length = body.len();
            let head = format!(
                "{first}\r\n{coding}Content-Type: application/vnd.syncml.dm+wbxml\r\nContent-Length: {length}\r\n\r\n"
            );
            stream.extend(head.bytes().chain(body));
        }
        let (code, text) = printed_of("why", &stream);
        assert_eq!(code, Some(1), "{is_gzipped}: {text}");
        assert!(text.contains(NOT_FOUND), "{is_gzipped}: {text}");
    }
}

#[test]
fn the_logs_and_results_of_a_server_are_read() {
    for file in ["server.log", "prefix.log"] {
        check(&[file], 1, &[NOT_FOUND, "answered in x2"]);
    }
    for file in ["fleetctl.txt", "fleetctl-table.txt"] {
        let what = "✖ Exec ./Device/Vendor/MSFT/Reboot/RebootNow: 500 Command failed";
        check(&[file], 1, &[what]);
    }
}

#[test]
fn failures_in_an_event_log_are_named_in_other_languages_and_in_xml() {
    let of_german = [
        "0x80070005 E_ACCESSDENIED",
        "at ./Device/Vendor/MSFT/A",
        "0x86000022",
        "at ./Device/Vendor/MSFT/B",
        "Die Netzwerkadresse ist ungültig, at ./Device/Vendor/MSFT/D",
    ];
    check(&["event-log-de.txt"], 2, &of_german);
    let (_, text) = printed("why", &["event-log-de.txt"]);
    assert!(!text.contains("MSFT/C"), "{text}");
    let of_xml = [
        "0x80070032",
        "at ./Vendor/MSFT/RemoteWipe/doWipe",
        "at ./Device/Vendor/MSFT/A",
    ];
    check(&["event-log.xml"], 2, &of_xml);
    // PowerShell writes UTF-16.
    let german = fs::read_to_string("tests/data/saved/event-log-de.txt").unwrap();
    let units = german.encode_utf16().flat_map(u16::to_le_bytes);
    let units: Vec<u8> = [0xff, 0xfe].into_iter().chain(units).collect();
    let (_, text) = printed_of("why", &units);
    assert!(text.contains("at ./Device/Vendor/MSFT/B"), "{text}");
}

#[test]
fn a_file_that_dmtap_does_not_read_says_what_to_do_with_it() {
    let active_sync = b"\x03\x01\x6a\x00\x00\x0d\x45\x48\x03240\x00\x01\x01\x01";
    let report = b"<?xml version=\"1.0\"?><MDMEnterpriseDiagnosticsReport><PolicyManager/></MDMEnterpriseDiagnosticsReport>";
    let cases: [(&[u8], &str); 6] = [
        (b"ElfFile\0\0\0\0\0", "wevtutil qe FILE.evtx /lf:true"),
        (b"MSCF\0\0\0\0", "expand FILE.cab"),
        (
            b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00",
            "`tshark -r FILE -T json -x > FILE.json`",
        ),
        (b"\x0a\x0d\x0d\x0a\x1c\x00\x00\x00", "JSON lines"),
        (active_sync, "ActiveSync"),
        (report, "MdmDiagnosticsTool"),
    ];
    for (content, expected) in cases {
        for verb in ["why", "show", "lint"] {
            let (code, text) = printed_of(verb, content);
            assert_eq!(code, Some(2), "{verb}: {text}");
            assert!(text.contains(expected), "{verb}: {text}");
        }
    }
}

#[test]
fn lint_says_that_data_synchronization_is_not_of_oma_dm() {
    let message = |proto: &str, id: u8, body: &str| {
        format!(
            "<SyncML><SyncHdr><VerDTD>1.1</VerDTD><VerProto>{proto}</VerProto><SessionID>1</SessionID><MsgID>{id}</MsgID>\
             <Target><LocURI>http://sync.example/</LocURI></Target><Source><LocURI>IMEI:1</LocURI></Source></SyncHdr>\
             <SyncBody>{body}<Final/></SyncBody></SyncML>"
        )
    };
    let status = "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>3</CmdRef><Cmd>Sync</Cmd><Data>200</Data></Status>";
    let one = message(
        "SyncML/1.1",
        1,
        "<Alert><CmdID>1</CmdID><Data>200</Data></Alert>",
    );
    let two = message("SyncML/1.1", 2, status);
    for text in [one.clone(), format!("{one}\n{two}")] {
        let (code, found) = printed_of("lint", text.as_bytes());
        assert_eq!(code, Some(2), "{found}");
        assert!(
            found.contains("of data synchronization (OMA DS), not of OMA DM"),
            "{found}"
        );
        assert!(!found.contains("STA-03"), "{found}");
    }
}

#[test]
fn a_file_without_a_message_among_several_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let answer = folder.path().join("answer.json");
    fs::write(&answer, r#"{"message":"Bad request"}"#).unwrap();
    let request = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/saved/1.xml");
    for verb in ["why", "show"] {
        let output = dmtap()
            .arg(verb)
            .args([&request, &answer])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains("answer.json has no message"), "{text}");
    }
}

#[test]
fn a_session_of_dm_stays_one_though_a_message_says_data_synchronization() {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/saved");
    let message = |number: u8| fs::read_to_string(data.join(format!("{number}.xml"))).unwrap();
    let server = message(2).replace("DM/1.2", "SyncML/1.2");
    let text = [message(1), server, message(3), message(4)].join("\n");
    let (code, text) = printed_of("why", text.as_bytes());
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains(NOT_FOUND), "{text}");
}
