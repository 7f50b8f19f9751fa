//! What is wrong with rule files, for programs.

use serde_json::{Value, json};

use crate::rules::{ErrorStyle, RuleError};

/// Each mistake: its file, line and column from 1, what is wrong in a line, the label at the place, what would be
/// right, and all of it as it is drawn on a terminal.
pub fn each<'e>(errors: impl IntoIterator<Item = &'e RuleError>) -> Vec<Value> {
    let each = errors.into_iter().map(|error| {
        let (line, column) = error.place();
        json!({
            "file": error.file(),
            "line": line,
            "column": column,
            "title": error.title(),
            "label": error.remark(),
            "help": error.helps(),
            "drawn": error.render(ErrorStyle::Plain),
        })
    });
    each.collect()
}
