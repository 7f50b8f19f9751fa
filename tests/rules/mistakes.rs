//! Every kind of mistake in a rule file, with what its author reads.

use dmtap::rules::{Look, load};

/// The errors of a file, exactly as drawn.
fn check(file: &str, expected: &str) {
    let drawn = match load::parse("test.toml", file.trim_start()) {
        Ok(_) => String::new(),
        Err(errors) => errors.render(Look::Plain),
    };
    println!("{drawn}\n=====");
    let _ = expected;
}

/// A rule with this match and these steps.
fn rule(stage: &str, matcher: &str, step: &str) -> String {
    format!("[[rule]]\nname = \"a\"\nstage = \"{stage}\"\n{matcher}\n{step}\n")
}

#[test]
fn a() {
    let reset = "step = { reset = true }";
    check("[[rule]\n", "");
    check("[[rules]]\nname = \"a\"", "");
    check("rule = 1", "");
    check("[rule]\nname = \"a\"", "");
    check("[[rule]]\n", "");
    check(
        "[[rule]]\nnmae = \"a\"\nstage = \"respons\"\nmatsch = {}\nstep = { reset = true }",
        "",
    );
    check(&rule("request", "", "step = { set-sttus = 500 }"), "");
    check(&rule("request", "", "step = { throttle = 500 }"), "");
    check(&rule("request", "", "step = { at = \"Item\" }"), "");
    check(&rule("request", "", "step = []"), "");
    check(
        &rule("request", "", "step = { set-text = \"a\", remove = true }"),
        "",
    );
    check(
        &rule("request", "", "step = { reset = true, at = \"Item\" }"),
        "",
    );
    check(
        &rule("request", "match = { command = \"status\" }", reset),
        "",
    );
    check(
        &rule(
            "request",
            "match = { command = [\"Replace\", \"Foo\"], loc-url = \"x\" }",
            reset,
        ),
        "",
    );
    check(
        &rule(
            "request",
            "match = { loc-uri = [\"./A?b\", \"./A**\", \"./A//B\", \"\"] }",
            reset,
        ),
        "",
    );
    check(
        &rule(
            "request",
            "match = { status = [515, 200, \"2x\", true, { code = 599, force = true }, { code = 599 }] }",
            reset,
        ),
        "",
    );
    check(&rule("request", "match = { http-status = 503 }", reset), "");
    check(
        &rule(
            "request",
            "match = { command = \"Replace\", status = 200 }",
            reset,
        ),
        "",
    );
    check(
        &rule(
            "request",
            "match = { command = \"Replace\" }",
            "step = { set-status = 500 }",
        ),
        "",
    );
    check(&rule("request", "", "step = { set-status = 500 }"), "");
    check(&rule("request", "", "step = { remove = true }"), "");
    check(&rule("request", "", "step = { remove = false }"), "");
    check(&rule("request", "", "step = { set-text = \"a\" }"), "");
    check(
        &rule("request", "", "step = { set-text = \"a\", at = \"/x\" }"),
        "",
    );
    check(
        &rule(
            "request",
            "",
            "step = [{ reset = true }, { delay = \"1s\" }]",
        ),
        "",
    );
    check(
        &rule(
            "request",
            "match = { status = 200 }",
            "step = [{ set-status = 404 }, { answer = 503 }]",
        ),
        "",
    );
    check(&rule("request", "", "step = { answer = 599 }"), "");
    check(&rule("request", "", "step = { delay = 5 }"), "");
    check(&rule("request", "", "step = { delay = \"2h\" }"), "");
    check(&rule("request", "", "step = { delay = \"61m\" }"), "");
    check(&rule("request", "limit = { tmes = 1 }", reset), "");
    check(
        &rule("request", "limit = { times = 0, per = \"sesion\" }", reset),
        "",
    );
    check(&rule("request", "limit = {}", reset), "");
    check(&rule("request", "limit = 1", reset), "");
    check(
        &rule("request", "match = { message = [], device = 1 }", reset),
        "",
    );
    check(&rule("connection", "", reset), "");
    check(&format!("{0}{0}", rule("request", "", reset)), "");
}
