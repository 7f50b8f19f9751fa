//! Places: read, and those that load and never match.

use super::read::{self, Report, Value};
use super::suggest::list;
use crate::dm::CommandKind;
use crate::rules::place::ElementPlace;
use crate::rules::selector::Selector;

/// A place.
pub(super) fn selector(value: &Value<'_>, key: &str, report: &mut Report) -> Option<Selector> {
    let text = read::text(value, key, report)?;
    let selector = match Selector::parse(text) {
        Ok(selector) => selector,
        Err(bad) => {
            report
                .wrong(value.span(), format!("`{text}` is no place"))
                .help(format!("write {bad}"));
            return None;
        }
    };
    if let Some(right) = selector.root().and_then(|root| below_root(root, text)) {
        report
            .wrong(value.span(), format!("no message has the root of `{text}`"))
            .help(format!("write {right}"));
        return None;
    }
    doubt(selector.places(), value, report);
    Some(selector)
}

/// How a place is written from the root whose first name is never that of a root.
fn below_root(first: &str, text: &str) -> Option<String> {
    match first {
        "SyncHdr" | "SyncBody" => Some(format!("/SyncML{text}")),
        "Final" => Some(format!("/SyncML/SyncBody{text}")),
        "Item" | "Data" | "Meta" => Some(text.trim_start_matches('/').to_owned()),
        _ => {
            let mut commands = CommandKind::all().map(CommandKind::name);
            commands
                .any(|name| name == first)
                .then(|| format!("/SyncML/SyncBody{text}"))
        }
    }
}

/// Warns of a predicate for an attribute that no element of the name has.
fn doubt<'p>(
    places: impl Iterator<Item = &'p ElementPlace>,
    value: &Value<'_>,
    report: &mut Report,
) {
    for (element, attribute) in places.flat_map(ElementPlace::asked_attributes) {
        let known = ATTRIBUTES.iter().find(|(name, _)| *name == element);
        let known = known.map(|(_, attributes)| *attributes);
        let Some(known) = known.filter(|known| !known.contains(&attribute)) else {
            continue;
        };
        let help = match known {
            [] => "write a number in the brackets, or leave them out".into(),
            known => format!("its attributes are {}", list(known)),
        };
        let title = format!("no `{element}` has an attribute `{attribute}`");
        report.warn(value.span(), title, help);
    }
}

/// The attributes of elements that have no others.
const ATTRIBUTES: [(&str, &[&str]); 8] = [
    ("characteristic", &["type"]),
    ("parm", &["name", "value", "datatype"]),
    ("Item", &[]),
    ("Target", &[]),
    ("Source", &[]),
    ("LocURI", &[]),
    ("CmdID", &[]),
    ("SyncBody", &[]),
];
