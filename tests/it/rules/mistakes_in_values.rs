//! Values of the wrong form in any place: each is refused, with the values that its key takes.

use super::support::{check_rule as check, drawn};

fn check_step(step: &str, words: &[&str]) {
    let matcher = "match = { command = \"Status\" }";
    check(
        "response",
        &format!("{matcher}\nstep = {{ {step} }}"),
        words,
    );
}

fn check_match(key: &str, words: &[&str]) {
    let step = "step = { delay = \"1s\" }";
    check("response", &format!("match = {{ {key} }}\n{step}"), words);
}

#[test]
fn a_table_is_none_of_a_few_words() {
    let table = "must be a text in quotes";
    check_match(
        "encoding = { xml = true }",
        &[table, "this is a table", "write one of `xml`, `wbxml`"],
    );
    check_match("encoding = { is = \"wbxml\" }", &[table]);
    check_match("dialect = { soap = true }", &[table, "`soap`"]);
    check_match("command = { Get = true }", &[table, "`Get`"]);
    check_match("command = 3", &[table, "this is a whole number"]);
    check_match("client-cert = { verdict = { untrusted = true } }", &[table]);
    check_step(
        "challenge = 401, scheme = { md5 = true }",
        &[table, "`basic`"],
    );
    check_step(
        "set-body = { text = \"a\", as = { message = true } }",
        &[table],
    );
    for step in [
        "break-msgid = { skip = true }",
        "break-msgid = { zero = true, repeat = true }",
    ] {
        check_step(step, &[table, "`repeat`"]);
    }
    check_step(
        "wrong-version = { ver-proto = true }",
        &[table, "`ver-dtd`"],
    );
    check_step("wrong-version = { ver-proto = \"DM/9.9\" }", &[table]);
    let delay = "step = { delay = \"1s\" }";
    for part in [
        "limit = { times = 1, per = { session = true } }",
        "scenario = { name = \"a\", becomes = \"b\", per = { session = true } }",
    ] {
        check("request", &format!("{part}\n{delay}"), &[table, "`device`"]);
    }
    let tunnel = "step = { tunnel = true }";
    check(
        "connection",
        &format!("limit = {{ times = 1, per = {{ run = true }} }}\n{tunnel}"),
        &[table, "`peer`"],
    );
    check(
        "request",
        "step = { duplicate-message = true, keep = { first = true } }",
        &[table, "`second`"],
    );
}

#[test]
fn a_length_is_not_below_zero() {
    check_step(
        "content-length = -10",
        &["cannot be -10", "from 0 to 1099511627776"],
    );
    for value in ["1.5", "[]", "{}", "true"] {
        let step = format!("content-length = {value}");
        check_step(&step, &["must be a whole number", "\"+10\" or \"-10\""]);
    }
}

#[test]
fn a_list_or_a_table_is_refused_as_another_wrong_value_is() {
    for wrong in ["[404, 500]", "[]", "[\"404\"]", "99999999999999999999"] {
        let is_number = !wrong.starts_with('[');
        let why = match is_number {
            true => ["cannot be 99999999999999999999", "too large"],
            false => ["must be a number such as 500", "this is a list"],
        };
        for verb in ["set-status", "set-http-status", "answer"] {
            check_step(&format!("{verb} = {wrong}"), &why);
        }
    }
    for wrong in ["[]", "[1]", "{}", "{ seconds = 5 }"] {
        for verb in ["delay", "latency", "slow-close", "timeout"] {
            check_step(
                &format!("{verb} = {wrong}"),
                &["must be a time", "\"250ms\""],
            );
        }
        check_step(
            &format!("bandwidth = {wrong}"),
            &["must be a rate", "\"10 KB/s\""],
        );
        check_step(
            &format!("truncate = {wrong}"),
            &["how much of the body stays"],
        );
        check_step(
            &format!("challenge = {wrong}"),
            &["must be one of 401, 407"],
        );
        check_step(
            &format!("busy = {wrong}"),
            &["must be one of 417, 429, 503"],
        );
        check_step(
            &format!("duplicate = true, new-ids = {wrong}"),
            &["new-ids = true", "leave `new-ids` out"],
        );
        check(
            "request",
            &format!("end = {wrong}\nstep = {{ delay = \"1s\" }}"),
            &[
                "end = true",
                "leave it out: dmtap then evaluates later rules, too",
            ],
        );
    }
    check_match(
        "body-size = { from = 1 }",
        &["must be a whole number", "this is a table"],
    );
    check_match(
        "cmd-id = { a = 1 }",
        &["must be a text in quotes", "this is a table"],
    );
    check_match(
        "cmd-id = 2020-01-01",
        &["must be a text in quotes", "a date or time"],
    );
    check_match(
        "status = []",
        &["is empty", "leave `status` out to match anything"],
    );
}

#[test]
fn what_is_no_table_is_shown_as_one_under_its_own_key() {
    check_match(
        "not = \"Get\"",
        &["`not` is a table", "write not = { command = \"Get\" }"],
    );
    check_match(
        "any = [\"Get\"]",
        &["`any` is a table", "write any = { command = \"Get\" }"],
    );
    check_match("not = []", &["`not` is one table", "not = { any = [ … ] }"]);
    check(
        "response",
        "match = [[\"Get\"]]\nstep = { delay = \"1s\" }",
        &["`match` is one table", "match = { any = [ … ] }"],
    );
    check_match(
        "request-header = { value = \"MSFT*\" }",
        &[
            "has no `name`",
            "write request-header = { name = \"User-Agent\"",
        ],
    );
    check_match(
        "header = \"Content-Type\"",
        &["a header is a table", "write header = { name"],
    );
    check(
        "request",
        "limit = 1\nstep = { delay = \"1s\" }",
        &["a limit is a table", "write limit = { times = 1 }"],
    );
    check_step(
        "flip = 3",
        &["`flip` is a table", "write flip = { at = 120 }"],
    );
    check_step("reset-peer = 1200", &["reset-peer = { after = 1200 }"]);
    check(
        "request",
        "scenario = { becomes = \"b\" }\nstep = { delay = \"1s\" }",
        &["has no `name`", "rules of one name share its state"],
    );
}

#[test]
fn of_two_keys_that_exclude_each_other_both_are_shown() {
    for step in [
        "copy = \"Item\", after = \".\", before = \".\"",
        "insert = \"<A/>\", before = \".\", after = \".\"",
        "set-body = { text = \"a\", base64 = \"AA==\" }",
        "set-body = { file = \"a\", text = \"b\" }",
    ] {
        let file = format!(
            "[[rule]]\nname = \"a\"\nstage = \"response\"\nmatch = {{ command = \"Status\" }}\nstep = {{ {step} }}\n"
        );
        let drawn = drawn(&file);
        let first = drawn
            .lines()
            .find(|line| line.contains("-----") || line.contains("----"));
        let (first, second) = (
            first.and_then(|line| line.find("---")),
            drawn.lines().find_map(|line| line.find("^^^^")),
        );
        assert!(drawn.contains("the first") && first < second, "{drawn}");
    }
}

#[test]
fn a_key_that_a_step_needs_is_shown_with_an_example_of_its_own() {
    check_step(
        "set-header = \"X\"",
        &["set-header = \"Retry-After\", value = \"120\""],
    );
    check_step(
        "add-header = \"X\"",
        &["add-header = \"Set-Cookie\", value = \"a=b\""],
    );
    check_step(
        "set-attribute = \"a\", at = \"Data\"",
        &[
            "set-attribute = \"msft:originalerror\", value = \"0x80070002\"",
            "To remove one, use `remove-attribute` or `remove-header`",
        ],
    );
    check_step(
        "replace-text = \"a\"",
        &["with = \"Fabrikam\"", "an empty text removes"],
    );
}

#[test]
fn nothing_has_the_number_0() {
    check_match(
        "package = 0",
        &[
            "no message of this stage is of that package",
            "the notification that wakes the device",
        ],
    );
    check_match("message = 0", &["the first message has the number 1"]);
}

#[test]
fn a_number_in_another_base_is_no_text() {
    let text = ["must be a text in quotes", "this is a whole number"];
    check_match("cmd-id = 0x5", &text);
    check_match("command = \"Get\", data = 0x80070002", &text);
    check_match("command = \"Get\", data = { contains = 0o17 }", &text);
    for right in ["cmd-id = 5", "status = 0x1F4", "message = 0x2"] {
        let file = "[[rule]]\nname = \"a\"\nstage = \"request\"\nstep = { delay = \"1s\" }\n";
        assert_eq!(drawn(&format!("{file}match = {{ {right} }}\n")), "");
    }
}
