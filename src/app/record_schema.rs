//! The JSON Schema of JSON lines, generated from their types.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::rule_sources::report::RulesRecord;
use crate::record::jsonl;
use crate::record::model::{EventKind, EventRecord, RunRecord, StartRecord, VERSION};

/// Returns the schema of one line of a record, and of `--output json`. It allows other fields and events, since a later
/// version may add some.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut generator = settings.into_generator();
    let kinds = generator.subschema_for::<EventKind>();
    let mut lines = vec![
        line(json!(kinds), generator.subschema_for::<EventRecord>()),
        line(
            json!({"const": jsonl::RULES}),
            generator.subschema_for::<RulesRecord<'_>>(),
        ),
        line(
            json!({"const": jsonl::START}),
            generator.subschema_for::<StartRecord>(),
        ),
        line(
            json!({"const": jsonl::RUN}),
            generator.subschema_for::<RunRecord>(),
        ),
    ];
    for (event, fields) in NEEDED {
        lines.push(line(json!({"const": event}), json!({"required": fields})));
    }
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "JSON lines of dmtap",
        "description": "One line of a record (-w FILE.jsonl) or of --output json. A later version of dmtap may add fields and events: ignore those that you do not know.",
        "type": "object",
        "required": ["v", "event"],
        "properties": {"v": {"const": VERSION}, "event": {"type": "string"}},
        "allOf": lines,
        "$defs": generator.take_definitions(true),
    });
    without_null(&mut schema);
    schema
}

/// Returns the condition for the lines of an event.
fn line(event: Value, fields: impl Into<Value>) -> Value {
    json!({"if": {"properties": {"event": event}}, "then": fields.into()})
}

/// The fields that an event always has, beyond those of all events.
const NEEDED: &[(&str, &[&str])] = &[
    ("request", &["exchange", "from"]),
    ("response", &["exchange", "from"]),
    ("failed", &["exchange", "why"]),
    ("refused", &["why"]),
    ("malformed", &["why", "from"]),
    ("admitted", &["applied"]),
    ("session", &["exchange", "summary"]),
];

/// Removes null from the types of a schema: a field that does not apply is absent.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().for_each(without_null),
        Value::Object(schema) => {
            schema.values_mut().for_each(without_null);
            if let Some(Value::Array(types)) = schema.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = &types[..] {
                    schema["type"] = only.clone();
                }
            }
            if let Some(Value::Array(forms)) = schema.get_mut("anyOf") {
                forms.retain(|form| *form != json!({"type": "null"}));
                if let [Value::Object(only)] = &forms[..] {
                    let only = only.clone();
                    schema.remove("anyOf");
                    schema.extend(only);
                }
            }
        }
        _ => {}
    }
}
