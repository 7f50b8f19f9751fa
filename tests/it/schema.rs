//! The JSON Schemas of rule files and of records, which come from the types that they are read into and written from.

mod examples;
mod files;
mod mistakes;
mod records;
mod reference;
mod support;
