//! Limits of rules: no message grows larger than a body may be, and no work is quadratic in the size of a message.

use std::fmt::Write as _;
use std::time::Duration;

use dmtap::flow::Side;
use dmtap::markup::Document;
use dmtap::rules::load::inline_rule::modify_headers;
use dmtap::rules::{RuleSet, Stage, Verdict, load};

use super::edits::rule;
use crate::support::cpu_time::cpu_time;

use super::support::{Talk, book, drawn, message, on, status, wbxml};

/// What a rule makes of a request whose body may be so many bytes longer.
fn within(matcher: &str, steps: &str, document: &Document, room: usize) -> Verdict {
    let mut talk = Talk::new(1, "d");
    talk.limits.bytes = document.source().len() + room;
    talk.decide(&book(&rule(matcher, steps)), Stage::Request, document)
}

/// The rule is refused as a whole, for the limit; with more room it is carried out.
fn refused(matcher: &str, steps: &str, document: &Document, room: usize) {
    let verdict = within(matcher, steps, document, room);
    let most = document.source().len() + room;
    assert!(verdict.body.is_none(), "{steps}");
    assert!(verdict.session_effects.is_empty(), "{steps}");
    let [change] = &verdict.applied[0].changes[..] else {
        panic!("{steps}: {:?}", verdict.applied)
    };
    assert_eq!(change.step, "not applied", "{steps}");
    let limit = format!("more than {most} bytes, the limit of a body");
    assert!(change.after.contains(&limit), "{steps}: {change:?}");
    let verdict = within(matcher, steps, document, 1 << 20);
    assert!(verdict.body.is_some(), "{steps}: {:?}", verdict.applied);
}

#[test]
fn no_step_makes_a_message_larger_than_a_body_may_be() {
    let many: String = (1..=50).map(|id| on("Add", id, "./A")).collect();
    let xml = message(2, &many);
    let add = "{ command = 'Add' }";
    let hundred = "x".repeat(100);
    for document in [&xml, &wbxml(&xml)] {
        let check = |matcher: &str, steps: &str| refused(matcher, steps, document, 1000);
        // Each of them alone would fit.
        check(add, &format!("{{ set-text = '{hundred}' }}"));
        check(
            "{ path = '/dm' }",
            &format!("{{ replace-text = 'old', with = '{hundred}' }}"),
        );
        check(
            add,
            &format!("{{ insert = '<Meta>{hundred}</Meta>', last-in = '.' }}"),
        );
        check(
            add,
            &format!("{{ replace = '<Data>{hundred}</Data>', at = 'Item/Data' }}"),
        );
        check(
            add,
            &format!("[{{ inject-command = '<Get/>' }}, {{ set-text = '{hundred}' }}]"),
        );
        check(
            add,
            &format!("[{{ set-text = '{hundred}' }}, {{ truncate = 1 }}]"),
        );
        check(
            "{ path = '/dm' }",
            &format!("{{ set-body = '{}' }}", "x".repeat(20_000)),
        );
    }
    refused(
        add,
        &format!("{{ set-attribute = 'a', value = '{hundred}', at = 'Item' }}"),
        &xml,
        1000,
    );
    refused(add, "{ duplicate = true }", &xml, 1000);
}

#[test]
fn what_goes_makes_room_for_what_comes() {
    let many: String = (1..=50).map(|id| on("Add", id, "./A")).collect();
    let xml = message(2, &many);
    for document in [&xml, &wbxml(&xml)] {
        for (matcher, steps) in [
            ("{ command = 'Add' }", "{ set-text = 'new' }"),
            ("{ path = '/dm' }", "{ replace-text = 'old', with = 'new' }"),
            (
                "{ path = '/dm' }",
                "{ replace-text = '(?s)^(.)(.*)$', with = '$2$1' }",
            ),
        ] {
            let verdict = within(matcher, steps, document, 0);
            assert!(verdict.body.is_some(), "{steps}: {:?}", verdict.applied);
        }
    }
}

#[test]
fn a_value_named_again_and_again_is_not_unfolded_beyond_the_limit() {
    let long = on("Add", 1, "./A").replace("old", &"o".repeat(1 << 20));
    let xml = message(2, &long);
    // Each would be a hundred gigabytes.
    let data = "{{data}}".repeat(100_000);
    let groups = "$0".repeat(100_000);
    for document in [&xml, &wbxml(&xml)] {
        for (matcher, steps) in [
            ("{ command = 'Add' }", format!("{{ set-text = '{data}' }}")),
            ("{ command = 'Add' }", format!("{{ set-body = '{data}' }}")),
            (
                "{ path = '/dm' }",
                format!("{{ replace-text = 'o+', with = '{groups}' }}"),
            ),
        ] {
            let verdict = within(matcher, &steps, document, 1000);
            let change = &verdict.applied[0].changes[0];
            assert!(verdict.body.is_none() && change.after.contains("the limit of a body"));
        }
    }
}

#[test]
fn ten_thousand_atomics_are_rolled_back_in_one_walk() {
    // Asked one by one, this is 20,000 Statuses 10,000 times.
    let (mut asked, mut answered) = (String::new(), status(1, 1, 0, "SyncHdr", 200));
    for id in (2..=20_000).step_by(2) {
        let inner = on("Add", id + 1, "./A");
        let _ = write!(asked, "<Atomic><CmdID>{id}</CmdID>{inner}</Atomic>");
        answered += &status(id, 1, id, "Atomic", 200);
        answered += &status(id + 1, 1, id + 1, "Add", 200);
    }
    let mut talk = Talk::new(1, "d").said(Side::Server, &message(1, &asked));
    let rules = rule(
        "{ command = 'Status', answers = 'Atomic' }",
        "{ atomic-rollback = 404 }",
    );
    let body = message(2, &answered);
    let verdict = talk.decide(&book(&rules), Stage::Request, &body);
    let sent = String::from_utf8(verdict.body.unwrap().to_vec()).unwrap();
    for code in [404, 507] {
        assert_eq!(
            sent.matches(&format!("<Data>{code}</Data>")).count(),
            10_000
        );
    }
}

/// A scenario of so many acts, each of which follows the one behind it in the file: the worst order.
fn acts(count: usize) -> String {
    let mut file = String::new();
    for act in (0..count).rev() {
        let requires = match act {
            0 => "started".to_owned(),
            _ => format!("act {act}"),
        };
        let _ = write!(
            file,
            "[[rule]]\nname = 'r{act}'\nstage = 'request'\nmatch = {{ command = 'Status' }}\n\
             scenario = {{ name = 's', requires = '{requires}', becomes = 'act {}' }}\n\
             step = {{ set-status = 500 }}\n",
            act + 1
        );
    }
    file
}

#[test]
fn a_filter_does_not_look_at_every_item_for_each_answer() {
    const ITEMS: usize = 3_000;
    let leaf = |n: usize| format!("./DevDetail/{n}");
    let items = (0..ITEMS).map(|n| {
        let uri = leaf(n);
        format!("<Item><Target><LocURI>{uri}</LocURI></Target></Item>")
    });
    let get = format!("<Get><CmdID>5</CmdID>{}</Get>", items.collect::<String>());
    let mut results =
        String::from("<Results><CmdID>9999</CmdID><MsgRef>1</MsgRef><CmdRef>5</CmdRef>");
    for n in 0..ITEMS {
        let uri = leaf(n);
        results += &format!("<Item><Source><LocURI>{uri}</LocURI></Source><Data>{n}</Data></Item>");
    }
    results += "</Results>";
    let statuses = |named: bool| {
        let status = |n: usize| {
            let status = status(n as u32 + 1, 1, 5, "Get", 200);
            let target = format!("<TargetRef>{}</TargetRef><Data>", leaf(n));
            if named {
                status.replace("<Data>", &target)
            } else {
                status
            }
        };
        (0..ITEMS).map(status).collect::<String>()
    };
    let acts = |filter: &str, answers: &str| {
        let rules = modify_headers(&format!("|{filter}|X|y")).unwrap();
        let rules = RuleSet::from_rules(rules).unwrap();
        let mut talk = Talk::new(1, "d").said(Side::Server, &message(1, &get));
        let begun = cpu_time();
        let verdict = talk.decide(&rules, Stage::Request, &message(2, answers));
        // Each Item for each Status is nine million of each.
        assert!(cpu_time() - begun < Duration::from_secs(5), "{filter}");
        !verdict.head.is_empty()
    };
    for named in [true, false] {
        let answers = statuses(named) + &results;
        assert!(!acts("~status 200 ~data nowhere", &answers));
        assert!(!acts("~status 200 ~loc nowhere", &answers));
        // What an answer has itself is all looked at.
        assert!(acts("~loc ./DevDetail/2999", &answers));
        assert!(acts("~data 2998", &answers));
    }
}

#[test]
fn a_scenario_of_ten_thousand_acts_is_read() {
    // With a walk for each act of each act this would be 10^12 steps and more.
    assert_eq!(load::parse("a.toml", &acts(10_000)).unwrap().len(), 10_000);
    let begun = cpu_time();
    load::parse("a.toml", &acts(1000)).unwrap();
    assert!(cpu_time() - begun < Duration::from_secs(5));
}

#[test]
fn of_many_mistakes_the_first_fifty_are_reported_and_how_many_more_there_are() {
    let wrong = |count: usize| {
        let rules = (0..count)
            .map(|n| format!("[[rule]]\nname = 'r{n}'\nstage = 'x'\nstep = {{ reset = true }}\n"));
        rules.collect::<String>()
    };
    let reported = |file: &str| load::parse("a.toml", file).unwrap_err();
    let exactly = reported(&wrong(50));
    assert_eq!(exactly.errors().len(), 50);
    let many = reported(&wrong(1000));
    assert_eq!(many.errors().len(), 51);
    assert_eq!(many.errors()[49].place().0, 199);
    let last = many.errors().last().unwrap();
    assert_eq!((last.title(), last.place().0), ("and 950 more", 3999));
    assert!(drawn(&wrong(1000)).contains("and 950 more"));
    // As many as there is room for in one request of the control API.
    let tiny = "[[rule]]\n".repeat((1 << 20) / 9);
    assert_eq!(reported(&tiny).errors().len(), 51);
    // Scenarios are looked at when all files are read: they have fifty of their own.
    let lost = acts(1000).replace("requires = 'started'", "requires = 'nowhere'");
    let lost = reported(&lost);
    assert_eq!(lost.errors().len(), 51);
    assert_eq!(lost.errors().last().unwrap().title(), "and 950 more");
    assert!(
        lost.errors()[0]
            .title()
            .contains("is never in the state `act 999`")
    );
}

#[test]
fn a_mistake_among_a_thousand_states_lists_a_few_of_them() {
    let file = acts(1000)
        + "[[rule]]\nname = 'x'\nstage = 'request'\nmatch = { command = 'Status' }\n\
           scenario = { name = 's', requires = 'aCt-77' }\nstep = { set-status = 500 }\n";
    let reported = drawn(&file);
    assert!(reported.contains("did you mean `act 77`?"), "{reported}");
    assert!(reported.contains("`act 11` and 989 more"), "{reported}");
}

#[test]
fn a_command_of_fifty_thousand_items_is_searched_once() {
    let item = |n: u32| {
        let uri = if n.is_multiple_of(2) {
            "./A/B"
        } else {
            "./B/C"
        };
        format!("<Item><Target><LocURI>{uri}</LocURI></Target><Data>old</Data></Item>")
    };
    let items: String = (0..50_000).map(item).collect();
    let body = message(2, &format!("<Add><CmdID>1</CmdID>{items}</Add>"));
    let verdict = within(
        "{ command = 'Add', loc-uri = './A/*' }",
        "{ set-text = 'new' }",
        &body,
        1000,
    );
    let sent = String::from_utf8(verdict.body.unwrap().to_vec()).unwrap();
    assert_eq!(sent.matches("<Data>new</Data>").count(), 25_000);
    let step = "[{ set-attribute = 'a', value = '{{next-cmd-id}}' }, { set-status = 500 }]";
    let statuses: String = (1..=20_000)
        .map(|id| status(id, 1, 7, "Exec", 200))
        .collect();
    let verdict = within(
        "{ command = 'Status' }",
        step,
        &message(2, &statuses),
        1 << 20,
    );
    assert!(
        verdict.body.is_some(),
        "{:?}",
        verdict.applied[0].changes[0]
    );
}

#[test]
fn fifty_thousand_statuses_of_one_atomic_are_changed_in_one_walk() {
    let atomic = format!("<Atomic><CmdID>7</CmdID>{}</Atomic>", on("Add", 8, "./A"));
    let mut talk = Talk::new(1, "d").said(Side::Server, &message(1, &atomic));
    let rules = rule(
        "{ command = 'Status', answers = 'Atomic' }",
        "{ atomic-rollback = 404 }",
    );
    let statuses: String = (1..=50_000)
        .map(|id| status(id, 1, 7, "Atomic", 200))
        .collect();
    let verdict = talk.decide(&book(&rules), Stage::Request, &message(2, &statuses));
    let sent = String::from_utf8(verdict.body.unwrap().to_vec()).unwrap();
    assert_eq!(sent.matches("<Data>507</Data>").count(), 50_000);
}
