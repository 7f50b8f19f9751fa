//! Scenarios, chance, and rules that end.

use dmtap::conversation::InMemoryState;
use dmtap::rules::{ErrorStyle, RuleSet, Stage, load};

use super::support::{Talk, book, message, status};

/// The code each message's Status has after the rules, for messages of these talks in turn.
fn codes(book: &RuleSet, talks: &mut [Talk], turns: &[usize]) -> Vec<u16> {
    let mut tally = InMemoryState::default();
    let mut codes = Vec::new();
    for talk in turns {
        let talk = &mut talks[*talk];
        std::mem::swap(&mut talk.tally, &mut tally);
        let body = message(2, &status(1, 1, 1, "Get", 200));
        let verdict = talk.decide(book, Stage::Request, &body);
        std::mem::swap(&mut talk.tally, &mut tally);
        let document = verdict.document.as_deref().unwrap_or(&body);
        let commands = dmtap::dm::Message::of(document).unwrap().all_commands();
        codes.extend(commands.filter_map(|c| Some(c.as_status()?.code()?.0)));
    }
    codes
}

/// Sessions 1 and 2 are of one device, session 3 is of another.
fn talks() -> [Talk; 3] {
    let mut talks = [Talk::new(1, "d1"), Talk::new(2, "d1"), Talk::new(3, "d2")];
    talks[1].session.key.id = "8".into();
    talks
}

#[test]
fn a_step_may_do_nothing_but_move_the_scenario_on() {
    let rules = "[[rule]]\nname = \"seen\"\nstage = \"request\"\nmatch = { status = 200 }\n\
                 scenario = { name = \"acts\", requires = \"started\", becomes = \"seen\" }\n\
                 step = { advance-scenario = true }\nend = true\n"
        .to_owned()
        + &rule("then", "requires = \"seen\"", 500, "");
    let book = book(&rules);
    assert_eq!(
        codes(&book, &mut talks(), &[0, 0, 2, 0, 2]),
        [200, 500, 200, 500, 500]
    );
    let body = message(2, &status(1, 1, 1, "Get", 200));
    let verdict = talks()[0].decide(&book, Stage::Request, &body);
    assert!(verdict.body.is_none());
    let change = &verdict.applied[0].changes[0];
    assert_eq!(
        (&*change.step, &*change.after),
        ("advance-scenario", "seen")
    );
}

#[test]
fn a_step_that_moves_no_scenario_is_refused() {
    for scenario in ["", "scenario = { name = \"a\", requires = \"started\" }\n"] {
        let rules = format!(
            "[[rule]]\nname = \"a\"\nstage = \"request\"\n{scenario}step = {{ advance-scenario = true }}\n"
        );
        let found = super::support::drawn(&rules);
        assert!(found.contains("has no state to move to"), "{found}");
    }
}

fn rule(name: &str, scenario: &str, code: u16, more: &str) -> String {
    format!(
        "[[rule]]\nname = \"{name}\"\nstage = \"request\"\nmatch = {{ command = \"Status\" }}\n\
         scenario = {{ name = \"acts\", {scenario} }}\nstep = {{ set-status = {code} }}\n{more}\n"
    )
}

#[test]
fn a_scenario_has_a_state_for_each_scope() {
    let check = |per: &str, expected: &[u16]| {
        let acts = [
            rule(
                "one",
                &format!("requires = \"started\", becomes = \"refused\", per = \"{per}\""),
                401,
                "end = true",
            ),
            rule(
                "two",
                &format!("requires = \"refused\", becomes = \"over\", per = \"{per}\""),
                407,
                "end = true",
            ),
        ];
        let got = codes(
            &book(&acts.concat()),
            &mut talks(),
            &[0, 1, 2, 0, 1, 2, 0, 1, 2],
        );
        assert_eq!(got, expected, "{per}");
    };
    check("session", &[401, 401, 401, 407, 407, 407, 200, 200, 200]);
    check("device", &[401, 407, 401, 200, 200, 407, 200, 200, 200]);
    check("run", &[401, 407, 200, 200, 200, 200, 200, 200, 200]);
    check("connection", &[401, 401, 401, 407, 407, 407, 200, 200, 200]);
}

#[test]
fn a_rule_sees_the_state_that_the_one_before_it_brought_about() {
    let acts = [
        rule("one", "becomes = \"second\"", 401, ""),
        rule("two", "requires = \"second\"", 407, ""),
    ];
    assert_eq!(
        codes(&book(&acts.concat()), &mut talks(), &[0, 0]),
        [407, 407]
    );
}

#[test]
fn a_rule_that_could_not_act_leaves_the_state_as_it_was() {
    let idle = "[[rule]]\nname = \"idle\"\nstage = \"request\"\nmatch = { command = \"Status\" }\n\
                scenario = { name = \"acts\", becomes = \"third\" }\nstep = { remove = true, at = \"Chal\" }\n";
    let first = rule(
        "first",
        "requires = \"started\", becomes = \"second\"",
        401,
        "end = true",
    );
    let second = rule("second", "requires = \"second\"", 500, "");
    let book = book(&format!("{idle}{first}{second}"));
    assert_eq!(codes(&book, &mut talks(), &[0, 0, 0]), [401, 500, 500]);
}

#[test]
fn a_limit_counts_only_what_is_found_in_the_act() {
    let acts = [
        rule(
            "two",
            "requires = \"second\", becomes = \"third\"",
            407,
            "limit = { skip = 1 }\nend = true",
        ),
        rule(
            "one",
            "requires = \"started\", becomes = \"second\"",
            401,
            "limit = { skip = 1 }\nend = true",
        ),
    ];
    let got = codes(&book(&acts.concat()), &mut talks(), &[0; 6]);
    assert_eq!(got, [200, 401, 200, 407, 200, 200]);
}

#[test]
fn a_rule_that_ends_leaves_nothing_to_the_others() {
    let plain = |name: &str, more: &str, code: u16| {
        format!(
            "[[rule]]\nname = \"{name}\"\nstage = \"request\"\nmatch = {{ status = \"2xx\" }}\n\
             step = {{ set-status = {code} }}\n{more}\n"
        )
    };
    let ends = [
        plain("a", "limit = { times = 1 }\nend = true", 201),
        plain("b", "", 404),
    ];
    assert_eq!(
        codes(&book(&ends.concat()), &mut talks(), &[0, 0]),
        [201, 404]
    );
    let goes_on = [
        plain("a", "limit = { times = 1 }", 201),
        plain("b", "", 404),
    ];
    assert_eq!(
        codes(&book(&goes_on.concat()), &mut talks(), &[0, 0]),
        [404, 404]
    );
}

fn by_chance(chance: &str) -> RuleSet {
    book(&format!(
        "[[rule]]\nname = \"r\"\nstage = \"request\"\nmatch = {{ command = \"Status\" }}\n\
         limit = {{ {chance} }}\nstep = {{ set-status = 500 }}\n"
    ))
}

#[test]
fn the_same_seed_and_conversation_have_the_same_outcome_however_sessions_mix() {
    let alone: Vec<u16> = codes(&by_chance("chance = 0.3"), &mut talks(), &[0; 200]);
    let failed = alone.iter().filter(|code| **code == 500).count();
    assert!((40..80).contains(&failed), "{failed} of 200");
    for per in ["session", "device", "connection", "run"] {
        let book = by_chance(&format!("chance = 0.3, per = \"{per}\""));
        // Other sessions in between, under other numbers, on other connections.
        let mut others = [
            Talk::new(71, "d1"),
            Talk::new(72, "d1"),
            Talk::new(73, "d2"),
        ];
        others[1].session.key.id = "8".into();
        let turns: Vec<usize> = (0..200).flat_map(|n| [n % 3, 0, 2 - n % 2]).collect();
        let mixed = codes(&book, &mut others, &turns);
        let own = turns.iter().zip(&mixed).filter(|(talk, _)| **talk == 0);
        let own: Vec<u16> = own.map(|(_, code)| *code).take(200).collect();
        assert_eq!(own, alone, "{per}");
    }
}

#[test]
fn seeds_rules_and_sessions_draw_for_themselves() {
    let one = |book: &RuleSet, talk: usize| codes(book, &mut talks(), &[talk; 64]);
    let book_of = |seed| by_chance("chance = 0.5").with_seed(seed);
    assert_eq!(one(&book_of(0), 0), one(&by_chance("chance = 0.5"), 0));
    assert_eq!(one(&book_of(9), 0), one(&book_of(9), 0));
    assert_ne!(one(&book_of(9), 0), one(&book_of(10), 0));
    assert_ne!(one(&book_of(9), 0), one(&book_of(9), 1));
    assert_ne!(one(&book_of(9), 0), one(&book_of(9), 2));
    assert_eq!(one(&by_chance("chance = 1"), 0), [500; 64]);
}

#[test]
fn skip_and_times_frame_what_chance_picks() {
    let picked = |limit: &str| {
        let got = codes(&by_chance(limit), &mut talks(), &[0; 100]);
        let at = got.iter().enumerate().filter(|(_, code)| **code == 500);
        at.map(|(at, _)| at).collect::<Vec<_>>()
    };
    let all = picked("chance = 0.3");
    assert_eq!(picked("chance = 0.3, times = 2"), all[..2]);
    let late: Vec<usize> = all
        .iter()
        .map(|at| at + 10)
        .filter(|at| *at < 100)
        .collect();
    assert_eq!(picked("chance = 0.3, skip = 10"), late);
    assert_eq!(picked("chance = 0.3, skip = 10, times = 3"), late[..3]);
}

#[test]
fn a_scenario_may_be_written_in_several_files() {
    let files = [
        ("one.toml", rule("one", "becomes = \"refused\"", 401, "")),
        ("two.toml", rule("two", "requires = \"refused\"", 407, "")),
    ];
    let texts = |files: &[(&'static str, String)]| {
        let texts: Vec<(&str, String)> = files.to_vec();
        let all = texts.iter().map(|(name, text)| (*name, &**text));
        let rules = load::parse_beside([], all, &load::no_includes);
        rules.map_err(|errors| errors.render(ErrorStyle::Plain))
    };
    assert!(texts(&files).is_ok());
    let alone = texts(&files[1..]).unwrap_err();
    assert!(
        alone.contains("scenario `acts` is never in the state `refused`"),
        "{alone}"
    );
}
