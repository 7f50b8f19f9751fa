//! Commands that failed.

use std::collections::{HashMap, HashSet};

use hashlink::LinkedHashMap;
use smol_str::SmolStr;

use super::cause::is_delete_of_nothing;
use super::mistake::lacks_cmd_id;
use super::values::failed_document;
use super::words::{self, code, named};
use super::{Case, MOST_LISTED, about, csp};
use crate::dm::{StatusCode, locuri};
use crate::facts;
use crate::flow::{Arrival, CommandAnswer, Side, Transaction, TransactionItem, TransactionOutcome};
use crate::printable::counted;
use crate::record::analysis::incident::{Incident, IncidentKind};
use crate::record::analysis::session::without_answer;
use crate::record::model::SessionFinding;

/// The key by which failed commands become one finding: sender and kind, the CSP, the codes and the native error, the rules
/// behind the failure, and the Delete that removed the node.
type Alike = (
    Side,
    SmolStr,
    Option<String>,
    Option<(Option<u16>, Option<u16>, Option<SmolStr>)>,
    Vec<SmolStr>,
    Option<u32>,
);

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
        let mut of_user: Vec<&'s Transaction> = Vec::new();
        let mut groups: LinkedHashMap<Alike, Vec<&'s Transaction>> = LinkedHashMap::new();
        let mut grouped: HashSet<u32> = HashSet::new();
        // The commands that failed because of an earlier failure, by the first one; and the first failure behind each.
        let mut effects: HashMap<u32, Vec<&'s Transaction>> = HashMap::new();
        let mut first_causes: HashMap<u32, u32> = HashMap::new();
        for transaction in self.transactions() {
            let around = self.atomic_of(transaction).unwrap_or(transaction);
            let has_failed = transaction.has_failed_among(&self.session.transactions);
            if !(has_failed || is_hidden(transaction))
                || of_atomic.contains(&around.number)
                || self.is_of_challenge(transaction)
            {
                continue;
            }
            if self.is_without_user(transaction) {
                of_user.push(transaction);
                continue;
            }
            let by_rule = self.cause_by_rule(transaction);
            let cause = by_rule
                .and_then(|cause| cause.command)
                .or_else(|| self.add_without_which(transaction))
                .or_else(|| self.failed_in_sequence(transaction));
            let cause = cause.map(|it| first_causes.get(&it.number).copied().unwrap_or(it.number));
            if let Some(cause) = cause.filter(|cause| grouped.contains(cause)) {
                first_causes.insert(transaction.number, cause);
                effects.entry(cause).or_default().push(transaction);
                continue;
            }
            let alike = self.alike(transaction);
            if groups.len() < super::MOST_FINDINGS || groups.contains_key(&alike) {
                let group = groups.entry(alike).or_insert_with(Vec::new);
                group.push(transaction);
                grouped.insert(transaction.number);
            }
        }
        findings.extend((!of_user.is_empty()).then(|| self.without_user(&of_user)));
        for group in groups.values() {
            let of_group = group.iter().filter_map(|it| effects.get(&it.number));
            let mut of_group: Vec<_> = of_group.flatten().copied().collect();
            of_group.sort_by_key(|it| it.number);
            findings.push(self.group(group, &of_group));
        }
        findings.extend(self.reported());
        findings.extend(self.session.documents.iter().map(failed_document));
        findings.extend(self.reported_by_values());
        findings
    }

    /// Whether a command failed because its whole message was refused, with the same code or for its credentials.
    pub(super) fn is_of_challenge(&self, transaction: &Transaction) -> bool {
        let Some(answer) = failure(transaction) else {
            return false;
        };
        let places = [transaction.asked.exchange, answer.place.exchange];
        self.session
            .incidents
            .iter()
            .any(|incident| match incident.what {
                IncidentKind::HeaderRefused { code, by, .. } => {
                    let is_same =
                        answer.received == Some(code) || matches!(answer.received, Some(401 | 407));
                    let is_it =
                        by != transaction.from && is_same && places.contains(&incident.exchange);
                    is_it || is_refused_with(incident, transaction)
                }
                _ => false,
            })
    }

    /// WHY-01 of commands that failed alike. The commands in `effects` failed because the first one did.
    fn group(&self, group: &[&'s Transaction], effects: &[&'s Transaction]) -> SessionFinding {
        let first = group[0];
        let all: Vec<_> = group.iter().chain(effects).copied().collect();
        let mut finding = about(if first.chunks > 0 { "WHY-10" } else { "WHY-01" }, &all);
        finding.rules = self.rules_behind(first);
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
        // A failure to which a rule gave another code is the doing of the peer that answered.
        let is_recoded = !is_hidden
            && first.rules.is_empty()
            && answer.sent.is_some_and(|it| it >= 400 && it != failed)
            && self.cause_by_rule(first).is_none();
        finding.code = Some(failed);
        finding.what = format!("{}: {}", words::named_by(first, answer), code(failed));
        let is_partial = first.outcome == TransactionOutcome::Partial;
        let is_of_several = first.items.len() > 1;
        if is_of_several && answer.node.is_some() {
            finding.node.clone_from(&answer.node);
            finding.value = failed_item(first).and_then(|item| item.value.clone());
        }
        if is_hidden {
            finding.by = Some(Side::Device);
            let got = answer.received.map_or("no answer to it".to_owned(), code);
            finding.by_rules(&format!("hid this: the server received {got}."));
        } else {
            finding.by = is_recoded.then_some(first.from.other());
            let by_rule = self.cause_by_rule(first).map(|cause| cause.how);
            finding.by_rules(&by_rule.unwrap_or_else(|| done_by_rules(first, answer)));
        }
        finding.why.push(place(first, answer));
        if let Some(text) = answer.no_code.as_ref().filter(|_| !is_hidden) {
            finding.what = words::named_by(first, answer);
            without_code(text, &mut finding);
            finding.list(&group[1..], MOST_LISTED, "", |other| {
                format!("likewise {}, {}", named(other), words::asked(other))
            });
            return finding;
        }
        match is_partial {
            true => finding.why.extend(items(first, answer)),
            false if is_of_several && answer.node.is_none() => finding.why.push(format!(
                "The Status is about all {} Items of this command.",
                first.items.len()
            )),
            false => finding.why.extend(value(first)),
        }
        let is_certain = finding.rules.is_empty() && !self.session.lacks_answers;
        if let Some(node) = without_answer(first).filter(|_| is_certain) {
            let line = format!("Another Item of this command, {node}, has no answer.");
            finding.why.push(line);
        }
        finding.list(&group[1..], MOST_LISTED, "", |other| {
            let named =
                failure(other).map_or_else(|| named(other), |it| words::named_by(other, it));
            format!(
                "likewise {named}, {}",
                with_value(words::asked(other), other)
            )
        });
        finding.list(effects, MOST_LISTED, " for that reason", |effect| {
            let got = code(effect.code().unwrap_or_default());
            format!(
                "therefore {}: {got}, {}",
                named(effect),
                words::asked(effect)
            )
        });
        if !finding.rules.is_empty() && !is_hidden {
            finding.next = "take the rule out to see what the device answers by itself".into();
            return finding;
        }
        let is_deleted = failed == 404 && self.deleted_before(first).is_some();
        let cause = self.cause(first, failed);
        let is_of_one = is_partial || is_of_several && answer.node.is_some();
        let is_known = is_of_one || cause.is_certain || is_delete_of_nothing(first, failed);
        let seems_lacking = !is_known && self.of_csp(first, failed, &mut finding);
        if !seems_lacking {
            finding.why.extend(cause.why);
        }
        if lacks_cmd_id(first, failed) {
            finding.by = Some(first.from);
        }
        if !is_deleted {
            self.repeated(first, &mut finding);
        }
        let node = first.failed_node().filter(|_| !self.session.is_local_mdm());
        if node.is_some_and(|node| node.to_ascii_lowercase().contains("msft")) {
            finding
                .why
                .push(format!("Intune shows this as {}.", words::intune(failed)));
        }
        finding.next = match seems_lacking {
            true if self.session.is_windows => "Get ./Device/Vendor/MSFT/DeviceManageability/Capabilities/CSPVersions lists the CSPs it has".into(),
            true => "look in the device's description (DDF) which objects it has".into(),
            false => cause.next,
        };
        finding
    }

    fn alike(&self, transaction: &'s Transaction) -> Alike {
        let answer = failure(transaction);
        let codes = answer.map(|it| {
            let error = it.original_error.clone().or(it.no_code.clone());
            (it.sent, it.received, error)
        });
        let node = transaction.failed_node();
        let csp = node.map(|node| csp(node).to_ascii_lowercase());
        let has_lost = answer.is_some_and(|it| it.code() == Some(404));
        let deleted_by = has_lost.then(|| self.deleted_before(transaction)).flatten();
        let rules = self.rules_behind(transaction);
        let (from, command) = (transaction.from, transaction.command.clone());
        (
            from,
            command,
            csp,
            codes,
            rules,
            deleted_by.map(|it| it.number),
        )
    }

    /// Adds WHY-12 to a finding if the command got the same answer in earlier sessions.
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
}

/// `asked in x30 (message 2, CmdID 6), answered in x31 (message 3, CmdID 4) · 0x86000002 …`
pub(super) fn place(transaction: &Transaction, answer: &CommandAnswer) -> String {
    let mut line = words::asked_and_answered(transaction, answer);
    if let Some(error) = &answer.original_error {
        line += &format!(" · {}", words::hresult_words(error));
    }
    line
}

/// Completes a finding about a Status that has this text in place of a code.
fn without_code(text: &SmolStr, finding: &mut SessionFinding) {
    finding.code = None;
    finding.what += &match &**text {
        "" => ": the Status has no code".to_owned(),
        text => format!(": answered with {text:?}, which is no code of a Status"),
    };
    let is_failure = facts::result_in_text(text).is_some_and(|it| it.key != NO_ERROR);
    match is_failure {
        true => {
            finding.why.push(format!(
                "As a result of Windows it is {}.",
                words::hresult_words(text)
            ));
            finding.hresult = Some(text.clone());
        }
        false => finding
            .why
            .push("Whether the command was carried out is not known.".into()),
    }
    finding.advise(
        "let the one who answers write a code of the standard into Data, such as 200 or 500",
        "",
    );
}

/// Returns the number of items that failed, and a line about each besides the one of `first`.
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
        .chain(others.take(MOST_LISTED))
        .collect()
}

/// Returns the value that was refused, in a line.
pub(super) fn value(transaction: &Transaction) -> Option<String> {
    // An empty one may be masked.
    let item = failed_item(transaction).filter(|item| item.bytes > 0)?;
    let value = item.value.as_deref().filter(|value| !value.is_empty())?;
    let more = if item.bytes > value.len() as u64 {
        "…"
    } else {
        ""
    };
    let is_write = matches!(&*transaction.command, "Add" | "Replace" | "Exec");
    is_write.then(|| format!("value: {value:?}{more}"))
}

/// Returns the only Item of a command, or the one of several that the failed Status names.
pub(super) fn failed_item(transaction: &Transaction) -> Option<&TransactionItem> {
    if let [only] = &transaction.items[..] {
        return Some(only);
    }
    let failed = locuri::canonical(failure(transaction)?.node.as_deref()?);
    let is_it = |item: &&TransactionItem| {
        let node = item.node.as_deref();
        node.is_some_and(|node| locuri::canonical(node) == failed)
    };
    let mut found = transaction.items.iter().filter(is_it);
    found.next().filter(|_| found.next().is_none())
}

/// Adds the value that was refused to a line.
pub(super) fn with_value(line: String, transaction: &Transaction) -> String {
    match value(transaction) {
        Some(value) => format!("{line} · {value}"),
        None => line,
    }
}

/// Returns the deed of rules that are behind a failure, in words.
pub(super) fn done_by_rules(transaction: &Transaction, answer: &CommandAnswer) -> String {
    match (answer.sent, answer.received) {
        (Some(sent), Some(received)) if sent != received => {
            format!(
                "did this: it turned {} into {}.",
                code(sent),
                code(received)
            )
        }
        (None, Some(received)) => {
            format!(
                "did this: it answered {} in the device's place.",
                code(received)
            )
        }
        _ if !transaction.rules.is_empty() => {
            "changed the command before the device got it.".into()
        }
        _ => "acted on this.".into(),
    }
}

/// Returns the answer that reports a failure, as it was received or else as it was sent.
pub(super) fn failure(transaction: &Transaction) -> Option<&CommandAnswer> {
    let find = |is_it: fn(&CommandAnswer) -> bool| transaction.answers.iter().find(|it| is_it(it));
    find(CommandAnswer::has_failed)
        .or_else(|| find(is_hidden_failure))
        .or_else(|| find(|answer| answer.received == Some(Transaction::NOT_EXECUTED)))
}

/// Whether a rule hid a failure of a command from its sender.
pub(super) fn is_hidden(transaction: &Transaction) -> bool {
    let is_own = transaction.arrival == Arrival::Injected;
    !is_own && transaction.answers.iter().any(is_hidden_failure)
}

/// Whether a rule turned a failure into something else.
fn is_hidden_failure(answer: &CommandAnswer) -> bool {
    let failed = answer.sent.is_some_and(|code| code >= 400);
    failed && !answer.has_failed() && !answer.rules.is_empty()
}

/// Whether a rule that refused a message of one peer refused this command of the other peer with it.
pub(super) fn is_refused_with(incident: &Incident, transaction: &Transaction) -> bool {
    let by_same = || {
        transaction
            .all_rules()
            .any(|rule| incident.rules.contains(rule))
    };
    matches!(incident.what, IncidentKind::HeaderRefused { by, .. } if by == transaction.from)
        && transaction.asked.exchange == incident.exchange
        && transaction.arrival == Arrival::Withheld
        && failure(transaction).is_some()
        && by_same()
}

/// Whether the device carried a command out, whatever a rule made of its answer.
pub(super) fn is_carried_out(transaction: &Transaction) -> bool {
    let mut answers = transaction.answers.iter().filter_map(|answer| answer.sent);
    answers.any(|code| StatusCode(code).is_done())
}

pub(super) fn is_success(transaction: &Transaction) -> bool {
    let code = transaction.code();
    code.is_some_and(|code| StatusCode(code).is_done())
}

/// The most Atomics of one session that are looked at.
const MOST_ATOMICS: usize = 1_000;

/// The result of Windows that is no failure, S_OK.
const NO_ERROR: &str = "0x00000000";
