//! Mistakes in rule files: chance, scenarios, and rules that no message reaches.

use super::support::{check, drawn};

#[test]
fn a_chance_is_a_part_of_one() {
    for wrong in ["0", "0.0", "-0.5", "1.5", "30", "nan"] {
        let file = format!(
            "[[rule]]\nname = \"a\"\nstage = \"request\"\nlimit = {{ chance = {wrong} }}\nstep = {{ reset = true }}\n"
        );
        assert!(
            drawn(&file).contains("above 0, at most 1"),
            "{wrong}: {}",
            drawn(&file)
        );
    }
    let file = "[[rule]]\nname = \"a\"\nstage = \"request\"\nlimit = { chance = \"0.3\" }\nstep = { reset = true }\n";
    assert!(drawn(file).contains("`chance` must be a number such as 0.3"));
}

#[test]
fn a_scenario_has_a_name_and_states_that_come_about() {
    check(
        r#"[[rule]]
name = "a"
stage = "request"
scenario = { name = "s", becomes = "refused" }
step = { delay = "1s" }

[[rule]]
name = "b"
stage = "request"
scenario = { name = "s", requires = "refsed", becomes = "over" }
step = { delay = "1s" }

[[rule]]
name = "c"
stage = "request"
scenario = { name = "s", requires = "over", per = "device" }
step = { delay = "1s" }
"#,
        r#"
error: scenario `s` is never in the state `refsed`
  --> test.toml:10:37
   |
10 | scenario = { name = "s", requires = "refsed", becomes = "over" }
   |                                     ^^^^^^^^ did you mean `refused`?
   |
   = help: its states are `started`, `refused`
   = help: a rule brings it about with scenario = { name = "s", becomes = "refsed" }

error: scenario `s` is never in the state `over`
  --> test.toml:16:37
   |
16 | scenario = { name = "s", requires = "over", per = "device" }
   |                                     ^^^^^^ no rule that can act brings it about
   |
   = help: its states are `started`, `refused`
   = help: a rule brings it about with scenario = { name = "s", becomes = "over" }

error: scenario `s` has a state per device here, and per session elsewhere
  --> test.toml:16:51
   |
16 | scenario = { name = "s", requires = "over", per = "device" }
   |                                                   ^^^^^^^^ these are states of their own
   |
   = help: write the same `per` in every rule of the scenario; the other one is in test.toml, line 4"#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
scenario = { nme = "s" }
step = { delay = "1s" }

[[rule]]
name = "b"
stage = "request"
scenario = { name = "s", requires = "started", becomes = "started" }
step = { delay = "1s" }

[[rule]]
name = "c"
stage = "request"
scenario = { name = "s" }
step = { delay = "1s" }
"#,
        r#"
error: a scenario has no key `nme`
 --> test.toml:4:14
  |
4 | scenario = { nme = "s" }
  |              ^^^ did you mean `name`?
  |
  = help: its keys are `name`, `requires`, `becomes`, `per`

error: the scenario becomes what it is
  --> test.toml:10:58
   |
10 | scenario = { name = "s", requires = "started", becomes = "started" }
   |                                                          ^^^^^^^^^ `requires` names the same state
   |
   = help: leave `becomes` out to stay in this act

error: this scenario asks nothing and changes nothing
  --> test.toml:16:12
   |
16 | scenario = { name = "s" }
   |            ^^^^^^^^^^^^^^
   |
   = help: requires = "started" looks in the first act only, becomes = "refused" begins another"#,
    );
}

#[test]
fn a_rule_behind_one_that_ends_everything_is_refused() {
    check(
        r#"[[rule]]
name = "all"
stage = "request"
step = { answer = 503 }

[[rule]]
name = "late"
stage = "request"
match = { status = 200 }
step = { set-status = 500 }
"#,
        r#"
error: rule `late` can never act
 --> test.toml:7:8
  |
2 | name = "all"
  |        ----- this acts on every one and ends there
...
7 | name = "late"
  |        ^^^^^^ no request comes this far
  |
  = help: give `all` a `match` or a `limit`, or put this rule in front of it"#,
    );
    let follows = |first: &str, second: &str| {
        drawn(&format!(
            "[[rule]]\nname = \"a\"\nstage = \"request\"\n{first}\n[[rule]]\nname = \"b\"\n{second}\n"
        ))
        .contains("can never act")
    };
    let late = "stage = \"request\"\nstep = { delay = \"1s\" }";
    let edits = "stage = \"request\"\nmatch = { status = 200 }\nstep = { set-status = 500 }";
    assert!(follows("step = { reset = true }", late));
    assert!(follows("step = { delay = \"1s\" }\nend = true", late));
    assert!(follows(
        "scenario = { name = \"s\", becomes = \"x\" }\nstep = { reset = true }",
        late
    ));
    assert!(!follows("step = { delay = \"1s\" }", late));
    assert!(!follows(
        "limit = { times = 1 }\nstep = { reset = true }",
        late
    ));
    assert!(!follows(
        "match = { host = \"a\" }\nstep = { reset = true }",
        late
    ));
    assert!(!follows(
        "scenario = { name = \"s\", requires = \"started\" }\nstep = { reset = true }",
        late
    ));
    assert!(!follows(
        "step = { reset = true }",
        "stage = \"response\"\nstep = { delay = \"1s\" }"
    ));
    // What is no document is no edit's business, and comes this far.
    let final_goes = "step = { remove = true, at = \"SyncBody/Final\" }\nend = true";
    assert!(!follows(final_goes, late));
    assert!(follows(final_goes, edits));
}
