//! The JSON Schema of rule files: it says what the loader says.

mod examples;
mod files;
mod keys;
mod mistakes;
mod reference;
mod support;
