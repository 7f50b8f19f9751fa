//! The JSON Schema of rule files, generated from the types that rules are read into.
//!
//! The derived schema is converted to the form of rule files: a list is one value or several, a field named `=` is the
//! value of a verb, and a field named `` is the value if it is not a table. The result also works in editors that only
//! know draft 7 (taplo): there is no keyword next to `$ref`.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use schemars::transform::{RemoveRefSiblings, Transform, transform_subschemas};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::match_table::AT_RESPONSES;
use super::rule_table::{ConnectionLimit, RuleTable};
use crate::rules::{ConnectionMatcher, Limit, Matcher, Stage, Step};

/// A verb of steps, with the schema of its keys.
#[derive(Clone, Debug, Default)]
pub struct StepKeys {
    /// The title of the kind of step.
    pub kind: &'static str,
    /// The name of the verb.
    pub name: String,
    /// The names of the stages at which the step is allowed.
    pub stages: Vec<String>,
    /// The other keys of the step.
    pub options: Vec<String>,
    /// The required ones of the other keys.
    pub required: Vec<String>,
    /// The schema of the verb's value, with the description of the verb.
    value: Value,
    /// The schemas of the other keys.
    values: Map<String, Value>,
    /// The schema keywords that relate the keys to each other.
    together: Map<String, Value>,
}

impl StepKeys {
    /// Returns an example of the step in TOML.
    pub fn example(&self) -> String {
        let value = in_toml(&self.value["examples"][0]);
        let needs = self.required.iter().map(|key| {
            let value = in_toml(&self.values[key]["examples"][0]);
            format!(", {key} = {value}")
        });
        format!("{} = {value}{}", self.name, needs.collect::<String>())
    }

    /// Returns the description of the verb.
    pub fn does(&self) -> &str {
        self.value["description"].as_str().unwrap_or_default()
    }

    /// Returns the description of another key of the step.
    pub(super) fn meaning(&self, option: &str) -> &str {
        let value = self.values.get(option).unwrap_or(&Value::Null);
        value["description"].as_str().unwrap_or_default()
    }
}

/// Returns all verbs, grouped by kind.
pub fn step_keys() -> &'static [StepKeys] {
    static STEPS: LazyLock<Vec<StepKeys>> = LazyLock::new(|| {
        let of_kind = |(kind, schema): (&'static str, Schema)| {
            let stages = schema.get("x-stages").cloned();
            let variants = schema.get("oneOf").and_then(Value::as_array).cloned();
            let variants = variants.unwrap_or_else(|| vec![schema.to_value()]);
            let step = |variant: &Value| of_variant(kind, variant, stages.as_ref());
            variants.iter().map(step).collect::<Vec<_>>()
        };
        let kinds = Step::kinds(&mut generator());
        kinds.into_iter().flat_map(of_kind).collect()
    });
    &STEPS
}

/// Returns the verb of this name.
pub(super) fn step_named(name: &str) -> Option<&'static StepKeys> {
    step_keys().iter().find(|step| step.name == name)
}

/// Returns the keys of `match`.
pub(super) fn match_keys() -> &'static [String] {
    static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let schema = Matcher::json_schema(&mut generator());
        let keys = schema.get("properties").and_then(Value::as_object);
        keys.into_iter().flat_map(Map::keys).cloned().collect()
    });
    &KEYS
}

/// Writes an example in TOML.
fn in_toml(example: &Value) -> String {
    let value = toml::Value::try_from(example);
    value.map_or_else(|_| "…".into(), |value| value.to_string())
}

/// Returns the schema.
pub fn schema() -> Value {
    let mut generator = generator();
    let mut rule = RuleTable::<Matcher, Limit>::json_schema(&mut generator).to_value();
    // The stage decides between the two, so that a mistake is reported at its place.
    for (key, of_connections) in [
        ("match", generator.subschema_for::<ConnectionMatcher>()),
        ("limit", generator.subschema_for::<ConnectionLimit>()),
    ] {
        rule["properties"][key] = json!({
            "description": rule["properties"][key]["description"],
            "type": "object",
            "anyOf": [defined(key), of_connections, {}],
        });
    }
    let mut definitions = generator.take_definitions(false);
    definitions.insert("rule".into(), rule);
    definitions.insert("rule-of-its-stage".into(), rule_of_its_stage());
    definitions.insert("match-of-request".into(), match_of_request());
    let mut root = json_schema!({"$defs": definitions});
    written(&mut root, &definitions);
    let tables = root.get_mut("$defs").and_then(Value::as_object_mut);
    for (name, table) in tables.into_iter().flatten() {
        let properties = table.get_mut("properties").and_then(Value::as_object_mut);
        let Some(properties) = properties else {
            continue;
        };
        properties.remove("");
        for key in ["not", "any", "all"].iter().filter(|_| name == "match") {
            properties[*key]["minProperties"] = json!(1);
            properties[*key]["items"] = json!({"minProperties": 1});
        }
    }
    let head = json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Rules of dmtap",
        "description": "A rule file of dmtap: [[rule]] begins each rule.",
        "type": "object",
        "additionalProperties": false,
        "properties": {"rule": {
            "description": "The rules, in the order in which dmtap evaluates them.",
            "type": "array",
            "items": {"allOf": [defined("rule"), defined("rule-of-its-stage")]}
        }}
    });
    root.ensure_object()
        .extend(head.as_object().cloned().into_iter().flatten());
    RemoveRefSiblings::default().transform(&mut root);
    root.to_value()
}

/// Returns the schema as text.
pub fn schema_text() -> String {
    format!("{:#}\n", schema())
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().into_generator()
}

fn defined(name: &str) -> Value {
    json!({"$ref": format!("#/$defs/{name}")})
}

/// Returns the schema of the conditions that depend on the stage of a rule.
fn rule_of_its_stage() -> Value {
    let of_stage = |stage: Stage| {
        let is_elsewhere = |step: &&StepKeys| !step.stages.iter().any(|it| it == stage.name());
        let elsewhere = step_keys().iter().filter(is_elsewhere);
        let elsewhere: Vec<&str> = elsewhere.map(|step| &*step.name).collect();
        let mut step = json!({"propertyNames": {"not": {"enum": elsewhere}}});
        let mut rule = json!({"match": defined("match"), "limit": defined("limit")});
        match stage {
            Stage::Request => {
                rule["match"] = json!({"allOf": [defined("match"), defined("match-of-request")]});
                // At the stage `request`, `limit-data` cuts the body.
                step["properties"] = json!({"reset-peer": {"const": true}});
            }
            Stage::Response => {}
            Stage::Connection => {
                rule = json!({
                    "match": defined("connection-match"),
                    "limit": defined("connection-limit"),
                    "scenario": false,
                    "end": false,
                });
            }
        }
        step["items"] = step.clone();
        rule["step"] = step;
        let stage = json!({"stage": {"const": stage.name()}});
        json!({
            "if": {"type": "object", "required": ["stage"], "properties": stage},
            "then": {"properties": rule},
        })
    };
    let stages = [Stage::Request, Stage::Response, Stage::Connection];
    json!({"allOf": stages.map(of_stage)})
}

/// Returns the schema that forbids keys for responses everywhere in a matcher of requests.
fn match_of_request() -> Value {
    let inner = defined("match-of-request");
    let inside = json!({"allOf": [inner, {"items": inner}]});
    let mut keys = json!({"not": inner, "any": inside, "all": inside});
    for (key, _) in AT_RESPONSES {
        keys[key] = json!(false);
    }
    json!({"properties": keys})
}

fn of_variant(kind: &'static str, variant: &Value, stages: Option<&Value>) -> StepKeys {
    let stages = variant.get("x-stages").or(stages).cloned();
    let stages = stages.unwrap_or_else(|| json!([Stage::Request.name(), Stage::Response.name()]));
    let switch = json!({"const": true, "examples": [true]});
    let keys = variant["properties"].as_object();
    let content = keys.and_then(|keys| keys.iter().next());
    let (name, content) = content
        .map_or((variant["const"].as_str(), &switch), |(name, content)| {
            (Some(&**name), content)
        });
    let mut together = keywords(variant);
    together.extend(keywords(content));
    // The fields of a step are inline; the table that is the value of a verb is in the definitions.
    let fields = content["properties"].as_object();
    let mut values = fields.cloned().unwrap_or_default();
    let mut value = match (values.remove("="), fields) {
        (Some(value), _) => value,
        (None, Some(_)) => switch.clone(),
        (None, None) => content.clone(),
    };
    for key in ["description", "examples"] {
        if let Some(text) = variant.get(key) {
            value[key] = text.clone();
        }
    }
    let required = texts(&content["required"]);
    StepKeys {
        kind,
        name: name.unwrap_or_default().into(),
        stages: texts(&stages),
        options: values.keys().cloned().collect(),
        required: required.into_iter().filter(|key| key != "=").collect(),
        value,
        values,
        together,
    }
}

/// Returns the schema keywords that relate keys to each other.
fn keywords(schema: &Value) -> Map<String, Value> {
    let known = ["oneOf", "maxProperties", "if", "then"];
    let said = known
        .iter()
        .filter_map(|key| Some((*key, schema.get(key)?)));
    said.map(|(key, value)| (key.to_owned(), value.clone()))
        .collect()
}

impl JsonSchema for Step {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "step".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        // This also defines the types that the verbs refer to.
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

/// Converts a derived schema to the form of rule files.
fn written(schema: &mut Schema, definitions: &Map<String, Value>) {
    transform_subschemas(
        &mut |inner: &mut Schema| written(inner, definitions),
        schema,
    );
    let Some(map) = schema.as_object_mut() else {
        return;
    };
    for key in ["default", "format", "title", "x-stages"] {
        map.remove(key);
    }
    without_null(map);
    words_of(map);
    plain_or_table(map, definitions);
    one_or_many(map);
}

/// Removes null: a missing key is left out, not written as null.
fn without_null(map: &mut Map<String, Value>) {
    let is_null = |value: &Value| value.is_null() || value == "null" || value["type"] == "null";
    for key in ["type", "enum", "anyOf"] {
        let Some(values) = map.get_mut(key).and_then(Value::as_array_mut) else {
            continue;
        };
        values.retain(|value| !is_null(value));
        match (key, &values[..]) {
            ("type", [only]) => map[key] = only.clone(),
            ("anyOf", [Value::Object(only)]) => {
                let only = only.clone();
                map.remove(key);
                for (key, value) in only {
                    map.entry(key).or_insert(value);
                }
            }
            _ => {}
        }
    }
}

/// Converts names with descriptions to a list of names.
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

/// Converts a type with a field named `` to that value, or a table.
fn plain_or_table(map: &mut Map<String, Value>, definitions: &Map<String, Value>) {
    let name = map.get("$ref").and_then(name_of);
    let plain = name.and_then(|name| definitions.get(name)?.pointer("/properties/"));
    if let Some(mut plain) = plain.and_then(|plain| Schema::try_from(plain.clone()).ok()) {
        written(&mut plain, definitions);
        let table = json!({"$ref": map.remove("$ref")});
        map.insert("anyOf".into(), json!([plain, table]));
    }
}

/// Converts a list to one value, or several.
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

fn name_of(reference: &Value) -> Option<&str> {
    reference.as_str()?.strip_prefix("#/$defs/")
}

fn texts(list: &Value) -> Vec<String> {
    let texts = list.as_array().into_iter().flatten();
    texts.filter_map(Value::as_str).map(str::to_owned).collect()
}
