//! Mistakes in steps that change messages: each is reported with its line and its remedy.

use dmtap::rules::load;

use super::edits::rule;

/// Title, place (line and column) and what else is said of each mistake.
fn check(matcher: &str, steps: &str, expected: &[(&str, (usize, usize), &str)]) {
    let rules = rule(matcher, steps);
    let errors = load::parse("test.toml", &rules).expect_err(steps);
    let found = errors.errors().iter();
    let found: Vec<_> = found.map(|error| (error.title(), error.place())).collect();
    let meant: Vec<_> = expected
        .iter()
        .map(|(title, place, _)| (*title, *place))
        .collect();
    assert_eq!(found, meant, "{rules}");
    let drawn = errors.render(dmtap::rules::ErrorStyle::Plain);
    for (_, _, help) in expected {
        assert!(drawn.contains(help), "{help}\n{drawn}");
    }
}

const STATUS: &str = "{ command = 'Status' }";
const WHOLE: &str = "{}";

#[test]
fn a_template_has_known_names() {
    check(
        STATUS,
        "{ set-text = '{{cmdid}}' }",
        &[(
            "`{{cmdid}}` stands for nothing",
            (5, 21),
            "did you mean `{{cmd-id}}`?",
        )],
    );
    check(
        STATUS,
        "{ set-header = 'a', value = '{{data' }",
        &[("braces are opened and not closed", (5, 36), "written {{{{")],
    );
    check(
        WHOLE,
        "{ set-header = 'a', value = '{{cmd-id}}' }",
        &[(
            "`{{cmd-id}}` is of a command",
            (5, 10),
            "this rule selects whole messages",
        )],
    );
}

#[test]
fn an_element_is_xml_and_stands_somewhere() {
    check(
        STATUS,
        "{ insert = '<Data>', after = '.' }",
        &[(
            "`insert` is not an element in XML",
            (5, 19),
            "write one element",
        )],
    );
    check(
        STATUS,
        "{ insert = '<Data/>' }",
        &[(
            "`insert` does not say where to",
            (5, 10),
            "`before`, `after`, `first-in`, `last-in`",
        )],
    );
    check(
        STATUS,
        "{ copy = 'Item', after = '.', before = '.' }",
        &[(
            "`copy` says twice where to",
            (5, 38),
            "write a step for each",
        )],
    );
    check(
        STATUS,
        "{ move = './A', after = '.' }",
        &[("`./A` is not a place", (5, 17), "Item/Data!/MgmtTree")],
    );
    check(
        WHOLE,
        "{ duplicate = true }",
        &[(
            "`duplicate` does not say where",
            (5, 10),
            "SyncHdr/SessionID",
        )],
    );
    check(
        WHOLE,
        "{ reverse = true }",
        &[(
            "`reverse` does not say what",
            (5, 10),
            "command = \"Results\"",
        )],
    );
    check(
        STATUS,
        "{ set-attribute = 'a b', at = 'Data', value = '' }",
        &[(
            "`a b` is not the name of an attribute",
            (5, 26),
            "msft:originalerror",
        )],
    );
    check(
        STATUS,
        "{ set-attribute = 'foo:bar', at = 'Data', value = '' }",
        &[(
            "nothing declares the prefix `foo` of `foo:bar`",
            (5, 10),
            "xmlns:foo",
        )],
    );
    check(
        STATUS,
        "{ set-status = 0x86000011 }",
        &[(
            "0x86000011 is a result of Windows, no status code",
            (5, 23),
            "msft:originalerror",
        )],
    );
    check(
        STATUS,
        "{ set-attribute = 'a' }",
        &[(
            "`set-attribute` has no `value`",
            (5, 10),
            "write set-attribute",
        )],
    );
}

#[test]
fn framing_and_connections_are_not_for_header_steps() {
    check(
        WHOLE,
        "{ set-header = 'Content-Length', value = '1' }",
        &[(
            "`Content-Length` says where the body ends: dmtap writes it to fit",
            (5, 23),
            "with the step `content-length`",
        )],
    );
    check(
        WHOLE,
        "{ remove-header = 'transfer-encoding' }",
        &[(
            "`transfer-encoding` says where the body ends: dmtap writes it to fit",
            (5, 26),
            "truncate",
        )],
    );
    check(
        WHOLE,
        "{ add-header = 'Connection', value = 'close' }",
        &[(
            "`Connection` is about one connection: dmtap does not pass it on",
            (5, 23),
            "`reset`",
        )],
    );
    check(
        WHOLE,
        "{ remove-header = 'Host' }",
        &[(
            "`remove-header` does not go with `Host`",
            (5, 26),
            "set-header = \"Host\"",
        )],
    );
    check(
        WHOLE,
        "{ set-header = 'a b', value = 'c' }",
        &[(
            "`a b` is not the name of a header field",
            (5, 23),
            "Retry-After",
        )],
    );
    check(
        WHOLE,
        "{ set-header = 'a' }",
        &[("`set-header` has no `value`", (5, 10), "value = \"120\"")],
    );
    check(
        WHOLE,
        "{ set-header = 'a', value = \"b\\n\" }",
        &[("a header field cannot hold this value", (5, 36), "one line")],
    );
    check(
        WHOLE,
        "{ set-http-status = 404 }",
        &[(
            "`set-http-status` has no place at the stage `request`",
            (5, 10),
            "\"response\"",
        )],
    );
}

#[test]
fn bytes_are_named_in_ways_that_can_be_found() {
    let check = |steps, title, column, help| check(WHOLE, steps, &[(title, (5, column), help)]);
    check(
        "{ set-body = {} }",
        "this body has no content",
        21,
        "body.xml",
    );
    check(
        "{ set-body = { text = '', file = 'a' } }",
        "this body has two contents",
        34,
        "leave one of them out",
    );
    check(
        "{ set-body = { file = 'a' } }",
        "`a` cannot be read: these rules do not come from a folder",
        30,
        "from the folder of the rule file",
    );
    check(
        "{ set-body = { base64 = '%' } }",
        "this is not base64: `%` stands at place 1 of it",
        32,
        "",
    );
    check(
        "{ set-body = { text = '', as = 'wbxml' } }",
        "`as` cannot be `wbxml`",
        39,
        "`is`, `message`",
    );
    check(
        "{ replace-text = 'a(', with = '' }",
        "`replace-text` is not a regular expression",
        25,
        "unclosed group",
    );
    check(
        "{ replace-text = 'a' }",
        "`replace-text` has no `with`",
        10,
        "an empty text removes",
    );
    check("{ flip = 3 }", "`flip` is a table", 17, "");
    check("{ flip = {} }", "`flip` has no `at`", 17, "at = -1");
    check(
        "{ flip = { at = 1, mask = 0 } }",
        "`mask` cannot be 0",
        34,
        "from 1 to 255",
    );
    check(
        "{ truncate = '100%' }",
        "`truncate` says how much of the body stays",
        21,
        "all but the last one",
    );
}

#[test]
fn bytes_are_changed_last() {
    check(
        STATUS,
        "[{ flip = { at = 1 } }, { set-status = 500 }]",
        &[(
            "`set-status` comes after `flip`",
            (5, 34),
            "bytes are changed after all edits of the document",
        )],
    );
    check(
        STATUS,
        "[{ set-status = 500 }, { set-body = 'a' }]",
        &[(
            "`set-status` edits a body that `set-body` throws away",
            (5, 11),
            "leave one",
        )],
    );
    check(
        STATUS,
        "[{ truncate = 1 }, { answer = 500 }]",
        &[(
            "`truncate` edits a message that `answer` throws away",
            (5, 11),
            "rules of their own",
        )],
    );
}
