//! Limits of rules, deliveries, and the bodies that a rule set needs.

use std::time::Duration;

use bytes::Bytes;
use dmtap::conversation::InMemoryState;
use dmtap::flow::{ConnectionId, DeliveryStep, Side};
use dmtap::rules::{RuleSet, Stage, load};

use super::support::{Talk, book, message, status};

/// For each message in turn, how many of its Statuses the rule turns to 500.
fn hits(limit: &str, talks: &mut [Talk], turns: &[(usize, usize)]) -> Vec<usize> {
    let rules = format!(
        "[[rule]]\nname = \"r\"\nstage = \"request\"\nmatch = {{ status = 200 }}\n{limit}\nstep = {{ set-status = 500 }}"
    );
    let book = book(&rules);
    let mut tally = InMemoryState::default();
    let mut hits = Vec::new();
    for (talk, statuses) in turns {
        let talk = &mut talks[*talk];
        let commands: String = (0..*statuses)
            .map(|n| status(n as u32, 1, 1, "Get", 200))
            .collect();
        std::mem::swap(&mut talk.tally, &mut tally);
        let verdict = talk.decide(&book, Stage::Request, &message(2, &commands));
        std::mem::swap(&mut talk.tally, &mut tally);
        let body = verdict.body.unwrap_or_default();
        hits.push(String::from_utf8_lossy(&body).matches(">500<").count());
    }
    hits
}

#[test]
fn a_limit_counts_commands_in_the_scope_it_names() {
    let check = |limit: &str, turns: &[(usize, usize)], expected: &[usize]| {
        // Sessions 1 and 2 of one device on two connections, session 3 of another device on the first one.
        let mut talks = [Talk::new(1, "d1"), Talk::new(2, "d1"), Talk::new(3, "d2")];
        talks[2].connection = talks[0].connection.clone();
        assert_eq!(hits(limit, &mut talks, turns), expected, "{limit}");
    };
    let each = [(0, 1), (1, 1), (2, 1), (0, 1), (1, 1), (2, 1)];
    check("", &each, &[1, 1, 1, 1, 1, 1]);
    check("limit = { times = 1 }", &each, &[1, 1, 1, 0, 0, 0]);
    check(
        "limit = { times = 1, per = \"session\" }",
        &each,
        &[1, 1, 1, 0, 0, 0],
    );
    check(
        "limit = { times = 1, per = \"device\" }",
        &each,
        &[1, 0, 1, 0, 0, 0],
    );
    check(
        "limit = { times = 1, per = \"connection\" }",
        &each,
        &[1, 1, 0, 0, 0, 0],
    );
    check(
        "limit = { times = 1, per = \"run\" }",
        &each,
        &[1, 0, 0, 0, 0, 0],
    );
    check("limit = { skip = 1 }", &each, &[0, 0, 0, 1, 1, 1]);
    check(
        "limit = { skip = 2, times = 3, per = \"run\" }",
        &each,
        &[0, 0, 1, 1, 1, 0],
    );
    check(
        "limit = { skip = 1, times = 2 }",
        &[(0, 2), (0, 3)],
        &[1, 1],
    );
    check("limit = { times = 1 }", &[(0, 0), (0, 3)], &[0, 1]);
    check(
        "limit = { every = 3 }",
        &[(0, 2), (0, 2), (0, 2), (1, 1)],
        &[0, 1, 1, 0],
    );
    check(
        "limit = { skip = 1, every = 2, times = 1 }",
        &[(0, 2), (0, 1), (0, 3)],
        &[0, 1, 0],
    );
    check("limit = { every = 1 , times = 1 }", &[(0, 2)], &[1]);
}

#[test]
fn a_rule_that_edits_nothing_counts_messages() {
    let rules = "[[rule]]\nname = \"r\"\nstage = \"request\"\nmatch = { status = 200 }\n\
                 limit = { times = 2 }\nstep = { delay = \"10ms\" }";
    let book = book(rules);
    let mut talk = Talk::new(1, "d");
    let two = message(
        2,
        &[status(1, 1, 1, "Get", 200), status(2, 1, 2, "Get", 200)].concat(),
    );
    let waits: Vec<bool> = (0..3)
        .map(|_| !talk.decide(&book, Stage::Request, &two).delivery.is_plain())
        .collect();
    assert_eq!(waits, [true, true, false]);
}

#[test]
fn without_a_session_the_connection_counts() {
    let book = book(
        "[[rule]]\nname = \"r\"\nstage = \"request\"\nlimit = { times = 1 }\nstep = { reset = true }",
    );
    let mut talk = Talk::new(1, "d");
    let mut resets = |connection| {
        talk.connection.id = ConnectionId(connection);
        talk.decide_opaque(&book, Stage::Request).delivery.ops == [DeliveryStep::Reset]
    };
    assert_eq!(
        [1, 1, 2, 1, 2].map(&mut resets),
        [true, false, true, false, false]
    );
}

#[test]
fn an_empty_body_that_a_step_cannot_damage_uses_up_no_limit() {
    let check = |step: &str, stage: Stage, expected: [bool; 3]| {
        let rules = format!(
            "[[rule]]\nname = \"r\"\nstage = \"{}\"\nlimit = {{ times = 1 }}\nstep = {{ {step} }}",
            stage.name()
        );
        let (book, mut talk) = (book(&rules), Talk::new(1, "d"));
        let acted = ["", "a page", "another"].map(|body| {
            let verdict =
                talk.decide_bytes(&book, stage, Some(&Bytes::from_static(body.as_bytes())));
            verdict.body.is_some() || !verdict.delivery.is_plain()
        });
        assert_eq!(acted, expected, "{step}");
    };
    let not_the_first = [false, true, false];
    check("truncate = \"50%\"", Stage::Response, not_the_first);
    check("flip = { at = -1 }", Stage::Response, not_the_first);
    check("limit-data = 3", Stage::Response, not_the_first);
    let the_first = [true, false, false];
    check("limit-data = 3", Stage::Request, the_first);
    check("set-body = \"new\"", Stage::Response, the_first);
    check("reset-peer = true", Stage::Response, the_first);
}

#[test]
fn how_a_message_leaves_is_given_to_the_wire() {
    let rules = "
        [[rule]]
        name = \"slow\"
        stage = \"response\"
        match = { http-status = \"2xx\" }
        step = [{ delay = \"250ms\" }, { delay = \"1m\" }]

        [[rule]]
        name = \"busy\"
        stage = \"response\"
        match = { http-status = 200 }
        step = [{ delay = \"2s\" }, { answer = 503, body = \"later\" }]

        [[rule]]
        name = \"too late\"
        stage = \"response\"
        step = { reset = true }
    ";
    let verdict = Talk::new(1, "d").decide_opaque(&book(rules), Stage::Response);
    let waits = [250, 60_000, 2_000].map(|ms| DeliveryStep::Wait(Duration::from_millis(ms)));
    assert_eq!(verdict.delivery.ops, waits);
    let answer = verdict.answer.unwrap();
    assert_eq!(
        (answer.status.as_u16(), &*answer.body),
        (503, &b"later"[..])
    );
    let reported: Vec<_> = verdict.applied.iter().flat_map(|a| &a.changes).collect();
    assert_eq!(reported.len(), 4);
    assert_eq!(
        (&*reported[3].before, &*reported[3].after),
        ("200 OK", "503 Service Unavailable")
    );
}

#[test]
fn a_rule_set_asks_for_the_bodies_it_needs_and_no_others() {
    let check = |stage: &str, rest: &str, request: bool, response: bool| {
        let rules = format!("[[rule]]\nname = \"r\"\nstage = \"{stage}\"\n{rest}");
        let book = book(&rules);
        let got = (
            book.reads_bodies(Side::Device),
            book.reads_bodies(Side::Server),
        );
        assert_eq!(got, (request, response), "{rules}");
    };
    let reset = "step = { reset = true }";
    check("request", reset, false, false);
    check(
        "response",
        "match = { host = \"a\", http-status = 200 }\nstep = { answer = 503 }",
        false,
        false,
    );
    check(
        "response",
        &format!("{reset}\nlimit = {{ times = 1, per = \"run\" }}"),
        false,
        false,
    );
    check(
        "response",
        &format!("{reset}\nlimit = {{ times = 1 }}"),
        true,
        false,
    );
    check(
        "response",
        &format!("{reset}\nmatch = {{ device = \"a\" }}"),
        true,
        false,
    );
    check(
        "response",
        &format!("{reset}\nmatch = {{ message = 1 }}"),
        true,
        true,
    );
    check(
        "response",
        &format!("{reset}\nmatch = {{ command = \"Exec\" }}"),
        false,
        true,
    );
    check(
        "response",
        &format!("{reset}\nmatch = {{ command = \"Exec\", loc-uri = \"./A\" }}"),
        false,
        true,
    );
    check(
        "request",
        &format!("{reset}\nmatch = {{ status = 200 }}"),
        true,
        false,
    );
    check(
        "request",
        &format!("{reset}\nmatch = {{ status = 200, loc-uri = \"./A\" }}"),
        true,
        true,
    );
    check(
        "request",
        &format!("{reset}\nmatch = {{ loc-uri = \"./A\" }}"),
        true,
        true,
    );
    check(
        "response",
        "step = { remove = true, at = \"SyncBody/Final\" }",
        false,
        true,
    );
}

#[test]
fn a_rule_set_without_rules_changes_nothing() {
    let empty = RuleSet::default();
    assert!(empty.is_empty() && book("# Nothing yet.\n").is_empty());
    let verdict = Talk::new(1, "d").decide(&empty, Stage::Request, &message(1, ""));
    assert!(verdict.body.is_none() && verdict.applied.is_empty() && verdict.delivery.is_plain());
}

#[test]
fn names_are_unique_across_files() {
    let rule = "[[rule]]\nname = \"a\"\nstage = \"request\"\nstep = { reset = true }\n";
    let other = format!("# Another file.\n{rule}");
    let files = [("one.toml", rule), ("two.toml", &other)];
    let errors = load::parse_beside([], files, &load::no_includes).unwrap_err();
    assert_eq!(errors.to_string(), "two.toml:3:8: two rules are named `a`");
    let mut rules = load::parse("one.toml", rule).unwrap();
    rules.extend(load::parse("two.toml", rule).unwrap());
    let error = RuleSet::from_rules(rules).unwrap_err();
    assert_eq!(
        error.to_string(),
        "two rules are named `a`: one.toml:1 and two.toml:1"
    );
}
