//! The end of the management of a device, by its user or by the server.

use super::failed::is_success;
use super::words::{self, named};
use super::{Case, about};
use crate::dm::locuri;
use crate::flow::{Side, Transaction};
use crate::record::model::SessionFinding;

impl Case<'_> {
    /// WHY-03 of a device that was unenrolled: no failure, and nothing is left to do.
    pub(super) fn unenrolled(&self) -> Option<SessionFinding> {
        let last = self
            .transactions()
            .filter(|it| it.all_rules().next().is_none());
        let last = last
            .filter(|it| is_by_user(it) || is_by_server(it))
            .last()?;
        let mut finding = about("WHY-03", &[last]);
        finding.pending = false;
        finding.by = Some(last.from);
        match last.from {
            Side::Device => {
                finding.what = format!("The user unenrolled the device: {}", named(last));
                let place = words::place(&last.asked);
                finding
                    .why
                    .push(format!("Its Type is {USER_REQUEST}, sent in {place}."));
            }
            Side::Server => {
                finding.what = format!("The server unenrolled the device: {}", named(last));
                finding.why.push(words::places(last));
            }
        }
        finding
            .why
            .push("It will not come back until it is enrolled again.".into());
        finding.next = "nothing; the server may delete its record of the device".into();
        Some(finding)
    }
}

fn is_by_user(transaction: &Transaction) -> bool {
    let mut types = transaction
        .items
        .iter()
        .filter_map(|item| item.media_type.as_deref());
    transaction.from == Side::Device
        && transaction.alert == Some(1226)
        && types.any(|it| it.eq_ignore_ascii_case(USER_REQUEST))
}

fn is_by_server(transaction: &Transaction) -> bool {
    let node = transaction
        .node()
        .map(locuri::canonical)
        .unwrap_or_default();
    transaction.from == Side::Server
        && transaction.command == "Exec"
        && is_success(transaction)
        && is_unenroll(&node)
}

/// Whether a node is `DMClient/Unenroll`, or that of a provider. The provider's other Unenroll nodes, such as that of
/// declared configuration, are deeper.
fn is_unenroll(node: &str) -> bool {
    let segments: Vec<&str> = node.split('/').collect();
    matches!(
        segments[..],
        ["vendor", "msft", "dmclient", "unenroll"]
            | ["vendor", "msft", "dmclient", "provider", _, "unenroll"]
    )
}

/// The Type of the Alert in which the user asks for the end.
const USER_REQUEST: &str = "com.microsoft:mdm.unenrollment.userrequest";
