//! Heads arrive as the sender wrote them.

use dmtap::proxy::{BodyCapture, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::device::tls;
use super::rig::{Rig, in_front_of, soon, unmarked};
use super::server::Server;

/// Sends the bytes of a request to a server that answers with fixed bytes: gives what each peer read.
async fn talk(body_capture: BodyCapture, request: &str, response: &str) -> (String, String) {
    let directory = tempfile::tempdir().unwrap();
    let (server, read) = Server::fixed(directory.path(), response.into()).await;
    let settings = Settings {
        body_capture,
        ..in_front_of(server.address, &server.ca)
    };
    let rig = Rig::start(settings).await;
    let tcp = TcpStream::connect(rig.address).await.unwrap();
    let mut stream = tls(tcp, &rig.ca(), "http/1.1", "localhost").await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // The request says `Connection: close`; not every peer sends close_notify.
    let _ = soon(stream.read_to_end(&mut answer)).await;
    let asked = read.lock().unwrap().clone();
    let asked = String::from_utf8(asked).unwrap();
    let port = server.address.port().to_string();
    (
        unmarked(&asked).replace(&port, "PORT"),
        String::from_utf8(answer).unwrap(),
    )
}

const BOTH: [BodyCapture; 2] = [BodyCapture::Pass, BodyCapture::Annotate];

#[tokio::test]
async fn names_keep_their_case_and_repeated_fields_their_values() {
    let request = "POST /a?b=c HTTP/1.1\r\nHOST: enrollment.example.com\r\nUser-Agent: MSFT OMA DM Client/1.2.0.1\r\n\
        X-ms-CV: q\r\nx-Rep: 1\r\nx-Rep: 2\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nContent-Length: 2\r\n\r\nhi";
    let response = "HTTP/1.1 299 Very Odd\r\nserver: x\r\nContent-LENGTH: 3\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\
        Keep-Alive: timeout=5\r\nWWW-Authenticate: Basic\r\n\r\nabc";
    for body_capture in BOTH {
        let (asked, answer) = talk(body_capture, request, response).await;
        assert_eq!(
            asked,
            "POST /a?b=c HTTP/1.1\r\nUser-Agent: MSFT OMA DM Client/1.2.0.1\r\n\
            X-ms-CV: q\r\nx-Rep: 1\r\nx-Rep: 2\r\nContent-Length: 2\r\nHOST: localhost:PORT\r\n\r\nhi"
        );
        assert_eq!(
            answer,
            "HTTP/1.1 299 Very Odd\r\nserver: x\r\nContent-LENGTH: 3\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\
            WWW-Authenticate: Basic\r\nconnection: close\r\n\r\nabc"
        );
    }
}

#[tokio::test]
async fn a_device_that_expects_100_is_told_to_continue() {
    let request = "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
    let response = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    for body_capture in BOTH {
        let (asked, answer) = talk(body_capture, request, response).await;
        assert!(!asked.to_lowercase().contains("expect"), "{asked}");
        assert!(asked.ends_with("\r\n\r\nhi"), "{asked}");
        assert!(
            answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_chunked_response_gets_its_length_where_it_carries_syncml_and_stays_chunked_elsewhere() {
    let request = "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let response = |media_type: &str| {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nTransfer-Encoding: chunked\r\n\r\n\
            3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        )
    };
    for body_capture in BOTH {
        let syncml = response("application/vnd.syncml.dm+xml");
        let (_, answer) = talk(body_capture, request, &syncml).await;
        assert!(answer.contains("content-length: 5\r\n"), "{answer}");
        assert!(
            !answer.contains("chunked") && answer.ends_with("\r\n\r\nabcde"),
            "{answer}"
        );
        let (_, answer) = talk(body_capture, request, &response("text/plain")).await;
        assert!(
            answer.contains("Transfer-Encoding: chunked\r\n"),
            "{answer}"
        );
        assert!(answer.ends_with("\r\n0\r\n\r\n"), "{answer}");
        assert!(answer.contains("abc"), "{answer}");
    }
}

#[tokio::test]
async fn chunks_overrule_a_content_length_beside_them() {
    let chunks = "5\r\nabcde\r\n0\r\n\r\n";
    let fields = [
        "Content-Length: 2\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 2",
        "Transfer-Encoding: chunked\r\nContent-Length: 77",
    ];
    for (body_capture, fields) in BOTH
        .into_iter()
        .flat_map(|body_capture| fields.map(|f| (body_capture, f)))
    {
        let request =
            format!("POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\nConnection: close\r\n\r\n{chunks}");
        let response = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{chunks}");
        let (asked, answer) = talk(body_capture, &request, &response).await;
        for message in [asked, answer] {
            let (head, body) = message.split_once("\r\n\r\n").unwrap();
            let head = head.to_lowercase();
            // The one framing left holds the whole body.
            if head.contains("transfer-encoding: chunked") {
                assert!(!head.contains("content-length"), "{message}");
                assert_eq!(body, chunks, "{message}");
            } else {
                assert!(head.contains("content-length: 5"), "{message}");
                assert_eq!(head.matches("content-length").count(), 1, "{message}");
                assert_eq!(body, "abcde", "{message}");
            }
        }
    }
}

#[tokio::test]
async fn responses_without_body_keep_the_length_they_speak_of() {
    let check = async |method: &str, response: &str, expected: &str| {
        for body_capture in BOTH {
            let request = format!("{method} / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
            let (_, answer) = talk(body_capture, &request, response).await;
            assert_eq!(answer, expected, "{method}");
        }
    };
    check(
        "HEAD",
        "HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 77\r\nconnection: close\r\n\r\n",
    )
    .await;
    check(
        "GET",
        "HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\nContent-Length: 77\r\n\r\n",
        // Hyper writes no length of a body that a 304 does not have.
        "HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\nconnection: close\r\n\r\n",
    )
    .await;
    check(
        "GET",
        "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nX-A: b\r\nconnection: close\r\n\r\n",
    )
    .await;
}

#[tokio::test]
async fn a_response_that_breaks_off_is_reported_and_not_completed() {
    let request = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let response = "HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\nabc";
    let (_, answer) = talk(BodyCapture::Annotate, request, response).await;
    assert!(
        answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"),
        "{answer}"
    );
    assert!(answer.contains("broke off"), "{answer}");
    let (_, answer) = talk(BodyCapture::Pass, request, response).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(!answer.contains("502"), "{answer}");
}

#[tokio::test]
async fn a_whole_message_with_a_content_length_that_is_too_long_goes_on_with_the_right_one() {
    let request = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let message = "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr/><SyncBody/></SyncML>";
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.syncml.dm+xml\r\nContent-Length: 500\r\n\r\n";
    let (_, answer) = talk(BodyCapture::Annotate, request, &format!("{head}{message}")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let length = format!("content-length: {}\r\n", message.len());
    assert!(answer.to_ascii_lowercase().contains(&length), "{answer}");
    assert!(!answer.contains("500"), "{answer}");
    assert!(answer.ends_with(message), "{answer}");
    // A part of a message is none.
    let (_, answer) = talk(
        BodyCapture::Annotate,
        request,
        &format!("{head}{}", &message[..message.len() - 3]),
    )
    .await;
    assert!(
        answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"),
        "{answer}"
    );
}
