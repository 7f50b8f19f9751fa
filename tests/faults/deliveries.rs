//! Each delivery over HTTP/1.1 and HTTP/2.

use std::time::Duration;

use super::curl::{Curled, Http, Lab, bytes, rule};
use super::peers::have;

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
