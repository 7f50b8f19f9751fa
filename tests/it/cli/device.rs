//! `dmtap device` against servers that do not admit it, or not yet.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Output, Stdio};
use std::thread;

use super::peers::dmtap;

#[test]
fn a_server_that_refuses_the_login_is_reported_and_fails_the_session() {
    for (code, expected) in [
        (401, "the server refused the login (401 "),
        (407, "the server refused the login (407 "),
        (
            500,
            "the server refused the device's message (500 Command failed)",
        ),
    ] {
        let output = device_against(vec![http("200 OK", "", &refusal(code))]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn an_http_error_is_shown_with_its_first_line_and_one_of_dmtap_is_not_the_servers() {
    for (body, expected) in [
        (
            "dmtap: mdm.test: the server refused\nmore",
            "error: HTTP 502: dmtap: mdm.test: the server refused\n",
        ),
        (
            "try later\nmore",
            "error: the server answered HTTP 502 Bad Gateway: try later\n",
        ),
    ] {
        let answer = http("502 Bad Gateway", "Content-Type: text/plain\r\n", body);
        let plain = device_against(vec![answer]);
        assert_eq!(plain.status.code(), Some(1), "{plain:?}");
        let error = String::from_utf8_lossy(&plain.stderr).into_owned();
        assert!(error.ends_with(expected), "{error}");
    }
}

#[test]
fn a_device_that_waits_for_a_busy_server_says_so() {
    let busy = http("503 Service Unavailable", "Retry-After: 1\r\n", "");
    let output = device_against(vec![busy, http("200 OK", "", "")]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let expected = "the server asks to come back in 1 s: waiting";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn each_run_is_a_session_of_its_own() {
    let session = || {
        let (_, requests) = device_asked(vec![http("200 OK", "", "")], &[]);
        let (_, rest) = requests[0].split_once("<SessionID>").unwrap();
        rest.split_once('<').unwrap().0.to_owned()
    };
    let ids: std::collections::HashSet<String> = (0..3).map(|_| session()).collect();
    // Two of three may be the same by chance, once in so many thousand runs; all of them never are.
    assert!(ids.len() > 1, "{ids:?}");
    let is_short = |id: &String| (1..=4).contains(&id.len());
    assert!(ids.iter().all(is_short), "{ids:?}");
}

#[test]
fn of_a_device_that_does_not_trust_the_server_it_is_reported_once_what_helps() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = dmtap()
        .args(["server", "-p", "0", "--confdir"])
        .arg(folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut said = BufReader::new(server.stderr.take().unwrap());
    said.read_line(&mut line).unwrap();
    let url = line.split(' ').find(|word| word.starts_with("https://"));
    let output = dmtap().args(["device", url.unwrap()]).output().unwrap();
    let enroll = ["--user", "a@b.c", "--password", "x"];
    let enrolling = dmtap()
        .args(["device", "enroll", url.unwrap()])
        .args(enroll)
        .output()
        .unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    let error = String::from_utf8_lossy(&enrolling.stderr).into_owned();
    assert!(
        error.contains("use --root-ca FILE to trust its CA\n"),
        "{error}"
    );
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(
        said.matches("its issuer is not known here").count(),
        1,
        "{said}"
    );
    assert!(said.contains("--ca ~/.dmtap/dmtap-ca-cert.pem"), "{said}");
    assert!(!said.contains("UnknownIssuer"), "{said}");
    assert!(!said.contains("ERROR"), "{said}");
}

/// What `dmtap device` says where its requests are answered with these, in order.
fn device_against(answers: Vec<String>) -> Output {
    device_asked(answers, &["--session-id", "1"]).0
}

/// The same, with the bodies of its requests.
fn device_asked(answers: Vec<String>, more: &[&str]) -> (Output, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let mut requests = Vec::new();
        for answer in answers {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let (mut length, mut line) = (0, String::new());
            while reader.read_line(&mut line).unwrap() > 2 {
                let field = line.to_ascii_lowercase();
                if let Some(value) = field.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            requests.push(String::from_utf8(body).unwrap());
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
        }
        requests
    });
    let mut command = dmtap();
    let output = command.args(["device", &url]).args(more).output();
    let output = output.unwrap();
    (output, server.join().unwrap())
}

fn http(status: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    let fields = format!(
        "{fields}Content-Type: application/vnd.syncml.dm+xml\r\nContent-Length: {length}\r\nConnection: close"
    );
    format!("HTTP/1.1 {status}\r\n{fields}\r\n\r\n{body}")
}

/// A message that refuses message 1, without a challenge.
fn refusal(code: u16) -> String {
    format!(
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
         <SessionID>1</SessionID><MsgID>1</MsgID></SyncHdr><SyncBody><Status><CmdID>1</CmdID><MsgRef>1</MsgRef>\
         <CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>{code}</Data></Status><Final/></SyncBody></SyncML>"
    )
}
