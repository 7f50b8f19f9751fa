//! The schema accepts every rule file of the repository.

use std::fs;
use std::path::Path;

use dmtap::builtin_rules::BUILTIN_RULES;

use super::support::{refused, wrong};

#[test]
fn the_built_in_rules_pass() {
    assert!(BUILTIN_RULES.len() > 100);
    for builtin in BUILTIN_RULES.iter() {
        let wrong = wrong(builtin.text);
        assert!(wrong.is_none(), "{}: {wrong:#?}", builtin.name);
    }
}

#[test]
fn the_examples_of_the_manual_pass() {
    let mut examples = 0;
    for file in ["docs/rules.md", "docs/control.md", "README.md"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = fs::read_to_string(path).unwrap();
        let blocks = text
            .split("```toml\n")
            .skip(1)
            .filter_map(|rest| rest.split("```").next());
        for block in blocks.filter(|block| block.contains("[[rule]]")) {
            let wrong = wrong(block);
            assert!(wrong.is_none(), "{file}: {block}\n{wrong:#?}");
            assert_eq!(refused(block), None, "{file}: {block}");
            examples += 1;
        }
    }
    assert!(examples >= 4);
}

/// Steps and matches that stand alone in the guide are whole, too.
#[test]
fn parts_of_rules_that_stand_alone_in_the_guide_are_taken() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules.md");
    let text = fs::read_to_string(path).unwrap();
    let blocks = text.split("```toml\n").skip(1);
    let blocks = blocks.filter_map(|rest| rest.split("```").next());
    let mut parts = 0;
    for block in blocks.filter(|block| !block.contains("[[rule]]")) {
        let step = match block.contains("step = ") {
            true => "",
            false => "step = { reset = true }\n",
        };
        let stages = ["request", "response", "connection"];
        let files = stages
            .map(|stage| format!("[[rule]]\nname = \"a\"\nstage = \"{stage}\"\n{step}{block}"));
        let refusals = files.map(|file| refused(&file));
        assert!(refusals.contains(&None), "{block}\n{refusals:?}");
        parts += 1;
    }
    assert!(parts >= 2, "{parts}");
}
