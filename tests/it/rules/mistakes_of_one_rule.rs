//! Several mistakes in one rule: each is reported, without errors that only follow from another.

use dmtap::rules::load;

/// The places and titles of all errors of a file.
fn all(file: &str) -> Vec<String> {
    let errors = load::parse("t", file).unwrap_err();
    errors.errors().iter().map(ToString::to_string).collect()
}

#[test]
fn a_mistake_hides_no_other_of_the_rule() {
    let check = |keys: &str, expected: &[&str]| {
        assert_eq!(
            all(&format!("[[rule]]\nname = \"a\"\n{keys}\n")),
            expected,
            "{keys}"
        );
    };
    check(
        "stage = \"request\"\nlimit = { time = 1 }\nmatch = { command = \"Get\", status = 200, path = \"dm\" }\nstep = [{ set-status = 999 }, { slow-close = \"1s\" }]",
        &[
            "t:4:11: a limit has no key `time`",
            "t:5:28: only a Status has `status`",
            "t:5:49: no path begins as `dm` does",
            "t:6:24: SyncML has no status code 999",
            "t:6:33: `slow-close` has no place at the stage `request`",
        ],
    );
    check(
        "stage = \"request\"\nmatch = { http-status = \"200\", not = { soap-fault = 1 } }\nstep = { delay = \"1s\" }",
        &[
            "t:4:11: a request has no HTTP status",
            "t:4:25: `200` is not a class of codes",
            "t:4:40: a request has no SOAP fault",
            "t:4:53: `soap-fault` must be a text in quotes",
        ],
    );
    check(
        "stage = \"request\"\nmatch = { message = \"2-4\", package = 2 }\nstep = { delay = 1 }",
        &[
            "t:4:21: `2-4` is not a range of numbers",
            "t:4:38: no message of this stage is of that package",
            "t:5:18: `delay` must be a time",
        ],
    );
    check(
        "stage = \"response\"\nmatch = { header = \"User-Agent\", any = [{ comand = \"Get\" }, { status = 200, alert = 1226 }] }\nstep = [{ set-header = \"X\" }, { set-header = { name = \"X\", value = \"y\" } }, { remove-header = \"Content-Length\" }]",
        &[
            "t:4:20: a header is a table",
            "t:4:43: `any` has no key `comand`",
            "t:4:77: only an Alert has `alert`",
            "t:5:11: `set-header` has no `value`",
            "t:5:33: `set-header` has no `value`",
            "t:5:46: `set-header` must be a text in quotes",
            "t:5:95: `Content-Length` says where the body ends: dmtap writes it to fit",
        ],
    );
}

#[test]
fn a_mistake_hides_no_other_of_a_rule_about_connections() {
    let check = |keys: &str, expected: &[&str]| {
        let file = format!("[[rule]]\nname = \"a\"\nstage = \"connection\"\n{keys}\n");
        assert_eq!(all(&file), expected, "{keys}");
    };
    check(
        "match = { device = \"x\" }\nlimit = { times = 1, per = \"session\" }\nstep = { tls-max = \"1.1\" }",
        &[
            "t:4:11: `device` is not known when a device connects",
            "t:5:28: `per` cannot be `session`",
            "t:6:20: dmtap does not speak TLS 1.1",
        ],
    );
    check(
        "match = { sni = 3, listener = \"8080\", not = { peer = \"x\" } }\nstep = { certificate = \"expired\", tls-min = \"1.2\" }",
        &[
            "t:4:17: `sni` must be a text in quotes",
            "t:4:31: `8080` is not an address that dmtap listens at",
            "t:4:39: `not` is not known when a device connects",
            "t:5:35: `tls-min` stands in the step of `certificate`",
        ],
    );
    check(
        "step = { answer = 503 }\nscenario = { name = \"x\", becomes = \"y\" }\nend = true",
        &[
            "t:4:10: `answer` has no place at the stage `connection`",
            "t:5:1: `scenario` has no place at the stage `connection`",
            "t:6:1: `end` has no place at the stage `connection`",
        ],
    );
}

#[test]
fn what_only_follows_from_a_mistake_is_not_reported() {
    let check = |keys: &str, expected: &str| {
        let file = format!("[[rule]]\nname = \"a\"\nstage = \"response\"\n{keys}\n");
        assert_eq!(all(&file), [expected], "{keys}");
    };
    check(
        "match = { any = [{ comand = \"Get\" }] }\nstep = { delay = \"1s\" }",
        "t:4:20: `any` has no key `comand`",
    );
    check(
        "match = { comand = \"Alert\", has = \"Item/Data\" }\nstep = { delay = \"1s\" }",
        "t:4:11: `match` has no key `comand`",
    );
    check(
        "match = { command = \"Replace\" }\nstep = [{ set-attribute = \"xmlns:x\" }, { set-attribute = \"x:a\", value = \"1\" }]",
        "t:5:11: `set-attribute` has no `value`",
    );
    check(
        "step = { slicer = { sze = 1, delay = \"1s\" } }",
        "t:4:21: `slicer` has no key `sze`",
    );
    check(
        "step = { set-header = 3, value = \"1\" }",
        "t:4:23: `set-header` must be a text in quotes",
    );
    check(
        "scenario = { name = \"s\", becoms = \"b\" }\nstep = { advance-scenario = true }",
        "t:4:26: a scenario has no key `becoms`",
    );
}
