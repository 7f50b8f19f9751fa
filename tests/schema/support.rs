//! The schema, and what it says of a rule file.

use std::sync::LazyLock;

use dmtap::rules::load::{self, SCHEMA};
use jsonschema::Validator;
use serde_json::Value;

/// The schema as data.
pub static TREE: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(SCHEMA).unwrap());

static VALIDATOR: LazyLock<Validator> =
    LazyLock::new(|| jsonschema::draft202012::new(&TREE).unwrap());
/// As editors read it that know no newer draft.
static OLDER: LazyLock<Validator> = LazyLock::new(|| jsonschema::draft7::new(&TREE).unwrap());

/// A definition of the schema.
pub fn definition(name: &str) -> &'static Value {
    let definition = &TREE["$defs"][name];
    assert!(definition.is_object(), "the schema defines no `{name}`");
    definition
}

/// Its properties; those of the root for `file`.
pub fn properties(table: &str) -> &'static serde_json::Map<String, Value> {
    let table = match table {
        "file" => &TREE,
        table => definition(table),
    };
    table["properties"].as_object().unwrap()
}

/// What the schema finds wrong with a rule file.
pub fn wrong(file: &str) -> Vec<String> {
    let value: Value = toml::from_str(file).unwrap();
    let told = |validator: &Validator| -> Vec<String> {
        let errors = validator.iter_errors(&value);
        errors
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect()
    };
    let (newer, older) = (told(&VALIDATOR), told(&OLDER));
    assert_eq!(
        newer.is_empty(),
        older.is_empty(),
        "{file}\n{newer:#?}\n{older:#?}"
    );
    newer
}

/// What the loader finds wrong with it; a file that is named in it is there.
pub fn refused(file: &str) -> Option<String> {
    let reader = |_: &str, _: &str| Ok(bytes::Bytes::from_static(b"<a/>"));
    load::parse_all_with([("test.toml", file)], &reader)
        .err()
        .map(|errors| errors.to_string())
}
