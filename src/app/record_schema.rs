//! The JSON Schema of JSON lines, generated from their types.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::{Value, json};

use super::rule_sources::report::RulesRecord;
use crate::json_schema::without_null;
use crate::record::jsonl;
use crate::record::model::{EventKind, EventRecord, RunRecord, StartRecord, VERSION};

/// Returns the schema of one line of a record, and of `--output json`. It allows other fields and events, since a later
/// version may add some.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let settings = settings.with_transform(RecursiveTransform(without_null));
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
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "JSON lines of dmtap",
        "description": "One line of a record (-w FILE.jsonl) or of --output json. A later version of dmtap may add fields and events: ignore those that you do not know.",
        "type": "object",
        "required": ["v", "event"],
        "properties": {"v": {"const": VERSION}, "event": {"type": "string"}},
        "allOf": lines,
        "$defs": generator.take_definitions(true),
    })
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
