//! The JSON Schema of rule files, generated from the types that rules are read into.
//!
//! The derived schema is converted to the form of rule files: a list is one value or several, and a field named `=` is
//! the value of a verb. The result also works in editors that only know draft 7 (taplo): there is no keyword next to
//! `$ref`.

use std::marker::PhantomData;
use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use schemars::transform::{RemoveRefSiblings, transform_subschemas};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::match_table::AT_RESPONSES;
use super::rule_table::{ConnectionLimit, RuleTable};
use crate::json_schema::without_null;
use crate::rules::value::described;
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
    /// The schema that the verb's value also has to meet at the stage `request`.
    at_request: Option<Value>,
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
    generator.subschema_for::<RuleTable<
        OfStage<Matcher, ConnectionMatcher>,
        OfStage<Limit, ConnectionLimit>,
    >>();
    let mut definitions = generator.take_definitions(true);
    definitions.insert("rule-of-its-stage".into(), rule_of_its_stage());
    definitions.insert("match-of-request".into(), match_of_request());
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Rules of dmtap",
        "description": "A rule file of dmtap: [[rule]] begins each rule.",
        "type": "object",
        "additionalProperties": false,
        "properties": {"rule": {
            "description": "The rules, in the order in which dmtap evaluates them.",
            "type": "array",
            "items": {"allOf": [defined("rule"), defined("rule-of-its-stage")]}
        }},
        "$defs": definitions,
    })
}

/// A table of rules about messages, or of rules about connections. The stage decides between the two, so that a mistake
/// is reported at its place.
struct OfStage<M, C>(PhantomData<(M, C)>);

described!([M: JsonSchema, C: JsonSchema] OfStage<M, C>, |generator| {
    let of_messages = generator.subschema_for::<M>();
    let of_connections = generator.subschema_for::<C>();
    json_schema!({"type": "object", "anyOf": [of_messages, of_connections, {}]})
});

/// Returns the schema as text.
pub fn schema_text() -> String {
    format!("{:#}\n", schema())
}

fn generator() -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().with_transform(written);
    let settings = settings.with_transform(RemoveRefSiblings::default());
    settings.into_generator()
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
                let narrowed = step_keys().iter();
                let narrowed = narrowed.filter_map(|it| Some((&*it.name, it.at_request.clone()?)));
                step["properties"] = narrowed.collect();
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
        at_request: variant.get("x-at-request").cloned(),
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
fn written(schema: &mut Schema) {
    transform_subschemas(&mut written, schema);
    without_null(schema);
    let Some(map) = schema.as_object_mut() else {
        return;
    };
    for key in ["default", "format", "x-stages"] {
        map.remove(key);
    }
    one_or_many(map);
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

fn texts(list: &Value) -> Vec<String> {
    let texts = list.as_array().into_iter().flatten();
    texts.filter_map(Value::as_str).map(str::to_owned).collect()
}
