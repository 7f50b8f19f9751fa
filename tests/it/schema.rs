//! The JSON Schemas of rule files and of records, which are generated from their Rust types.

mod examples;
mod files;
mod mistakes;
mod records;
mod reference;
mod support;
