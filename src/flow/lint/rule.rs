//! How much the rules matter: that stands with them in docs/notes.md.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::facts::{self, FactKind};
use crate::flow::Severity;

/// How much a rule matters, where what it found does not decide that.
pub(super) fn severity_of(id: &str) -> Severity {
    static SEVERITIES: LazyLock<HashMap<&str, Severity>> = LazyLock::new(|| {
        let notes = facts::all().iter().filter(|it| it.kind == FactKind::Note);
        // The first of several is the one that counts.
        let first = |names: &'static str| names.split(',').next().unwrap_or_default();
        let severities = notes.map(|it| (&*it.key, Severity::named(first(&it.name))));
        // Of several rows, too.
        severities.rev().collect()
    });
    let known = SEVERITIES.get(id).copied();
    known.unwrap_or(Severity::Warning)
}

/// The severity of what Windows is known to do.
pub(super) fn lowered(id: &str, severity: Severity) -> Severity {
    match severity {
        _ if !LOWERED.contains(&id) => severity,
        Severity::Error => Severity::Warning,
        Severity::Warning | Severity::Info => Severity::Info,
    }
}

/// Rules that Windows and its documentation are known to break: the profile `windows` counts them one step less.
const LOWERED: [&str; 7] = [
    "XML-03", "XML-05", "XML-07", "HDR-08", "STA-06", "ALT-05", "ITM-02",
];
