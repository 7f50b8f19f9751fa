//! Connections that ended before they carried a request.

use smol_str::SmolStr;

use crate::record::model::SessionFinding;

/// Connections that carried no request for the same reason.
pub(super) struct RefusedConnection {
    /// The reason.
    pub(super) why: SmolStr,
    pub(super) rules: Vec<SmolStr>,
    /// The first of them.
    pub(super) connection: u64,
    pub(super) count: u32,
}

impl RefusedConnection {
    /// WHY-03.
    pub(super) fn finding(self) -> SessionFinding {
        let mut finding = SessionFinding {
            what: match self.count {
                1 => "A connection ended before its first request".to_owned(),
                count => format!("{count} connections ended before their first request"),
            },
            rules: self.rules,
            ..SessionFinding::new("WHY-03")
        };
        finding.by_rules("did this.");
        finding
            .why
            .push(format!("c{}: {}", self.connection, self.why));
        finding.advise(
            "see whether the device trusts dmtap's CA (dmtap ca), and connects to the right name",
            "",
        );
        finding
    }
}
