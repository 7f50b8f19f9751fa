//! `docs/shelf.md` lists the shelf as it is.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use dmtap::builtin_rules::STORIES;

#[test]
fn the_documentation_lists_every_story_with_what_it_shows_and_what_is_right() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/shelf.md");
    let written = fs::read_to_string(&file).unwrap_or_default();
    let (before, _) = written.split_once(MARK).unwrap_or((&written, ""));
    let expected = format!("{before}{MARK}{}", tables());
    if std::env::var_os("DMTAP_WRITE_DOCS").is_some() {
        fs::write(&file, &expected).unwrap();
    }
    let current = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        current == expected,
        "docs/shelf.md is not up to date: DMTAP_WRITE_DOCS=1 cargo test --test shelf docs"
    );
}

fn tables() -> String {
    let mut text = String::new();
    let mut theme = "";
    for story in STORIES {
        if story.theme != theme {
            theme = story.theme;
            write!(text, "\n## {theme}\n\n{HEAD}").unwrap();
        }
        let cell = |words: &str| words.replace('|', "\\|").replace('<', "&lt;");
        let right = story.right().strip_prefix("A correct ").unwrap();
        let (shows, right) = (cell(story.shows()), cell(right));
        let (theme, name) = (story.theme, story.name);
        writeln!(
            text,
            "| [{name}](../rules/{theme}/{name}.toml) | {shows} | {right} |"
        )
        .unwrap();
    }
    text
}

/// What stands above it is written by hand.
const MARK: &str = "<!-- From here on written by tests/shelf/docs.rs out of the files. -->\n";
const HEAD: &str = "| story | what it shows | a correct … |\n|---|---|---|\n";
