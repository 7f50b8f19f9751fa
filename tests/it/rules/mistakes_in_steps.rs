//! Mistakes in rule files: steps.

use super::support::check;

#[test]
fn a_step_has_one_verb() {
    check(
        r#"[[rule]]
name = "a"
stage = "request"
step = { set-sttus = 500 }
"#,
        r#"
error: there is no step `set-sttus`
 --> test.toml:4:10
  |
4 | step = { set-sttus = 500 }
  |          ^^^^^^^^^ did you mean `set-status`?
  |
  = help: the nearest are `set-status`, `set-text`, `set-http-status`, `hide-status`, `set-attribute`
  = help: every step stands in REFERENCE"#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
step = { throttle = 500 }
"#,
        r#"
error: there is no step `throttle`
 --> test.toml:4:10
  |
4 | step = { throttle = 500 }
  |          ^^^^^^^^ not known here
  |
  = help: every step stands in REFERENCE"#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
step = { at = "Item" }
"#,
        r#"
error: this step has no verb
 --> test.toml:4:8
  |
4 | step = { at = "Item" }
  |        ^^^^^^^^^^^^^^^ `at` belongs to `set-text`, `set-attribute`, `remove-attribute`, `replace`, `remove` and others
  |
  = help: every step stands in REFERENCE"#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
step = { jitter = "3s" }
"#,
        r#"
error: this step has no verb
 --> test.toml:4:8
  |
4 | step = { jitter = "3s" }
  |        ^^^^^^^^^^^^^^^^^ `jitter` belongs to `latency`
  |
  = help: every step stands in REFERENCE"#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
step = { set-text = "a", remove = true }
"#,
        r#"
error: `remove` stands in the step of `set-text`
 --> test.toml:4:26
  |
4 | step = { set-text = "a", remove = true }
  |          --------        ^^^^^^ a second verb
  |          |
  |          the first
  |
  = help: write a list, which runs in order: step = [{ set-text = … }, { remove = … }]"#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
step = { reset = true, at = "Item" }
"#,
        r#"
error: a step has no key `at`
 --> test.toml:4:24
  |
4 | step = { reset = true, at = "Item" }
  |                        ^^ not known here
  |
  = help: its keys are `reset`"#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
step = [503]
"#,
        r#"
error: a step is a table
 --> test.toml:4:9
  |
4 | step = [503]
  |         ^^^ this is a whole number
  |
  = help: write step = { set-status = 500 }"#,
    );
}

#[test]
fn a_step_fits_what_the_rule_selects() {
    check(
        r#"[[rule]]
name = "a"
stage = "request"
match = { command = "Replace" }
step = { set-status = 500 }
"#,
        r#"
error: `set-status` changes the code of a Status
 --> test.toml:5:10
  |
4 | match = { command = "Replace" }
  |                     --------- this selects other commands
5 | step = { set-status = 500 }
  |          ^^^^^^^^^^
  |
  = help: write command = "Status" into `match`
  = help: `loc-uri` is then what the answered command is about"#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
step = { set-status = 500 }
"#,
        r#"
error: `set-status` changes the code of a Status
 --> test.toml:4:10
  |
4 | step = { set-status = 500 }
  |          ^^^^^^^^^^ this rule does not say that it selects a Status
  |
  = help: write command = "Status" into `match`"#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
step = { remove = true }
"#,
        r#"
error: `remove` would remove the whole message
 --> test.toml:4:10
  |
4 | step = { remove = true }
  |          ^^^^^^
  |
  = help: say in `match` which commands: command = "Replace"
  = help: or say which part: at = "SyncBody/Final""#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
step = { set-text = "a" }
"#,
        r#"
error: `set-text` does not say where
 --> test.toml:4:10
  |
4 | step = { set-text = "a" }
  |          ^^^^^^^^ this rule selects whole messages
  |
  = help: say in `match` which commands: command = "Results"
  = help: or say which part: at = "SyncHdr/SessionID""#,
    );
}

#[test]
fn a_step_after_the_end_of_a_message_is_never_reached() {
    check(
        r#"[[rule]]
name = "a"
stage = "request"
step = [{ reset = true }, { delay = "1s" }]
"#,
        r#"
error: `delay` comes after `reset`
 --> test.toml:4:29
  |
4 | step = [{ reset = true }, { delay = "1s" }]
  |           -----             ^^^^^
  |           |
  |           nothing of the message is left after this
  |
  = help: write `delay` in front of `reset`: how a message leaves is said before that"#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
match = { status = 200 }
step = [{ set-status = 404 }, { answer = 503 }]
"#,
        r#"
error: `set-status` edits a message that `answer` throws away
 --> test.toml:5:11
  |
5 | step = [{ set-status = 404 }, { answer = 503 }]
  |           ^^^^^^^^^^            ------ nothing of the message is left after this
  |
  = help: put the two into rules of their own, with different matchers or limits"#,
    );
}

#[test]
fn a_value_fits_its_verb() {
    check(
        r#"[[rule]]
name = "a"
stage = "request"
step = { remove = true, at = "//x" }
"#,
        r#"
error: `//x` is not a place
 --> test.toml:4:30
  |
4 | step = { remove = true, at = "//x" }
  |                              ^^^^^
  |
  = help: write names of elements with slashes between them, such as Item/Data, Item[2]/Data or parm[@name='ADDR']; /SyncML/SyncHdr from the root; Item/Data!/MgmtTree inside an embedded document; . for the selected element; for a matcher Data/@name is an attribute"#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
step = { reset = false }
"#,
        r#"
error: `reset` is written reset = true
 --> test.toml:4:18
  |
4 | step = { reset = false }
  |                  ^^^^^
  |
  = help: leave the step out if it is not to run"#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
step = { answer = { code = 7, force = true } }
"#,
        r#"
error: `code` cannot be 7
 --> test.toml:4:28
  |
4 | step = { answer = { code = 7, force = true } }
  |                            ^ from 200 to 999"#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
step = { answer = 599 }
"#,
        r#"
error: HTTP has no status code 599
 --> test.toml:4:19
  |
4 | step = { answer = 599 }
  |                   ^^^ no code of this number is assigned
  |
  = help: near it are 508 Loop Detected, 510 Not Extended, 511 Network Authentication Required
  = help: to mean it all the same: answer = { code = 599, force = true }"#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
match = { status = 200 }
step = { set-status = "500" }
"#,
        r#"
error: `set-status` must be a number such as 500
 --> test.toml:5:23
  |
5 | step = { set-status = "500" }
  |                       ^^^^^ this is a text"#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
match = { status = 200 }
step = { set-status = 515 }
"#,
        r#"
error: SyncML has no status code 515
 --> test.toml:5:23
  |
5 | step = { set-status = 515 }
  |                       ^^^ no code of this number is assigned
  |
  = help: near it are 513 Protocol version not supported, 514 Operation cancelled, 516 Atomic roll back failed
  = help: to mean it all the same: set-status = { code = 515, force = true }"#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
step = { delay = 5 }
"#,
        r#"
error: `delay` must be a time
 --> test.toml:4:18
  |
4 | step = { delay = 5 }
  |                  ^
  |
  = help: write "250ms", "1.5s" or "2m"; an hour at most, which is "60m""#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
step = { delay = "2h" }
"#,
        r#"
error: `delay` must be a time
 --> test.toml:4:18
  |
4 | step = { delay = "2h" }
  |                  ^^^^
  |
  = help: write "250ms", "1.5s" or "2m"; an hour at most, which is "60m""#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
step = { delay = "61m" }
"#,
        r#"
error: `delay` is longer than an hour
 --> test.toml:4:18
  |
4 | step = { delay = "61m" }
  |                  ^^^^^
  |
  = help: write delay = "60m" at most"#,
    );
}
