//! `--help`: each verb has examples, and they work.

use clap::{Command, CommandFactory, Parser};
use dmtap::cli::Cli;

use super::{dmtap, run};

/// The examples of a verb and of those under it, with the verb's name.
fn examples(verb: &Command, name: &str, all: &mut Vec<(String, String)>) {
    let help = verb.get_after_help().map(ToString::to_string);
    let help = help.unwrap_or_default();
    let lines = help.lines().filter(|line| line.starts_with("  "));
    let before = all.len();
    // What an example does may stand behind it, in its own column.
    let calls = lines.filter_map(|line| line.trim().split("   ").next());
    let calls = calls.filter(|call| call.starts_with("dmtap ") || call.contains("| dmtap "));
    all.extend(calls.map(|call| (name.to_owned(), call.to_owned())));
    assert!(all.len() > before, "no example in the help of {name}");
    for verb in verb.get_subcommands() {
        examples(verb, &format!("{name} {}", verb.get_name()), all);
    }
}

/// The words of the last `dmtap` in a pipe.
fn words(call: &str) -> Vec<&str> {
    let mut parts = call.split('|').map(str::trim).rev();
    let own = parts.find_map(|part| part.strip_prefix("dmtap ")).unwrap();
    let words = own.split_whitespace();
    let words = words.take_while(|word| ![">", "&&"].contains(word));
    words.map(|word| word.trim_matches('\'')).collect()
}

/// The lines of the help of a verb and of those under it that a narrow terminal would break.
fn too_wide(verb: &Command, name: &str, wide: &mut Vec<String>) {
    let help = verb.get_after_help().map(ToString::to_string);
    let help = help.unwrap_or_default();
    let lines = help.lines().filter(|line| line.chars().count() > 80);
    wide.extend(lines.map(|line| format!("{name}: {line}")));
    for verb in verb.get_subcommands() {
        too_wide(verb, &format!("{name} {}", verb.get_name()), wide);
    }
}

#[test]
fn options_that_other_programs_have_are_named_as_dmtap_has_them() {
    for (arguments, expected) in [
        (&["proxy", "--port", "8081"][..], "dmtap calls it -p PORT"),
        (
            &["why", "--json", "a.jsonl"],
            "dmtap calls it --output json",
        ),
    ] {
        let output = run(dmtap().args(arguments));
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn examples_fit_on_a_terminal_of_80_columns() {
    let mut wide = Vec::new();
    for verb in Cli::command().get_subcommands() {
        if ["rules", "decode", "demo", "show", "completions"].contains(&verb.get_name()) {
            too_wide(verb, verb.get_name(), &mut wide);
        }
    }
    assert!(wide.is_empty(), "{}", wide.join("\n"));
}

#[test]
fn every_verb_has_examples_that_it_understands() {
    let mut all = Vec::new();
    examples(&Cli::command(), "dmtap", &mut all);
    for (name, call) in &all {
        let words = words(call);
        let is_own = format!("dmtap {} ", words.join(" ")).starts_with(&format!("{name} "));
        assert!(
            is_own,
            "the help of {name} has an example of another verb: {call}"
        );
        let parsed = Cli::try_parse_from(["dmtap"].into_iter().chain(words));
        assert!(parsed.is_ok(), "{call}: {}", parsed.unwrap_err());
    }
    let runs = [
        "dmtap rules list",
        "dmtap rules show",
        "dmtap rules schema",
        "dmtap completions",
    ];
    let runs = |name: &str| runs.contains(&name);
    for (_, call) in all.iter().filter(|(name, _)| runs(name)) {
        let output = run(dmtap().args(words(call)));
        assert_eq!(output.status.code(), Some(0), "{call}: {output:?}");
    }
}
