//! Random rules on random messages: no panic, and no byte changes outside the splices.

use dmtap::rules::{RuleSet, Stage, load};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::conversations::only_splices_differ;
use super::edits::{BODY, rule};
use super::support::{Talk, decode, message_text, on, wbxml};

fn places() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        ".",
        "Item",
        "Item[1]",
        "Item[2]",
        "Item/Data",
        "Item[2]/Data",
        "Item/Meta",
        "Meta/Format",
        "CmdID",
        "Data",
        "Add",
        "/SyncML",
        "/SyncML/SyncBody",
        "/SyncML/SyncBody/Final",
        "Item/Data!/MgmtTree/Node",
        "Item/Data!/MgmtTree",
    ])
    .prop_map(str::to_owned)
}

fn steps() -> impl Strategy<Value = String> {
    let text = prop::sample::select(vec![
        "",
        "a & b",
        "{{data}}",
        "{{cmd-id}}",
        "{{next-cmd-id}}",
        "{{loc-uri}}",
        "é€",
        "]]>",
    ]);
    let side = prop::sample::select(vec!["before", "after", "first-in", "last-in"]);
    let xml = prop::sample::select(vec![
        "<Data>n</Data>",
        "<Meta><Type>t</Type></Meta>",
        "<x:y xmlns:x=\"u\" a=\"{{data}}\"/>",
        "<Item><Data>{{cmd-id}}</Data></Item>",
    ]);
    let parts = (0..13_u8, places(), places(), text, side, xml, any::<i8>());
    parts.prop_map(|(verb, at, other, text, side, xml, number)| match verb {
        0 => format!("{{ set-text = '{text}', at = '{at}' }}"),
        1 => format!("{{ set-attribute = 'a', value = '{text}', at = '{at}' }}"),
        2 => format!("{{ remove-attribute = 'a', at = '{at}' }}"),
        3 => format!("{{ insert = '{xml}', {side} = '{at}' }}"),
        4 => format!("{{ replace = '{xml}', at = '{at}' }}"),
        5 => format!("{{ remove = true, at = '{at}' }}"),
        6 => format!("{{ copy = '{at}', {side} = '{other}' }}"),
        7 => format!("{{ move = '{at}', {side} = '{other}' }}"),
        8 => format!("{{ duplicate = true, at = '{at}', new-ids = true }}"),
        9 => "{ reverse = true }".into(),
        10 => format!("{{ flip = {{ at = {number}, length = 3 }} }}"),
        11 => format!("{{ truncate = {number} }}"),
        _ => format!("{{ replace-text = '[{}-z]+', with = '<$0{text}>' }}", "a"),
    })
}

fn commands() -> impl Strategy<Value = String> {
    let tree = "&lt;MgmtTree>&lt;Node/>&lt;Node>a&lt;/Node>&lt;/MgmtTree>";
    let one = prop::sample::select(vec![
        BODY.to_owned(),
        on("Replace", 9, "./A/B"),
        "<Get><CmdID/></Get>".into(),
        "<Exec/>".into(),
        "<Delete a='1'><CmdID>4294967295</CmdID><Item/></Delete>".into(),
        format!("<Add><CmdID>8</CmdID><Item><Data>{tree}</Data></Item></Add>"),
        format!("<Add><CmdID>8</CmdID><Item><Data><![CDATA[{}]]></Data></Item></Add>", tree.replace("&lt;", "<")),
        "<Add><Meta><Format xmlns='syncml:metinf'>b64</Format></Meta><Item><Meta/><Data>a</Data></Item></Add>".into(),
        "<Foreign xmlns='urn:x'><Item><Data b='2'>é</Data></Item></Foreign>".into(),
    ]);
    prop::collection::vec(one, 0..4).prop_map(|commands| commands.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000,
        failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn random_rules_on_random_messages_keep_every_other_byte(
        body in commands(),
        steps in prop::collection::vec(steps(), 1..4),
        kind in prop::sample::select(vec!["Replace", "Add", "Status", "Atomic", "Get", "Delete"]),
        binary: bool,
    ) {
        let rules = rule(&format!("{{ command = '{kind}' }}"), &format!("[{}]", steps.join(", ")));
        // Some steps do not go together.
        let Ok(parsed) = load::parse("random.toml", &rules) else {
            return Ok(());
        };
        let book = RuleSet::from_rules(parsed).unwrap();
        let mut document = decode(&message_text(2, &body));
        if binary {
            document = wbxml(&document);
        }
        let verdict = Talk::new(1, "d").decide(&book, Stage::Request, &document);
        if verdict.body.is_some() {
            only_splices_differ(&document, &verdict);
            let is_raw = ["flip", "truncate", "replace-text"].iter().any(|raw| rules.contains(raw));
            prop_assert!(verdict.document.is_some() || is_raw, "{}\n{:?}", rules, verdict);
        }
    }
}
