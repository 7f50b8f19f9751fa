//! The cause of a failed command, as far as the record shows it, and the next step.

mod node;

use std::collections::HashSet;

pub(super) use self::node::policy_area;
use self::node::{
    admx_of, is_below_an_added_node, is_interior, is_policy, is_wipe, lacks_on_desktops,
};
use super::earlier::{ASK_AGAIN, user_words};
use super::failed::{failed_item, failure, is_success};
use super::large_object::came;
use super::words::{self, code, named};
use super::{Case, EVENT_LOG, csp};
use crate::dm::locuri;
use crate::facts;
use crate::flow::{CommandAnswer, Side, Transaction};
use crate::printable::counted;
use crate::record::model::SessionFinding;

/// The cause of a failure, as far as the record shows one, and the next step.
#[derive(Default)]
pub(super) struct Cause {
    /// A sentence; absent if the record shows no cause.
    pub(super) why: Option<String>,
    pub(super) next: String,
    /// Whether the record shows the cause so clearly that the other commands on the CSP add nothing.
    pub(super) is_certain: bool,
}

impl Cause {
    pub(super) fn certain(why: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            why: Some(why.into()),
            next: next.into(),
            is_certain: true,
        }
    }
}

impl<'s> Case<'s> {
    /// Adds a line on how all commands on the CSP of a failed command ended. Returns whether the device seems to lack the
    /// CSP.
    pub(super) fn of_csp(
        &self,
        transaction: &Transaction,
        failed: u16,
        finding: &mut SessionFinding,
    ) -> bool {
        let name = transaction.node().map(csp).unwrap_or_default();
        let is_here = |it: &&Transaction| {
            it.node()
                .is_some_and(|node| csp(node).eq_ignore_ascii_case(name))
        };
        let (here, elsewhere): (Vec<_>, Vec<_>) = self.untouched().partition(is_here);
        let alike = here.iter().filter(|it| it.code() == Some(failed)).count();
        let succeeded = here.iter().filter(|it| is_success(it)).count();
        if name.is_empty() || alike == 0 {
            return false;
        }
        if alike < here.len() {
            if succeeded > 0 {
                finding.why.push(format!(
                    "{} on {name} succeeded, {alike} of {} got {failed}.",
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
        let others = elsewhere.iter().filter(|it| is_success(it));
        let others = others.filter_map(|it| Some(csp(it.node()?).to_ascii_lowercase()));
        let others = others.collect::<HashSet<_>>().len();
        let seems_lacking = failed == 404 && alike > 1 && others > 0;
        let mut line = format!("{} on {name} got {failed}", words::all_of(alike));
        if others > 0 {
            let others = counted(others, &format!("other {object}"));
            line += &format!("; commands on {others} succeeded");
        }
        if seems_lacking {
            line += &format!(": the device seems to lack this {object}");
        }
        finding.why.push(line + ".");
        let fact = transaction.node().and_then(facts::csp_of);
        let is_unknown = failed == 404 || native_error(transaction) == Some(NOT_SUPPORTED);
        if let (true, Some(fact)) = (is_unknown, fact.filter(|_| self.session.is_windows)) {
            finding.why.push(format!("{}: {}", fact.key, fact.more));
        }
        seems_lacking
    }

    /// Returns the cause that the record shows for a command that got this code.
    pub(super) fn cause(&self, transaction: &'s Transaction, failed: u16) -> Cause {
        // The native error of Windows says more than the code.
        let code = match native_error(transaction) {
            Some(NO_NODE) => 404,
            Some(NO_FILE) if failed == 500 && is_policy(transaction) => 404,
            _ => failed,
        };
        if code == 404
            && let Some(deleted) = self.deleted_before(transaction)
        {
            let place = words::short_place(&deleted.asked);
            return Cause::certain(
                format!("The server itself deleted it before, in {place}."),
                "nothing, if this was to check the Delete; otherwise Add the node again",
            );
        }
        let refused = match code {
            Transaction::NOT_EXECUTED => self.refused_by_user(transaction),
            _ => None,
        };
        if let Some(words) = refused.and_then(user_words) {
            return Cause::certain(words::capital(&words) + ".", ASK_AGAIN);
        }
        let mut cause = self
            .success_before(transaction, code)
            .or_else(|| self.mistake(transaction, failed))
            .unwrap_or_else(|| self.of_code(transaction, code));
        if let Some(add) = self.add_without_which(transaction) {
            let place = words::short_place(&add.asked);
            let got = failure(add)
                .and_then(CommandAnswer::code)
                .unwrap_or_default();
            let add = match add.node() == transaction.node() {
                true => "Its Add".to_owned(),
                false => named(add),
            };
            cause.why = Some(format!(
                "{add} failed before, in {place}: {}.",
                words::code(got)
            ));
        }
        cause
    }

    /// Returns the cause of a 404 on a node on which a command succeeded before.
    fn success_before(&self, transaction: &Transaction, code: u16) -> Option<Cause> {
        if code != 404 {
            return None;
        }
        if let Some(escaped) = self.escaped_before(transaction) {
            let (place, name) = (words::short_place(&escaped.asked), named(escaped));
            let why = format!(
                "Before, in {place}, {name} had a document escaped twice (ITM-01): a device answers 200 to that and does nothing."
            );
            let next = "escape the Data of that command once only, and send it again";
            return Some(Cause::certain(why, next));
        }
        let there = self.there_before(transaction)?;
        let (place, exchange) = (words::short_place(&there.asked), there.asked.exchange);
        let got = words::code(there.code().unwrap_or_default());
        let lost = format!(
            "look why the device has lost the node since x{exchange}, or never kept it though it answered so"
        );
        let is_of_admx = transaction.command == "Get" && admx_of(transaction).is_some();
        let next = match is_of_admx {
            true => format!(
                "nothing, if the policy is in force: Windows may answer a Get of a policy of an ADMX file so; otherwise {lost}"
            ),
            false => lost,
        };
        Some(Cause {
            why: Some(format!(
                "{} in {place} got {got}: the node was there, so its spelling is right.",
                there.command
            )),
            next,
            is_certain: false,
        })
    }

    /// Returns the cause that the code, the command and its node suggest.
    fn of_code(&self, transaction: &Transaction, failed: u16) -> Cause {
        let answer = failure(transaction).map(|answer| &answer.place);
        if transaction.from == Side::Device {
            let exchange = answer.map_or(0, |it| it.exchange);
            let next = format!("look in the server's log why it answered so in x{exchange}");
            return Cause {
                next,
                ..Cause::default()
            };
        }
        if failed == 404 && self.session.is_local_mdm() {
            let why = "Local MDM is an enrollment of its own: it does not see what the server set."
                .to_owned();
            let next = match policy_area(transaction) {
                Some(area) => format!(
                    "look in the registry what is in force (HKLM\\SOFTWARE\\Microsoft\\PolicyManager\\current\\device\\{area}), or let the server send the Get"
                ),
                None => "let the server send the Get, or check the spelling of the node".to_owned(),
            };
            return Cause {
                why: Some(why),
                next,
                is_certain: false,
            };
        }
        if failed == 404 {
            let (why, next) = self.not_found(transaction);
            return Cause {
                why,
                next: next.into(),
                is_certain: false,
            };
        }
        let native = native_error(transaction);
        let is_about_value = is_about_value(transaction);
        let is_policy = is_policy(transaction);
        let is_write = matches!(&*transaction.command, "Add" | "Replace");
        let why = match failed {
            418 => Some("Add does not overwrite what is there already.".into()),
            415 => sent_as(transaction),
            424 => Some(format!("{}.", came(transaction, None))),
            405 if is_write && (is_policy || is_about_value) => sent_as(transaction),
            400 | 500 if is_write && is_about_value => sent_as(transaction),
            _ => None,
        };
        let ddf = match self.session.is_windows {
            true => "the CSP's DDF",
            false => "the device's description (DDF)",
        };
        let next = match (failed, &*transaction.command) {
            (418, _) if is_interior(transaction) => {
                "nothing, if the node was to be there: it is; to begin anew, Delete it first".into()
            }
            (418, _) => "send Replace to change the value, or Delete the node first".into(),
            (405, _) if is_write && is_policy => {
                format!("look up in which editions and versions the policy works, whether it takes this command, and in which format: its access types and format are in {ddf}")
            }
            (405, command) => format!("look up whether the node takes {command}: its access types are in {ddf}"),
            (424, _) if is_base64(transaction) => {
                "compare Size with both lengths: some receivers count the base64, and some the octets behind it".into()
            }
            (424, _) => format!(
                "compare Size with the length of what came; if they agree, {}, how many bytes the device counted",
                self.look_in_log(answer.map_or(0, |it| it.at_us))
            ),
            (415, _) => format!("send the format and type that {ddf} names"),
            (400 | 500, _) if native == Some(NOT_ALLOWED_IN_URI) => {
                "correct the LocURI: one of its segments has characters that it may not have".into()
            }
            (400 | 500, _) if is_about_value => {
                format!("compare the value, its format and its type with {ddf}")
            }
            (500, "Exec") if transaction.node().is_some_and(is_wipe) => {
                "see whether Windows RE is enabled on the device (reagentc /info): a wipe fails without it".into()
            }
            (400 | 425 | 500, _) if native.and_then(remedy_of).is_some() => {
                native.and_then(remedy_of).unwrap_or_default().into()
            }
            (400, _) => format!("compare the value and its format with {ddf}, and the command with the standard (dmtap lint)"),
            _ if native == Some(NOT_SUPPORTED) => "check which editions, versions and hardware the node is for".into(),
            _ if native == Some(DECLARED) => {
                "change the WinDC document that has the setting, or abandon it (Add ./Device/Vendor/MSFT/DeclaredConfiguration/Host/Complete/Documents/{id}/Properties/Abandoned = 1)".into()
            }
            (500, _) if native.is_none() && self.session.is_windows => {
                "set SyncApplicationVersion to 3.0 or more in DMClient: the device then sends Windows' own error".into()
            }
            (425 | 500, _) => self.look_in_log(answer.map_or(0, |it| it.at_us)),
            (406, _) if self.session.is_windows && !transaction.node().is_some_and(|it| it.contains('?')) => {
                "check for which editions, versions and kinds of enrollment the node is".into()
            }
            (code, _) => format!("`dmtap explain {code}` says what it means"),
        };
        Cause {
            why,
            next,
            is_certain: false,
        }
    }

    /// Returns the cause of a 404 and the next step.
    fn not_found(&self, transaction: &Transaction) -> (Option<String>, &'static str) {
        let is_windows = self.session.is_windows;
        let is_policy = is_policy(transaction);
        let lacks_policy = is_policy && native_error(transaction) == Some(NO_FILE);
        if let Some(app) = admx_of(transaction) {
            let why = self.not_ingested(transaction, &app);
            return (
                Some(why),
                "ingest the ADMX file first (Add ./Device/Vendor/MSFT/Policy/ConfigOperations/ADMXInstall/…), then set the policy",
            );
        }
        let (why, next) = match &*transaction.command {
            "Delete" => (
                "There is no such node: it is gone already, or was never there.",
                "nothing, if the node is to be gone: it is; otherwise check its spelling",
            ),
            "Replace" if !is_windows => (
                "Replace creates no node: it must be there.",
                "send Add for a node that is not there yet, or check its spelling",
            ),
            "Add" | "Replace" if lacks_policy => (
                "Windows knows no policy of this name: a typo, or one of another build or edition.",
                "check the name for a typo, and from which build and in which editions Windows has this policy",
            ),
            "Get" if lacks_policy => (
                "Nobody set this policy.",
                "nothing, if it is not meant to be set; otherwise set it, or check its spelling",
            ),
            "Replace" if !is_policy => (
                "The node or its parent is not there, or this build or edition does not know it.",
                "Add the node, or its parent, if it is not there yet; otherwise check its spelling, and which editions and versions its CSP is for",
            ),
            _ if is_windows && lacks_on_desktops(transaction) => (
                "This CSP is on no desktop edition of Windows.",
                "send the command only to devices of the kind that has this CSP",
            ),
            "Exec" if is_windows && is_below_an_added_node(transaction) => (
                "The node above it must be added before.",
                "Add the node above it first, and then execute this one; if it was added, check the spelling",
            ),
            _ if !is_windows => {
                return (
                    None,
                    "check the spelling of the node, and whether it is in the device's description (DDF)",
                );
            }
            _ => {
                return (
                    None,
                    "check the spelling of the node, which editions and versions its CSP is for, and whether another node must be set first",
                );
            }
        };
        (Some(why.into()), next)
    }

    /// Returns the reason why a policy of an ADMX file does not exist: Windows has to take in the file first.
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

    /// Returns the advice to look in the device's log at a time.
    pub(super) fn look_in_log(&self, at_us: u64) -> String {
        let at = words::at(at_us);
        match self.session.is_windows {
            true => format!("look {at} in the device's event log {EVENT_LOG}"),
            false => format!("look {at} in the device's own log"),
        }
    }

    /// Returns the name of the device's log.
    pub(super) fn log(&self) -> &'static str {
        match self.session.is_windows {
            true => "event log",
            false => "own log",
        }
    }
}

/// Returns the native error of Windows; 0 if it is no number.
pub(super) fn native_error(transaction: &Transaction) -> Option<u64> {
    let error = failure(transaction).and_then(|answer| answer.original_error.as_deref());
    error.map(|error| facts::number(error.trim()).unwrap_or_default())
}

/// Whether the native error of Windows says that the value does not fit: invalid data, or an invalid argument.
pub(super) fn is_about_value(transaction: &Transaction) -> bool {
    matches!(native_error(transaction), Some(0x8007_000D | 0x8007_0057))
}

/// Returns the advice for a native error that names its cause.
fn remedy_of(native: u64) -> Option<&'static str> {
    let known = REMEDIES.iter().find(|(code, _)| *code == native)?;
    Some(known.1)
}

/// Native errors of Windows that name their cause, each with the remedy.
const REMEDIES: [(u64, &str); 5] = [
    (0x8007_0056, "correct the password in the value"),
    (
        0x8007_0534,
        "look for a mistyped or missing account in the value: each name or SID must exist on the device or in its domain",
    ),
    (0x8600_0001, "send the format that the CSP's DDF names"),
    (
        0x8600_0011,
        "look up which commands the node takes: its access types are in the CSP's DDF",
    ),
    (
        0x8600_0018,
        "correct the XML in the value: an XML parser must read it",
    ),
];

/// Returns the format and type of a value that was refused, in a sentence.
fn sent_as(transaction: &Transaction) -> Option<String> {
    let item = failed_item(transaction)?;
    let format = item.format.as_deref().unwrap_or("chr (none was named)");
    let media_type = item.media_type.as_deref();
    let media_type = media_type.unwrap_or("text/plain (none was named)");
    Some(format!(
        "It was sent with format {format} and type {media_type}."
    ))
}

/// The native error of Windows: there is no such node.
const NO_NODE: u64 = 0x8600_0002;
/// A segment of a LocURI is not allowed.
const NOT_ALLOWED_IN_URI: u64 = 0x8600_0015;
/// A declared configuration has the setting.
const DECLARED: u64 = 0x8600_0031;
/// There is no such file or registry value.
const NO_FILE: u64 = 0x8007_0002;
/// Windows does not support the request here.
const NOT_SUPPORTED: u64 = 0x8007_0032;

/// Whether the value of a command was sent in base64.
fn is_base64(transaction: &Transaction) -> bool {
    let format = transaction
        .items
        .first()
        .and_then(|item| item.format.as_deref());
    format.is_some_and(|format| format.eq_ignore_ascii_case("b64"))
}

/// Whether a Delete failed because its node does not exist, which is its goal.
pub(super) fn is_delete_of_nothing(transaction: &Transaction, failed: u16) -> bool {
    failed == 404 && transaction.command == "Delete"
}
