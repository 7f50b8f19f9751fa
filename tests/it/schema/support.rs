//! The schema, and its verdict on a rule file.

use std::sync::LazyLock;

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use dmtap::rules::load;
use serde_json::Value;

/// The schema as data.
pub static TREE: LazyLock<Value> = LazyLock::new(load::schema);

static NEWER: LazyLock<Compiled> = LazyLock::new(|| Compiled::new(TREE.clone(), Draft::V2020_12));

/// As editors read it that know no newer draft.
static OLDER: LazyLock<Compiled> = LazyLock::new(|| {
    let mut tree = TREE.clone();
    tree.as_object_mut().unwrap().remove("$schema");
    Compiled::new(tree, Draft::V7)
});

/// A schema, ready to look at files.
struct Compiled(Schemas, SchemaIndex);

impl Compiled {
    fn new(tree: Value, draft: Draft) -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.set_default_draft(draft);
        compiler.add_resource("rules.schema.json", tree).unwrap();
        let index = compiler.compile("rules.schema.json", &mut schemas).unwrap();
        Self(schemas, index)
    }

    fn wrong(&self, file: &Value) -> Option<String> {
        let reported = self.0.validate(file, self.1);
        reported.err().map(|error| error.to_string())
    }
}

/// A definition of the schema.
pub fn definition(name: &str) -> &'static Value {
    let definition = &TREE["$defs"][name];
    assert!(definition.is_object(), "the schema defines no `{name}`");
    definition
}

/// The table among the forms of a definition.
pub fn table(definition: &Value) -> &Value {
    let mut forms = definition["anyOf"].as_array().into_iter().flatten();
    let table = forms.find(|form| form["additionalProperties"] == false);
    table.unwrap_or(definition)
}

/// Its properties.
pub fn properties(name: &str) -> &'static serde_json::Map<String, Value> {
    table(definition(name))["properties"].as_object().unwrap()
}

/// What the schema finds wrong with a rule file.
pub fn wrong(file: &str) -> Option<String> {
    let value: Value = toml::from_str(file).unwrap();
    let (newer, older) = (NEWER.wrong(&value), OLDER.wrong(&value));
    assert_eq!(
        newer.is_some(),
        older.is_some(),
        "{file}\n{newer:#?}\n{older:#?}"
    );
    newer
}

/// What the loader finds wrong with it; a file that is named in it is there.
pub fn refused(file: &str) -> Option<String> {
    let reader = |_: &str, _: &str| Ok(bytes::Bytes::from_static(b"<a/>"));
    load::parse_beside([], [("test.toml", file)], &reader)
        .err()
        .map(|errors| errors.to_string())
}

/// The words that a schema lists, be it for one value or for those of a list.
pub fn words(schema: &Value) -> Vec<Value> {
    let mut found = schema["enum"].as_array().cloned().unwrap_or_default();
    found.extend(schema.get("const").cloned());
    for key in ["anyOf", "allOf", "oneOf"] {
        for inner in schema[key].as_array().into_iter().flatten() {
            found.extend(words(inner));
            found.dedup();
        }
    }
    if let Some(name) = schema["$ref"]
        .as_str()
        .and_then(|path| path.rsplit('/').next())
    {
        found.extend(words(definition(name)));
    }
    found
}
