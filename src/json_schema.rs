//! JSON Schemas: what the one of rule files and the one of records have in common.

use schemars::Schema;
use serde_json::Value;

/// Removes null from the values that a schema allows: a field that does not apply is absent. Schemas inside it are not
/// changed.
pub(crate) fn without_null(schema: &mut Schema) {
    let Some(map) = schema.as_object_mut() else {
        return;
    };
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
