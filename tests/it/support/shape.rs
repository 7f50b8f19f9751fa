//! The content that two documents must share, as lines that can be compared and printed.
#![allow(clippy::unwrap_used, reason = "what a test cannot do fails it")]

use dmtap::markup::{Document, Element, Kind};

/// What two documents must have in common: a line for each element with its place, its namespace, its
/// attributes but for declarations, and for each text between two tags.
pub(crate) fn lines(document: &Document) -> Vec<String> {
    let mut out = Vec::new();
    for element in document.elements() {
        let path = element.path();
        let mut attributes: Vec<String> = element
            .attributes()
            .filter(|a| !a.name().starts_with("xmlns"))
            .map(|a| format!(" {}={:?}", a.name(), a.value()))
            .collect();
        attributes.sort();
        out.push(format!(
            "{path} {{{}}}{}",
            namespace(element),
            attributes.concat()
        ));
        let mut run = String::new();
        for id in element.child_ids() {
            match document.kind(id) {
                Some(Kind::Element) => {
                    push(&mut out, &mut run);
                    out.push(format!(
                        "{path} > {}",
                        document.element(id).unwrap().local()
                    ));
                }
                Some(Kind::Attribute) | None => {}
                Some(_) => run.push_str(&element.texts().find(|t| t.id() == id).unwrap().value()),
            }
        }
        push(&mut out, &mut run);
    }
    out
}

fn push(out: &mut Vec<String>, run: &mut String) {
    if !run.is_empty() {
        out.push(format!("    {run:?}"));
        run.clear();
    }
}

/// A known name's space, or the namespace of another.
fn namespace(element: Element<'_>) -> String {
    match element.space() {
        Some(space) => format!("{space:?}"),
        None => element.foreign_namespace().unwrap_or_default().into(),
    }
}
