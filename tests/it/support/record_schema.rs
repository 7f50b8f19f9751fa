//! The schema of JSON lines, and the check of a record against it.

use std::sync::LazyLock;

use boon::{Compiler, SchemaIndex, Schemas};
use dmtap::app::record_schema;
use serde_json::{Value, json};

/// The schema, and nothing that it does not describe.
static CLOSED: LazyLock<(Schemas, SchemaIndex)> = LazyLock::new(|| {
    let mut schema = record_schema::schema();
    let lines = schema["allOf"].as_array().unwrap();
    let known: Vec<Value> = lines
        .iter()
        .map(|line| line["if"]["properties"]["event"].clone())
        .collect();
    let lines: Vec<String> = lines
        .iter()
        .filter_map(|line| line["then"]["$ref"].as_str())
        .map(|name| name.replace("#/$defs/", ""))
        .collect();
    let definitions = schema["$defs"].as_object_mut().unwrap();
    definitions.values_mut().for_each(close);
    // What a line is and what it holds is described side by side.
    for line in lines {
        let fields = definitions[&line].as_object_mut().unwrap();
        fields.remove("additionalProperties");
    }
    schema["unevaluatedProperties"] = json!(false);
    schema["properties"]["event"] = json!({"anyOf": known});
    compiled(schema)
});

/// The schema as users have it.
static OPEN: LazyLock<(Schemas, SchemaIndex)> = LazyLock::new(|| compiled(record_schema::schema()));

fn compiled(schema: Value) -> (Schemas, SchemaIndex) {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource("record.schema.json", schema).unwrap();
    let index = compiler
        .compile("record.schema.json", &mut schemas)
        .unwrap();
    (schemas, index)
}

/// Allows no other field in any object.
fn close(schema: &mut Value) {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().for_each(close),
        Value::Object(fields) => {
            fields.values_mut().for_each(close);
            if fields.get("properties").is_some_and(Value::is_object)
                && fields.get("type") == Some(&json!("object"))
            {
                fields.insert("additionalProperties".into(), json!(false));
            }
        }
        _ => {}
    }
}

/// What is wrong with a line, if nothing may be in it that the schema does not describe.
pub fn wrong(line: &Value) -> Option<String> {
    let (schemas, index) = &*CLOSED;
    let result = schemas.validate(line, *index);
    result.err().map(|error| format!("{error:#}"))
}

/// Whether a line follows the schema as users have it.
pub fn is_valid(line: &Value) -> bool {
    let (schemas, index) = &*OPEN;
    schemas.validate(line, *index).is_ok()
}

/// Checks each whole line of a record, and gives the events in it.
pub fn check(record: &[u8]) -> Vec<String> {
    let lines = record.split_inclusive(|byte| *byte == b'\n');
    let whole = lines.filter(|line| line.ends_with(b"\n"));
    let events = whole.map(|line| {
        let line: Value = serde_json::from_slice(line).unwrap();
        if let Some(wrong) = wrong(&line) {
            panic!("the schema does not describe this: {wrong}\n{line}");
        }
        line["event"].as_str().unwrap().to_owned()
    });
    events.collect()
}
