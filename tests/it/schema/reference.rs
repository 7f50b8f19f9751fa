//! `docs/rules-reference.md` is generated from the schema, which comes from the types of rules.
//!
//! `DMTAP_WRITE_DOCS=1 cargo test --test it schema::reference` generates it again.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use dmtap::rules::load::{StepKeys, step_keys};
use serde_json::Value;

use super::support::{self, definition, properties, words};

#[test]
fn the_reference_says_what_the_schema_says() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules-reference.md");
    let expected = reference();
    if std::env::var_os("DMTAP_WRITE_DOCS").is_some() {
        fs::write(&file, &expected).unwrap();
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == expected,
        "docs/rules-reference.md is not up to date: DMTAP_WRITE_DOCS=1 cargo test --test it schema::reference"
    );
}

fn reference() -> String {
    let mut text = HEAD.to_owned();
    tables(&mut text);
    text.push_str(STEPS);
    for kind in step_keys().chunk_by(|a, b| a.kind == b.kind) {
        steps(&mut text, kind);
    }
    options(&mut text);
    text.push_str("\n## Tables inside a step\n");
    for (table, title) in INSIDE {
        group(
            &mut text,
            &format!("### {title}"),
            table,
            &keys_of(table),
            Stages::Left,
        );
    }
    codes(&mut text);
    text
}

fn tables(text: &mut String) {
    group(text, "## A rule", "rule", &keys_of("rule"), Stages::Left);
    text.push_str("\n## `match`\n\nAt the stages `request` and `response`. ");
    text.push_str("Each key takes one value or a list, of which one must match.\n");
    let commands = [
        "command",
        "cmd-id",
        "loc-uri",
        "format",
        "type",
        "data",
        "status",
        "alert",
        "alert-type",
        "answers",
    ];
    let probes = ["has", "where"];
    let nests = ["not", "any", "all"];
    let all = keys_of("match");
    let captured =
        |key: &&&str| !commands.contains(key) && !probes.contains(key) && !nests.contains(key);
    let captured: Vec<&str> = all.iter().filter(captured).copied().collect();
    let match_groups: [(&str, &[&str]); 4] = [
        ("### Keys that select commands", &commands),
        ("### Keys that look inside the selection", &probes),
        ("### Keys about the message as a whole", &captured),
        ("### Keys that contain other keys", &nests),
    ];
    for (title, keys) in match_groups {
        group(text, title, "match", keys, Stages::Shown);
    }
    for (table, title) in INSIDE_MATCH {
        group(
            text,
            &format!("### {title}"),
            table,
            &keys_of(table),
            Stages::Left,
        );
    }
    for (table, title) in AFTER_MATCH {
        group(
            text,
            &format!("## {title}"),
            table,
            &keys_of(table),
            Stages::Left,
        );
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Stages {
    Shown,
    Left,
}

/// A table of some keys.
fn group(text: &mut String, title: &str, table: &str, keys: &[&str], stages: Stages) {
    let (head, line) = match stages {
        Stages::Shown => (" stages |", "---|"),
        Stages::Left => ("", ""),
    };
    write!(
        text,
        "\n{title}\n\n| key | values |{head} means |\n|---|---|{line}---|\n"
    )
    .unwrap();
    for key in keys {
        let schema = &properties(table)[*key];
        let needed = needs(table, key);
        let stages = match (stages, *key) {
            (Stages::Left, _) => "",
            (Stages::Shown, "http-status" | "soap-fault") => " response |",
            (Stages::Shown, _) => " both |",
        };
        let values = cell(&values(schema));
        writeln!(
            text,
            "| `{key}`{needed} | {values} |{stages} {} |",
            meaning(schema)
        )
        .unwrap();
    }
}

fn needs(table: &str, key: &str) -> &'static str {
    let required = support::table(definition(table))["required"].as_array();
    let is_required = required.is_some_and(|keys| keys.iter().any(|needed| needed == key));
    if is_required { ", required" } else { "" }
}

fn steps(text: &mut String, kind: &[StepKeys]) {
    write!(
        text,
        "\n### {}\n\n| verb | values | other keys | stages | does |\n|---|---|---|---|---|\n",
        kind[0].kind
    )
    .unwrap();
    for verb in kind {
        let schema = &properties("step")[&verb.name];
        let (name, values, others) = (&verb.name, cell(&values(schema)), other_keys(verb));
        let stages = match &verb.stages[..] {
            [_, _] => "both".into(),
            stages => stages.join(", "),
        };
        writeln!(
            text,
            "| `{name}` | {values} | {others} | {stages} | {} |",
            meaning(schema)
        )
        .unwrap();
    }
}

fn other_keys(verb: &StepKeys) -> String {
    let option = |option: &String| match verb.required.contains(option) {
        true => format!("`{option}` (required)"),
        false => format!("`{option}`"),
    };
    let options: Vec<String> = verb.options.iter().map(option).collect();
    match &*verb.name {
        "insert" | "copy" | "move" => format!("one of {}", options.join(", ")),
        _ => options.join(", "),
    }
}

fn options(text: &mut String) {
    text.push_str(
        "\n## Other keys of a step\n\n| key | values | of | means |\n|---|---|---|---|\n",
    );
    let mut listed: Vec<&String> = Vec::new();
    for option in step_keys().iter().flat_map(|verb| &verb.options) {
        if listed.contains(&option) {
            continue;
        }
        listed.push(option);
        let of = step_keys()
            .iter()
            .filter(|verb| verb.options.contains(option));
        let of: Vec<String> = of.map(|verb| format!("`{}`", verb.name)).collect();
        let schema = &properties("step")[option];
        let (values, of) = (cell(&values(schema)), of.join(", "));
        writeln!(
            text,
            "| `{option}` | {values} | {of} | {} |",
            meaning(schema)
        )
        .unwrap();
    }
}

fn codes(text: &mut String) {
    text.push_str(CODES);
    for (name, title) in [
        ("syncml-status-code", "Of a Status"),
        ("http-status-code", "Of HTTP"),
        ("oma-dm-alert-code", "Of an Alert"),
    ] {
        write!(text, "\n### {title}\n\n| code | name |\n|---|---|\n").unwrap();
        let known = &definition(name)["anyOf"][0];
        let names = known["x-taplo"]["docs"]["enumValues"].as_array().unwrap();
        for (code, name) in known["enum"].as_array().unwrap().iter().zip(names) {
            writeln!(text, "| {code} | {} |", name.as_str().unwrap()).unwrap();
        }
    }
    group(
        text,
        "### Any other code",
        "code",
        &keys_of("code"),
        Stages::Left,
    );
}

fn keys_of(table: &str) -> Vec<&'static str> {
    properties(table).keys().map(String::as_str).collect()
}

/// The examples of what may be written, else the words a key takes.
fn values(schema: &Value) -> String {
    let examples = schema["examples"].as_array().cloned();
    let values = examples.unwrap_or_else(|| words(schema));
    let values: Vec<String> = values
        .iter()
        .map(|value| format!("`{}`", toml_of(value)))
        .collect();
    values.join(", ")
}

fn toml_of(value: &Value) -> String {
    match value {
        Value::String(text) if text.contains('\\') => format!("'{text}'"),
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(toml_of).collect();
            format!("[{}]", values.join(", "))
        }
        Value::Object(table) => {
            let pairs = table
                .iter()
                .map(|(key, value)| format!("{key} = {}", toml_of(value)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn meaning(schema: &Value) -> String {
    let meaning = schema["description"].as_str().unwrap();
    cell(meaning.trim_end_matches('.'))
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

const INSIDE_MATCH: [(&str, &str); 5] = [
    ("comparison", "A comparison (`data`)"),
    ("where", "`where`"),
    ("answers", "`answers`"),
    ("header", "`header` and `request-header`"),
    ("client-cert", "`client-cert`"),
];

const AFTER_MATCH: [(&str, &str); 4] = [
    ("limit", "`limit`"),
    ("scenario", "`scenario`"),
    ("connection-match", "`match` of connections"),
    ("connection-limit", "`limit` of connections"),
];

const INSIDE: [(&str, &str); 5] = [
    ("body", "`set-body`"),
    ("flip", "`flip`"),
    ("slicer", "`slicer`"),
    ("reset-peer", "`reset-peer`"),
    ("soap-fault", "`soap-fault`"),
];

const HEAD: &str = "\
# Rules: the reference

<!-- Generated by tests/it/schema/reference.rs from the types of rules. Change their documentation, then run
DMTAP_WRITE_DOCS=1 cargo test --test it schema::reference -->

This page lists every key of a rule file. [The guide](rules.md) explains how they work together. *Values* are the words that
a key accepts, or examples if it accepts many. *Both* stages are `request` and `response`.
";

const STEPS: &str = "
## `step`

Each step has one verb, with other keys that belong to it. [The guide](rules.md#places) explains places (`at`,
`after = \"…\"`) and templates.
";

const CODES: &str = "
## Codes

A matcher also accepts a class: `\"1xx\"`, `\"2xx\"`, `\"3xx\"`, `\"4xx\"`, `\"5xx\"`.
";
