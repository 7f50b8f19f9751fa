//! Files that are not TOML: one error for one slip, with the correct text.

use super::support::{check_file, check_rule as check};

#[test]
fn what_is_written_as_in_another_language_is_one_error() {
    let toml = "[[rule]] begins a rule";
    check_file(
        "rule:\n  - name: a\n    stage: request\n",
        &["`=` stands between a key and its value", toml],
    );
    check_file(
        "{\n  \"rule\": [\n    { \"name\": \"a\" }\n  ]\n}\n",
        &["begins as JSON does", toml],
    );
    check(
        "request",
        "match = { \"command\": \"Status\" }",
        &["`=` stands between"],
    );
    check_file("// mine\n[[rule]]\n", &["a comment begins with `#`"]);
}

#[test]
fn what_is_no_toml_is_one_error_with_what_is() {
    check_file(
        "[[rule]]\nname = a\n",
        &["a text stands in quotes", "write name = \"a\""],
    );
    check(
        "request",
        "step = { delay = 2s }",
        &["write delay = \"2s\""],
    );
    check(
        "request",
        "match = { command = \"Status\", loc-uri = ./Device/Vendor/MSFT/** }",
        &[
            "a text stands in quotes",
            "write loc-uri = \"./Device/Vendor/MSFT/**\"",
        ],
    );
    check(
        "request",
        "match = { peer = 10.0.0.1 }",
        &["write peer = \"10.0.0.1\""],
    );
    check_file(
        "[[rule]]\nname = “a”\n",
        &["straight quotes", "write name = \"a\""],
    );
    check(
        "request",
        "step = { reset = True }",
        &["true stands in small letters", "write reset = true"],
    );
    check(
        "response",
        r#"step = { set-body = { file = "C:\Users\me\body.xml" } }"#,
        &[r"'C:\Users\me\body.xml'"],
    );
    check(
        "request",
        "step = { delay = \"1s\"\n[[rule]]\nname = \"c\"\nstage = \"requst\"\nstep = { delay = \"1s\" }",
        &["test.toml:4:8", "`{` is not closed", "write `}` behind"],
    );
    check(
        "request",
        "step = [{ delay = \"1s\" }\n[[rule]]\nname = \"c\"",
        &["test.toml:4:8", "`[` is not closed"],
    );
}
