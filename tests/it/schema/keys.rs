//! The keys and words of the schema are those of the loader's own tables.

use std::collections::{BTreeMap, BTreeSet};

use dmtap::rules::Stage;
use dmtap::rules::load::vocabulary::{Keys, vocabulary};
use serde_json::Value;

use super::support::{definition, properties};

/// Lists of keys that are no tables of their own in a file.
const NO_TABLES: [&str; 1] = ["command-keys"];

#[test]
fn every_table_has_the_keys_that_the_loader_takes() {
    for (table, keys) in vocabulary().tables {
        if !NO_TABLES.contains(&table) {
            assert_eq!(set(&keys), names(properties(table).keys()), "{table}");
            assert_eq!(closed(table), Some(&Value::Bool(false)), "{table}");
        }
    }
}

#[test]
fn no_table_is_described_that_the_loader_does_not_know() {
    let known = vocabulary().tables;
    let known = |name: &str| name == "step" || known.iter().any(|(table, _)| *table == name);
    let all = super::support::TREE["$defs"].as_object().unwrap();
    for (name, definition) in all {
        let is_table = definition.get("additionalProperties").is_some();
        assert!(!is_table || known(name), "{name}");
    }
}

#[test]
fn steps_have_the_verbs_and_options_that_the_loader_takes() {
    let verbs = vocabulary().verbs;
    let keys = verbs
        .iter()
        .flat_map(|verb| [verb.name].into_iter().chain(verb.options.iter().copied()));
    assert_eq!(
        keys.map(str::to_owned).collect::<BTreeSet<_>>(),
        names(properties("step").keys())
    );
    assert_eq!(closed("step"), Some(&Value::Bool(false)));
    let beside: BTreeMap<String, BTreeSet<String>> = definition("step-of-one-verb")["allOf"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|case| {
            let verb = case["if"]["required"][0].as_str()?;
            Some((verb.to_owned(), texts(case["then"].get("propertyNames")?)))
        })
        .collect();
    let expected = verbs.iter().map(|verb| {
        let keys = [verb.name].into_iter().chain(verb.options.iter().copied());
        (verb.name.to_owned(), keys.map(str::to_owned).collect())
    });
    assert_eq!(beside, expected.collect());
    let options: Vec<&str> = verbs
        .iter()
        .flat_map(|verb| verb.options)
        .copied()
        .collect();
    assert_eq!(
        texts(&definition("step")["not"]["propertyNames"]),
        set(&options)
    );
}

#[test]
fn each_stage_refuses_the_verbs_that_the_loader_refuses_there() {
    for stage in [Stage::Request, Stage::Response, Stage::Connection] {
        let steps = definition(&format!("steps-of-{}", stage.name()));
        let verbs = vocabulary().verbs;
        let elsewhere = verbs.iter().filter(|verb| !verb.stages.contains(&stage));
        let elsewhere: Vec<&str> = elsewhere.map(|verb| verb.name).collect();
        for steps in [steps, &steps["items"]] {
            assert_eq!(
                texts(&steps["propertyNames"]["not"]),
                set(&elsewhere),
                "{stage:?}"
            );
        }
    }
}

#[test]
fn words_and_codes_are_those_that_the_loader_takes() {
    let vocabulary = vocabulary();
    for (key, words) in &vocabulary.words {
        assert_eq!(texts(property(key)), set(words), "{key}");
    }
    for (key, codes) in &vocabulary.codes {
        assert_eq!(numbers(property(key)), *codes, "{key}");
    }
    for (name, codes) in &vocabulary.named {
        let (numbers_of, names): (Vec<u16>, Vec<&str>) = codes.iter().copied().unzip();
        let known = &definition(name)["anyOf"][0];
        assert_eq!(numbers(known), numbers_of, "{name}");
        assert_eq!(
            known["x-taplo"]["docs"]["enumValues"],
            serde_json::json!(names),
            "{name}"
        );
    }
}

#[test]
fn a_key_with_a_list_of_words_is_one_of_the_loader_s() {
    let known: Vec<Keys> = vocabulary().words;
    for table in super::support::TREE["$defs"].as_object().unwrap().keys() {
        for (key, value) in definition(table)["properties"]
            .as_object()
            .into_iter()
            .flatten()
        {
            let path = format!("{table}.{key}");
            let has_words = !texts(value).is_empty();
            let is_known = known.iter().any(|(known, _)| *known == path);
            assert!(!has_words || is_known, "{path}");
        }
    }
}

#[test]
fn every_key_says_in_a_sentence_what_it_means() {
    for table in super::support::TREE["$defs"].as_object().unwrap().keys() {
        let definition = definition(table);
        if definition.get("additionalProperties").is_none() {
            continue;
        }
        for (key, value) in definition["properties"].as_object().unwrap() {
            let value = match value["$ref"].as_str() {
                Some(name) => super::support::definition(name.rsplit('/').next().unwrap()),
                None => value,
            };
            let meaning = value["description"].as_str().unwrap_or_default();
            assert!(
                meaning.ends_with('.') && meaning.len() > 10,
                "{table}.{key}: {meaning}"
            );
        }
    }
}

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn names<'k>(keys: impl Iterator<Item = &'k String>) -> BTreeSet<String> {
    keys.cloned().collect()
}

fn closed(table: &str) -> Option<&'static Value> {
    match table {
        "file" => super::support::TREE.get("additionalProperties"),
        table => definition(table).get("additionalProperties"),
    }
}

/// The schema of `table.key`.
fn property(path: &str) -> &'static Value {
    let (table, key) = path.split_once('.').unwrap();
    properties(table)
        .get(key)
        .unwrap_or_else(|| panic!("no {path}"))
}

/// The words that a schema lists, be it for one value or for those of a list.
fn texts(schema: &Value) -> BTreeSet<String> {
    let texts = listed(schema);
    texts
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

fn numbers(schema: &Value) -> Vec<u16> {
    let numbers = listed(schema);
    numbers
        .iter()
        .filter_map(|number| number.as_u64()?.try_into().ok())
        .collect()
}

fn listed(schema: &Value) -> Vec<Value> {
    let mut found = schema["enum"].as_array().cloned().unwrap_or_default();
    for inner in schema["anyOf"].as_array().into_iter().flatten() {
        found.extend(listed(inner));
    }
    found.extend(schema.get("items").map(listed).unwrap_or_default());
    if let Some(name) = schema["$ref"]
        .as_str()
        .filter(|name| name.ends_with("-codes"))
    {
        let codes = definition(name.rsplit('/').next().unwrap());
        found.extend(listed(codes));
    }
    found
}
