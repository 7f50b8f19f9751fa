//! The JSON Schema of rule files, which comes from the types that they are read into.

mod examples;
mod files;
mod mistakes;
mod reference;
mod support;
