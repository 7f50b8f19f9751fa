//! What the record itself says of the cause of a failed command, and what to do next.

use super::failed::{failed_item, failure, is_success};
use super::words::{self, code, named};
use super::{Case, EVENT_LOG, csp};
use crate::dm::locuri;
use crate::facts;
use crate::flow::{CommandAnswer, Side, Transaction};
use crate::printable::counted;
use crate::record::model::SessionFinding;

impl Case<'_> {
    /// Whether all commands on this CSP had the same fate; gives whether the device seems to lack it.
    pub(super) fn of_csp(
        &self,
        transaction: &Transaction,
        failed: u16,
        finding: &mut SessionFinding,
    ) -> bool {
        let Some(csp) = transaction.node().map(csp).filter(|csp| !csp.is_empty()) else {
            return false;
        };
        let is_here = |it: &&Transaction| {
            it.node()
                .is_some_and(|node| super::csp(node).eq_ignore_ascii_case(csp))
        };
        let here: Vec<_> = self.untouched().filter(is_here).collect();
        let alike = here.iter().filter(|it| it.code() == Some(failed)).count();
        let succeeded = here.iter().filter(|it| is_success(it)).count();
        let mut others: Vec<String> = self
            .untouched()
            .filter(|it| !is_here(it) && is_success(it))
            .filter_map(|it| it.node().map(|node| super::csp(node).to_ascii_lowercase()))
            .collect();
        others.sort_unstable();
        others.dedup();
        if alike == 0 {
            return false;
        }
        if alike < here.len() {
            if succeeded > 0 {
                finding.why.push(format!(
                    "{} on {csp} succeeded, {alike} of {} got {failed}.",
                    counted(succeeded, "command"),
                    here.len()
                ));
            }
            return false;
        }
        let object = match self.session.is_windows {
            true => "CSP",
            false => "object",
        };
        let mut line = format!("{} on {csp} got {failed}", words::all_of(alike));
        let seems_lacking = failed == 404 && alike > 1 && !others.is_empty();
        if !others.is_empty() {
            let end = match seems_lacking {
                true => format!(": the device seems to lack this {object}."),
                false => ".".to_owned(),
            };
            line += &format!(
                "; commands on {} succeeded{end}",
                counted(others.len(), &format!("other {object}"))
            );
        } else {
            line += ".";
        }
        finding.why.push(line);
        let fact = transaction.node().and_then(facts::csp_of);
        let is_unknown = failed == 404 || native_error(transaction) == Some(NOT_SUPPORTED);
        if let (true, Some(fact)) = (is_unknown, fact.filter(|_| self.session.is_windows)) {
            finding.why.push(format!("{}: {}", fact.key, fact.more));
        }
        seems_lacking
    }

    /// What the record itself says of the cause.
    pub(super) fn cause(&self, transaction: &Transaction, failed: u16) -> Option<String> {
        let command = &*transaction.command;
        if let (404, Some(deleted)) = (failed, self.deleted_before(transaction)) {
            let place = words::short_place(&deleted.asked);
            return Some(format!("The server itself deleted it before, in {place}."));
        }
        if let Some(add) = self.add_without_which(transaction) {
            let place = words::short_place(&add.asked);
            let got = failure(add)
                .and_then(CommandAnswer::code)
                .unwrap_or_default();
            let add = match add.node() == transaction.node() {
                true => "Its Add".to_owned(),
                false => named(add),
            };
            return Some(format!("{add} failed before, in {place}: {}.", code(got)));
        }
        if let Some(escaped) = self.escaped_before(transaction, failed) {
            let place = words::short_place(&escaped.asked);
            return Some(format!(
                "Before, in {place}, {} had a document escaped twice (ITM-01): a device answers 200 to that and does nothing.",
                named(escaped)
            ));
        }
        if let (404, Some(there)) = (failed, self.there_before(transaction)) {
            let place = words::short_place(&there.asked);
            return Some(format!(
                "{} in {place} got {}: the node was there, so its spelling is right.",
                there.command,
                code(there.code().unwrap_or_default())
            ));
        }
        if let Some(mistake) = self.mistake(transaction, failed) {
            return Some(mistake.why);
        }
        // The rest is about devices.
        if transaction.from == Side::Device {
            return None;
        }
        let is_file_missing = native_error(transaction) == Some(NO_FILE);
        let is_missing = failed == 404 || failed == 500 && is_file_missing;
        if let (true, Some(app)) = (is_missing, admx_of(transaction)) {
            return Some(self.not_ingested(transaction, &app));
        }
        Some(match (failed, command) {
            (404, "Delete") => {
                "There is no such node: it is gone already, or was never there.".into()
            }
            (404 | 500, "Add" | "Replace") if is_file_missing && is_policy(transaction) => {
                "Windows knows no policy of this name: a typo, or one of another build or edition."
                    .into()
            }
            (404 | 500, "Get") if is_file_missing && is_policy(transaction) => {
                "Nobody set this policy.".into()
            }
            (404, "Replace") if !self.session.is_windows => {
                "Replace creates no node: it must be there.".into()
            }
            (404, "Replace") if !is_policy(transaction) => {
                "The node or its parent is not there, or this build or edition does not know it."
                    .into()
            }
            (418, _) => "Add does not overwrite what is there already.".into(),
            (415, _) | (400 | 405 | 500, "Add" | "Replace")
                if failed == 415
                    || failed == 405 && is_policy(transaction)
                    || is_about_value(transaction) =>
            {
                let item = failed_item(transaction)?;
                format!(
                    "It was sent with format {} and type {}.",
                    item.format.as_deref().unwrap_or("chr (none was named)"),
                    item.media_type
                        .as_deref()
                        .unwrap_or("text/plain (none was named)")
                )
            }
            _ => return None,
        })
    }

    /// Why there is no policy of an ADMX file: a policy is there once its file was taken in.
    fn not_ingested(&self, transaction: &Transaction, app: &str) -> String {
        let folder = format!("/admxinstall/{}/", app.to_ascii_lowercase());
        let install = self.transactions().find(|it| {
            let node = it.node().map(locuri::canonical);
            node.is_some_and(|node| node.contains(&folder))
        });
        let Some(install) = install else {
            return format!(
                "Its area is of an ADMX file of the app {app}, and this record has no ADMXInstall/{app}."
            );
        };
        let place = words::short_place(&install.asked);
        match install.code() {
            Some(got) if !is_success(install) => {
                format!(
                    "Its ADMX file was not taken in: ADMXInstall/{app} in {place} got {}.",
                    code(got)
                )
            }
            _ if install.number > transaction.number => {
                format!("Its ADMX file comes later, with ADMXInstall/{app} in {place}.")
            }
            _ => format!(
                "Its ADMX file was sent with ADMXInstall/{app} in {place}: the policy, or its area, is not in that file."
            ),
        }
    }

    /// Where a device says more about a time.
    pub(super) fn look_in_log(&self, at_us: u64) -> String {
        let at = words::at(at_us);
        match self.session.is_windows {
            true => format!("look {at} in the device's event log {EVENT_LOG}"),
            false => format!("look {at} in the device's own log"),
        }
    }

    /// What a device calls the log that says more.
    pub(super) fn log(&self) -> &'static str {
        match self.session.is_windows {
            true => "event log",
            false => "own log",
        }
    }

    pub(super) fn next(&self, transaction: &Transaction, failed: u16) -> String {
        let answered = failure(transaction).map_or(0, |answer| answer.place.at_us);
        let native = native_error(transaction);
        // Windows' own error says more than the code in front of it.
        let mistake = self.mistake(transaction, failed);
        let failed = match native {
            Some(NO_NODE) => 404,
            Some(NO_FILE) if failed == 500 && is_policy(transaction) => 404,
            _ => failed,
        };
        let ddf = match self.session.is_windows {
            true => "the CSP's DDF",
            false => "the device's description (DDF)",
        };
        match (failed, &*transaction.command) {
            (404, _) if self.deleted_before(transaction).is_some() => {
                "nothing, if this was to check the Delete; otherwise Add the node again".into()
            }
            (404, _) if self.escaped_before(transaction, failed).is_some() => {
                "escape the Data of that command once only, and send it again".into()
            }
            (404, _) if self.there_before(transaction).is_some() => {
                let place = self.there_before(transaction).map_or(0, |it| it.asked.exchange);
                format!("look why the device has lost the node since x{place}, or never kept it though it answered so")
            }
            _ if mistake.is_some() => mistake.map(|it| it.next).unwrap_or_default(),
            _ if transaction.from == Side::Device => {
                let place = failure(transaction).map_or(0, |it| it.place.exchange);
                format!("look in the server's log why it answered so in x{place}")
            }
            (404, _) if admx_of(transaction).is_some() => {
                "ingest the ADMX file first (Add ./Device/Vendor/MSFT/Policy/ConfigOperations/ADMXInstall/…), then set the policy".into()
            }
            (404, "Delete") => "nothing, if the node is to be gone: it is; otherwise check its spelling".into(),
            (404, "Replace") if !self.session.is_windows => "send Add for a node that is not there yet, or check its spelling".into(),
            (404, "Add" | "Replace") if native == Some(NO_FILE) && is_policy(transaction) => {
                "check the name for a typo, and from which build and in which editions Windows has this policy".into()
            }
            (404, "Get") if native == Some(NO_FILE) && is_policy(transaction) => {
                "nothing, if it is not meant to be set; otherwise set it, or check its spelling".into()
            }
            (404, "Replace") if !is_policy(transaction) => {
                "Add the node, or its parent, if it is not there yet; otherwise check its spelling, and which editions and versions its CSP is for".into()
            }
            (404, _) if !self.session.is_windows => {
                format!("check the spelling of the node, and whether it is in {ddf}")
            }
            (404, _) => "check the spelling of the node, and which editions and versions its CSP is for".into(),
            (418, _) if is_interior(transaction) => {
                "nothing, if the node was to be there: it is; to begin anew, Delete it first".into()
            }
            (418, _) => "send Replace to change the value, or Delete the node first".into(),
            (405, "Add" | "Replace") if is_policy(transaction) => {
                format!("look up whether the policy takes this command, and in which format: its access types and format are in {ddf}")
            }
            (405, command) => format!("look up whether the node takes {command}: its access types are in {ddf}"),
            (415, _) => format!("send the format and type that {ddf} names"),
            (400 | 500, _) if native == Some(NOT_ALLOWED_IN_URI) => {
                "correct the LocURI: one of its segments has characters that it may not have".into()
            }
            (400 | 500, _) if is_about_value(transaction) => {
                format!("compare the value, its format and its type with {ddf}")
            }
            (500, "Exec") if transaction.node().is_some_and(is_wipe) => {
                "see whether Windows RE is enabled on the device (reagentc /info): a wipe fails without it".into()
            }
            (400, _) => format!("compare the value and its format with {ddf}, and the command with the standard (dmtap lint)"),
            (_, _) if native == Some(NOT_SUPPORTED) => "check which editions, versions and hardware the node is for".into(),
            (_, _) if is_declared(transaction) => {
                "change the WinDC document that has the setting, or abandon it (Add ./Device/Vendor/MSFT/DeclaredConfiguration/Host/Complete/Documents/{id}/Properties/Abandoned = 1)".into()
            }
            (425 | 500, _) if !self.session.is_windows => self.look_in_log(answered),
            (500, _) if native.is_none() => {
                "set SyncApplicationVersion to 3.0 or more in DMClient: the device then sends Windows' own error".into()
            }
            (425 | 500, _) => self.look_in_log(answered),
            (code, _) => format!("`dmtap explain {code}` says what it means"),
        }
    }
}

/// Windows' own error, as a number.
pub(super) fn native_error(transaction: &Transaction) -> Option<u64> {
    let error = failure(transaction).and_then(|answer| answer.original_error.as_deref());
    error.map(|error| facts::number(error.trim()).unwrap_or_default())
}

/// Whether Windows refuses it since declared configuration has the setting (0x86000031).
fn is_declared(transaction: &Transaction) -> bool {
    native_error(transaction) == Some(0x8600_0031)
}

/// Whether Windows' own error says that the value does not fit: invalid data, or an invalid argument.
pub(super) fn is_about_value(transaction: &Transaction) -> bool {
    matches!(native_error(transaction), Some(0x8007_000D | 0x8007_0057))
}

/// Whether a command names a node that has nodes below it, and no value.
fn is_interior(transaction: &Transaction) -> bool {
    let format = transaction
        .items
        .first()
        .and_then(|item| item.format.as_deref());
    format.is_some_and(|format| format.eq_ignore_ascii_case("node"))
}

fn is_wipe(node: &str) -> bool {
    locuri::canonical(node).starts_with("vendor/msft/remotewipe/")
}

/// The app whose ADMX file has the policy that a node names: `./Device/Vendor/MSFT/Policy/Config/App~Policy~…/Name`.
fn admx_of(transaction: &Transaction) -> Option<String> {
    let node = transaction.failed_node()?;
    let area = node.split('/').find(|segment| segment.contains('~'))?;
    let app = area.split('~').next()?;
    is_policy(transaction).then(|| app.to_owned())
}

/// Windows: there is no such node, and a segment of a LocURI is not allowed.
const NO_NODE: u64 = 0x8600_0002;
const NOT_ALLOWED_IN_URI: u64 = 0x8600_0015;
/// A file or a registry value is not there, and the request is not supported here.
const NO_FILE: u64 = 0x8007_0002;
const NOT_SUPPORTED: u64 = 0x8007_0032;

/// Whether it is about a policy: Windows sets those by Replace, too.
fn is_policy(transaction: &Transaction) -> bool {
    policy_area(transaction).is_some()
}

/// The area of a policy that a command sets or reads, canonical: `admx_windowsexplorer`.
pub(super) fn policy_area(transaction: &Transaction) -> Option<String> {
    let node = locuri::canonical(transaction.failed_node()?);
    let node = node.strip_prefix("user/").unwrap_or(&node);
    let rest = node.strip_prefix("vendor/msft/policy/config/")?;
    rest.split('/').next().map(str::to_owned)
}

/// Whether a Delete failed since its node is not there, which is what it wants.
pub(super) fn is_delete_of_nothing(transaction: &Transaction, failed: u16) -> bool {
    failed == 404 && transaction.command == "Delete"
}
