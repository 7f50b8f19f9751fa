//! Mistakes in rule files: the file, its rules and their limits.

use super::support::check;

#[test]
fn a_file_that_is_not_toml_or_holds_something_else_than_rules() {
    check(
        r#"[[rule]
"#,
        r#"
error: this is not TOML: unclosed array table, expected `]`
 --> test.toml:1:8
  |
1 | [[rule]
  |        ^"#,
    );
    check(
        r#"name = "a
"#,
        r#"
error: this is not TOML: invalid basic string, expected `"`
 --> test.toml:1:10
  |
1 | name = "a
  |          ^"#,
    );
    check(
        r#"[[rules]]
name = "a"
"#,
        r#"
error: a rule file has no key `rules`
 --> test.toml:1:3
  |
1 | [[rules]]
  |   ^^^^^ did you mean `rule`?
  |
  = help: its keys are `rule`"#,
    );
    check(
        r#"[rule]
name = "a"
"#,
        r#"
error: `rule` is a list of rules
 --> test.toml:1:2
  |
1 | [rule]
  |  ^^^^ one pair of brackets is missing
  |
  = help: begin each rule with [[rule]]"#,
    );
    check(
        r#"rule = 1
"#,
        r#"
error: `rule` is a list of rules
 --> test.toml:1:1
  |
1 | rule = 1
  | ^^^^ one pair of brackets is missing
  |
  = help: begin each rule with [[rule]]"#,
    );
}

#[test]
fn a_rule_needs_a_name_a_stage_and_a_step() {
    check(
        r#"[[rule]]
"#,
        r#"
error: this rule has no name
 --> test.toml:1:1
  |
1 | [[rule]]
  | ^^^^^^^^
  |
  = help: records tell rules by their names: name = "bitlocker-fails-once"

error: this rule has no stage
 --> test.toml:1:1
  |
1 | [[rule]]
  | ^^^^^^^^
  |
  = help: stage = "request" (device to server), "response" (server to device) or "connection"

error: this rule does nothing
 --> test.toml:1:1
  |
1 | [[rule]]
  | ^^^^^^^^ it has no step
  |
  = help: add one, such as step = { set-status = 500 }
  = help: every step stands in REFERENCE"#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
step = []
"#,
        r#"
error: this rule does nothing
 --> test.toml:4:8
  |
4 | step = []
  |        ^^ it has no step"#,
    );
    check(
        r#"[[rule]]
name = " "
stage = 1
step = { reset = true }
"#,
        r#"
error: the name is empty
 --> test.toml:2:8
  |
2 | name = " "
  |        ^^^

error: `stage` must be a text in quotes
 --> test.toml:3:9
  |
3 | stage = 1
  |         ^ this is a whole number
  |
  = help: write one of `request`, `response`, `connection`"#,
    );
}

#[test]
fn a_slip_in_a_key_is_reported_once_with_the_key_that_was_meant() {
    check(
        r#"[[rule]]
stage = "respons"
matsch = {}
steps = []
nmae = "a"
"#,
        r#"
error: `stage` cannot be `respons`
 --> test.toml:2:9
  |
2 | stage = "respons"
  |         ^^^^^^^^^ did you mean `response`?
  |
  = help: write one of `request`, `response`, `connection`

error: a rule has no key `matsch`
 --> test.toml:3:1
  |
3 | matsch = {}
  | ^^^^^^ did you mean `match`?
  |
  = help: its keys are `name`, `stage`, `match`, `limit`, `scenario`, `step`, `end`

error: a rule has no key `steps`
 --> test.toml:4:1
  |
4 | steps = []
  | ^^^^^ did you mean `step`?
  |
  = help: its keys are `name`, `stage`, `match`, `limit`, `scenario`, `step`, `end`

error: a rule has no key `nmae`
 --> test.toml:5:1
  |
5 | nmae = "a"
  | ^^^^ did you mean `name`?
  |
  = help: its keys are `name`, `stage`, `match`, `limit`, `scenario`, `step`, `end`"#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "handshake"
step = { reset = true }
"#,
        r#"
error: `stage` cannot be `handshake`
 --> test.toml:3:9
  |
3 | stage = "handshake"
  |         ^^^^^^^^^^^ not known here
  |
  = help: write one of `request`, `response`, `connection`"#,
    );
}

#[test]
fn a_title_stays_on_one_line_whatever_it_quotes() {
    check(
        r#"[[rule]]
name = "a"
stage = "response"
step = { set-status = 500 }
"na\nme" = 3
"#,
        r#"
error: a rule has no key `na\nme`
 --> test.toml:5:1
  |
5 | "na\nme" = 3
  | ^^^^^^^^ did you mean `name`?
  |
  = help: its keys are `name`, `stage`, `match`, `limit`, `scenario`, `step`, `end`"#,
    );
}

#[test]
fn two_rules_of_one_name_are_shown_both() {
    check(
        r#"[[rule]]
name = "a"
stage = "request"
step = { reset = true }
[[rule]]
name = "a"
stage = "request"
step = { reset = true }
"#,
        r#"
error: two rules are named `a`
 --> test.toml:6:8
  |
2 | name = "a"
  |        --- the first
...
6 | name = "a"
  |        ^^^ the second
  |
  = help: records tell rules by their names: choose another"#,
    );
}

#[test]
fn a_limit_says_how_often() {
    check(
        r#"[[rule]]
name = "a"
stage = "request"
limit = { tmes = 1 }
step = { reset = true }
"#,
        r#"
error: a limit has no key `tmes`
 --> test.toml:4:11
  |
4 | limit = { tmes = 1 }
  |           ^^^^ did you mean `times`?
  |
  = help: its keys are `times`, `skip`, `every`, `chance`, `per`"#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
limit = { times = 0, per = "sesion" }
step = { reset = true }
"#,
        r#"
error: `times` cannot be 0
 --> test.toml:4:19
  |
4 | limit = { times = 0, per = "sesion" }
  |                   ^ from 1 to 4294967295

error: `per` cannot be `sesion`
 --> test.toml:4:28
  |
4 | limit = { times = 0, per = "sesion" }
  |                            ^^^^^^^^ did you mean `session`?
  |
  = help: write one of `session`, `device`, `connection`, `run`"#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
limit = {}
step = { reset = true }
"#,
        r#"
error: this limit limits nothing
 --> test.toml:4:9
  |
4 | limit = {}
  |         ^^
  |
  = help: times = 1 acts once, skip = 1 lets the first one pass, every = 3 acts on each third one, chance = 0.3 acts on three of ten"#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
limit = 1
step = { reset = true }
"#,
        r#"
error: a limit is a table
 --> test.toml:4:9
  |
4 | limit = 1
  |         ^ this is a whole number
  |
  = help: write limit = { times = 1 }"#,
    );
}
