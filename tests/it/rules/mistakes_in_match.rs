//! Mistakes in rule files: matchers.

use super::support::check;

#[test]
fn a_match_has_keys_and_commands_of_the_standard() {
    check(
        r#"[[rule]]
name = "a"
stage = "request"
match = { command = ["Replace", "status"], loc-url = "x" }
step = { reset = true }
"#,
        r#"
error: `command` cannot be `status`
 --> test.toml:4:33
  |
4 | match = { command = ["Replace", "status"], loc-url = "x" }
  |                                 ^^^^^^^^ did you mean `Status`?
  |
  = help: write one of `Status`, `Replace`, `Get`, `Results`, `Alert`, `Add`, `Delete`, `Exec`, `Atomic`, `Sequence`, `Copy`, `Sync`, `Put`, `Search`, `Map`

error: `match` has no key `loc-url`
 --> test.toml:4:44
  |
4 | match = { command = ["Replace", "status"], loc-url = "x" }
  |                                            ^^^^^^^ did you mean `loc-uri`?
  |
  = help: its keys are `command`, `cmd-id`, `loc-uri`, `format`, `type`, `data`, `status`, `alert`, `alert-type`, `answers`, `has`, `where` and 26 more: `dmtap rules schema`"#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
match = { command = "Status", answers = "SyncHeader" }
step = { reset = true }
"#,
        r#"
error: `answers` cannot be `SyncHeader`
 --> test.toml:4:41
  |
4 | match = { command = "Status", answers = "SyncHeader" }
  |                                         ^^^^^^^^^^^^ not known here
  |
  = help: write one of `Status`, `Replace`, `Get`, `Results`, `Alert`, `Add`, `Delete`, `Exec`, `Atomic`, `Sequence`, `Copy`, `Sync`, `Put`, `Search`, `Map`, `SyncHdr`"#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
match = { message = [], device = 1, session = "x" }
step = { reset = true }
"#,
        r#"
error: the list of `message` is empty
 --> test.toml:4:21
  |
4 | match = { message = [], device = 1, session = "x" }
  |                     ^^
  |
  = help: leave `message` out to match anything

error: `device` must be a text in quotes
 --> test.toml:4:34
  |
4 | match = { message = [], device = 1, session = "x" }
  |                                  ^ this is a whole number"#,
    );
}

#[test]
fn a_loc_uri_that_would_mislead_is_refused() {
    check(
        r#"[[rule]]
name = "a"
stage = "request"
match = { loc-uri = "./Vendor/MSFT?list=Struct" }
step = { reset = true }
"#,
        r#"
error: `./Vendor/MSFT?list=Struct` is not a pattern for LocURIs
 --> test.toml:4:21
  |
4 | match = { loc-uri = "./Vendor/MSFT?list=Struct" }
  |                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^ a LocURI is matched without its query, and `?` stands for nothing else
  |
  = help: leave the query out; `*` stands for any run of characters within a segment"#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
match = { loc-uri = ["./A**", "./A//B", ""] }
step = { reset = true }
"#,
        r#"
error: `./A**` is not a pattern for LocURIs
 --> test.toml:4:22
  |
4 | match = { loc-uri = ["./A**", "./A//B", ""] }
  |                      ^^^^^^^ `**` shares its segment with other characters
  |
  = help: `**` stands alone between slashes: ./Vendor/**/Status; within a segment write `*`

error: `./A//B` is not a pattern for LocURIs
 --> test.toml:4:31
  |
4 | match = { loc-uri = ["./A**", "./A//B", ""] }
  |                               ^^^^^^^^ a segment is empty
  |
  = help: write one slash between two segments

error: `` is not a pattern for LocURIs
 --> test.toml:4:41
  |
4 | match = { loc-uri = ["./A**", "./A//B", ""] }
  |                                         ^^ this matches no LocURI
  |
  = help: write a pattern such as ./Device/Vendor/MSFT/BitLocker/**"#,
    );
}

#[test]
fn a_code_is_one_of_the_table_unless_forced() {
    check(
        r#"[[rule]]
name = "a"
stage = "request"
match = { status = [200, 515, "2x", true] }
step = { reset = true }
"#,
        r#"
error: SyncML has no status code 515
 --> test.toml:4:26
  |
4 | match = { status = [200, 515, "2x", true] }
  |                          ^^^ no code of this number is assigned
  |
  = help: near it are 513 Protocol version not supported, 514 Operation cancelled, 516 Atomic roll back failed
  = help: to mean it all the same: status = { code = 515, force = true }

error: `2x` is not a class of codes
 --> test.toml:4:31
  |
4 | match = { status = [200, 515, "2x", true] }
  |                               ^^^^ not known here
  |
  = help: write a number such as status = 404, or one of `1xx`, `2xx`, `3xx`, `4xx`, `5xx`

error: `status` must be a number such as 500
 --> test.toml:4:37
  |
4 | match = { status = [200, 515, "2x", true] }
  |                                     ^^^^ this is true or false"#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
match = { status = [{ code = 599, force = true }, { code = 599 }, { cod = 599 }] }
step = { reset = true }
"#,
        r#"
error: SyncML has no status code 599
 --> test.toml:4:60
  |
4 | match = { status = [{ code = 599, force = true }, { code = 599 }, { cod = 599 }] }
  |                                                            ^^^ no code of this number is assigned
  |
  = help: near it are 514 Operation cancelled, 516 Atomic roll back failed, 517 Atomic response too large to fit
  = help: to mean it all the same: status = { code = 599, force = true }

error: a code has no key `cod`
 --> test.toml:4:69
  |
4 | match = { status = [{ code = 599, force = true }, { code = 599 }, { cod = 599 }] }
  |                                                                     ^^^ did you mean `code`?
  |
  = help: its keys are `code`, `force`"#,
    );
}

#[test]
fn what_only_an_answer_has_is_not_asked_of_a_command() {
    check(
        r#"[[rule]]
name = "a"
stage = "request"
match = { command = "Replace", status = 200 }
step = { reset = true }
"#,
        r#"
error: only a Status has `status`
 --> test.toml:4:32
  |
4 | match = { command = "Replace", status = 200 }
  |                     ---------  ^^^^^^
  |                     |
  |                     these have none
  |
  = help: match the answer: command = "Status"; `loc-uri` is then what the answered command is about"#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
match = { http-status = 503 }
step = { reset = true }
"#,
        r#"
error: a request has no HTTP status
 --> test.toml:4:11
  |
4 | match = { http-status = 503 }
  |           ^^^^^^^^^^^ known at the stage `response`
  |
  = help: write stage = "response", or leave `http-status` out"#,
    );
}

#[test]
fn soap_keys_need_soap_and_a_fault_needs_a_response() {
    check(
        r#"[[rule]]
name = "a"
stage = "request"
match = { soap-fault = "Authorization" }
step = { reset = true }
"#,
        r#"
error: a request has no SOAP fault
 --> test.toml:4:11
  |
4 | match = { soap-fault = "Authorization" }
  |           ^^^^^^^^^^ known at the stage `response`
  |
  = help: write stage = "response", or leave `soap-fault` out"#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
match = { soap-action = "Discover", dialect = "syncml" }
step = { reset = true }
"#,
        r#"
error: only SOAP has `soap-action`
 --> test.toml:4:11
  |
4 | match = { soap-action = "Discover", dialect = "syncml" }
  |           ^^^^^^^^^^^                         -------- this is another language
  |
  = help: write dialect = "soap", or leave it out"#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
match = { soap-action = "Discover", encoding = "wbxml" }
step = { reset = true }
"#,
        r#"
error: SOAP is never WBXML
 --> test.toml:4:48
  |
4 | match = { soap-action = "Discover", encoding = "wbxml" }
  |           -----------                          ^^^^^^^
  |           |
  |           WBXML has no tokens for this
  |
  = help: leave `encoding` out"#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
match = { soap-action = "Discover", command = "Get" }
step = { reset = true }
"#,
        r#"
error: only SyncML has commands, and `command`
 --> test.toml:4:37
  |
4 | match = { soap-action = "Discover", command = "Get" }
  |           -----------               ^^^^^^^
  |           |
  |           these have none
  |
  = help: `has` and `where` look into documents of every kind, from the root"#,
    );
}
