//! What curl prints of an exchange, as a log.

use std::fs;
use std::path::PathBuf;

use super::saved_by_others::{NOT_FOUND, check, printed, printed_of};

#[test]
fn the_heads_that_curl_prints_are_those_of_http() {
    check(
        &["curl-i-500.txt"],
        1,
        &["the server's own words: Not allowed"],
    );
    let (_, shown) = printed("show", &["curl-i-500.txt"]);
    assert!(shown.contains("500 Internal Server Error"), "{shown}");
    let (code, shown) = printed("show", &["curl-v-503.txt"]);
    assert_eq!(code, Some(0), "{shown}");
    for expected in ["503 Service Unavailable", "the database is down"] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    check(&["curl-v-503.txt"], 1, &[]);
    // What curl sent is not in what it prints.
    let (_, shown) = printed("show", &["curl-v.txt"]);
    for expected in [
        "POST /dm",
        "200 OK",
        "x2",
        "Replace ./Device/Vendor/MSFT/BitLocker",
    ] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    check(&["curl-v.txt"], 1, &["WHY-15"]);
}

#[test]
fn what_curl_traces_as_text_is_read_with_both_bodies() {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/saved");
    let message = |number: u8| fs::read_to_string(data.join(format!("{number}.xml"))).unwrap();
    // A row ends behind 64 characters or in front of a line break, which is left out.
    let block = |what: &str, text: &str| {
        let (mut rows, mut at) = (
            format!("{what}, {} bytes ({:#x})\n", text.len(), text.len()),
            0,
        );
        while at < text.len() {
            let rest = &text[at..];
            let row = &rest[..rest.find("\r\n").unwrap_or(rest.len()).min(64)];
            rows += &format!("{at:04x}: {row}\n");
            at += row.len()
                + if rest[row.len()..].starts_with("\r\n") {
                    2
                } else {
                    0
                };
        }
        rows
    };
    let mut text = "== Info:   Trying 127.0.0.1:80...\n".to_owned();
    for (asked, answered) in [(1, 2), (3, 4)] {
        let length = message(asked).len();
        let head = format!(
            "POST /dm HTTP/1.1\r\nHost: mdm.example.com\r\nContent-Length: {length}\r\n\r\n"
        );
        text += &block("=> Send header", &head);
        text += &block("=> Send data", &message(asked));
        text += "== Info: upload completely sent off\n";
        let length = format!("Content-Length: {}\r\n", message(answered).len());
        for line in ["HTTP/1.1 200 OK\r\n", &length, "\r\n"] {
            text += &block("<= Recv header", line);
        }
        text += &block("<= Recv data", &message(answered));
    }
    let (code, why) = printed_of("why", text.as_bytes());
    assert_eq!(code, Some(1), "{why}");
    assert!(why.contains(NOT_FOUND) && !why.contains("WHY-15"), "{why}");
    let (_, lint) = printed_of("lint", text.as_bytes());
    assert!(
        lint.contains("in 4 messages") && !lint.contains("XML-01"),
        "{lint}"
    );
    // With the body in another file there is a row of the progress.
    let progress = "> POST /dm HTTP/1.1\r\n> Host: h\r\n> \r\n} [748 bytes data]\n< HTTP/1.1 200 OK\r\n\
                    < Content-Type: application/vnd.syncml.dm+xml\r\n< Content-Length: 787\r\n< \r\n{ [787 bytes data]\n\
                    \r100  1535  100   787  100   748  1173k  1115k --:--:-- --:--:-- --:--:-- 1499k\n* Connection #0 to host h\n";
    let (_, lint) = printed_of("lint", progress.as_bytes());
    assert!(!lint.contains("XML-01"), "{lint}");
}

#[test]
fn lines_of_a_body_that_look_like_signs_of_curl_are_its_own() {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/saved");
    let message = fs::read_to_string(data.join("2.xml")).unwrap();
    let value = "a\n> quoted\n* star\n&lt; x\nend";
    let message = message.replace("<Data>1</Data>", &format!("<Data>{value}</Data>"));
    assert!(message.contains(value), "{message}");
    let text = format!("> POST /dm HTTP/1.1\n> Host: h\n> \n< HTTP/1.1 200 OK\n< \n{message}\n");
    let (_, shown) = printed_of("show", text.as_bytes());
    assert!(shown.contains(r"a\n> quoted\n* star\n< x\nend"), "{shown}");
}
