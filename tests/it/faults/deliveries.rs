//! Each delivery over HTTP/1.1 and HTTP/2.

use std::time::{Duration, Instant};

use dmtap::flow::{Event, FailureCause, Side};
use dmtap::proxy::{BodyCapture, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::curl::{Curled, Http, Lab, bytes, rule};
use super::peers::have;
use super::rig::{Rig, in_front_of, soon};
use super::server::Server;

/// Posts 5,000 bytes under a rule; the server sends them back.
async fn curl(http: Http, stage: &str, step: &str) -> (Curled, Lab) {
    let lab = Lab::new(&rule(stage, step)).await;
    let curled = lab.post(http, &bytes(5000)).await;
    (curled, lab)
}

/// curl ends with this code, and has these bytes of the 5,000.
async fn check(http: Http, stage: &str, step: &str, code: i32, count: usize) {
    let (curled, lab) = curl(http, stage, step).await;
    let words = format!("{http:?} {stage} {step}: {} {}", curled.code, curled.error);
    assert_eq!(curled.code, code, "{words}");
    assert_eq!(curled.body.len(), count, "{words}");
    assert!(curled.body == bytes(count), "{words}");
    lab.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_slow_arrives_whole() {
    if !have("curl") {
        return;
    }
    let cases = [
        (r#"{ latency = "150ms", jitter = "50ms" }"#, 100),
        (r#"{ delay = "120ms" }"#, 120),
        (r#"{ bandwidth = "20 KB/s" }"#, 250),
        (r#"{ slicer = { size = 1000, delay = "30ms" } }"#, 120),
    ];
    for (step, least) in cases {
        for stage in ["request", "response"] {
            for http in Http::BOTH {
                let (curled, lab) = curl(http, stage, step).await;
                assert_eq!(curled.code, 0, "{http:?} {stage} {step}: {}", curled.error);
                assert!(curled.body == bytes(5000), "{http:?} {stage} {step}");
                let least = Duration::from_millis(least);
                assert!(
                    curled.took >= least,
                    "{http:?} {stage} {step}: {:?}",
                    curled.took
                );
                lab.rig.stop().await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_states_a_length_and_has_no_body_may_be_late() {
    if !have("curl") {
        return;
    }
    const NOT_MODIFIED: &[u8] = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n";
    for step in [r#"{ delay = "20ms" }"#, r#"{ bandwidth = "1 KB/s" }"#] {
        for http in Http::BOTH {
            let directory = tempfile::tempdir().unwrap();
            let (server, _) = Server::fixed(directory.path(), NOT_MODIFIED.to_vec()).await;
            let lab = Lab::with(directory, server, &rule("response", step)).await;
            let curled = lab.post(http, b"hi").await;
            let ended = (curled.code, curled.status);
            assert_eq!(ended, (0, 304), "{http:?} {step}: {}", curled.error);
            lab.rig.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_cut_at_the_byte() {
    if !have("curl") {
        return;
    }
    // 18: the transfer is partial; 56: the connection was reset; 92: the stream was reset.
    for (step, one, two) in [
        ("{ limit-data = 1200 }", 18, 92),
        ("{ limit-data = 0 }", 18, 92),
        ("{ reset-peer = { after = 1200 } }", 56, 92),
    ] {
        let count = if step.contains("1200") { 1200 } else { 0 };
        check(Http::One, "response", step, one, count).await;
        check(Http::Two, "response", step, two, count).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_does_not_come() {
    if !have("curl") {
        return;
    }
    for stage in ["request", "response"] {
        for (step, one) in [
            ("{ empty-response = true }", 52),
            ("{ reset = true }", 56),
            ("{ reset-peer = true }", 56),
            (r#"{ timeout = "80ms" }"#, 52),
        ] {
            check(Http::One, stage, step, one, 0).await;
            check(Http::Two, stage, step, 92, 0).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_waits_for_less_gives_up_first() {
    if !have("curl") {
        return;
    }
    for http in Http::BOTH {
        for stage in ["request", "response"] {
            let lab = Lab::new(&rule(stage, "{ timeout = true }")).await;
            let ca = lab.rig.ca().display().to_string();
            let flag = if http == Http::One {
                "--http1.1"
            } else {
                "--http2"
            };
            let arguments = [flag, "--cacert", &ca, "--max-time", "0.4"];
            let curled = lab.curl(&arguments, b"hi").await;
            assert_eq!(curled.code, 28, "{http:?} {stage}: {}", curled.error);
            lab.rig.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_says_that_a_device_did_not_take_a_late_response() {
    if !have("curl") {
        return;
    }
    for (step, expected) in [
        (r#"{ delay = "5s" }"#, "before it took the response"),
        (
            r#"{ slicer = { size = 1000, delay = "5s" } }"#,
            "before it took the whole response, at most 1000 bytes of it",
        ),
    ] {
        for flag in ["--http1.1", "--http2"] {
            let lab = Lab::new(&rule("response", step)).await;
            let ca = lab.rig.ca().display().to_string();
            let arguments = [flag, "--cacert", &ca, "--max-time", "0.6"];
            let curled = lab.curl(&arguments, &bytes(5000)).await;
            assert_eq!(curled.code, 28, "{flag} {step}: {}", curled.error);
            let why = lab.rig.log.until(|event| match event {
                Event::Failed {
                    why,
                    cause: Some(FailureCause::NotTaken),
                    side: Some(Side::Device),
                    ..
                } => Some(why.clone()),
                _ => None,
            });
            let why = why.await;
            assert_eq!(why, format!("the device left {expected}"), "{flag}");
            let names = lab.rig.log.names();
            let place = |name: &str| names.iter().position(|it| *it == name);
            assert!(place("response") < place("failed"), "{names:?}");
            lab.rig.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_comes_instead_of_a_body() {
    if !have("curl") {
        return;
    }
    let (curled, lab) = curl(Http::One, "response", "{ malformed-chunk = true }").await;
    assert_eq!((curled.code, curled.status), (56, 200), "{}", curled.error);
    assert!(curled.error.contains("chunk"), "{}", curled.error);
    lab.rig.stop().await;
    let (curled, lab) = curl(Http::Two, "response", "{ malformed-chunk = true }").await;
    assert_eq!((curled.code, curled.status), (92, 200), "{}", curled.error);
    lab.rig.stop().await;
    for stage in ["request", "response"] {
        let (curled, lab) = curl(Http::One, stage, "{ random-data-then-close = true }").await;
        assert_eq!((curled.code, curled.status), (1, 0), "{}", curled.error);
        assert!(curled.error.contains("HTTP/0.9"), "{}", curled.error);
        lab.rig.stop().await;
        let (curled, lab) = curl(Http::Two, stage, "{ random-data-then-close = true }").await;
        assert_eq!(curled.code, 92, "{stage} {}", curled.error);
        lab.rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_is_wrong() {
    if !have("curl") {
        return;
    }
    check(
        Http::One,
        "response",
        r#"{ content-length = "+10" }"#,
        18,
        5000,
    )
    .await;
    check(Http::One, "response", "{ content-length = 6000 }", 18, 5000).await;
    // curl takes what was announced, and leaves the rest.
    check(
        Http::One,
        "response",
        r#"{ content-length = "-10" }"#,
        0,
        4990,
    )
    .await;
    check(Http::One, "response", "{ content-length = 100 }", 0, 100).await;
    check(Http::One, "response", "{ content-length = 0 }", 0, 0).await;
    for step in [
        r#"{ content-length = "+10" }"#,
        r#"{ content-length = "-10" }"#,
    ] {
        let (curled, lab) = curl(Http::Two, "response", step).await;
        assert_eq!(curled.code, 92, "{step} {}", curled.error);
        assert!(curled.error.contains("PROTOCOL_ERROR"), "{}", curled.error);
        lab.rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_connection_is_late() {
    let lab = Lab::new(&rule("response", r#"{ slow-close = "200ms" }"#)).await;
    // HTTP/2: the stream ends late (curl does not wait for that), and then the connection goes away.
    let mut device = lab.rig.device("h2").await;
    let begun = Instant::now();
    let response = device.post("/", bytes(5000)).await;
    assert!(response.body()[..] == bytes(5000));
    assert!(begun.elapsed() >= Duration::from_millis(200));
    let again = device.request("POST", "/", "hi");
    device.send(again).await.unwrap_err();
    // HTTP/1.1: who reads to the end waits for it.
    let mut stream = lab.tls("http/1.1").await;
    let request = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";
    let begun = Instant::now();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    // A clean end: rustls takes an end without close_notify for an error.
    soon(stream.read_to_end(&mut response)).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(200));
    let response = String::from_utf8(response).unwrap();
    assert!(
        response.contains("connection: close") && response.ends_with("hi"),
        "{response}"
    );
    lab.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_body_in_chunks_is_not_cut_whether_it_is_recorded_or_not() {
    const EMPTY: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let directory = tempfile::tempdir().unwrap();
    let (server, _) = Server::fixed(directory.path(), EMPTY.to_vec()).await;
    let lab = Lab::with(directory, server, &rule("response", "{ limit-data = 3 }")).await;
    let mut stream = lab.tls("http/1.1").await;
    let request = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    soon(stream.read_to_end(&mut response)).await.unwrap();
    assert!(response.ends_with(b"\r\n\r\n0\r\n\r\n"), "{response:?}");
    lab.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_with_trailers_ends_as_a_rule_orders() {
    const CHUNKS: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\
        Trailer: X-T\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\nX-T: 1\r\n\r\n";
    let lab = async |step: &str| {
        let directory = tempfile::tempdir().unwrap();
        let (server, _) = Server::fixed(directory.path(), CHUNKS.to_vec()).await;
        Lab::with(directory, server, &rule("response", step)).await
    };
    // HTTP/1.1: the bytes, and the time of the end.
    for (step, least, expected) in [
        (r#"{ content-length = "+10" }"#, 0, "content-length: 21"),
        (r#"{ content-length = "-3" }"#, 0, "content-length: 8"),
        (r#"{ slow-close = "200ms" }"#, 200, "connection: close"),
        (r#"{ limit-data = 11 }"#, 0, "chunked"),
        (r#"{ limit-data = 100 }"#, 0, "chunked"),
    ] {
        let lab = lab(step).await;
        let mut stream = lab.tls("http/1.1").await;
        let begun = Instant::now();
        let request = "GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: TE\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = Vec::new();
        soon(stream.read_to_end(&mut response)).await.unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(least), "{step}");
        let response = String::from_utf8(response).unwrap();
        assert!(response.contains(expected), "{step}: {response}");
        assert!(response.contains("hello"), "{step}: {response}");
        assert!(response.contains(" world"), "{step}: {response}");
        // A body that is cut has no end, and chunks alone have trailers.
        let is_whole = step.contains("slow-close");
        assert_eq!(
            response.contains("0\r\nx-t: 1"),
            is_whole,
            "{step}: {response}"
        );
        lab.rig.stop().await;
    }
    // HTTP/2: the trailers end the stream late, and then the connection goes away.
    let lab = lab(r#"{ slow-close = "200ms" }"#).await;
    let mut device = lab.rig.device("h2").await;
    let begun = Instant::now();
    let response = device.post("/", "hi").await;
    assert!(begun.elapsed() >= Duration::from_millis(200));
    assert_eq!(response.body(), "hello world");
    let again = device.request("POST", "/", "hi");
    device.send(again).await.unwrap_err();
    lab.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_cut_on_its_way_to_the_server() {
    if !have("curl") {
        return;
    }
    for (http, code) in [(Http::One, 52), (Http::Two, 92)] {
        for alpn in ["http/1.1", "h2"] {
            let directory = tempfile::tempdir().unwrap();
            let server = Server::start(directory.path(), &[alpn]).await;
            let rules = rule("request", "{ limit-data = 1200 }");
            let lab = Lab::with(directory, server, &rules).await;
            let curled = lab.post(http, &bytes(5000)).await;
            assert_eq!(curled.code, code, "{http:?} {alpn} {}", curled.error);
            // The server may hear of the cut after the device did.
            soon(until(|| !lab.server.seen.lock().unwrap().is_empty())).await;
            let seen = lab.server.last();
            assert_eq!(seen.headers["content-length"], "5000");
            assert_eq!(seen.body, "broken off");
            lab.rig.stop().await;
        }
    }
    // A server that writes down what it gets: the head, and exactly so many bytes.
    let directory = tempfile::tempdir().unwrap();
    let (server, read) = Server::fixed(directory.path(), Vec::new()).await;
    let lab = Lab::with(directory, server, &rule("request", "{ limit-data = 1200 }")).await;
    assert_eq!(lab.post(Http::One, &bytes(5000)).await.code, 52);
    soon(until(|| !read.lock().unwrap().is_empty())).await;
    let read = read.lock().unwrap().clone();
    let head = read
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap();
    assert!(read[head + 4..] == bytes(1200));
    lab.rig.stop().await;
}

/// Returns when something has become so.
async fn until(so: impl Fn() -> bool) {
    while !so() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_add_up() {
    if !have("curl") {
        return;
    }
    // Slow, in pieces, edited by dmtap itself, and cut.
    let steps = r#"[
        { latency = "60ms" }, { slicer = { size = 10, delay = "20ms" } },
        { limit-data = 40 }, { answer = 503, body = "this is a long text of dmtap that does not arrive whole" },
    ]"#;
    for stage in ["request", "response"] {
        for (http, code) in [(Http::One, 18), (Http::Two, 92)] {
            let (curled, lab) = curl(http, stage, steps).await;
            assert_eq!(
                (curled.code, curled.status),
                (code, 503),
                "{}",
                curled.error
            );
            assert_eq!(curled.body, b"this is a long text of dmtap that does n");
            assert!(
                curled.took >= Duration::from_millis(120),
                "{:?}",
                curled.took
            );
            lab.rig.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_a_body_is_cut_as_well() {
    if !have("curl") {
        return;
    }
    for (step, code) in [
        ("{ limit-data = 10 }", 0),
        ("{ reset-peer = { after = 10 } }", 0),
        (r#"{ slow-close = "10ms" }"#, 0),
        (r#"{ content-length = "+10" }"#, 18),
        (r#"{ content-length = "-10" }"#, 0),
        ("{ malformed-chunk = true }", 56),
    ] {
        let lab = Lab::new(&rule("response", step)).await;
        let curled = lab.post(Http::One, b"").await;
        assert_eq!(
            (curled.code, curled.status),
            (code, 200),
            "{step} {}",
            curled.error
        );
        lab.rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_upload_that_is_answered_early_is_read_so_that_the_answer_is() {
    if !have("curl") {
        return;
    }
    for body_capture in [BodyCapture::Pass, BodyCapture::Annotate] {
        for http in Http::BOTH {
            let directory = tempfile::tempdir().unwrap();
            let server = Server::start(directory.path(), &["http/1.1"]).await;
            let rig = Rig::start(Settings {
                body_capture,
                ..in_front_of(server.address, &server.ca)
            })
            .await;
            rig.rule(&rule("request", "{ answer = 503, body = 'later' }"));
            let lab = Lab {
                directory,
                server,
                rig,
            };
            let ca = lab.rig.ca().display().to_string();
            let flag = if http == Http::One {
                "--http1.1"
            } else {
                "--http2"
            };
            // Slow enough that most of it is still to come when the answer is there.
            let arguments = [flag, "--cacert", &ca, "--limit-rate", "2M"];
            let curled = lab.curl(&arguments, &bytes(900_000)).await;
            let words = format!(
                "{http:?} {body_capture:?}: {} {}",
                curled.code, curled.error
            );
            assert_eq!((curled.code, curled.status), (0, 503), "{words}");
            assert_eq!(curled.body, b"later", "{words}");
            assert_eq!(lab.server.accepted(), 0, "{words}");
            lab.rig.stop().await;
        }
    }
}
