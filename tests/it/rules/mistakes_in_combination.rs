//! Mistakes in rule files: combinations that can never match or act, each with its remedy.

use dmtap::rules::load;

use super::support::check;

/// Every error of a rule with this `match`: its place, title, and nothing else.
fn titles(stage: &str, matcher: &str) -> Vec<String> {
    let file = format!(
        "[[rule]]\nname = \"a\"\nstage = \"{stage}\"\nmatch = {matcher}\nstep = {{ reset = true }}\n"
    );
    match load::parse("t", &file) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.errors().iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn what_can_never_match_is_refused() {
    let check = |stage: &str, matcher: &str, expected: &str| {
        assert_eq!(titles(stage, matcher), [expected], "{matcher}");
    };
    let request = |matcher: &str, expected: &str| check("request", matcher, expected);
    let response = |matcher: &str, expected: &str| check("response", matcher, expected);
    request(
        "{ command = \"Get\", status = 200 }",
        "t:4:28: only a Status has `status`",
    );
    request(
        "{ command = \"Get\", answers = \"Exec\" }",
        "t:4:28: only a Status or Results has `answers`",
    );
    request(
        "{ command = \"Exec\", alert = 1226 }",
        "t:4:29: only an Alert has `alert`",
    );
    request(
        "{ status = 200, alert = 1226 }",
        "t:4:25: only an Alert has `alert`",
    );
    request(
        "{ command = \"Status\", alert-type = \"x\" }",
        "t:4:31: only an Alert has `alert-type`",
    );
    request("{ alert = 1227 }", "t:4:19: OMA DM has no alert code 1227");
    request(
        "{ http-status = 503 }",
        "t:4:11: a request has no HTTP status",
    );
    request(
        "{ not = { http-status = 503 } }",
        "t:4:19: a request has no HTTP status",
    );
    request(
        "{ path = \"/dm?mode=Machine\" }",
        "t:4:18: no path has a query: `/dm?mode=Machine`",
    );
    request("{ path = \"dm\" }", "t:4:18: no path begins as `dm` does");
    request(
        "{ query = \"?a\" }",
        "t:4:19: a query is matched without its question mark",
    );
    request(
        "{ host = \"https://mdm.example/\" }",
        "t:4:18: `https://mdm.example/` is not the name of a host",
    );
    request(
        "{ host = \"mdm.example:443\" }",
        "t:4:18: `mdm.example:443` is not the name of a host",
    );
    request(
        "{ media-type = \"text/xml; charset=utf-8\" }",
        "t:4:24: a media type is matched without parameters",
    );
    request("{ message = 0 }", "t:4:21: no message has the number 0");
    request("{ exchange = 0 }", "t:4:22: no exchange has the number 0");
    request(
        "{ package = 0 }",
        "t:4:21: no message of this stage is of that package",
    );
    request(
        "{ package = 2 }",
        "t:4:21: no message of this stage is of that package",
    );
    response(
        "{ package = [1, 3] }",
        "t:4:21: no message of this stage is of that package",
    );
    request("{ message = \"4..2\" }", "t:4:21: no number is in `4..2`");
    request(
        "{ message = \"2-4\" }",
        "t:4:21: `2-4` is not a range of numbers",
    );
    request(
        "{ message = \"..\" }",
        "t:4:21: `..` is not a range of numbers",
    );
    request("{ cmd-id = \"0\" }", "t:4:20: no command has the CmdID 0");
    request(
        "{ peer = \"10.1.2.3/8\" }",
        "t:4:18: `10.1.2.3/8` is not an address of a device",
    );
    request(
        "{ peer = \"localhost\" }",
        "t:4:18: `localhost` is not an address of a device",
    );
    request(
        "{ encoding = \"json\" }",
        "t:4:22: `encoding` cannot be `json`",
    );
    request(
        "{ encoding = \"wbxml\", dialect = \"soap\" }",
        "t:4:22: SOAP is never WBXML",
    );
    request(
        "{ dialect = \"soap\", command = \"Get\" }",
        "t:4:29: only SyncML has commands, and `command`",
    );
    request(
        "{ command = \"Atomic\", loc-uri = \"./A\" }",
        "t:4:31: an Atomic or Sequence has no Item, and no `loc-uri`",
    );
    request(
        "{ answers = \"SyncHdr\", loc-uri = \"./A\" }",
        "t:4:32: the SyncHdr is about no node, and so is its Status",
    );
    request(
        "{ answers = { command = \"SyncHdr\", loc-uri = \"./A\" } }",
        "t:4:21: the SyncHdr is about no node and has no Item",
    );
    request(
        "{ command = \"Results\", answers = \"SyncHdr\" }",
        "t:4:42: only a Status answers the header",
    );
    response(
        "{ header = { name = \"User-Agent\" } }",
        "t:4:11: a response has no header `user-agent`",
    );
    request(
        "{ header = { name = \"a b\" } }",
        "t:4:29: `a b` is not the name of a header",
    );
    request(
        "{ header = { value = \"x\" } }",
        "t:4:20: a header has no `name`",
    );
    request(
        "{ has = \"Item/Meta/Mark\" }",
        "t:4:17: `Item/Meta/Mark` never exists here",
    );
    request(
        "{ command = \"Alert\", has = \"SyncHdr/Cred\" }",
        "t:4:36: `SyncHdr/Cred` never exists here",
    );
    request(
        "{ command = \"Alert\", has = \"Item//Data\" }",
        "t:4:36: `Item//Data` is not a place",
    );
    request(
        "{ command = \"Alert\", has = \"Item/Data!Node\" }",
        "t:4:36: `Item/Data!Node` is not a place",
    );
    request(
        "{ command = \"Alert\", where = { at = \"Data\" } }",
        "t:4:38: one comparison is needed",
    );
    request(
        "{ command = \"Alert\", where = { equals = \"x\" } }",
        "t:4:38: `where` has no `at`",
    );
    request(
        "{ data = { contains = \"a\", regex = \"b\" } }",
        "t:4:18: one comparison is needed",
    );
    request(
        "{ data = { contains = \"\" } }",
        "t:4:31: `contains` is empty",
    );
    request(
        "{ data = { regex = \"(\" } }",
        "t:4:28: this is not a regular expression",
    );
    request(
        "{ data = { regx = \"(\" } }",
        "t:4:20: a comparison has no key `regx`",
    );
    request(
        "{ data = { regex = '(\\w{1000}){1000}' } }",
        "t:4:28: this is not a regular expression",
    );
    request("{ not = {} }", "t:4:17: an empty table in `not`");
    request("{ any = [] }", "t:4:17: the list of `any` is empty");
    request("{ not = [{ host = \"a\" }] }", "t:4:17: `not` is one table");
    request(
        "{ any = [{ comand = \"Get\" }] }",
        "t:4:20: `any` has no key `comand`",
    );
    request(
        "{ command = \"Get\", not = { command = \"Get\" } }",
        "t:4:9: no command can match all of this",
    );
    request(
        "{ command = \"Get\", any = [{ status = 200 }, { alert = 1226 }] }",
        "t:4:9: no command can match all of this",
    );
    request(
        "{ all = [{ status = 200 }, { command = \"Get\" }] }",
        "t:4:9: no command can match all of this",
    );
    let deep = |n: usize| {
        format!(
            "{{ {}host = \"a\"{} }}",
            "not = { ".repeat(n),
            " }".repeat(n)
        )
    };
    assert!(titles("request", &deep(8)).is_empty());
    request(&deep(9), "t:4:81: `not` stands deeper than 8 tables");
}

#[test]
fn what_may_match_is_not_refused() {
    for (stage, matcher) in [
        ("request", "{ request-header = { name = \"User-Agent\" } }"),
        ("response", "{ request-header = { name = \"User-Agent\" } }"),
        ("request", "{ package = \"1..3\" }"),
        ("response", "{ package = [1, 2] }"),
        (
            "request",
            "{ answers = [\"SyncHdr\", \"Exec\"], loc-uri = \"./A\" }",
        ),
        ("request", "{ dialect = \"soap\", has = \"Body/Fault\" }"),
        ("request", "{ dialect = \"other\", has = \"Item\" }"),
        ("request", "{ has = \"SyncBody/Alert/Item\" }"),
        ("request", "{ command = \"Atomic\", type = \"x\" }"),
        ("request", "{ any = { host = \"a\" } }"),
        ("request", "{ host = \"[::1]\" }"),
        (
            "request",
            "{ media-type = \"*+wbxml\", encoding = \"xml\" }",
        ),
    ] {
        assert!(
            titles(stage, matcher).is_empty(),
            "{matcher}: {:?}",
            titles(stage, matcher)
        );
    }
}

#[test]
fn the_remedy_stands_beside_the_place() {
    check(
        r#"[[rule]]
name = "a"
stage = "request"
match = { peer = "10.1.2.3/8", path = "/dm?mode=x" }
step = { reset = true }
"#,
        r#"
error: `10.1.2.3/8` is not an address of a device
 --> test.toml:4:18
  |
4 | match = { peer = "10.1.2.3/8", path = "/dm?mode=x" }
  |                  ^^^^^^^^^^^^ the address goes on behind the prefix
  |
  = help: write the network: peer = "10.0.0.0/8"

error: no path has a query: `/dm?mode=x`
 --> test.toml:4:39
  |
4 | match = { peer = "10.1.2.3/8", path = "/dm?mode=x" }
  |                                       ^^^^^^^^^^^^ a path is matched without it
  |
  = help: write path = "/dm", query = "mode=x""#,
    );
    check(
        r#"[[rule]]
name = "a"
stage = "request"
match = { command = "Alert", data = { regex = "(a" }, alert = 1225.5 }
step = { reset = true }
end = false
"#,
        r#"
error: this is not a regular expression
 --> test.toml:4:47
  |
4 | match = { command = "Alert", data = { regex = "(a" }, alert = 1225.5 }
  |                                               ^^^^ unclosed group
  |
  = help: write it in single quotes, so that backslashes are the expression's: '\d+'

error: `alert` must be a number such as 500
 --> test.toml:4:63
  |
4 | match = { command = "Alert", data = { regex = "(a" }, alert = 1225.5 }
  |                                                               ^^^^^^ this is a number with a fraction

error: `end` is written end = true
 --> test.toml:6:7
  |
6 | end = false
  |       ^^^^^
  |
  = help: leave it out: dmtap then evaluates later rules, too"#,
    );
}
