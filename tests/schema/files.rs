//! Every rule file there is passes.

use std::fs;
use std::path::Path;

use dmtap::shelf::STORIES;

use super::support::{refused, wrong};

#[test]
fn the_shelf_passes() {
    assert!(STORIES.len() > 100);
    for story in STORIES {
        let wrong = wrong(story.text);
        assert!(wrong.is_none(), "{}: {wrong:#?}", story.name);
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
