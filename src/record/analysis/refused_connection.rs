//! Connections that ended before they carried a request.

use smol_str::SmolStr;

use crate::record::model::SessionFinding;

/// Connections that carried no request, for one reason.
pub(super) struct RefusedConnection {
    pub(super) why: SmolStr,
    pub(super) rules: Vec<SmolStr>,
    /// The first of them.
    pub(super) connection: u64,
    pub(super) count: u32,
}

impl RefusedConnection {
    /// WHY-03.
    pub(super) fn finding(self) -> SessionFinding {
        let Self {
            why,
            rules,
            connection,
            count,
        } = self;
        let mut lines = Vec::new();
        if !rules.is_empty() {
            lines.push(super::why::by_rules(&rules, "did this."));
        }
        lines.push(format!("c{connection}: {why}"));
        SessionFinding {
            id: "WHY-03".into(),
            pending: true,
            what: match count {
                1 => "A connection ended before its first request".to_owned(),
                count => format!("{count} connections ended before their first request"),
            },
            why: lines,
            next: match rules.is_empty() {
                true => "see whether the device trusts dmtap's CA (dmtap ca), and connects to the right name".into(),
                false => "take the rule out".into(),
            },
            rules,
            ..SessionFinding::default()
        }
    }
}
