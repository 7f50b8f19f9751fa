//! Results of work that a CSP does after it answered a command, as the values of nodes report them.

use hashlink::LinkedHashMap;

use super::failed::is_success;
use super::words::{self, named};
use super::{Case, EVENT_LOG, MOST_LISTED, about};
use crate::dm::locuri;
use crate::facts::{self, ReportedValue};
use crate::flow::{Side, Transaction, TransactionItem, TransactionOutcome};
use crate::record::analysis::session::{DocumentKind, FailedDocument};
use crate::record::model::SessionFinding;

/// The reports on work in Results: by the canonical node of the work, the last value of each node that reports on it.
#[derive(Default)]
pub(in crate::record::analysis) struct Works<'s>(LinkedHashMap<String, Vec<Reported<'s>>>);

/// A value in the Results of a Get, with its meaning.
pub(in crate::record::analysis) struct Reported<'s> {
    pub(in crate::record::analysis) get: &'s Transaction,
    pub(in crate::record::analysis) item: &'s TransactionItem,
    pub(in crate::record::analysis) value: ReportedValue,
}

impl<'s> Works<'s> {
    /// Returns the reports in the Results of a session.
    pub(in crate::record::analysis) fn of(session: &'s [Transaction]) -> Self {
        let mut works = Self::default();
        let results = session
            .iter()
            .flat_map(|it| it.results.iter().map(move |item| (it, item)));
        for (get, item) in results {
            let node = locuri::canonical(item.node.as_deref().unwrap_or_default());
            let value = item.value.as_deref().unwrap_or_default();
            let Some(value) = facts::reported_value(&node, value) else {
                continue;
            };
            let work = works.0.entry(work_of(&node)).or_insert_with(Vec::new);
            // Only the last value of a node counts.
            work.retain(|it| locuri::canonical(it.node()) != node);
            work.push(Reported { get, item, value });
        }
        works
    }

    /// Returns the last value that reports on the work on a node, or on a node around it.
    pub(in crate::record::analysis) fn last_about(&self, node: &str) -> Option<&Reported<'s>> {
        let node = locuri::canonical(node);
        let ends = node.match_indices('/').map(|(end, _)| end);
        let mut around = ends.chain([node.len()]).map(|end| &node[..end]);
        around.find_map(|node| latest(self.0.get(node)?).pop())
    }
}

/// Returns the values about one work that count: the failures after the last success, or else the values after it that
/// say that the work goes on, or else the successes.
fn latest<'w, 's>(work: &'w [Reported<'s>]) -> Vec<&'w Reported<'s>> {
    let done: Vec<_> = work
        .iter()
        .filter(|it| it.value == ReportedValue::Done)
        .collect();
    let last_done = done.iter().map(|it| it.get.asked.exchange).max();
    let is_new = |it: &&Reported<'_>| last_done.is_none_or(|done| it.get.asked.exchange > done);
    let of_kind = |is_it: fn(&ReportedValue) -> bool| -> Vec<_> {
        work.iter()
            .filter(|it| is_it(&it.value))
            .filter(is_new)
            .collect()
    };
    let failures = of_kind(|it| matches!(it, ReportedValue::Failed(_)));
    let pending = of_kind(|it| matches!(it, ReportedValue::Pending(_)));
    let mut kinds = [failures, pending, done].into_iter();
    kinds.find(|it| !it.is_empty()).unwrap_or_default()
}

impl Reported<'_> {
    /// Returns the meaning of a value; empty for a success.
    fn meaning(&self) -> &str {
        match &self.value {
            ReportedValue::Failed(meaning) | ReportedValue::Pending(meaning) => meaning,
            ReportedValue::Done | ReportedValue::Fine => "",
        }
    }

    pub(in crate::record::analysis) fn node(&self) -> &str {
        self.item.node.as_deref().unwrap_or_default()
    }
}

impl<'s> Case<'s> {
    /// WHY-01 of work that failed, WHY-09 of work that goes on, and WHY-09 of work that began and whose end the server did
    /// not ask for.
    pub(super) fn reported_by_values(&self) -> Vec<SessionFinding> {
        let works = Works::of(&self.session.transactions);
        let findings = works.0.iter();
        let findings = findings.filter_map(|(parent, work)| self.of_work(parent, work));
        let mut findings: Vec<_> = findings.take(super::MOST_FINDINGS).collect();
        let gets = self.transactions().filter(|it| it.command == "Get");
        let asked: Vec<String> = gets
            .filter_map(|it| it.node().map(locuri::canonical))
            .collect();
        let is_known = |parent: &str| {
            let is_asked = asked.iter().any(|node| node.starts_with(parent));
            is_asked || works.0.contains_key(parent) || self.is_reported(parent)
        };
        let begun = self.transactions().filter_map(|it| {
            let is_answered = it.outcome == TransactionOutcome::Answered && is_success(it);
            let (parent, later) = later_work(it).filter(|_| is_answered)?;
            (!is_known(&parent)).then(|| not_asked_about(it, later))
        });
        findings.extend(begun.take(super::MOST_FINDINGS));
        findings.extend(reported_unasked(&self.session.unasked, &works));
        findings
    }

    fn of_work(&self, parent: &str, work: &[Reported<'s>]) -> Option<SessionFinding> {
        let values = latest(work);
        let last = *values.last()?;
        let has_failed = match last.value {
            ReportedValue::Failed(_) => true,
            ReportedValue::Pending(_) => false,
            ReportedValue::Done | ReportedValue::Fine => return None,
        };
        let begun = self.transactions().filter(|it| {
            let is_below = |node| locuri::is_within(node, parent);
            let is_before = it.number < last.get.number;
            is_before
                && it.command == "Exec"
                && it.from == Side::Server
                && is_success(it)
                && it.node().is_some_and(is_below)
        });
        let begun = begun.last();
        let gets = values.iter().map(|value| value.get);
        let all: Vec<_> = begun.into_iter().chain(gets).collect();
        let mut finding = about(if has_failed { "WHY-01" } else { "WHY-09" }, &all);
        let meaning = last.meaning();
        finding.what = match (begun, has_failed) {
            (Some(begun), true) => format!("{}: what it began failed, {meaning}", named(begun)),
            (Some(begun), false) => format!("{}: what it began goes on, {meaning}", named(begun)),
            (None, true) => format!("{}: the value reports a failure, {meaning}", last.node()),
            (None, false) => format!("{}: not done yet, {meaning}", last.node()),
        };
        (finding.code, finding.value) = (None, None);
        finding.hresult = last.item.value.clone().filter(|_| has_failed);
        finding.blame("acted on this.", Side::Device);
        finding.why.extend(begun.map(|begun| {
            let got = begun.code().map(words::code).unwrap_or_default();
            let places = words::places(begun);
            format!("{places}: {got} means only that the work began")
        }));
        let gets = values.iter().take(MOST_LISTED);
        finding.why.extend(gets.map(|value| {
            if begun.is_none() && value.node() == last.node() {
                return words::asked(value.get);
            }
            format!(
                "{} {} gave {}, {}",
                value.get.command,
                value.node(),
                value.meaning(),
                words::asked(value.get)
            )
        }));
        finding.next = match has_failed {
            false => "Get the node again in a later session".into(),
            true => next_of_failed(parent)
                .map_or_else(|| self.look_in_log(last.get.asked.at_us), str::to_owned),
        };
        Some(finding)
    }

    /// Whether an Alert reports on the work below a node.
    fn is_reported(&self, parent: &str) -> bool {
        let is_below = |node| locuri::is_within(node, parent);
        self.transactions().any(|it| {
            it.from == Side::Device && it.alert.is_some() && it.node().is_some_and(is_below)
        })
    }
}

/// WHY-01 of values that report a failure, in Results whose Get the record does not have. Work that `known` reports on is
/// left out.
pub(in crate::record::analysis) fn reported_unasked(
    unasked: &[Transaction],
    known: &Works<'_>,
) -> Vec<SessionFinding> {
    let works = Works::of(unasked);
    let unknown = works
        .0
        .iter()
        .filter(|(work, _)| !known.0.contains_key(*work));
    let findings = unknown.filter_map(|(work, values)| {
        let values = latest(values);
        let last = values.last()?;
        if !matches!(last.value, ReportedValue::Failed(_)) {
            return None;
        }
        let mut finding = SessionFinding {
            what: format!(
                "{}: the value reports a failure, {}",
                last.node(),
                last.meaning()
            ),
            by: Some(Side::Device),
            node: last.item.node.clone(),
            hresult: last.item.value.clone(),
            next: next_of_failed(work).map_or_else(
                || format!("look in the device's event log {EVENT_LOG}"),
                str::to_owned,
            ),
            ..SessionFinding::new("WHY-01")
        };
        finding.exchanges = values.iter().map(|it| it.get.asked.exchange).collect();
        finding.exchanges.dedup();
        finding.list(&values, MOST_LISTED, "", |value| {
            let place = &value.get.asked;
            let of = match &*place.cmd_id {
                "" => String::new(),
                id => format!(" for CmdID {id} of message {}", place.message),
            };
            format!(
                "x{}: {} gave {}, in Results{of}",
                place.exchange,
                value.node(),
                value.meaning()
            )
        });
        Some(finding)
    });
    findings.take(super::MOST_FINDINGS).collect()
}

/// Returns the advice about work that failed below a canonical node, where there is a special one.
fn next_of_failed(parent: &str) -> Option<&'static str> {
    let known = NEXT_OF_FAILED
        .iter()
        .find(|(part, _)| parent.contains(part))?;
    Some(known.1)
}

/// WHY-01 of a document in which the device reports a failure.
pub(in crate::record::analysis) fn failed_document(document: &FailedDocument) -> SessionFinding {
    let mut exchanges: Vec<u64> = document.places.iter().map(|(_, it)| it.exchange).collect();
    exchanges.dedup();
    let places = document
        .places
        .iter()
        .map(|(command, place)| format!("{command} in {}", words::place(place)));
    let places: Vec<String> = places.collect();
    let (id, state, has_parts) = (&document.id, document.state, !document.parts.is_empty());
    let (what, next) = match document.kind {
        DocumentKind::DeclaredConfiguration => {
            let meaning = u16::try_from(state).ok();
            let meaning = meaning.and_then(facts::declared_configuration_failure);
            let meaning = meaning.unwrap_or_default();
            let next = match has_parts {
                false => {
                    "Get Document below ./Device/Vendor/MSFT/DeclaredConfiguration/Host/Complete/Results/{id}: it names the \
                         settings that failed"
                }
                true => "mend these settings in the document, and send it with a new checksum",
            };
            let what = format!("Declared configuration {id}: state {state} {meaning}");
            (what, next)
        }
        DocumentKind::DiagnosticArchive => {
            let what = match state {
                0 => format!(
                    "Diagnostic archive {id}: {}",
                    failed_parts(document.parts.len())
                ),
                state => format!(
                    "Diagnostic archive {id}: the collection failed, {}",
                    facts::code_words(state)
                ),
            };
            (
                what,
                "look up the HRESULT, and ask for the archive again if it lacks something",
            )
        }
    };
    SessionFinding {
        // With state 0 the archive is there, without the parts that failed.
        pending: document.kind == DocumentKind::DeclaredConfiguration || state != 0,
        what,
        by: Some(Side::Device),
        why: std::iter::once(format!("reported by {}", places.join(" and ")))
            .chain(document.parts.iter().cloned())
            .collect(),
        next: next.into(),
        exchanges,
        ..SessionFinding::new("WHY-01")
    }
}

/// Returns the node of the work that a node reports on, both canonical: as a rule, the parent.
fn work_of(node: &str) -> String {
    match node.rsplit_once('/') {
        Some((parent, "rotaterecoverypasswordsstatus")) => {
            parent.replace("/status", "/rotaterecoverypasswords")
        }
        Some((parent, _)) if OF_MANY_WORKS.iter().any(|end| parent.ends_with(end)) => {
            node.to_owned()
        }
        Some((parent, _)) => parent.to_owned(),
        None => String::new(),
    }
}

/// The ends of the nodes whose children say nothing about each other.
const OF_MANY_WORKS: [&str; 3] = [
    "/bitlocker/status",
    "/healthattestation",
    "/personalization",
];

fn failed_parts(count: usize) -> String {
    match count {
        1 => "a part was not gathered".to_owned(),
        count => format!("{count} parts were not gathered"),
    }
}

/// Work that Windows does after it answered an Exec.
struct LaterWork {
    /// A part of the node, and its end.
    node: (&'static str, &'static str),
    /// The work, as the end of a sentence.
    does: &'static str,
    /// The advice how to ask for the result.
    next: &'static str,
}

/// Returns the work that a command starts, with the canonical node around the node of the command.
fn later_work(transaction: &Transaction) -> Option<(String, &'static LaterWork)> {
    let node = transaction.node().map(locuri::canonical)?;
    let is_exec = transaction.command == "Exec" && transaction.from == Side::Server;
    let mut known = LATER_WORK.iter().filter(|_| is_exec);
    known.find_map(|work| {
        let (place, end) = work.node;
        let parent = node.strip_suffix(end)?;
        parent.contains(place).then(|| (parent.to_owned(), work))
    })
}

const LATER_WORK: [LaterWork; 2] = [
    LaterWork {
        node: ("/scep/", "/install/enroll"),
        does: "requests the certificate from the SCEP server",
        next: "Get Status and ErrorCode of that node in a later session: 1 and 0 mean that the certificate came",
    },
    LaterWork {
        node: ("/enterprisedesktopappmanagement/msi/", "/downloadinstall"),
        does: "downloads and installs the package",
        next: "Get Status and LastError of that node in a later session: 70 and 0 mean that it is installed",
    },
];

/// WHY-09 of work whose end the server did not ask for.
fn not_asked_about(transaction: &Transaction, work: &LaterWork) -> SessionFinding {
    let mut finding = about("WHY-09", &[transaction]);
    let got = transaction.code().map(words::code).unwrap_or_default();
    finding.pending = false;
    finding.what = format!(
        "{}: {got}, and nobody asked how it ended",
        named(transaction)
    );
    finding.why.push(words::places(transaction));
    let why = format!("Windows answers at once, and {} afterwards.", work.does);
    finding.why.push(why);
    finding.next = work.next.into();
    finding
}

pub(super) const INSTALLER_NEXT: &str = "read the installer's own log on the device: CommandLine in the job can ask for one \
                                         (/l*v and a file)";
const NEXT_OF_FAILED: [(&str, &str); 4] = [
    (
        "/wstep/renew",
        "see what the enrollment server answered to the renewal, and mend it before the device's certificate ends: after that \
         the device must enroll anew",
    ),
    (
        "/scep/",
        "look at the SCEP server's log, and for events of SCEP in the device's event log \
         DeviceManagement-Enterprise-Diagnostics-Provider/Admin",
    ),
    ("/enterprisedesktopappmanagement/", INSTALLER_NEXT),
    (
        "/bitlocker/",
        "see manage-bde -status on the device, and its event log BitLocker-API/Management",
    ),
];
