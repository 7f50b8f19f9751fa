//! The rules of `--fail`, `-H` and `-B`.

use dmtap::rules::load::inline_rule::{fail, modify_body, modify_headers};
use dmtap::rules::template::Escape;
use dmtap::rules::{ErrorStyle, RawStep, Rule, RuleErrors, Step, load};

#[test]
fn an_argument_becomes_rules_that_are_named_after_it() {
    let check = |argument: &str, suffixes: &[&str]| {
        let names = fail(argument).unwrap().into_iter().map(|rule| rule.name);
        let expected = suffixes
            .iter()
            .map(|suffix| format!("fail {argument}{suffix}"));
        assert_eq!(names.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    };
    check("./Device/Vendor/MSFT/BitLocker/**=500", &["", " (Results)"]);
    check("./A=202", &[""]);
    check("./A=\"b\\=404", &["", " (Results)"]);
}

#[test]
fn the_rules_are_those_that_a_file_would_have() {
    let file = "[[rule]]\nname = \"fail ./A/**=500:0x86000011\"\nstage = \"request\"\n\
         match = { command = \"Status\", loc-uri = \"./A/**\" }\n\
         step = [{ set-status = 500 }, \
         { set-attribute = \"msft:originalerror\", at = \"Data\", value = \"0x86000011\" }]\n\
         [[rule]]\nname = \"fail ./A/**=500:0x86000011 (Results)\"\nstage = \"request\"\n\
         match = { command = \"Results\", loc-uri = \"./A/**\" }\nstep = { remove = true }\n";
    let of_file = load::parse("a.toml", file).unwrap();
    let built = fail("./A/**=500:0x86000011").unwrap();
    assert_eq!(built.len(), of_file.len());
    for (built, of_file) in built.iter().zip(&of_file) {
        assert!(built.is_same_rule(of_file), "{built:?}\n{of_file:?}");
    }
}

#[test]
fn mistakes_are_reported_at_their_place_in_the_argument() {
    let check = |argument: &str, place: &str, word: &str| {
        let drawn = fail(argument).unwrap_err().render(ErrorStyle::Plain);
        assert!(drawn.contains(&format!("--> --fail:1:{place}")), "{drawn}");
        assert!(drawn.contains(&format!("1 | {argument}")), "{drawn}");
        assert!(drawn.contains(word), "{drawn}");
    };
    check("./A", "1", "LOCURI=CODE");
    check("=500", "1", "LOCURI=CODE");
    check("./A=five", "5", "`five` is not a status code");
    check("./A=599", "5", "SyncML has no status code 599");
}

fn stages(argument: &str) -> Vec<&'static str> {
    let rules = modify_headers(argument).unwrap_or_else(|errors| {
        panic!("{}", errors.render(ErrorStyle::Plain));
    });
    rules.iter().map(|rule| rule.stage.name()).collect()
}

#[test]
fn patterns_become_rules_at_the_stages_that_their_filter_can_be_true_at() {
    let both = ["request", "response"];
    assert_eq!(stages("/X-Test/a b"), both);
    assert_eq!(stages("//X-Test/a b"), both);
    assert_eq!(stages("/~q/X-Test/a b"), ["request"]);
    assert_eq!(stages("/!~s/X-Test/a b"), ["request"]);
    assert_eq!(stages("|~s & ~c 200|X-Test|a b"), ["response"]);
    assert_eq!(stages("/~c 5xx/X-Test/a b"), ["response"]);
    assert_eq!(stages("/!~c 200/X-Test/a b"), ["response"]);
    assert_eq!(stages("/~q | ~c 200/X-Test/a b"), both);
    assert_eq!(stages("/!(~s | ~m GET)/X-Test/a b"), ["request"]);
    assert_eq!(stages("/~m POST/X-Test/a b"), both);
    assert_eq!(stages("/~cmd Replace ~status 404/X-Test/a b"), both);
    assert_eq!(stages("/Server/"), both);
    assert_eq!(stages("|X-Where|https://a/b"), both);
    assert_eq!(stages("|~d 'contoso\\.com$' ~u '/dm'|X|y"), both);
}

#[test]
fn a_rule_is_named_after_its_argument() {
    let names = |argument: &str| -> Vec<String> {
        let rules = modify_headers(argument).unwrap().into_iter();
        rules.map(|rule| rule.name).collect()
    };
    assert_eq!(names("/~q/X/y"), ["modify-headers /~q/X/y"]);
    assert_eq!(
        names("/X/y"),
        [
            "modify-headers /X/y (request)",
            "modify-headers /X/y (response)"
        ]
    );
}

#[test]
fn a_replacement_in_a_body_has_groups_and_line_feeds() {
    let rules = modify_body(r"/~q/l(.+)k/$\1\n\\").unwrap();
    let Step::Raw(RawStep::ReplaceText { pattern, with }) = &rules[0].steps[0] else {
        panic!("{rules:?}");
    };
    assert!(pattern.0.is_match("l\nk"));
    let with = with.fill(Escape::Nothing, |_| Err(())).unwrap();
    assert_eq!(with, "$$${1}\n\\");
}

#[test]
fn mistakes_of_patterns_are_reported_at_their_place_in_the_argument() {
    let check = |rules: Result<Vec<Rule>, RuleErrors>, place: &str, words: &[&str]| {
        let drawn = rules.unwrap_err().render(ErrorStyle::Plain);
        assert_eq!(drawn.matches("error: ").count(), 1, "{drawn}");
        for word in [&[place], words].concat() {
            assert!(drawn.contains(word), "{word}: {drawn}");
        }
    };
    let headers = modify_headers;
    check(headers("X-Test"), "-H:1:1", &["[/filter]/what/with"]);
    check(headers(""), "-H:1:1", &["[/filter]/what/with"]);
    check(headers("//A"), "-H:1:1", &["names nothing to change"]);
    let unknown = ["`~z` is not a word of a filter", "another first character"];
    check(headers("/~z/A/b"), "-H:1:2", &unknown);
    check(headers("/~q ~satus 404/A/b"), "-H:1:5", &["write ~status"]);
    check(headers("/~cmd Repalce/A/b"), "-H:1:7", &["write Replace"]);
    check(
        headers("/(~q/A/b"),
        "-H:1:2",
        &["parenthesis is not closed"],
    );
    check(headers("/~m/A/b"), "-H:1:2", &["`~m` needs a value"]);
    check(
        headers("/~u https://a/b/c"),
        "-H:1:1",
        &["another first character"],
    );
    check(
        headers("/A B/c"),
        "-H:1:2",
        &["not the name of a header field"],
    );
    check(headers("/A/@file"), "-H:1:4", &["set-body"]);
    check(headers("/Host/"), "-H:1:2", &["one Host"]);
    check(
        headers("/~q & ~s/A/b"),
        "-H:1:2",
        &["no message is all of this"],
    );
    check(
        headers("/~why WHY-06/A/b"),
        "-H:1:2",
        &["not known while", "dmtap show"],
    );
    check(headers("/~q ~took 5s/A/b"), "-H:1:5", &["not known while"]);
    check(headers("/~open/A/b"), "-H:1:2", &["write ~status 202"]);
    check(
        headers("/~status 599/A/b"),
        "-H:1:2",
        &["no status code 599", "--rules"],
    );
    let of_command = ["`{{cmd-id}}` is of a command", "--rules FILE"];
    check(headers("/A/{{cmd-id}}"), "-H:1:4", &of_command);
    check(
        modify_body("/~s/(/x"),
        "-B:1:5",
        &["not a regular expression"],
    );
    check(modify_body("/a/{{b"), "-B:1:4", &["braces are opened"]);
}

#[test]
fn a_bare_word_is_a_filter_and_earns_a_warning() {
    let rules = modify_body("/example.com/old/new").unwrap();
    let warnings = &rules[0].warnings;
    assert!(
        warnings[0].title().contains("only URLs that match it"),
        "{warnings:?}"
    );
    assert!(
        modify_body("/~u example.com/old/new").unwrap()[0]
            .warnings
            .is_empty()
    );
}
