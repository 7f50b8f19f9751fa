//! The warnings about places that are valid but never match.

use super::report::{Report, Value};
use crate::rules::mistake::{Mistake, list};
use crate::rules::place::{ElementPath, ElementPlace};

/// Warns of a predicate for an attribute that no element of this name has.
pub(super) fn warn(value: &Value<'_>, report: &mut Report<'_>) {
    let place = value
        .get_ref()
        .as_str()
        .and_then(|text| ElementPlace::parse(text).ok());
    let paths = place.iter().flat_map(ElementPlace::paths);
    for (element, attribute) in paths.flat_map(ElementPath::asked_attributes) {
        let known = ATTRIBUTES.iter().find(|(name, _)| *name == element);
        let known = known.map(|(_, attributes)| *attributes);
        let Some(known) = known.filter(|known| !known.contains(&attribute)) else {
            continue;
        };
        let help: String = match known {
            [] => "write a number in the brackets, or leave them out".into(),
            known => format!("its attributes are {}", list(known)),
        };
        let title = format!("no `{element}` has an attribute `{attribute}`");
        report.warn(value.span(), Mistake::new(title).help(help));
    }
}

/// The elements whose attributes are all known, with these attributes.
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
