//! Mistakes of a newcomer: the report leads to a correct file, and has no further errors.

use dmtap::rules::load::inline_rule;
use dmtap::rules::{ErrorStyle, Rule, RuleErrors, load};

use super::support::{check_file, check_rule as check, drawn};

/// The same of an argument of the command line.
fn check_line(rules: Result<Vec<Rule>, RuleErrors>, words: &[&str]) {
    let drawn = match rules {
        Ok(_) => String::new(),
        Err(errors) => errors.render(ErrorStyle::Plain),
    };
    let errors = drawn.matches("error:").count();
    assert_eq!(errors, usize::from(!words.is_empty()), "{drawn}");
    for word in words {
        assert!(drawn.contains(word), "{drawn}");
    }
}

#[test]
fn what_is_to_stand_beside_an_answer_is_shown_in_its_place() {
    check(
        "request",
        "step = [{ answer = 503 }, { bandwidth = \"1 KB/s\" }]",
        &[
            "`bandwidth` comes after `answer`",
            "write `bandwidth` in front of `answer`",
        ],
    );
    check(
        "request",
        "step = [{ answer = 503 }, { set-header = \"Retry-After\", value = \"9\" }]",
        &["answer = 503, headers = { retry-after = \"9\" }"],
    );
    check(
        "response",
        "step = [{ add-header = \"X\", value = \"y\" }, { answer = 503 }]",
        &["headers = { x = \"y\" }"],
    );
}

#[test]
fn a_remedy_is_written_as_the_file_is() {
    check(
        "request",
        "step = { delay = \"1s\", reset = true }",
        &["step = [{ delay = … }, { reset = … }]"],
    );
    check(
        "request",
        "[[rule.step]]\ndelay = \"1s\"\nreset = true",
        &["write another [[rule.step]]"],
    );
    check(
        "request",
        "match = { command = \"Status\" }\nstep = { slow-close = \"1s\" }",
        &["stage = \"response\""],
    );
    check(
        "connection",
        "step = { delay = \"1s\" }",
        &["stage = \"request\" or \"response\""],
    );
    for reset in ["reset = true", "reset-peer = true"] {
        check(
            "connection",
            &format!("step = {{ {reset} }}"),
            &["refuse-connection = true"],
        );
    }
}

#[test]
fn a_slip_has_no_second_error_behind_it() {
    for matcher in [
        "match = { command = \"status\", loc-uri = \"/Device/X\" }",
        "match = { command = \"Stats\", status = 200, data = \"x\" }",
        "match = { command = \"Status\", comand = \"Get\" }",
        "macth = { command = \"Status\" }",
    ] {
        check(
            "request",
            &format!("{matcher}\nstep = {{ set-status = 500 }}"),
            &["did you mean"],
        );
    }
    check(
        "response",
        "macth = { command = \"Get\" }\nstep = { refuse = 500 }",
        &["`match`"],
    );
}

#[test]
fn a_nonce_is_a_word_or_base64() {
    for nonce in ["fresh", "used", "bm9uY2U="] {
        check(
            "response",
            &format!("step = {{ challenge = 401, nonce = \"{nonce}\" }}"),
            &[],
        );
    }
    for nonce in ["!!", "", "bm9uY2U"] {
        check(
            "response",
            &format!("step = {{ challenge = 401, nonce = \"{nonce}\" }}"),
            &["`nonce` cannot be", "`fresh`, `used`", "base64"],
        );
    }
}

#[test]
fn names_in_braces_in_an_answer_are_refused() {
    for beside in [
        "body = \"to {{device}}\"",
        "headers = { X = \"{{path}}\" }",
        "headers = { X = [\"a\", \"{{x}}\"] }",
    ] {
        check(
            "request",
            &format!("step = {{ answer = 503, {beside} }}"),
            &["no names in braces", "set-body"],
        );
    }
    check(
        "request",
        "step = { answer = 503, body = '{\"a\":{\"b\":1}}' }",
        &[],
    );
}

#[test]
fn what_can_never_act_is_refused() {
    check(
        "response",
        "match = { command = \"Get\" }\nstep = { wrong-size = 1 }",
        &["a Get has no Data"],
    );
    check(
        "response",
        "match = { command = \"Get\" }\nstep = { set-text = \"x\" }",
        &["a Get has no Data"],
    );
    check(
        "response",
        "step = { remove = true, at = \"/SyncBody/Final\" }",
        &["/SyncML/SyncBody/Final"],
    );
    check(
        "request",
        "match = { command = \"Results\" }\nstep = { set-text = \"x\", at = \"Data\" }",
        &["Item/Data"],
    );
    for keys in [
        "match = { command = [\"Get\", \"Replace\"] }\nstep = { set-text = \"x\" }",
        "match = { command = \"Status\" }\nstep = { set-text = \"x\", at = \"Data\" }",
        "match = { command = \"Alert\" }\nstep = { set-text = \"x\", at = \"Data\" }",
        "step = { remove = true, at = \"/Envelope/Body\" }",
        "step = { remove = true, at = \"/SyncML/SyncBody/Final\" }",
    ] {
        check("request", keys, &[]);
    }
}

#[test]
fn an_error_in_a_rule_of_the_command_line_names_what_can_be_typed_there() {
    check_line(
        inline_rule::fail("./Device/X=999"),
        &["--rules", "force = true"],
    );
    let wrong = inline_rule::fail("./Device/X=0x86000011");
    check_line(wrong, &["'./Device/X=500:0x86000011'"]);
    check_line(
        inline_rule::fail("./Device/X=500:1"),
        &["not a result of Windows", "500:0x86000011"],
    );
    let headers = |argument| inline_rule::modify_headers(argument);
    check_line(headers("/~s ~c 999/X/y"), &["--rules", "force = true"]);
    check_line(headers("/~q ~c 200/X-A/y"), &["a request has no status"]);
    check_line(headers("/~c 200 ~q/X-A/y"), &["a request has no status"]);
    check_line(
        inline_rule::modify_body("/(/x"),
        &["`(` is not a regular expression"],
    );
    check_line(
        inline_rule::modify_body("/~q/a"),
        &["found the filter `~q`"],
    );
    check_line(
        inline_rule::modify_body("/~s ~c 200/a"),
        &["found the filter `~s ~c 200`"],
    );
    check_line(headers("/~s/a"), &["found the filter `~s`"]);
    check_line(inline_rule::modify_body("/~quoted/a"), &[]);
}

#[test]
fn a_loc_uri_with_a_slash_at_its_end_is_one_without() {
    let rules = |pattern: &str| {
        let glob = dmtap::rules::glob::UriGlob::new(pattern).unwrap();
        glob.matches("vendor/msft")
    };
    assert!(rules("./Vendor/MSFT/"));
    assert!(rules("./Vendor/MSFT/**/"));
    assert!(rules("./Device/Vendor/MSFT/"));
}

#[test]
fn mistakes_of_toml_have_a_remedy() {
    check(
        "request",
        "match = { data = { regex = \"(\\d+\" } }\nstep = { reset = true }",
        &["this is not TOML", "single quotes: '(\\d+'"],
    );
    check_file(
        "[[rule]]\nname = \"a\"\nstage = \"request\"\nstep = { reset = true }\nname = \"b\"\nstage = \"response\"\n",
        &[
            "`name` is given twice",
            "the first",
            "each rule begins with [[rule]]",
        ],
    );
}

#[test]
fn errors_are_reported_in_the_order_of_lines_each_at_its_place() {
    let file = r#"
[[rule]]
name = "a"
stage = "request"
scenario = { name = "s", becomes = "two" }
limit = { times = 1 }
step = { delay = "1s" }
[[rule]]
name = "b"
stage = "request"
scenario = { name = "s", requires = "two", per = "device" }
step = { reset = true }
[[rule]]
name = "c"
stage = "requst"
step = { reset = true }
"#;
    let errors = load::parse("t", file).unwrap_err();
    let places: Vec<_> = errors.errors().iter().map(|error| error.place()).collect();
    assert_eq!(places, [(11, 50), (15, 9)], "{errors}");
}

#[test]
fn what_is_given_twice_is_to_be_given_once() {
    let file = "[[rule]]\nname = \"a\"\nstage = \"request\"\nstep = { reset = true }\n";
    let parse = |files: [(&str, &str); 2]| load::parse_beside([], files, &load::no_includes);
    let check = |second: &str, word: &str| {
        let errors = parse([("a.toml", file), (second, file)]).unwrap_err();
        let reported = errors.render(ErrorStyle::Plain);
        assert_eq!(errors.errors().len(), 1, "{reported}");
        assert!(
            reported.contains("these rules are given twice"),
            "{reported}"
        );
        assert!(reported.contains(word), "{reported}");
    };
    check("a.toml", "give it once");
    check("b.toml", "the other is a.toml");
    let wrong = file.replace("request", "requst");
    let errors = parse([("a.toml", &*wrong), ("a.toml", &wrong)]).unwrap_err();
    assert_eq!(errors.errors().len(), 2, "{errors}");
    assert!(parse([("a.toml", "# none\n"), ("b.toml", "# none\n")]).is_ok());
}

#[test]
fn another_word_is_led_to_the_right_one() {
    check(
        "request",
        "step = { fail = 500 }",
        &["`set-status`", "`refuse`"],
    );
    check(
        "request",
        "match = { uri = \"./A\" }\nstep = { reset = true }",
        &["did you mean `loc-uri`?"],
    );
    check(
        "request",
        "step = { delay = \"61m\" }",
        &["longer than an hour", "\"60m\""],
    );
    check(
        "request",
        "step = { delay = \"2 h\" }",
        &["`delay` must be a time", "an hour at most", "\"60m\""],
    );
    let file = "[[rule]]\nname = \"a\"\nstage = \"response\"\nstep = { challenge = 403, scheme = \"digest\", nonce = \"!!\" }\n";
    let reported = drawn(file);
    for word in ["`challenge` must be", "`scheme` cannot be", "`nonce`"] {
        assert!(reported.contains(word), "{reported}");
    }
}

#[test]
fn a_step_that_is_no_table_is_shown_as_one() {
    let matcher = "match = { command = \"Status\" }";
    for (step, shown) in [
        ("\"set-status\"", "write step = { set-status = "),
        ("\"set-status = 500\"", "write step = { set-status = "),
        ("\"delay\"", "write step = { delay = \"2s\" }"),
        ("[\"reset\"]", "write step = { reset = true }"),
        (
            "{ verb = \"set-status\", value = 500 }",
            "write step = { set-status = 500 }",
        ),
    ] {
        check("request", &format!("{matcher}\nstep = {step}"), &[shown]);
    }
}

#[test]
fn a_key_in_the_wrong_table_is_sent_to_its_own() {
    let step = "step = { delay = \"1s\" }";
    check(
        "request",
        &format!("command = \"Status\"\n{step}"),
        &["`command` belongs in `match`"],
    );
    check(
        "request",
        &format!("delay = \"1s\"\n{step}"),
        &["step = { delay = \"2s\" }"],
    );
    check(
        "request",
        &format!("match = {{ stage = \"request\" }}\n{step}"),
        &["right below [[rule]]"],
    );
    check(
        "request",
        &format!("match = {{ limit = 1 }}\n{step}"),
        &["write [rule.limit]"],
    );
    check(
        "request",
        "step = { answer = { code = 503, body = \"x\" } }",
        &["it stands beside `answer`", "write answer = 503, body = "],
    );
    check(
        "request",
        &format!("{step}\n[limit]\ntimes = 1"),
        &["write [rule.limit]"],
    );
    check(
        "request",
        &format!("{step}\n[[step]]\nreset = true"),
        &["write [[rule.step]]"],
    );
}

#[test]
fn a_pattern_that_is_a_regular_expression_is_named() {
    let step = "step = { delay = \"1s\" }";
    check(
        "request",
        &format!("match = {{ path = '^/dm.*' }}\n{step}"),
        &["looks like a regular expression", "write path = \"/dm*\""],
    );
    for (key, help) in [
        (
            r"host = '.*\.example\.com'",
            "write host = \"*.example.com\"",
        ),
        (
            r"loc-uri = '^\./Device/.*BitLocker$'",
            "`**` any number of segments",
        ),
    ] {
        let file =
            format!("[[rule]]\nname = \"a\"\nstage = \"request\"\nmatch = {{ {key} }}\n{step}\n");
        let rules = load::parse("t", &file).unwrap();
        let [warning] = &rules[0].warnings[..] else {
            panic!("{key}: {:?}", rules[0].warnings);
        };
        let drawn = warning.render(ErrorStyle::Plain);
        assert!(drawn.contains("looks like a regular expression"), "{drawn}");
        assert!(drawn.contains(help), "{drawn}");
    }
    check(
        "request",
        &format!("match = {{ host = 'mdm.*', user = 'CONTOSO\\*' }}\n{step}"),
        &[],
    );
}

#[test]
fn a_header_field_in_one_text_is_taken_apart() {
    let drawn = drawn(
        "[[rule]]\nname = \"a\"\nstage = \"response\"\nstep = { set-header = \"ETag: 1\", value = \"2\" }\n",
    );
    let help = "set-header = \"ETag\"; the value is a key of its own: value = \"1\"";
    assert!(drawn.contains(help), "{drawn}");
}

#[test]
fn an_alert_has_no_class_of_codes() {
    check(
        "request",
        "match = { alert = \"12xx\" }\nstep = { delay = \"1s\" }",
        &["write a number such as alert = 1226"],
    );
}

#[test]
fn versions_that_leave_none_are_shown_at_their_places() {
    check(
        "connection",
        "step = [{ tls-max = \"1.2\" }, { tls-min = \"1.3\" }]",
        &[
            "test.toml:4:32",
            "`tls-min` is newer",
            "no newer one than this",
        ],
    );
}

#[test]
fn a_warning_of_a_rule_of_one_line_is_one_and_at_its_place_in_the_argument() {
    for argument in ["/Device/X=500", "^/Device/X=500"] {
        let rules = inline_rule::fail(argument).unwrap();
        let warnings: Vec<_> = rules.iter().flat_map(|rule| &rule.warnings).collect();
        let [warning] = warnings[..] else {
            panic!("{argument}: {warnings:?}");
        };
        let drawn = warning.render(ErrorStyle::Plain);
        assert!(drawn.contains("--> --fail:1:1\n"), "{drawn}");
        assert!(
            drawn.contains(&format!("1 | {argument}\n  | ^^^^^^^^^")),
            "{drawn}"
        );
    }
}
