//! Bugs that were found by reading the code.

use dmtap::rules::Stage;

use super::support::{Talk, book, drawn, message, on};

#[test]
fn a_connection_rule_with_a_match_hides_no_rule_behind_it() {
    let file = "\
        [[rule]]\nname = 'a'\nstage = 'connection'\nmatch = { peer = '127.0.0.1' }\n\
        step = { refuse-connection = true }\n\
        [[rule]]\nname = 'b'\nstage = 'connection'\nmatch = { sni = 'other.example' }\n\
        step = { tunnel = true }\n";
    assert_eq!(drawn(file), "");
    let every = file.replace("match = { peer = '127.0.0.1' }\n", "");
    assert!(drawn(&every).contains("can never act"), "{}", drawn(&every));
}

#[test]
fn a_rule_that_could_do_nothing_ends_nothing() {
    let check = |at: &str, expected: usize| {
        let file = format!(
            "[[rule]]\nname = 'a'\nstage = 'response'\nend = true\nmatch = {{ command = 'Add' }}\n\
             step = {{ set-text = 'x', at = '{at}' }}\n\
             [[rule]]\nname = 'b'\nstage = 'response'\nmatch = {{ command = 'Add' }}\n\
             step = {{ set-text = 'y' }}\n"
        );
        let body = message(1, &on("Add", 1, "./A"));
        let verdict = Talk::new(1, "d").decide(&book(&file), Stage::Response, &body);
        assert_eq!(
            verdict.applied.len(),
            expected,
            "{at}: {:?}",
            verdict.applied
        );
    };
    check("Item/Data", 1);
    check("Item/Nowhere", 2);
}

#[test]
fn no_number_is_behind_the_largest_msgid() {
    let file = "[[rule]]\nname = 'a'\nstage = 'response'\nstep = { break-msgid = 'skip' }\n";
    let body = message(u32::MAX, &on("Add", 1, "./A"));
    let verdict = Talk::new(1, "d").decide(&book(file), Stage::Response, &body);
    assert!(verdict.body.is_none() && verdict.session_effects.is_empty());
    let change = &verdict.applied[0].changes[0];
    assert!(change.after.contains("no MsgID behind"), "{change:?}");
}
