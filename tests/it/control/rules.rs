//! The control API as a test suite uses it.

use std::fs;

use super::{Site, answering};

#[test]
fn a_fault_is_switched_on_and_off() {
    let mut site = Site::open("");
    assert_eq!(site.device(), 200);
    let (status, added) = site.json("POST /rules", &answering("busy", 503));
    assert_eq!((status, &added["rules"][0]["name"]), (201, &"busy".into()));
    assert_eq!(site.device(), 503);

    let (status, rule) = site.json("POST /rules/busy/disable", "");
    assert_eq!((status, &rule["enabled"]), (200, &false.into()));
    assert_eq!(rule["hits"]["messages"], 1, "it keeps its hits");
    assert_eq!(site.device(), 200);
    assert_eq!(site.ask("POST /rules/busy/enable", "").status, 200);
    assert_eq!(site.device(), 503);

    let (status, rule) = site.json("PUT /rules/busy", &answering("busy", 500));
    assert_eq!((status, &rule["file"]), (200, &"control:2".into()));
    assert_eq!(site.device(), 500);

    assert_eq!(site.ask("DELETE /rules/busy", "").status, 204);
    assert_eq!(site.device(), 200);
    assert_eq!(site.ask("DELETE /rules/busy", "").status, 404);
    for did in [
        "added busy",
        "disabled busy",
        "enabled busy",
        "replaced busy",
        "removed busy",
    ] {
        site.proxy.line(&format!("rules: control {did}"));
    }
}

#[test]
fn rules_are_listed_with_where_they_stand_and_what_they_did() {
    let limited = "# one\n".to_owned() + &answering("a rule/ä", 503) + "limit = { times = 2 }\n";
    let site = Site::open(&limited);
    site.json("POST /rules", &answering("b", 500));
    let seen = [site.device(), site.device(), site.device()];
    assert_eq!(
        seen,
        [503, 503, 503],
        "each connection is a scope of its own"
    );
    let (_, list) = site.json("GET /rules", "");
    let (a, b) = (&list["rules"][0], &list["rules"][1]);
    assert_eq!((&a["name"], &a["line"]), (&"a rule/ä".into(), &2.into()));
    assert_eq!(a["file"], site.file.to_str().unwrap());
    assert_eq!(
        (&a["stage"], &a["steps"][0]),
        (&"response".into(), &"answer".into())
    );
    assert_eq!(
        (&a["limit"]["times"], &a["limit"]["per"]),
        (&2.into(), &"session".into())
    );
    assert_eq!(
        (&a["hits"]["messages"], &a["hits"]["finds"]),
        (&3.into(), &3.into())
    );
    assert!(a["hits"]["last"].as_str().unwrap().ends_with('Z'), "{a}");
    assert_eq!(
        (&b["file"], &b["line"], &b["hits"]["messages"]),
        (&"control:1".into(), &1.into(), &0.into())
    );
    assert!(b["hits"]["last"].is_null() && b["limit"].is_null(), "{b}");
    let (_, same) = site.json("GET /rules/a%20rule%2F%C3%A4", "");
    assert_eq!(same, *a);
}

#[test]
fn counts_begin_anew_when_they_are_reset() {
    let once = answering("once", 503) + "limit = { times = 1, per = \"run\" }\n";
    let site = Site::open(&once);
    assert_eq!([site.device(), site.device()], [503, 200]);
    assert_eq!(site.ask("POST /reset", "").status, 204);
    let (_, rule) = site.json("GET /rules/once", "");
    assert_eq!(rule["hits"]["messages"], 0);
    assert_eq!([site.device(), site.device()], [503, 200]);
}

#[test]
fn a_scenario_begins_anew_when_it_is_reset() {
    let site = Site::open("");
    let act = |name: &str, status: u16, states: &str| {
        let scenario = format!("scenario = {{ name = \"s\", per = \"run\", {states} }}\n");
        let (status, _) = site.json("POST /rules", &(answering(name, status) + &scenario));
        assert_eq!(status, 201, "{name}");
    };
    act("one", 503, "requires = \"started\", becomes = \"second\"");
    act("two", 500, "requires = \"second\", becomes = \"third\"");
    assert_eq!(
        [site.device(), site.device(), site.device()],
        [503, 500, 200]
    );
    assert_eq!(site.ask("POST /reset", "").status, 204);
    assert_eq!(site.device(), 503);
}

#[test]
fn what_is_wrong_with_a_rule_is_reported_and_changes_nothing() {
    let site = Site::open(&answering("a", 503));
    let (_, before) = site.json("GET /rules", "");
    let check = |what: &str, body: &str, status: u16, expected: &[&str]| {
        let answer = site.ask(what, body);
        assert_eq!(answer.status, status, "{what} {answer:?}");
        for expected in expected {
            assert!(
                answer.body.contains(expected),
                "{expected} is missing in {answer:?}"
            );
        }
    };
    let typo = answering("b", 503).replace("answer", "anwser");
    check(
        "POST /rules",
        &typo,
        400,
        &[
            "there is no step `anwser`",
            "did you mean `answer`?",
            "\"line\":5",
            "control:1:5",
        ],
    );
    check(
        "POST /rules",
        &answering("a", 500),
        409,
        &[
            "two rules are named `a`",
            "file.toml, line 1",
            "PUT /rules/NAME",
        ],
    );
    let twice = answering("b", 500) + &answering("b", 500);
    check("POST /rules", &twice, 400, &["two rules are named `b`"]);
    check("POST /rules", "", 400, &["[[rule]]"]);
    check(
        "POST /rules",
        "{\"name\": \"b\"}",
        400,
        &["this is not TOML"],
    );
    check(
        "PUT /rules/a",
        &answering("b", 500),
        400,
        &["one rule named `a`", "`b`"],
    );
    check("PUT /rules/a", &typo, 400, &["anwser"]);
    check("GET /rules/aa", "", 404, &["did you mean `a`?"]);
    check("DELETE /rules/zzzzzz", "", 404, &["GET /rules lists all"]);
    check("POST /rules/b/enable", "", 404, &["there is no rule `b`"]);
    check("GET /rules/%ff", "", 400, &["percent-encoded"]);
    check("GET /proxies", "", 404, &["GET /rules", "POST /reset"]);
    let wrong = site.ask("DELETE /rules", "");
    assert_eq!(wrong.status, 405);
    assert!(
        wrong.head.to_lowercase().contains("allow: get, post"),
        "{wrong:?}"
    );
    let (_, after) = site.json("GET /rules", "");
    assert_eq!(after, before);
    assert_eq!(site.device(), 503);
}

#[test]
fn put_makes_a_rule_what_it_is_to_be_whether_it_was_there_or_not() {
    let site = Site::open(&(answering("a", 503) + &answering("b", 500)));
    assert_eq!(site.ask("PUT /rules/c", &answering("c", 404)).status, 201);
    assert_eq!(site.ask("PUT /rules/a", &answering("a", 400)).status, 200);
    assert_eq!(site.device(), 400, "it stands where it stood");
    let (_, list) = site.json("GET /rules", "");
    let names = list["rules"].as_array().unwrap().iter();
    let names: Vec<&str> = names.map(|rule| rule["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[test]
fn files_and_the_control_api_stand_beside_each_other() {
    let mut site = Site::open(&(answering("a", 503) + &answering("b", 500)));
    site.json("POST /rules", &answering("c", 404));
    site.json("POST /rules/b/disable", "");
    site.ask("DELETE /rules/a", "");
    assert_eq!(site.device(), 404);
    // The file comes back when it says something else; what was disabled stays so, what was added too.
    fs::write(&site.file, answering("a", 400) + &answering("b", 500)).unwrap();
    site.proxy.line("file.toml reloaded");
    assert_eq!(site.device(), 400);
    let (_, rule) = site.json("GET /rules/b", "");
    assert_eq!(rule["enabled"], false);
    // A name that the control API took is taken.
    fs::write(&site.file, answering("c", 400)).unwrap();
    site.proxy.line("two rules are named `c`");
    assert_eq!(site.device(), 400);
    let (status, reported) = site.json("POST /reload", "");
    assert_eq!((status, &reported["errors"][0]["line"]), (400, &2.into()));
    // As at the start, with the file as it was last read well.
    let (status, list) = site.json("POST /restore", "");
    assert_eq!(status, 200);
    let enabled = list["rules"].as_array().unwrap().iter();
    let enabled: Vec<_> = enabled
        .map(|rule| (&rule["name"], &rule["enabled"]))
        .collect();
    assert_eq!(
        enabled,
        [(&"a".into(), &true.into()), (&"b".into(), &true.into())]
    );
    let (status, reported) = site.json("POST /reload", "");
    assert_eq!((status, &reported["in_force"]), (200, &1.into()));
}

#[test]
fn the_version_and_the_requests_there_are_can_be_asked_for() {
    let site = Site::open("");
    let (status, version) = site.json("GET /version", "");
    assert_eq!(
        (status, &version["version"]),
        (200, &env!("CARGO_PKG_VERSION").into())
    );
    let (_, requests) = site.json("GET /", "");
    let documented = include_str!("../../../docs/control.md");
    for request in requests["requests"].as_array().unwrap() {
        let request = request.as_str().unwrap();
        assert!(
            documented.contains(&format!("`{request}`")),
            "{request} is not in docs/control.md"
        );
    }
}

#[test]
fn a_request_full_of_mistakes_gets_an_answer_that_can_be_read() {
    let site = Site::open("");
    let rules = "[[rule]]\n".repeat((1 << 20) / 9);
    let (status, reported) = site.json("POST /rules", &rules);
    assert_eq!(status, 400);
    let errors = reported["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 51);
    let last = errors[50]["title"].as_str().unwrap();
    assert!(
        last.starts_with("and ") && last.ends_with(" more"),
        "{last}"
    );
    assert!(reported.to_string().len() < 200_000);
}

#[test]
fn a_rule_of_which_a_step_could_not_act_counts_as_failed_too() {
    let site = Site::open(
        "[[rule]]\nname = 'half'\nstage = 'request'\nmatch.command = 'Replace'\n\
         step = [{ set-text = 'green', at = 'Item/Data' }, { set-text = 'x', at = 'Item/Nope' }]\n",
    );
    let message = "<SyncML><SyncHdr><SessionID>1</SessionID><MsgID>1</MsgID><Source><LocURI>d</LocURI></Source>\
         </SyncHdr><SyncBody><Replace><CmdID>1</CmdID><Item><Data>red</Data></Item></Replace><Final/></SyncBody>\
         </SyncML>";
    let answer = site.proxy.post(message);
    assert!(answer.body.contains("<Data>green</Data>"), "{answer:?}");
    let (_, rule) = site.json("GET /rules/half", "");
    let counts = ["messages", "finds", "failed", "partly"].map(|name| rule["hits"][name].as_u64());
    assert_eq!(counts, [Some(1); 4], "{rule}");
    #[cfg(unix)]
    {
        assert_eq!(site.ask("DELETE /rules/half", "").status, 204);
        let (_, said) = site.proxy.end();
        let expected = "half  acted on 1 message, partly on 1, removed since";
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_built_in_rule_is_listed_as_such_and_not_as_a_file() {
    let echo = super::Echo::start();
    let mode = format!("reverse:http://{}", echo.address);
    let site = Site::with(echo, "", &["-q", "--mode", &mode, "--rule", "busy"]);
    let (_, rule) = site.json("GET /rules/busy", "");
    assert_eq!(rule["file"], "built-in:http/busy.toml");
}

#[cfg(unix)]
#[test]
fn what_a_rule_does_to_connections_is_counted_in_connections_and_no_warning() {
    let mut site = Site::open(
        "[[rule]]\nname = 'gone'\nstage = 'connection'\nstep.refuse-connection = true\n",
    );
    let refused = std::net::TcpStream::connect(&site.proxy.address).and_then(|mut stream| {
        let read = std::io::Read::read(&mut stream, &mut [0]);
        read.map(drop)
    });
    assert!(refused.is_err());
    let (_, rule) = site.json("GET /rules/gone", "");
    assert_eq!(rule["hits"]["messages"], 1, "{rule}");
    site.ask("POST /reload", "");
    site.proxy.line("reloaded");
    assert!(!site.proxy.said.contains("WARN"), "{}", site.proxy.said);
    let (_, said) = site.proxy.end();
    assert!(said.contains("gone  acted on 1 connection"), "{said}");
}
