//! The mistakes in rule files as JSON.

use serde_json::{Value, json};

use crate::rules::{ErrorStyle, RuleError};

/// Returns each mistake: its file, line and column from 1, the message in one line, the label at the place, what would be
/// right, and the drawing that a terminal shows.
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
