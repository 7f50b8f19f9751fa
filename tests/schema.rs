//! The JSON Schema of rule files: it says what the loader says.

#[path = "schema/examples.rs"]
mod examples;
#[path = "schema/files.rs"]
mod files;
#[path = "schema/keys.rs"]
mod keys;
#[path = "schema/mistakes.rs"]
mod mistakes;
#[path = "schema/reference.rs"]
mod reference;
#[path = "schema/support.rs"]
mod support;
