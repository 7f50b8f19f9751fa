//! The files: all of them are in the program, load together, and describe their purpose in two lines.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use dmtap::builtin_rules::BUILTIN_RULES;
use dmtap::rules::load;

#[test]
fn the_program_holds_every_file_of_the_folder_and_no_other() {
    let mut files = Vec::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    for theme in fs::read_dir(folder).unwrap() {
        let theme = theme.unwrap().path();
        // The schema lies beside the themes.
        if theme.is_file() {
            continue;
        }
        for file in fs::read_dir(theme).unwrap() {
            let path = file.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let theme = path.parent().unwrap().file_name().unwrap();
            let name = path.file_stem().unwrap();
            files.push((theme.to_owned(), name.to_owned(), text));
        }
    }
    files.sort();
    let held = BUILTIN_RULES.iter();
    let held: Vec<_> = held
        .map(|s| (s.theme.into(), s.name.into(), s.text.to_owned()))
        .collect();
    for file in &files {
        assert!(
            held.contains(file),
            "{file:?} is missing: compile src/builtin_rules.rs again"
        );
    }
    assert_eq!(files, held, "the built-in rules are in order");
}

#[test]
fn every_built_in_rule_loads_and_says_what_it_shows_and_what_is_right() {
    for builtin in BUILTIN_RULES.iter() {
        let name = builtin.file();
        if let Err(errors) = load::parse(&name, builtin.text) {
            panic!("{errors}");
        }
        let lines: Vec<&str> = builtin.text.lines().take(3).collect();
        assert!(lines[0].starts_with("# "), "{name}: what it shows");
        assert!(
            lines[1].starts_with("# A correct "),
            "{name}: what a peer should do"
        );
        assert!(
            lines[2].is_empty(),
            "{name}: two lines of comment, then an empty one"
        );
        assert!(lines[0].ends_with('.') && lines[1].ends_with('.'), "{name}");
    }
}

#[test]
fn the_rules_of_a_built_in_file_bear_its_name() {
    for builtin in BUILTIN_RULES.iter() {
        let rules = load::parse(&builtin.file(), builtin.text).unwrap();
        let mut names = rules.iter().map(|rule| rule.name.as_str());
        assert_eq!(names.next(), Some(builtin.name), "{}", builtin.file());
        for name in names {
            let further = name.strip_prefix(builtin.name);
            let further = further.and_then(|rest| rest.strip_prefix('-'));
            assert!(
                further.is_some_and(|word| !word.is_empty()),
                "{}: {name}",
                builtin.file()
            );
        }
    }
}

#[test]
fn all_built_in_rules_can_be_on_at_once_and_each_has_a_name_of_its_own() {
    let files: Vec<_> = BUILTIN_RULES.iter().map(|s| (s.file(), s.text)).collect();
    let all = files.iter().map(|(file, text)| (&**file, *text));
    if let Err(errors) = load::parse_beside([], all, &load::no_includes) {
        panic!("{errors}");
    }
    let names: HashSet<&str> = BUILTIN_RULES.iter().map(|builtin| builtin.name).collect();
    assert_eq!(names.len(), BUILTIN_RULES.len());
    for builtin in BUILTIN_RULES.iter() {
        let rules = load::parse("", builtin.text).unwrap();
        let own =
            |name: &str| name == builtin.name || name.starts_with(&format!("{}-", builtin.name));
        for rule in &rules {
            assert!(own(&rule.name), "{}: rule {}", builtin.name, rule.name);
        }
    }
}
