//! Exchanges as text, with HTTP heads: `why` reports the same for them as for a HAR.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::peers::dmtap;
use super::traffic_files::session;
use super::{run, stdout};

/// The body of a request with its media type, and status, media type and body of the response.
type Exchange = ([String; 2], Option<(u16, [String; 2])>);

const SYNCML: &str = "application/vnd.syncml.dm+xml";
const SOAP: &str = "application/soap+xml; charset=utf-8";
const URL: &str = "https://mdm.example/dm";

fn har(exchanges: &[Exchange]) -> String {
    let body = |[media_type, text]: &[String; 2]| json!({"mimeType": media_type, "text": text});
    let fields =
        |[media_type, _]: &[String; 2]| json!([{"name": "Content-Type", "value": media_type}]);
    let entries = exchanges.iter().map(|(request, response)| {
        let response = response.as_ref().map(|(status, it)| {
            json!({"status": status, "headers": fields(it), "content": body(it)})
        });
        json!({
            "request": {"method": "POST", "url": URL, "headers": fields(request), "postData": body(request)},
            "response": response,
        })
    });
    let entries: Vec<Value> = entries.collect();
    json!({"log": {"version": "1.2", "entries": entries}}).to_string()
}

/// The exchanges on the wire, with something behind each response.
fn text(exchanges: &[Exchange], behind: &str) -> String {
    let message = |first: &str, [media_type, body]: &[String; 2]| {
        let length = body.len();
        format!("{first}\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    let exchange = |(request, response): &Exchange| {
        let asked = message("POST /dm HTTP/1.1\r\nHost: mdm.example", request);
        let answered = response
            .as_ref()
            .map(|(status, it)| message(&format!("HTTP/1.1 {status} Any"), it) + behind);
        asked + &answered.unwrap_or_default()
    };
    exchanges.iter().map(exchange).collect()
}

/// What `dmtap why` says, and its exit code.
fn why(file: &str) -> (String, Option<i32>) {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("report.txt"), file).unwrap();
    let output = run(dmtap().current_dir(&folder).args(["why", "report.txt"]));
    (stdout(&output), output.status.code())
}

fn body(media_type: &str, text: &str) -> [String; 2] {
    [media_type, text].map(str::to_owned)
}

fn discover() -> String {
    "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Body><Discover \
     xmlns=\"http://schemas.microsoft.com/windows/management/2012/01/enrollment\"><request>\
     <RequestVersion>5.0</RequestVersion></request></Discover></s:Body></s:Envelope>"
        .to_owned()
}

#[test]
fn errors_of_http_in_text_count_as_in_a_har() {
    let [one, two, three, _] = session();
    let page = |status: u16| {
        Some((
            status,
            body("text/html", "<html><title>Sorry</title><p></html>"),
        ))
    };
    let answer = Some((200, body(SYNCML, &two)));
    let cases: [(&str, Vec<Exchange>, &str); 5] = [
        (
            "refused discovery",
            vec![(body(SOAP, &discover()), page(401))],
            "HTTP 401",
        ),
        (
            "refused session",
            vec![(body(SYNCML, &one), page(503))],
            "HTTP 503",
        ),
        (
            "refused second message",
            vec![
                (body(SYNCML, &one), answer.clone()),
                (body(SYNCML, &three), page(503)),
            ],
            "HTTP 503",
        ),
        (
            "a page",
            vec![(body(SYNCML, &one), page(200))],
            "is not a SyncML message",
        ),
        (
            "an answer after a retry",
            vec![
                (body(SYNCML, &one), page(503)),
                (body(SYNCML, &one), answer),
            ],
            "503",
        ),
    ];
    for (name, exchanges, expected) in cases {
        let of_har = why(&har(&exchanges));
        assert!(of_har.0.contains(expected), "{name}: {}", of_har.0);
        for behind in ["", "\r\n", "\r\n\r\n----------\r\n\r\n"] {
            let text = text(&exchanges, behind);
            for text in [text.replace("\r\n", "\n"), text] {
                assert_eq!(why(&text), of_har, "{name}: {text}");
            }
        }
    }
}

#[test]
fn what_looks_like_a_head_of_http_changes_no_message() {
    let messages = session();
    let plain = why(&messages.join("\n"));
    let [one, two, three, four] = &messages;
    let http = "HTTP/1.1 500 Internal Server Error";
    // In the data of a message, in the line of a log, and in front of a message of the other side.
    let data = two.replace("<Data>1</Data>", &format!("<Data>1\n{http}\n</Data>"));
    for text in [
        format!("{one}\n{data}\n{three}\n{four}"),
        format!("{one}\nthe proxy said {http}\n{two}\n{three}\n{four}"),
        format!("POST /dm HTTP/1.1\n\n{http}\n\n{one}\n{two}\n{three}\n{four}"),
        // The answers without their heads, and the server under another name.
        format!(
            "POST /dm HTTP/1.1\nHost: other.example\n\n{one}\n\n{two}\nPOST /dm HTTP/1.1\n\n{three}\n\n{four}"
        ),
        // An answer that others follow.
        format!(
            "POST /dm HTTP/1.1\n\n{one}\nHTTP/1.1 100 Continue\n\nHTTP/1.1 200 OK\n\n{two}\n{three}\n{four}"
        ),
    ] {
        let (shown, code) = why(&text);
        let shown = shown.replace(&format!("\\n{http}\\n"), "");
        assert_eq!((shown, code), plain, "{text}");
    }
}

#[test]
fn a_whole_enrollment_is_counted_and_nothing_of_it_is_pending() {
    let file = |name: &str| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/enrollment/");
        body(
            SOAP,
            &fs::read_to_string(format!("{folder}{name}")).unwrap(),
        )
    };
    let steps = [
        ("discover.xml", "discover-response.xml"),
        ("policies.xml", "policies-response.xml"),
        ("request-issue.xml", "response.xml"),
    ];
    let steps = steps.map(|(asked, answered)| (file(asked), Some((200, file(answered)))));
    let (text, code) = why(&har(&steps));
    assert_eq!(
        (text.as_str(), code),
        ("0 sessions and 1 enrollment, nothing pending\n", Some(0))
    );
    let (text, code) = why(&har(&steps[..2]));
    assert!(text.contains("no further than GetPolicies"), "{text}");
    assert!(
        text.ends_with("0 sessions and 1 enrollment, something pending in 1 enrollment\n"),
        "{text}"
    );
    assert_eq!(code, Some(1), "{text}");
}

#[test]
fn a_head_of_another_service_in_a_log_takes_no_answer_away() {
    let [one, two, three, four] = session();
    let log =
        |between: &str| format!("in {one}\n{between}out {two}\nin {three}\n{between}out {four}\n");
    let head = "backend\nHTTP/1.1 404 Not Found\nContent-Length: 0\n\n";
    assert_eq!(why(&log(head)), why(&log("")));
}

#[test]
fn a_text_that_begins_with_a_response_is_one_session() {
    let [_, two, three, four] = session();
    let head = "HTTP/1.1 200 OK\nContent-Type: application/vnd.syncml.dm+xml\n\n";
    let text =
        format!("{head}{two}\n\nPOST /dm HTTP/1.1\nHost: mdm.example\n\n{three}\n\n{head}{four}\n");
    let (found, _) = why(&text);
    assert!(
        found.contains("session 1 ━━") && !found.contains("session 2"),
        "{found}"
    );
}

#[test]
fn a_length_beyond_all_numbers_is_no_panic() {
    let folder = TempDir::new().unwrap();
    let head = |length: u64| {
        format!(
            "POST /dm HTTP/1.1\r\nContent-Type: {SYNCML}\r\nContent-Length: {length}\r\n\r\nabc"
        )
    };
    let file = folder.path().join("stream.txt");
    fs::write(&file, head(3) + &head(u64::MAX - 100)).unwrap();
    for verb in ["show", "why", "lint"] {
        let output = dmtap().arg(verb).arg(&file).output().unwrap();
        assert_ne!(output.status.code(), Some(101), "{verb}: {output:?}");
    }
}
