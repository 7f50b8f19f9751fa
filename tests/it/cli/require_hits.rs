//! `--require-hits`: a run in which a rule never acted fails, and names it with the nearest reason.

use std::fs;

use super::{Output, dmtap, run, stdout};
use crate::support::echo::Echo;
use crate::support::proxy_process::{ProxyProcess, answering, ask};

/// Rules that act, wait for their limit, and match nothing.
fn rules() -> String {
    let never = answering("never", 410).replace("POST", "PUT");
    let limited = answering("limited", 503) + "limit = { skip = 5, per = \"run\" }\n";
    never + &limited + &answering("acts", 503)
}

#[cfg(unix)]
#[test]
fn a_run_fails_in_which_a_rule_never_acted() {
    let (folder, echo) = (tempfile::tempdir().unwrap(), Echo::start());
    let file = folder.path().join("rules.toml");
    fs::write(&file, rules()).unwrap();
    let mode = format!("reverse:http://{}", echo.address);
    let rules = ["--mode", &mode, "--rules", file.to_str().unwrap()];
    let mut arguments = vec!["--require-hits", "--output", "json"];
    arguments.extend(rules);
    let proxy = ProxyProcess::start(&arguments);
    assert_eq!(proxy.post("hi").status, 503);
    let (code, out, said) = proxy.end_with_code();
    assert_eq!(code, Some(1), "{said}");
    let expected = "error: 2 rules never acted:\n  \
                    never    1 response arrived, and none matched its `method`\n  \
                    limited  matched in 1 message, and its limit excluded every match";
    assert!(said.ends_with(expected), "{said}");
    let last: serde_json::Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    let why: Vec<_> = last["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| &rule["why"])
        .collect();
    assert_eq!(why[0], "1 response arrived, and none matched");
    assert!(why[2].is_null(), "{last}");
    assert_eq!(last["rules"][1]["run"]["limited"], 1);

    // Without the option the same run is none that fails.
    let mut arguments = vec!["-q"];
    arguments.extend(rules);
    let proxy = ProxyProcess::start(&arguments);
    assert_eq!(proxy.end_with_code().0, Some(0));
}

#[cfg(unix)]
#[test]
fn disabled_rules_are_not_due_and_removed_ones_are() {
    let (folder, echo) = (tempfile::tempdir().unwrap(), Echo::start());
    let file = folder.path().join("rules.toml");
    fs::write(&file, answering("idle", 410).replace("POST", "PUT")).unwrap();
    let mode = format!("reverse:http://{}", echo.address);
    let start = || {
        let rules = file.to_str().unwrap();
        let arguments = [
            "-q",
            "--require-hits",
            "--control",
            "0",
            "--mode",
            &mode,
            "--rules",
            rules,
        ];
        let mut proxy = ProxyProcess::start_with(&[("DMTAP_CONTROL_TOKEN", TOKEN)], &arguments);
        let control = crate::support::proxy_process::url(&proxy.line("control at"));
        (proxy, control)
    };
    let bearer = format!("Bearer {TOKEN}");
    let control = |at: &str, what: &str, body: &str| {
        let fields = [("Host", at), ("Authorization", bearer.as_str())];
        ask(at, what, &fields, body).status
    };
    let (proxy, at) = start();
    assert_eq!(control(&at, "POST /rules/idle/disable", ""), 200);
    assert_eq!(proxy.end_with_code().0, Some(0));

    let (proxy, at) = start();
    assert_eq!(control(&at, "POST /rules/idle/disable", ""), 200);
    assert_eq!(
        control(&at, "PUT /rules/added", &answering("added", 503)),
        201
    );
    assert_eq!(control(&at, "DELETE /rules/added", ""), 204);
    let (code, _, said) = proxy.end_with_code();
    assert_eq!(code, Some(1));
    assert!(
        said.ends_with("error: 1 rule never acted:\n  added  no response arrived"),
        "{said}"
    );
}

#[cfg(unix)]
#[test]
fn a_rule_that_needed_a_body_over_the_limit_says_so() {
    let (folder, echo) = (tempfile::tempdir().unwrap(), Echo::start());
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (rules, record) = (path("rules.toml"), path("a.jsonl"));
    let rule =
        |name: &str, more: &str| format!("[[rule]]\nname = '{name}'\nstage = 'response'\n{more}\n");
    let text = rule("cut", "step.truncate = 100")
        + &rule(
            "text",
            "match.command = 'Replace'\nstep.set-text = 'x'\nstep.at = 'CmdID'",
        )
        + &rule("other", "match.method = 'PUT'\nstep.truncate = 100");
    fs::write(&rules, text).unwrap();
    let mode = format!("reverse:http://{}", echo.address);
    let mut arguments = vec!["--require-hits", "--max-body", "1k", "--mode", &mode];
    arguments.extend(["--rules", &rules, "-w", &record]);
    let proxy = ProxyProcess::start(&arguments);
    let body = "x".repeat(5_000);
    for media_type in ["application/vnd.syncml.dm+xml", "application/x-msi"] {
        let fields = [("Host", "localhost"), ("Content-Type", media_type)];
        assert_eq!(ask(&proxy.address, "POST /", &fields, &body).body, body);
    }
    let (code, out, said) = proxy.end_with_code();
    assert_eq!(code, Some(1), "{said}");
    let expected = "error: 3 rules never acted:\n  \
                    cut    was not applied in 2 messages: the body is larger than --max-body\n  \
                    text   was not applied in 1 message: the body is larger than --max-body\n  \
                    other  2 responses arrived, and none matched its `method`";
    assert!(said.ends_with(expected), "{said}");
    let not_applied = "not applied: the body is larger than --max-body";
    assert_eq!(out.matches(not_applied).count(), 3, "{out}");
    let record = fs::read_to_string(record).unwrap();
    let kind = r#""kind":"not-applied","before":"","after":"the body is larger than --max-body""#;
    assert_eq!(record.matches(kind).count(), 3, "{record}");
}

const TOKEN: &str = "a-token-of-this-test";

#[test]
fn the_demo_fails_where_a_rule_never_acted() {
    let folder = tempfile::tempdir().unwrap();
    let idle = folder.path().join("idle.toml");
    let text = "[[rule]]\nname = \"idle\"\nstage = \"response\"\nmatch = { path = \"/nowhere\" }\nstep.delay = \"1ms\"\n";
    fs::write(&idle, text).unwrap();
    let demo = |arguments: &[&str]| {
        run(dmtap()
            .arg("demo")
            .args(arguments)
            .current_dir(folder.path()))
    };
    let acts = demo(&["--require-hits"]);
    assert_eq!(acts.status.code(), Some(0), "{acts:?}");
    for more in [&[][..], &["--enroll"], &["--output", "json"]] {
        let mut arguments = vec!["--require-hits", "--rules", "idle.toml"];
        arguments.extend(more);
        let output = demo(&arguments);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = stderr(&output);
        assert!(
            said.contains("error: 1 rule never acted:\n  idle  ")
                && said.ends_with(" responses arrived, and none matched\n"),
            "{said}"
        );
    }
}

#[test]
fn a_trial_fails_where_a_rule_acts_on_no_message() {
    let folder = tempfile::tempdir().unwrap();
    let demo = run(dmtap().arg("demo").current_dir(folder.path()));
    assert!(demo.status.success());
    let idle = "[[rule]]\nname = \"idle\"\nstage = \"response\"\nmatch = { path = \"/nowhere\" }\nstep.delay = \"1ms\"\n\
                [[rule]]\nname = \"tls\"\nstage = \"connection\"\nstep.tls-max = \"1.2\"\n";
    fs::write(folder.path().join("idle.toml"), idle).unwrap();
    let record = "dmtap-demo/demo.jsonl";
    let tried = |arguments: &[&str]| {
        let mut all = vec!["rules", "try", "--fail", "./DevDetail/SwV=500"];
        all.extend(arguments);
        run(dmtap().args(all).current_dir(folder.path()))
    };
    let one = tried(&["--require-hits", record]);
    assert_eq!(one.status.code(), Some(0), "{}", stdout(&one));
    let with_idle = ["--rules", "idle.toml", record, record];
    assert_eq!(tried(&with_idle).status.code(), Some(0));
    let all = tried(&[&["--require-hits"][..], &with_idle].concat());
    assert_eq!(all.status.code(), Some(1));
    let option = run(dmtap()
        .args([
            "rules",
            "try",
            "--fail",
            "./Nowhere=500",
            "--require-hits",
            record,
        ])
        .current_dir(folder.path()));
    let said = stderr(&option);
    assert!(
        said.contains("error: 1 rule never acted:\n  fail ./Nowhere=500  "),
        "{said}"
    );
    // With rules about connections alone there is none that could act.
    let connection = "[[rule]]\nname = \"tls\"\nstage = \"connection\"\nstep.tls-max = \"1.2\"\n";
    fs::write(folder.path().join("connection.toml"), connection).unwrap();
    let nothing = run(dmtap()
        .args(["rules", "try", "--require-hits", "connection.toml", record])
        .current_dir(folder.path()));
    assert_eq!(nothing.status.code(), Some(1), "{}", stdout(&nothing));
    let said = stderr(&all);
    assert!(
        said.contains("error: 1 rule never acted:\n  idle  x1: ")
            && said.contains("its `path` does not match"),
        "{said}"
    );
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
