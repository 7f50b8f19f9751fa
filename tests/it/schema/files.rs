//! Every rule file there is passes.

use std::fs;
use std::path::Path;

use dmtap::builtin_rules::BUILTIN_RULES;

use super::support::{refused, wrong};

#[test]
fn the_built_in_rules_pass() {
    assert!(BUILTIN_RULES.len() > 100);
    for builtin in BUILTIN_RULES {
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

/// The tables of tasks have no whole rules: each row is made one, at the stage it names or at either.
#[test]
fn the_rows_of_the_tables_of_tasks_make_rules() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules.md");
    let text = fs::read_to_string(path).unwrap();
    let tables = text.split("| to | write |").skip(1);
    let tables = tables.filter_map(|rest| rest.split("\n\n").next());
    let mut previous = String::new();
    let mut rows = 0;
    for row in tables.flat_map(str::lines).filter(|row| row.contains('`')) {
        let spans: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        let of = |key: &str| -> Vec<&str> {
            let begin = format!("{key} = ");
            let own = spans.iter().filter(|span| span.starts_with(&begin));
            own.copied().collect()
        };
        let mut keys = [of("match"), of("limit")].concat().join("\n");
        // A row that says `the same` means the match and step of the one above.
        let mut steps = of("step");
        if row.contains("the same at") {
            keys.clone_from(&previous);
            steps.push("step = { set-status = 404 }");
        }
        previous.clone_from(&keys);
        if steps.is_empty() && !keys.is_empty() {
            steps.push("step = { reset = true }");
        }
        for step in steps {
            let stages = match of("stage").first() {
                Some(stage) => vec![(*stage).to_owned()],
                None => ["request", "response"]
                    .map(|s| format!("stage = \"{s}\""))
                    .to_vec(),
            };
            let refusals: Vec<_> = stages
                .iter()
                .map(|stage| format!("[[rule]]\nname = \"a\"\n{stage}\n{keys}\n{step}\n"))
                .map(|file| refused(&file))
                .collect();
            assert!(
                refusals.contains(&None),
                "{row}\n{}",
                refusals[0].as_ref().unwrap()
            );
            rows += 1;
        }
    }
    assert!(rows >= 40, "{rows}");
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
