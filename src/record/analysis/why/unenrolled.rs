//! The end of the management of a device: nothing comes from it any more.

use super::failed::is_success;
use super::words::{self, named};
use super::{Case, about};
use crate::dm::locuri;
use crate::flow::{Side, Transaction};
use crate::record::model::SessionFinding;

impl Case<'_> {
    /// WHY-03 of the user or the server who unenrolled the device. It is no failure, and it is over.
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
                let answer = last
                    .answer()
                    .map(|answer| words::asked_and_answered(last, answer));
                finding.why.extend(answer);
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

/// `DMClient/Unenroll`, or that of a provider; below it stands the one of declared configuration.
fn is_unenroll(node: &str) -> bool {
    let segments: Vec<&str> = node.split('/').collect();
    matches!(
        segments[..],
        ["vendor", "msft", "dmclient", "unenroll"]
            | ["vendor", "msft", "dmclient", "provider", _, "unenroll"]
    )
}

/// The Type of the Alert.
const USER_REQUEST: &str = "com.microsoft:mdm.unenrollment.userrequest";
