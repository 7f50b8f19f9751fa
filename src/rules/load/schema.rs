//! The JSON Schema of rule files, out of the types that rules are read into.
//!
//! The derived schema is brought into the form that files have: a list is one value or several, a field named `=` is the
//! value of a verb, one named `` is the value where it is no table. It also works in editors that know draft 7 only
//! (taplo): no keyword next to `$ref`.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use schemars::transform::{RemoveRefSiblings, Transform};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::rule_table::{ConnectionRuleTable, RuleTable};
use crate::rules::{Matcher, Stage, Step};

/// A verb of steps, as the schema describes it.
#[derive(Clone, Debug, Default)]
pub struct StepKeys {
    /// What steps of its kind are.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// The names of the stages of rules it may stand in.
    pub stages: Vec<String>,
    /// Its other keys.
    pub options: Vec<String>,
    /// Those of them that it needs.
    pub required: Vec<String>,
    /// What the value of the verb may be, and what the verb does.
    value: Value,
    /// The same of its other keys.
    values: Map<String, Value>,
    /// What its keys are to each other.
    together: Map<String, Value>,
}

impl StepKeys {
    /// How it is written.
    pub(super) fn example(&self) -> String {
        let value = in_toml(&self.value["examples"][0]);
        let needs = self.required.iter().map(|key| {
            let value = in_toml(&self.values[key]["examples"][0]);
            format!(", {key} = {value}")
        });
        format!("{} = {value}{}", self.name, needs.collect::<String>())
    }

    /// What one of its other keys means.
    pub(super) fn meaning(&self, option: &str) -> &str {
        let value = self.values.get(option).unwrap_or(&Value::Null);
        value["description"].as_str().unwrap_or_default()
    }
}

/// Every verb, kind by kind.
pub fn step_keys() -> &'static [StepKeys] {
    static STEPS: LazyLock<Vec<StepKeys>> = LazyLock::new(|| {
        let mut generator = generator();
        let kinds = Step::kinds(&mut generator);
        let definitions = generator.definitions().clone();
        let of_kind = |(kind, schema): (&'static str, Schema)| {
            let stages = schema.get("x-stages").cloned();
            let variants = schema.get("oneOf").and_then(Value::as_array).cloned();
            let variants = variants.unwrap_or_else(|| vec![schema.to_value()]);
            let step = |variant: &Value| of_variant(kind, variant, stages.as_ref(), &definitions);
            variants.iter().map(step).collect::<Vec<_>>()
        };
        kinds.into_iter().flat_map(of_kind).collect()
    });
    &STEPS
}

/// The keys of `match`.
pub(super) fn match_keys() -> &'static [String] {
    static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let schema = Matcher::json_schema(&mut generator());
        let keys = schema.get("properties").and_then(Value::as_object);
        keys.into_iter().flat_map(Map::keys).cloned().collect()
    });
    &KEYS
}

/// An example as a rule file has it.
fn in_toml(example: &Value) -> String {
    let value = toml::Value::try_from(example);
    value.map_or_else(|_| "…".into(), |value| value.to_string())
}

/// The schema.
pub fn schema() -> Value {
    let mut generator = generator();
    let rule = RuleTable::json_schema(&mut generator);
    let of_connections = ConnectionRuleTable::json_schema(&mut generator);
    let mut definitions = generator.take_definitions(false);
    definitions.insert(
        "rule".into(),
        rule_of_any_stage(rule.to_value(), &of_connections),
    );
    let of_its_stage = of_its_stage(&of_connections);
    definitions.extend(of_its_stage);
    let mut root = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Rules of dmtap",
        "description": "A rule file of dmtap: [[rule]] begins each rule.",
        "type": "object",
        "additionalProperties": false,
        "$defs": definitions,
    });
    written(&mut root);
    root["properties"] = json!({"rule": {
        "description": "The rules, in the order in which dmtap evaluates them.",
        "type": "array",
        "items": {"allOf": [{"$ref": "#/$defs/rule"}, {"$ref": "#/$defs/rule-of-its-stage"}]}
    }});
    drop_unused(&mut root);
    let mut schema = Schema::try_from(root).unwrap_or_default();
    RemoveRefSiblings::default().transform(&mut schema);
    schema.to_value()
}

/// The schema as text.
pub fn schema_text() -> String {
    format!("{:#}\n", schema())
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().into_generator()
}

/// What is common to rules of all stages; the stage decides the rest, so that a mistake is reported at its place.
fn rule_of_any_stage(mut rule: Value, of_connections: &Schema) -> Value {
    for key in ["match", "limit"] {
        let property = &mut rule["properties"][key];
        let connections = of_connections.as_value()["properties"][key].clone();
        let fields = property.as_object_mut();
        let description = fields.and_then(|fields| fields.remove("description"));
        *property = json!({
            "description": description,
            "type": "object",
            "anyOf": [property.clone(), connections, {}],
        });
    }
    rule
}

fn of_its_stage(of_connections: &Schema) -> Map<String, Value> {
    let mut definitions = Map::new();
    let mut cases = Vec::new();
    for stage in [Stage::Request, Stage::Response, Stage::Connection] {
        let name = stage.name();
        let elsewhere = step_keys()
            .iter()
            .filter(|step| !step.stages.iter().any(|known| known == name));
        let elsewhere: Vec<&str> = elsewhere.map(|step| &*step.name).collect();
        let names = json!({"propertyNames": {"not": {"enum": elsewhere}}});
        let mut properties =
            json!({"step": {"propertyNames": names["propertyNames"], "items": names}});
        match stage {
            Stage::Connection => {
                let own = &of_connections.as_value()["properties"];
                properties["match"] = own["match"].clone();
                properties["limit"] = own["limit"].clone();
                properties["scenario"] = json!(false);
                properties["end"] = json!(false);
            }
            _ => {
                properties["match"] = json!({"$ref": "#/$defs/match"});
                properties["limit"] = json!({"$ref": "#/$defs/limit"});
            }
        }
        if stage == Stage::Request {
            properties["match"] =
                json!({"allOf": [properties["match"], {"$ref": "#/$defs/match-of-request"}]});
            // The body of a request is cut with `limit-data`.
            properties["step"]["properties"] = json!({"reset-peer": {"const": true}});
            properties["step"]["items"]["properties"] = properties["step"]["properties"].clone();
        }
        cases.push(json!({
            "if": {"type": "object", "required": ["stage"], "properties": {"stage": {"const": name}}},
            "then": {"properties": properties},
        }));
    }
    let inner = json!({"$ref": "#/$defs/match-of-request"});
    let inside = json!({"allOf": [inner, {"items": inner}]});
    definitions.insert(
        "match-of-request".into(),
        json!({"properties": {"http-status": false, "soap-fault": false, "not": inner, "any": inside, "all": inside}}),
    );
    definitions.insert("rule-of-its-stage".into(), json!({"allOf": cases}));
    definitions
}

fn of_variant(
    kind: &'static str,
    variant: &Value,
    stages: Option<&Value>,
    definitions: &Map<String, Value>,
) -> StepKeys {
    let stages = variant.get("x-stages").or(stages).cloned();
    let stages = stages.unwrap_or_else(|| json!([Stage::Request.name(), Stage::Response.name()]));
    let described = |mut value: Value| {
        for key in ["description", "examples"] {
            if let Some(text) = variant.get(key) {
                value[key] = text.clone();
            }
        }
        if value.get("examples").is_none() && value.get("const").is_some() {
            value["examples"] = json!([true]);
        }
        value
    };
    let mut step = StepKeys {
        kind,
        stages: texts(&stages),
        ..StepKeys::default()
    };
    let Some((name, content)) = variant["properties"]
        .as_object()
        .and_then(|keys| keys.iter().next())
    else {
        step.name = variant["const"].as_str().unwrap_or_default().into();
        step.value = described(json!({"const": true}));
        return step;
    };
    step.name.clone_from(name);
    step.together = keywords(variant);
    let table = reference(content).and_then(|name| definitions.get(name));
    let has_verb = |table: &Value| table["properties"].get("=").is_some();
    let table = match table.filter(|table| has_verb(table)) {
        Some(table) => table,
        // The fields of a variant stand here, those of a type of its own elsewhere.
        None if content.get("properties").is_some() => content,
        None => {
            step.value = described(content.clone());
            return step;
        }
    };
    step.together.extend(keywords(table));
    step.values = table["properties"].as_object().cloned().unwrap_or_default();
    let value = step.values.remove("=").map(|mut value| {
        value
            .as_object_mut()
            .map(|value| value.remove("description"));
        value
    });
    step.value = described(value.unwrap_or_else(|| json!({"const": true})));
    step.options = step.values.keys().cloned().collect();
    step.required = texts(&table["required"]);
    step.required.retain(|key| key != "=");
    step
}

/// What a schema says of keys together.
fn keywords(schema: &Value) -> Map<String, Value> {
    let known = ["oneOf", "maxProperties", "if", "then"];
    let keywords = schema.as_object().into_iter().flatten();
    let keywords = keywords.filter(|(key, _)| known.contains(&key.as_str()));
    keywords
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

impl JsonSchema for Step {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "step".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        // What the verbs refer to is defined here, too.
        Self::kinds(generator);
        let (mut properties, mut options, mut cases) = (Map::new(), Map::new(), Vec::new());
        for step in step_keys() {
            properties.insert(step.name.clone(), step.value.clone());
            for (key, value) in &step.values {
                options.entry(key.clone()).or_insert_with(|| value.clone());
            }
            let keys: Vec<&String> = [&step.name].into_iter().chain(&step.options).collect();
            let mut then = json!({"propertyNames": {"enum": keys}, "required": step.required});
            if !step.together.is_empty() {
                then["allOf"] = json!([step.together]);
            }
            cases.push(json!({"if": {"type": "object", "required": [step.name]}, "then": then}));
        }
        let names: Vec<&String> = options.keys().collect();
        let not = json!({"type": "object", "propertyNames": {"enum": names}});
        properties.extend(options.clone());
        let step = json!({
            "description": "What the rule does: one verb with its keys.",
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
            "not": not,
            "allOf": cases,
        });
        Schema::try_from(step).unwrap_or_default()
    }
}

/// Brings a derived schema into the form that files have.
fn written(root: &mut Value) {
    let definitions = root["$defs"].as_object().cloned().unwrap_or_default();
    rewrite(root, &definitions);
    let tables = root["$defs"].as_object_mut().into_iter().flatten();
    for (name, table) in tables {
        let properties = table.pointer_mut("/properties");
        if let Some(properties) = properties.and_then(Value::as_object_mut) {
            properties.remove("");
        }
        for key in ["not", "any", "all"].iter().filter(|_| name == "match") {
            if let Some(inner) = table.pointer_mut(&format!("/properties/{key}")) {
                at_least_one_key(inner);
            }
        }
    }
}

fn rewrite(schema: &mut Value, definitions: &Map<String, Value>) {
    match schema {
        Value::Array(schemas) => schemas
            .iter_mut()
            .for_each(|schema| rewrite(schema, definitions)),
        Value::Object(map) => {
            for key in ["default", "format", "title", "x-stages"] {
                // A property may have such a name, too.
                let is_keyword = |value: &Value| !value.is_object() && !value.is_boolean();
                let is_root = key == "title" && map.contains_key("$schema");
                if map.get(key).is_some_and(is_keyword) && !is_root {
                    map.remove(key);
                }
            }
            map.values_mut()
                .for_each(|value| rewrite(value, definitions));
            without_null(map);
            words_of(map);
            plain_or_table(map, definitions);
            one_or_many(map);
        }
        _ => {}
    }
}

/// What is left out is not written as null.
fn without_null(map: &mut Map<String, Value>) {
    let is_null = |value: &Value| value.is_null() || value == "null" || value["type"] == "null";
    for key in ["type", "enum", "anyOf"] {
        let Some(values) = map.get_mut(key).and_then(Value::as_array_mut) else {
            continue;
        };
        values.retain(|value| !is_null(value));
        if let ("type" | "anyOf", [only]) = (key, &values[..]) {
            let only = only.clone();
            match (key, only) {
                ("anyOf", Value::Object(only)) => {
                    map.remove(key);
                    for (key, value) in only {
                        map.entry(key).or_insert(value);
                    }
                }
                (_, only) => drop(map.insert(key.into(), only)),
            }
        }
    }
}

/// Names that are described one by one are a list of names.
fn words_of(map: &mut Map<String, Value>) {
    let names = map.get("oneOf").and_then(Value::as_array);
    let names = names.map(|all| {
        all.iter()
            .map(|one| one.get("const").or(one["enum"].get(0)).cloned())
    });
    let Some(names) = names.and_then(|names| names.collect::<Option<Vec<_>>>()) else {
        return;
    };
    map.remove("oneOf");
    map.insert("enum".into(), names.into());
}

/// A type with a field named `` is that value, or a table.
fn plain_or_table(map: &mut Map<String, Value>, definitions: &Map<String, Value>) {
    let name = map
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|path| path.strip_prefix("#/$defs/"));
    let plain = name.and_then(|name| definitions.get(name)?.pointer("/properties/"));
    if let Some(plain) = plain {
        let mut plain = plain.clone();
        rewrite(&mut plain, definitions);
        let table = json!({"$ref": map.remove("$ref")});
        map.insert("anyOf".into(), json!([plain, table]));
    }
}

/// A list is one value, or several.
fn one_or_many(map: &mut Map<String, Value>) {
    if map.get("type") != Some(&json!("array")) {
        return;
    }
    let Some(items) = map.remove("items") else {
        return;
    };
    map.remove("type");
    let many = json!({"type": "array", "minItems": 1, "items": items});
    map.insert("anyOf".into(), json!([items, many]));
}

/// The table, or those of the list, have a key.
fn at_least_one_key(schema: &mut Value) {
    schema["minProperties"] = json!(1);
    schema["items"] = json!({"minProperties": 1});
    if schema.get("anyOf").is_none() {
        schema["type"] = json!("object");
    }
}

/// Definitions that nothing refers to: what was put into a step.
fn drop_unused(root: &mut Value) {
    loop {
        let text = root.to_string();
        let Some(definitions) = root["$defs"].as_object_mut() else {
            return;
        };
        let before = definitions.len();
        definitions
            .retain(|name, _| text.contains(&format!("\"#/$defs/{name}\"")) || name == "rule");
        if definitions.len() == before {
            return;
        }
    }
}

fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix("#/$defs/")
}

fn texts(list: &Value) -> Vec<String> {
    let texts = list.as_array().into_iter().flatten();
    texts.filter_map(Value::as_str).map(str::to_owned).collect()
}
