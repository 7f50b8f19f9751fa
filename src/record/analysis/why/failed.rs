//! Commands that failed.

use std::collections::HashSet;

use super::words::{self, code, counted, named};
use super::{Case, about, csp};
use crate::dm::locuri;
use crate::facts;
use crate::flow::{CommandAnswer, CommandDelivery, Side, Transaction, TransactionOutcome};
use crate::record::analysis::incident::IncidentKind;
use crate::record::model::SessionFinding;

impl<'s> Case<'s> {
    /// WHY-01, WHY-06 and WHY-07.
    pub(super) fn failed(&self) -> Vec<SessionFinding> {
        let atomics = self.transactions().filter(|it| it.command == "Atomic");
        let atomics = atomics
            .filter(|it| self.atomic_of(it).is_none())
            .take(MOST_ATOMICS);
        let failed: Vec<_> = atomics
            .filter_map(|it| Some((it.number, self.atomic(it)?)))
            .collect();
        let of_atomic: HashSet<u32> = failed.iter().map(|(number, _)| *number).collect();
        let mut findings: Vec<_> = failed.into_iter().map(|(_, finding)| finding).collect();
        let (mut of_user, mut groups): (Vec<&Transaction>, Vec<Vec<&Transaction>>) =
            Default::default();
        for transaction in self.transactions() {
            let around = self.atomic_of(transaction).unwrap_or(transaction);
            let is_failure = transaction.has_failed() || is_hidden(transaction);
            if !is_failure
                || of_atomic.contains(&around.number)
                || self.is_of_challenge(transaction)
            {
                continue;
            }
            if self.is_without_user(transaction) {
                of_user.push(transaction);
                continue;
            }
            let has_room = groups.len() < super::MOST_FINDINGS;
            match groups
                .iter_mut()
                .find(|group| is_alike(group[0], transaction))
            {
                Some(group) => group.push(transaction),
                None if has_room => groups.push(vec![transaction]),
                None => {}
            }
        }
        findings.extend((!of_user.is_empty()).then(|| self.without_user(&of_user)));
        findings.extend(groups.iter().map(|group| self.group(group)));
        findings.extend(self.reported());
        findings
    }

    /// Whether it failed since the whole message was refused, with the same code or for want of credentials.
    pub(super) fn is_of_challenge(&self, transaction: &Transaction) -> bool {
        let Some(answer) = failure(transaction) else {
            return false;
        };
        let places = [transaction.asked.exchange, answer.place.exchange];
        self.session
            .incidents
            .iter()
            .any(|incident| match incident.what {
                IncidentKind::HeaderRefused { code, .. } => {
                    let is_same =
                        answer.received == Some(code) || matches!(answer.received, Some(401 | 407));
                    is_same && places.contains(&incident.exchange)
                }
                _ => false,
            })
    }

    /// WHY-01: commands on one CSP that failed in the same way.
    fn group(&self, group: &[&'s Transaction]) -> SessionFinding {
        let first = group[0];
        let mut finding = about(if first.chunks > 0 { "WHY-10" } else { "WHY-01" }, group);
        let Some(answer) = failure(first) else {
            return finding;
        };
        let is_hidden = is_hidden(first);
        let failed = if is_hidden {
            answer.sent
        } else {
            answer.received
        };
        let failed = failed.unwrap_or_default();
        finding.code = Some(failed);
        finding.what = format!("{}: {}", words::named_by(first, answer), code(failed));
        let is_partial = first.outcome == TransactionOutcome::Partial;
        if is_partial && answer.node.is_some() {
            finding.node.clone_from(&answer.node);
            finding.value = None;
        }
        if is_hidden {
            finding.by = Some(Side::Device);
            let got = answer.received.map_or("nothing".to_owned(), code);
            finding.why.push(words::by_rules(
                &finding.rules,
                &format!("hid this: the server received {got}."),
            ));
        } else if !finding.rules.is_empty() {
            finding.why.push(by_rules(first, answer, &finding));
        }
        finding.why.push(place(first, answer));
        match is_partial {
            true => finding.why.extend(items(first, answer)),
            false => finding.why.extend(value(first)),
        }
        let others = group.iter().skip(1);
        for other in others.clone().take(MOST_ALIKE) {
            let named =
                failure(other).map_or_else(|| named(other), |it| words::named_by(other, it));
            finding
                .why
                .push(format!("likewise {named}, {}", words::asked(other)));
        }
        if group.len() - 1 > MOST_ALIKE {
            finding
                .why
                .push(format!("and {} more", group.len() - 1 - MOST_ALIKE));
        }
        if !finding.rules.is_empty() && !is_hidden {
            finding.next = "take the rule out to see what the device answers by itself".into();
            return finding;
        }
        let is_deleted = failed == 404 && self.deleted_before(first).is_some();
        let is_gone = is_delete_of_nothing(first, failed);
        let seems_lacking =
            !is_deleted && !is_gone && !is_partial && self.of_csp(first, failed, &mut finding);
        if !seems_lacking {
            finding.why.extend(self.cause(first, failed));
        }
        if failed == 400 && first.asked.cmd_id.is_empty() {
            finding.by = Some(first.from);
        }
        if !is_deleted {
            self.repeated(first, &mut finding);
        }
        if first
            .failed_node()
            .is_some_and(|node| node.to_ascii_lowercase().contains("msft"))
        {
            finding
                .why
                .push(format!("Intune shows this as {}.", words::intune(failed)));
        }
        finding.next = match seems_lacking {
            true => "Get ./Device/Vendor/MSFT/DeviceManageability/Capabilities/CSPVersions lists the CSPs it has".into(),
            false => self.next(first, failed),
        };
        finding
    }

    /// Whether all commands on this CSP had the same fate; gives whether the device seems to lack it.
    fn of_csp(&self, transaction: &Transaction, failed: u16, finding: &mut SessionFinding) -> bool {
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
        let mut line = format!("{} on {csp} got {failed}", words::all_of(alike));
        let seems_lacking = failed == 404 && alike > 1 && !others.is_empty();
        if !others.is_empty() {
            let end = if seems_lacking {
                ": the device seems to lack this CSP."
            } else {
                "."
            };
            line += &format!(
                "; commands on {} succeeded{end}",
                counted(others.len(), "other CSP")
            );
        } else {
            line += ".";
        }
        finding.why.push(line);
        if let (404, Some(fact)) = (failed, transaction.node().and_then(facts::csp_of)) {
            finding.why.push(format!("{}: {}", fact.key, fact.more));
        }
        seems_lacking
    }

    /// What the record itself says of the cause.
    pub(super) fn cause(&self, transaction: &Transaction, failed: u16) -> Option<String> {
        let command = &*transaction.command;
        if let (404, Some(deleted)) = (failed, self.deleted_before(transaction)) {
            let place = &deleted.asked;
            return Some(format!(
                "The server itself deleted it before, in x{} (CmdID {}).",
                place.exchange, place.cmd_id
            ));
        }
        if let (404, Some(add)) = (failed, self.add_failed_before(transaction)) {
            let place = &add.asked;
            let got = failure(add)
                .and_then(CommandAnswer::code)
                .unwrap_or_default();
            return Some(format!(
                "Its Add failed before, in x{} (CmdID {}): {}.",
                place.exchange,
                place.cmd_id,
                code(got)
            ));
        }
        let item = transaction.items.first();
        let format = item.and_then(|item| item.format.as_deref());
        let media_type = item.and_then(|item| item.media_type.as_deref());
        Some(match (failed, command) {
            (404, "Delete") => {
                "There is no such node: it is gone already, or was never there.".into()
            }
            (404, "Replace") if !is_policy(transaction) => {
                "Replace creates no node: it must be there.".into()
            }
            (418, _) => "Add does not overwrite what is there already.".into(),
            (415, _) => format!(
                "It was sent with format {} and type {}.",
                format.unwrap_or("chr (none was named)"),
                media_type.unwrap_or("text/plain (none was named)")
            ),
            (400, _) if transaction.asked.cmd_id.is_empty() => "The command has no CmdID.".into(),
            _ => return None,
        })
    }

    pub(super) fn next(&self, transaction: &Transaction, failed: u16) -> String {
        let answered = failure(transaction).map_or(0, |answer| answer.place.at_us);
        let has_native = failure(transaction).is_some_and(|answer| answer.original_error.is_some());
        match (failed, &*transaction.command) {
            (404, _) if self.deleted_before(transaction).is_some() => {
                "nothing, if this was to check the Delete; otherwise Add the node again".into()
            }
            (404, "Delete") => "nothing, if the node is to be gone: it is; otherwise check its spelling".into(),
            (404, "Replace") if !is_policy(transaction) => "send Add for a node that is not there yet, or check its spelling".into(),
            (404, _) => "check the spelling of the node, and which editions and versions its CSP is for".into(),
            (418, _) => "send Replace to change the value, or Delete the node first".into(),
            (405, command) => format!("look up whether the node takes {command}: its access types are in the CSP's DDF"),
            (415, _) => "send the format and type that the CSP's DDF names".into(),
            (400, _) if transaction.asked.cmd_id.is_empty() => "give every command a CmdID".into(),
            (400, _) => "compare the value and its format with the CSP's DDF, and the command with the standard (dmtap lint)".into(),
            (500, _) if !has_native => {
                "set SyncApplicationVersion to 3.0 or more in DMClient: the device then sends Windows' own error".into()
            }
            (425 | 500, _) => format!(
                "look {} in the device's event log DeviceManagement-Enterprise-Diagnostics-Provider/Admin",
                words::at(answered)
            ),
            (code, _) => format!("`dmtap explain {code}` says what Windows means by it"),
        }
    }

    /// WHY-12: the same answer came before.
    pub(super) fn repeated(&self, transaction: &Transaction, finding: &mut SessionFinding) {
        let summary = &self.session.summary;
        if let Some(known) = self.history.before(summary, transaction) {
            finding.also.push("WHY-12".into());
            finding.why.push(format!(
                "Same answer in {} before{} (WHY-12): sending it again does not help.",
                counted(known.sessions as usize, "session"),
                words::since(known.since_us, summary.began_us)
            ));
        }
    }

    /// The Add of this node that failed before.
    fn add_failed_before(&self, transaction: &Transaction) -> Option<&'s Transaction> {
        let node = locuri::canonical(transaction.failed_node()?);
        let before = self
            .session
            .transactions
            .get(..transaction.number as usize - 1)?;
        let mut newest_first = before.iter().rev();
        newest_first.find(|it| {
            let is_it = it
                .node()
                .is_some_and(|known| locuri::canonical(known) == node);
            it.command == "Add" && is_it && failure(it).is_some() && !is_carried_out(it)
        })
    }

    /// The Delete that took this node away, or one around it.
    fn deleted_before(&self, transaction: &Transaction) -> Option<&'s Transaction> {
        let node = locuri::canonical(transaction.failed_node()?);
        let before = self
            .session
            .transactions
            .get(..transaction.number as usize - 1)?;
        let mut newest_first = before.iter().rev();
        newest_first
            .find(|it| {
                let is_about = |known: &str| {
                    let known = locuri::canonical(known);
                    node.strip_prefix(&known)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                };
                let changes = matches!(&*it.command, "Delete" | "Add");
                changes && is_carried_out(it) && it.node().is_some_and(is_about)
            })
            .filter(|it| it.command == "Delete")
    }
}

pub(super) fn place(transaction: &Transaction, answer: &CommandAnswer) -> String {
    let mut line = words::asked_and_answered(transaction, answer);
    if let Some(error) = &answer.original_error {
        line += &format!(" · {}", words::hresult_words(error));
    }
    line
}

/// Whether it is about a policy: Windows sets those by Replace, too.
fn is_policy(transaction: &Transaction) -> bool {
    let node = transaction
        .failed_node()
        .map(locuri::canonical)
        .unwrap_or_default();
    let node = node.strip_prefix("user/").unwrap_or(&node);
    node.starts_with("vendor/msft/policy/config/")
}

/// Whether a Delete failed since its node is not there, which is what it wants.
pub(super) fn is_delete_of_nothing(transaction: &Transaction, failed: u16) -> bool {
    failed == 404 && transaction.command == "Delete"
}

/// How many items of a command failed, and which besides the one of `first`.
fn items(transaction: &Transaction, first: &CommandAnswer) -> Vec<String> {
    let failed = transaction.answers.iter().filter(|it| it.has_failed());
    let others = failed
        .clone()
        .filter(|it| it.place != first.place)
        .filter_map(|it| {
            let got = code(it.code()?);
            Some(format!("also {}: {got}", it.node.as_ref()?))
        });
    let counted = format!(
        "{} of the {} items of this command failed.",
        failed.clone().count(),
        transaction.items.len()
    );
    std::iter::once(counted)
        .chain(others.take(MOST_ALIKE))
        .collect()
}

/// The value that was refused.
fn value(transaction: &Transaction) -> Option<String> {
    let item = transaction.items.first()?;
    let value = item.value.as_deref().filter(|value| !value.is_empty())?;
    let more = if item.bytes > value.len() as u64 {
        "…"
    } else {
        ""
    };
    let is_write = matches!(&*transaction.command, "Add" | "Replace" | "Exec");
    is_write.then(|| format!("value: {value:?}{more}"))
}

/// Whose doing a failure is: the rules of dmtap, and what the answer was before.
pub(super) fn by_rules(
    transaction: &Transaction,
    answer: &CommandAnswer,
    finding: &SessionFinding,
) -> String {
    let how = match (answer.sent, answer.received) {
        (Some(sent), Some(received)) if sent != received => {
            format!(
                "did this: it turned {} into {}.",
                code(sent),
                code(received)
            )
        }
        (None, Some(received)) => format!(
            "did this: it answered {} in the device's place.",
            code(received)
        ),
        _ if !transaction.rules.is_empty() => {
            "changed the command before the device got it.".into()
        }
        _ => "acted on this.".into(),
    };
    words::by_rules(&finding.rules, &how)
}

/// The answer that reports a failure: as it was received, else as it was sent.
pub(super) fn failure(transaction: &Transaction) -> Option<&CommandAnswer> {
    let mut answers = transaction.answers.iter();
    let received = answers.find(|answer| answer.has_failed());
    received.or_else(|| {
        transaction
            .answers
            .iter()
            .find(|answer| is_hidden_failure(answer))
    })
}

/// Whether a rule hid a failure of a command from who asked.
fn is_hidden(transaction: &Transaction) -> bool {
    let is_own = transaction.delivery == CommandDelivery::Injected;
    !is_own && transaction.answers.iter().any(is_hidden_failure)
}

/// Whether a rule turned a failure into something else.
fn is_hidden_failure(answer: &CommandAnswer) -> bool {
    let failed = answer.sent.is_some_and(|code| code >= 400);
    failed && !answer.has_failed() && !answer.rules.is_empty()
}

fn is_alike(one: &Transaction, other: &Transaction) -> bool {
    let key = |it: &Transaction| {
        let answer = failure(it);
        let codes = answer.map(|it| (it.sent, it.received, it.original_error.clone()));
        (
            it.from,
            it.failed_node().map(|node| csp(node).to_ascii_lowercase()),
            codes,
        )
    };
    key(one) == key(other)
        && super::rules(&[one]) == super::rules(&[other])
        && one.command == other.command
}

/// Whether the device carried a command out, whatever a rule made of its answer.
fn is_carried_out(transaction: &Transaction) -> bool {
    let mut answers = transaction.answers.iter().filter_map(|answer| answer.sent);
    answers.any(is_success_code)
}

pub(super) fn is_success(transaction: &Transaction) -> bool {
    transaction.code().is_some_and(is_success_code)
}

/// Whether a code says that something was done: 215 says that it was not, and 216 that it was undone.
fn is_success_code(code: u16) -> bool {
    (200..300).contains(&code) && !matches!(code, 215 | 216)
}

/// Atomics of one session that are looked into.
const MOST_ATOMICS: usize = 1_000;

/// Commands that are listed next to the first.
pub(super) const MOST_ALIKE: usize = 5;
