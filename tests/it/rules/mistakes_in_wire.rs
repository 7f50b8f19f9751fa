//! Mistakes in rule files: deliveries and connection decisions.

use super::support::drawn;

/// A rule with this step is refused with these words, and the remedy.
fn check(stage: &str, step: &str, words: &[&str]) {
    let file = format!("[[rule]]\nname = \"a\"\nstage = \"{stage}\"\nstep = {step}\n");
    check_file(&file, words);
}

fn check_file(file: &str, words: &[&str]) {
    let drawn = drawn(file);
    if words.is_empty() {
        assert_eq!(drawn, "", "{file}");
    }
    for word in words {
        assert!(drawn.contains(word), "{file}\n{drawn}");
    }
}

#[test]
fn what_is_right_is_taken() {
    for step in [
        r#"{ latency = "200ms", jitter = "50ms" }"#,
        r#"{ bandwidth = "10 KB/s" }"#,
        r#"{ bandwidth = "1.5mb/s" }"#,
        r#"{ slicer = { size = 100, delay = "10ms" } }"#,
        r#"{ timeout = "10s" }"#,
        "{ timeout = true }",
        "{ limit-data = 1200 }",
        "{ reset-peer = true }",
        "{ empty-response = true }",
        "{ random-data-then-close = true }",
        r#"[{ bandwidth = "1 KB/s" }, { limit-data = 3 }, { answer = 503, body = "text" }]"#,
        r#"[{ limit-data = 3 }, { remove = true, at = "SyncBody/Final" }]"#,
    ] {
        check("request", step, &[]);
        check("response", step, &[]);
    }
    for step in [
        r#"{ slow-close = "2s" }"#,
        "{ malformed-chunk = true }",
        r#"{ content-length = "+10" }"#,
        "{ content-length = 0 }",
        "{ reset-peer = { after = 1200 } }",
    ] {
        check("response", step, &[]);
    }
    for step in [
        "{ refuse-connection = true }",
        "{ tunnel = true }",
        r#"[{ certificate = "expired" }, { tls-max = "1.2" }]"#,
        r#"{ tls-min = "1.3" }"#,
        r#"{ handshake-alert = "unknown_ca" }"#,
        r#"{ handshake-stall = "30s" }"#,
        "{ handshake-close = true }",
    ] {
        check("connection", step, &[]);
    }
}

#[test]
fn a_step_stands_at_its_stage() {
    for (stage, step, words) in [
        ("request", r#"{ slow-close = "2s" }"#, "\"response\""),
        ("request", "{ malformed-chunk = true }", "\"response\""),
        ("request", "{ content-length = 5 }", "\"response\""),
        (
            "request",
            "{ reset-peer = { after = 9 } }",
            "limit-data = 9",
        ),
        ("request", "{ tunnel = true }", "\"connection\""),
        (
            "response",
            r#"{ certificate = "expired" }"#,
            "\"connection\"",
        ),
        (
            "connection",
            r#"{ delay = "1s" }"#,
            "\"request\" or \"response\"",
        ),
        (
            "connection",
            "{ set-status = 500 }",
            "\"request\" or \"response\"",
        ),
    ] {
        let place = format!("has no place at the stage `{stage}`");
        check(stage, step, &[&place, words]);
    }
}

#[test]
fn a_value_fits_its_verb() {
    for (step, words) in [
        (
            r#"{ latency = "1s", jitter = "2s" }"#,
            ["`jitter` is longer than `latency`", "write at most"],
        ),
        (
            r#"{ bandwidth = "10" }"#,
            ["`bandwidth` must be a rate", "\"10 KB/s\""],
        ),
        (
            r#"{ bandwidth = "0 B/s" }"#,
            ["`bandwidth` must be a rate", "1 at least"],
        ),
        (
            "{ slicer = { size = 3 } }",
            ["`slicer` has no `delay`", "slicer = { size = 100"],
        ),
        (
            r#"{ slicer = { size = 0, delay = "1s" } }"#,
            ["`size` cannot be 0", "from 1"],
        ),
        (
            r#"{ slicer = { size = 1, delay = "1m" } }"#,
            ["longer than half a minute", "delay"],
        ),
        (
            r#"{ slicer = { sze = 1, delay = "1s" } }"#,
            ["has no key `sze`", "did you mean `size`?"],
        ),
        (
            "{ timeout = false }",
            ["timeout = true", "leave the step out"],
        ),
        ("{ timeout = 3 }", ["`timeout` must be a time", "\"250ms\""]),
        (
            "{ limit-data = -1 }",
            ["`limit-data` cannot be -1", "from 0"],
        ),
        (
            "{ reset-peer = {} }",
            ["after how many bytes", "{ after = 1200 }"],
        ),
        (
            r#"{ content-length = "10" }"#,
            ["`content-length` cannot be `10`", "\"+10\""],
        ),
        (
            r#"{ content-length = "+0" }"#,
            ["`content-length` cannot be `+0`", "\"-10\""],
        ),
        (
            r#"[{ limit-data = 1 }, { delay = "1s" }]"#,
            [
                "`delay` comes after `limit-data`",
                "in front of `limit-data`",
            ],
        ),
        (
            r#"[{ timeout = "1s" }, { answer = 503 }]"#,
            ["`answer` comes after `timeout`", "rules of their own"],
        ),
        (
            r#"{ answer = 304, body = "x" }"#,
            ["a response with status 304 has no body", "leave `body` out"],
        ),
    ] {
        check("response", step, &words);
    }
    for (step, words) in [
        (
            r#"{ certificate = "expird" }"#,
            [
                "`certificate` cannot be `expird`",
                "did you mean `expired`?",
            ],
        ),
        (
            r#"{ handshake-alert = "handshake-failure" }"#,
            ["cannot be", "did you mean `handshake_failure`?"],
        ),
        (
            r#"{ tls-max = "1.1" }"#,
            ["dmtap does not speak TLS 1.1", "protocol_version"],
        ),
        (
            r#"[{ tls-max = "1.2" }, { tls-min = "1.3" }]"#,
            ["no version of TLS is left", "`tls-min` is newer"],
        ),
        (
            r#"[{ tunnel = true }, { tls-min = "1.3" }]"#,
            ["`tls-min` comes after `tunnel`", "nothing is left to say"],
        ),
    ] {
        check("connection", step, &words);
    }
}

#[test]
fn a_connection_is_matched_by_what_is_known_of_it() {
    let rule = |keys: &str| {
        format!(
            "[[rule]]\nname = \"a\"\nstage = \"connection\"\nstep = {{ tunnel = true }}\n{keys}\n"
        )
    };
    for (keys, words) in [
        (
            r#"match = { peer = ["10.0.0.0/8", "::1"], sni = "*.example.com", host = "h", listener = 8443 }"#,
            &[][..],
        ),
        ("limit = { skip = 1, times = 2, per = \"peer\" }", &[]),
        (
            "match = { device = \"x\" }",
            &[
                "`device` is not known when a device connects",
                "`peer`, `listener`, `sni`, `host`",
                "stage = \"request\"",
            ],
        ),
        (
            "match = { loc-uri = \"./A\" }",
            &["`loc-uri` is not known when a device connects"],
        ),
        ("match = { per = \"10.0.0.1\" }", &["did you mean `peer`?"]),
        (
            "match = { peer = \"10.0.0.1/8\" }",
            &["is not an address of a device", "peer = \"10.0.0.0/8\""],
        ),
        (
            "match = { peer = \"localhost\" }",
            &["is not an address of a device", "192.0.2.7"],
        ),
        (
            "match = { listener = 70000 }",
            &["`listener` cannot be 70000"],
        ),
        (
            "match = { host = \"https://mdm.example:8443/dm\" }",
            &["is not the name of a host", "write host = \"mdm.example\""],
        ),
        (
            "match = { host = \"mdm.example:443\" }",
            &["write host = \"mdm.example\"", "`listener` tells the port"],
        ),
        (
            "match = { host = \"[::1]:443\" }",
            &["write host = \"::1\""],
        ),
        (
            "match = { sni = \"https://\" }",
            &[
                "is not the name of a host",
                "write sni = \"mdm.example.com\"",
            ],
        ),
        (
            "match = { sni = [\"mdm.example\", \"mdm.example/dm\"] }",
            &[
                "`mdm.example/dm` is not the name",
                "write sni = \"mdm.example\"",
            ],
        ),
        (
            "match = { listener = \"8080\" }",
            &["neither a port nor", "listener = 8080"],
        ),
        (
            "match = { listener = \"127.0.0.1\" }",
            &["listener = \"127.0.0.1:*\""],
        ),
        (
            "match = { listener = \"::1\" }",
            &["listener = \"[::1]:*\""],
        ),
        (
            "match = { listener = \"localhost:8080\" }",
            &["is not an address that dmtap listens at", "127.0.0.1:8080"],
        ),
        (
            "match = { listener = \"https://127.0.0.1:8080\" }",
            &["is not an address that dmtap listens at"],
        ),
        (
            "limit = { times = 1, per = \"session\" }",
            &["`per` cannot be `session`", "`run`, `peer`"],
        ),
        ("limit = { per = \"peer\" }", &["this limit limits nothing"]),
    ] {
        check_file(&rule(keys), words);
    }
}

#[test]
fn names_and_addresses_that_a_connection_can_have_are_taken() {
    for keys in [
        "host = [\"mdm.example\", \"*.example\", \"::1\", \"192.0.2.1\"]",
        "sni = [\"mdm.example\", \"*\"]",
        "listener = [8080, \"127.0.0.1:8080\", \"127.0.0.1:*\", \"*:8080\", \"*\", \"[::1]:8080\", \"[::*]:80*\"]",
    ] {
        let file = format!(
            "[[rule]]\nname = \"a\"\nstage = \"connection\"\nstep = {{ tunnel = true }}\nmatch = {{ {keys} }}\n"
        );
        assert!(
            dmtap::rules::load::parse("test.toml", &file).is_ok(),
            "{keys}"
        );
    }
}
