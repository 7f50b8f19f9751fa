//! The examples in the schema: the schema and the loader accept each one at its own stages.

use dmtap::rules::Stage;
use dmtap::rules::load::{StepKeys, step_keys};
use serde_json::{Map, Value, json};

use super::support::{properties, refused, wrong};

const STAGES: [Stage; 3] = [Stage::Request, Stage::Response, Stage::Connection];

#[test]
fn each_verb_is_taken_where_it_belongs_and_nowhere_else() {
    for verb in step_keys() {
        for example in examples("step", &verb.name) {
            for step in steps(verb, &example) {
                for stage in STAGES {
                    let bytes_of_response = verb.name == "reset-peer" && example.is_object();
                    let belongs = verb.stages.iter().any(|known| known == stage.name())
                        && !(bytes_of_response && stage == Stage::Request);
                    let files = matchers().map(|matcher| rule(stage, matcher, step.clone()));
                    let taken = files.iter().any(|file| refused(file).is_none());
                    assert_eq!(taken, belongs, "{stage:?} {step}: {:?}", refused(&files[0]));
                    assert_eq!(
                        wrong(&files[0]).is_none(),
                        belongs,
                        "{stage:?} {step}: {:#?}",
                        wrong(&files[0])
                    );
                }
            }
        }
    }
}

#[test]
fn each_option_is_taken_beside_each_of_its_verbs() {
    for verb in step_keys() {
        let [value, ..] = &examples("step", &verb.name)[..] else {
            panic!()
        };
        for option in &verb.options {
            for example in examples("step", option) {
                for mut step in steps(verb, value) {
                    if SIDES.contains(&&**option) {
                        SIDES
                            .iter()
                            .for_each(|side| drop(step.as_object_mut().unwrap().remove(*side)));
                    }
                    step[option] = example.clone();
                    let stage = STAGES
                        .into_iter()
                        .find(|stage| verb.stages[0] == stage.name())
                        .unwrap();
                    let files = matchers().map(|matcher| rule(stage, matcher, step.clone()));
                    let taken = files.iter().any(|file| refused(file).is_none());
                    // Without a nonce there is none to name.
                    let belongs = !(step["scheme"] == "basic" && step.get("nonce").is_some());
                    assert_eq!(taken, belongs, "{step}: {:?}", refused(&files[0]));
                    assert_eq!(
                        wrong(&files[0]).is_none(),
                        belongs,
                        "{step}: {:#?}",
                        wrong(&files[0])
                    );
                }
            }
        }
    }
}

#[test]
fn each_key_of_a_matcher_is_taken() {
    for key in properties("match").keys() {
        for example in examples("match", key) {
            for stage in [Stage::Request, Stage::Response] {
                let of_responses = ["http-status", "soap-fault"].contains(&key.as_str());
                let belongs = !of_responses || stage == Stage::Response;
                let alone = json!({ key: example });
                for inner in [
                    alone.clone(),
                    json!({ "not": alone }),
                    json!({ "any": [alone, { "method": "POST" }] }),
                    json!({ "all": alone }),
                ] {
                    let mut matcher = inner;
                    // These look into commands, and so need one to be selected.
                    if ["has", "where"].contains(&key.as_str()) {
                        matcher["command"] = json!("Replace");
                    }
                    check(stage, json!({ "match": matcher }), belongs);
                }
            }
            let known = properties("connection-match").contains_key(key);
            check(
                Stage::Connection,
                json!({ "match": { key: example } }),
                known,
            );
        }
    }
    for key in properties("connection-match").keys() {
        for example in examples("connection-match", key) {
            check(
                Stage::Connection,
                json!({ "match": { key: example } }),
                true,
            );
        }
    }
}

#[test]
fn each_key_of_the_other_tables_is_taken() {
    for (table, stage) in [
        ("limit", Stage::Request),
        ("connection-limit", Stage::Connection),
    ] {
        for key in properties(table).keys() {
            for example in examples(table, key) {
                let mut limit = json!({ "times": 1 });
                limit[key] = example;
                check(stage, json!({ "limit": limit }), true);
            }
        }
    }
    for key in properties("scenario").keys() {
        for example in examples("scenario", key) {
            let mut scenario = json!({ "name": "two-acts", "becomes": "refused" });
            scenario[key] = example;
            check(Stage::Request, json!({ "scenario": scenario }), true);
        }
    }
    let inside = [
        ("comparison", "data", None),
        ("where", "where", Some(("at", "Item/Data"))),
        ("answers", "answers", None),
        ("header", "header", Some(("name", "Accept"))),
        ("client-cert", "client-cert", None),
    ];
    for (table, key, needed) in inside {
        for inner in properties(table).keys() {
            for example in examples(table, inner) {
                let mut value: Map<String, Value> = needed
                    .iter()
                    .map(|(key, value)| ((*key).into(), json!(value)))
                    .collect();
                value.insert(inner.clone(), example);
                if table == "where" && inner == "at" {
                    value.insert("equals".into(), json!("1"));
                }
                check(
                    Stage::Request,
                    json!({ "match": { "command": "Status", key: value } }),
                    true,
                );
            }
        }
    }
}

#[test]
fn each_key_inside_a_step_is_taken() {
    let inside = [
        ("body", "set-body", json!({ "text": "" })),
        ("flip", "flip", json!({ "at": 0 })),
        ("slicer", "slicer", json!({ "size": 1, "delay": "1s" })),
        ("reset-peer", "reset-peer", json!({ "after": 1 })),
        (
            "soap-fault",
            "soap-fault",
            json!({ "subcode": "s:Authorization" }),
        ),
        (
            "code",
            "set-http-status",
            json!({ "code": 599, "force": true }),
        ),
    ];
    for (table, verb, needed) in inside {
        for key in properties(table).keys() {
            for example in examples(table, key) {
                let mut value = needed.clone();
                value[key] = example;
                if table == "body" && ["file", "base64"].contains(&key.as_str()) {
                    value.as_object_mut().unwrap().remove("text");
                }
                check(Stage::Response, json!({ "step": { verb: value } }), true);
            }
        }
    }
}

/// A rule with these parts is taken, or refused, by both.
fn check(stage: Stage, parts: Value, belongs: bool) {
    let step = match stage {
        Stage::Connection => json!({ "tunnel": true }),
        _ => json!({ "delay": "1s" }),
    };
    let mut rule = json!({ "name": "a", "stage": stage.name(), "step": step });
    rule.as_object_mut()
        .unwrap()
        .extend(parts.as_object().unwrap().clone());
    let file = toml::to_string(&json!({ "rule": [rule] })).unwrap();
    assert_eq!(
        refused(&file).is_none(),
        belongs,
        "{file}: {:?}",
        refused(&file)
    );
    assert_eq!(
        wrong(&file).is_none(),
        belongs,
        "{file}: {:#?}",
        wrong(&file)
    );
}

/// A step of a verb with what it needs beside it.
fn steps(verb: &StepKeys, value: &Value) -> Vec<Value> {
    let mut step = json!({ &verb.name: value });
    for needed in &verb.required {
        step[needed] = examples("step", needed)[0].clone();
    }
    if !["insert", "copy", "move"].contains(&&*verb.name) {
        return vec![step];
    }
    let with = |side: &str| {
        let mut step = step.clone();
        step[side] = examples("step", side)[0].clone();
        step
    };
    SIDES.map(with).to_vec()
}

const SIDES: [&str; 4] = ["before", "after", "first-in", "last-in"];

/// What a verb may need to be given: nothing, an answer, or a command.
fn matchers() -> [Option<Value>; 3] {
    [
        None,
        Some(json!({ "command": "Status" })),
        Some(json!({ "command": "Replace" })),
    ]
}

fn rule(stage: Stage, matcher: Option<Value>, step: Value) -> String {
    let mut rule = json!({ "name": "a", "stage": stage.name(), "step": step });
    if rule["step"].get("advance-scenario").is_some() && stage != Stage::Connection {
        rule["scenario"] = json!({ "name": "acts", "becomes": "second" });
    }
    if let Some(matcher) = matcher {
        rule["match"] = matcher;
    }
    toml::to_string(&json!({ "rule": [rule] })).unwrap()
}

/// The examples of a key, or else its words.
fn examples(table: &str, key: &str) -> Vec<Value> {
    let schema = &properties(table)[key];
    let listed = schema["examples"].as_array().cloned();
    let found = listed.unwrap_or_else(|| super::support::words(schema));
    assert!(!found.is_empty(), "{table}.{key} has no examples");
    found
}

#[test]
fn every_key_says_in_a_sentence_what_it_means() {
    for (table, definition) in super::support::TREE["$defs"].as_object().unwrap() {
        let definition = super::support::table(definition);
        if definition["additionalProperties"] != false {
            continue;
        }
        for (key, value) in definition["properties"].as_object().unwrap() {
            let meaning = value["description"].as_str().unwrap_or_default();
            assert!(
                meaning.ends_with('.') && meaning.len() > 10,
                "{table}.{key}: {meaning}"
            );
        }
    }
}
