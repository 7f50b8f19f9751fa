//! The severities of the rules, which docs/notes.md lists.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::facts::{self, FactKind};
use crate::flow::Severity;

/// Returns the severity of a rule, for findings that do not decide it themselves.
pub(super) fn severity_of(id: &str) -> Severity {
    static SEVERITIES: LazyLock<HashMap<&str, Severity>> = LazyLock::new(|| {
        let notes = facts::all().iter().filter(|it| it.kind == FactKind::Note);
        // If a rule lists several severities, the first one counts.
        let first = |names: &'static str| names.split(',').next().unwrap_or_default();
        let severities = notes.map(|it| (&*it.key, Severity::named(first(&it.name))));
        // If a rule has several rows, the first one counts, too.
        severities.rev().collect()
    });
    let known = SEVERITIES.get(id).copied();
    known.unwrap_or(Severity::Warning)
}

/// Returns the severity in the profile `windows`.
pub(super) fn lowered(id: &str, severity: Severity) -> Severity {
    match severity {
        _ if !LOWERED.contains(&id) => severity,
        Severity::Error => Severity::Warning,
        Severity::Warning | Severity::Info => Severity::Info,
    }
}

/// Rules that Windows and its documentation are known to break: the profile `windows` lowers them by one step.
const LOWERED: [&str; 7] = [
    "XML-03", "XML-05", "XML-07", "HDR-08", "STA-06", "ALT-05", "ITM-02",
];
