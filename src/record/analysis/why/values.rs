//! Failures inside values: what a CSP does behind the answer to a command, and how a node says that it ended.

use hashlink::LinkedHashMap;

use super::failed::is_success;
use super::words::{self, named};
use super::{Case, about};
use crate::dm::locuri;
use crate::facts::{self, ReportedValue};
use crate::flow::{Side, Transaction, TransactionItem};
use crate::record::analysis::session::FailedDocument;
use crate::record::model::SessionFinding;

/// What Results say of the work behind the parent of some nodes: the Gets with what the values mean.
#[derive(Default)]
struct Work<'s> {
    failures: Vec<Reported<'s>>,
    pending: Vec<Reported<'s>>,
}

/// A value that Results gave to a Get, with what it means.
struct Reported<'s> {
    get: &'s Transaction,
    item: &'s TransactionItem,
    meaning: String,
}

impl<'s> Case<'s> {
    /// WHY-01 of work that failed and WHY-09 of work that goes on, by values of nodes; WHY-09 of a request for a
    /// certificate of which nobody asked how it ended.
    pub(super) fn reported_by_values(&self) -> Vec<SessionFinding> {
        let works = self.works();
        let findings = works.iter();
        let findings = findings.filter_map(|(parent, work)| self.of_work(parent, work));
        let mut findings: Vec<_> = findings.collect();
        let is_known = |parent: &str| works.contains_key(parent) || self.is_reported(parent);
        let enrolling = self.transactions().filter(|it| {
            let parent = parent_of_enroll(it).filter(|_| is_success(it));
            parent.is_some_and(|parent| !is_known(&parent))
        });
        findings.extend(enrolling.take(super::MOST_FINDINGS).map(not_asked_about));
        findings
    }

    /// By the parent.
    fn works(&self) -> LinkedHashMap<String, Work<'s>> {
        let mut works: LinkedHashMap<String, Work<'s>> = LinkedHashMap::new();
        let results = self
            .transactions()
            .flat_map(|it| it.results.iter().map(move |item| (it, item)));
        for (transaction, item) in results {
            let node = item.node.as_deref().unwrap_or_default();
            let value = item.value.as_deref().unwrap_or_default();
            let node = locuri::canonical(node);
            let Some(value) = facts::reported_value(&node, value) else {
                continue;
            };
            let parent = node.rsplit_once('/').map_or("", |(parent, _)| parent);
            if works.len() == super::MOST_FINDINGS && !works.contains_key(parent) {
                continue;
            }
            let work = works.entry(parent.to_owned()).or_insert_with(Work::default);
            let reported = |meaning| Reported {
                get: transaction,
                item,
                meaning,
            };
            match value {
                ReportedValue::Failed(meaning) => work.failures.push(reported(meaning)),
                ReportedValue::Pending(meaning) => work.pending.push(reported(meaning)),
                ReportedValue::Fine => {}
            }
        }
        works
    }

    fn of_work(&self, parent: &str, work: &Work<'s>) -> Option<SessionFinding> {
        let has_failed = !work.failures.is_empty();
        let values = match has_failed {
            true => &work.failures,
            false => &work.pending,
        };
        let last = values.last()?;
        let begun = self.transactions().filter(|it| {
            let is_below = |node| locuri::canonical(node).starts_with(parent);
            it.command == "Exec" && it.from == Side::Server && it.node().is_some_and(is_below)
        });
        let begun = begun.last();
        let gets = values.iter().map(|value| value.get);
        let all: Vec<_> = begun.into_iter().chain(gets).collect();
        let mut finding = about(if has_failed { "WHY-01" } else { "WHY-09" }, &all);
        let node = |value: &Reported<'_>| value.item.node.clone().unwrap_or_default();
        let name = begun.map_or_else(|| node(last).to_string(), named);
        let how = if has_failed { "failed" } else { "goes on" };
        finding.what = format!("{name}: what it began {how}, {}", last.meaning);
        (finding.code, finding.value) = (None, None);
        finding.hresult = last.item.value.clone().filter(|_| has_failed);
        finding.blame("acted on this.", Side::Device);
        if let Some((begun, answer)) = begun.and_then(|it| Some((it, it.answer()?))) {
            let got = answer.code().map(words::code).unwrap_or_default();
            finding.why.push(format!(
                "{}: {got} says only that it began",
                words::asked_and_answered(begun, answer)
            ));
        }
        let gets = values.iter().take(MOST_LISTED);
        finding.why.extend(gets.map(|value| {
            let Reported { get, meaning, .. } = value;
            format!(
                "{} {} gave {meaning}, {}",
                get.command,
                node(value),
                words::asked(get)
            )
        }));
        finding.next = match (has_failed, parent.contains("/scep/")) {
            (false, _) => "Get the node again in a later session",
            (true, true) => SCEP_NEXT,
            (true, false) => INSTALLER_NEXT,
        }
        .into();
        Some(finding)
    }

    /// Whether an Alert reports the end of the work behind a node.
    fn is_reported(&self, parent: &str) -> bool {
        let is_below = |node| locuri::canonical(node).starts_with(parent);
        self.transactions().any(|it| {
            it.from == Side::Device && it.alert.is_some() && it.node().is_some_and(is_below)
        })
    }

    /// WHY-01 of documents of declared configuration.
    pub(super) fn failed_documents(&self) -> Vec<SessionFinding> {
        let documents = self.session.documents.iter();
        documents.map(|it| self.failed_document(it)).collect()
    }

    fn failed_document(&self, document: &FailedDocument) -> SessionFinding {
        let meaning = facts::declared_configuration_failure(document.state).unwrap_or_default();
        let mut exchanges: Vec<u64> = document.places.iter().map(|(_, it)| it.exchange).collect();
        exchanges.dedup();
        let places = document.places.iter().map(|(command, place)| {
            format!(
                "{command} in x{} (message {}, CmdID {})",
                place.exchange, place.message, place.cmd_id
            )
        });
        let places: Vec<String> = places.collect();
        let next = match document.settings.is_empty() {
            true => {
                "Get Document below ./Device/Vendor/MSFT/DeclaredConfiguration/Host/Complete/Results/{id}: it names the \
                     settings that failed"
            }
            false => "mend these settings in the document, and send it with a new checksum",
        };
        SessionFinding {
            what: format!(
                "Declared configuration {}: state {} {meaning}",
                document.id, document.state
            ),
            by: Some(Side::Device),
            why: std::iter::once(format!("reported by {}", places.join(" and ")))
                .chain(document.settings.iter().cloned())
                .collect(),
            next: next.into(),
            exchanges,
            ..SessionFinding::new("WHY-01")
        }
    }
}

/// The node around the one that starts a request for a certificate by SCEP, canonical.
fn parent_of_enroll(transaction: &Transaction) -> Option<String> {
    let node = transaction.node().map(locuri::canonical)?;
    let parent = node.strip_suffix("/install/enroll")?;
    let is_exec = transaction.command == "Exec" && transaction.from == Side::Server;
    (is_exec && parent.contains("/scep/")).then(|| parent.to_owned())
}

/// WHY-09: Windows answers first, and asks the SCEP server then.
fn not_asked_about(transaction: &Transaction) -> SessionFinding {
    let mut finding = about("WHY-09", &[transaction]);
    let got = transaction.code().map(words::code).unwrap_or_default();
    finding.pending = false;
    finding.what = format!(
        "{}: {got}, and nobody asked how it ended",
        named(transaction)
    );
    if let Some(answer) = transaction.answer() {
        finding
            .why
            .push(words::asked_and_answered(transaction, answer));
    }
    finding.why.push(
        "Windows answers at once, and requests the certificate from the SCEP server afterwards."
            .into(),
    );
    finding.next = "Get Status and ErrorCode of that node in a later session: 1 and 0 mean that the certificate came".into();
    finding
}

const SCEP_NEXT: &str = "look at the SCEP server's log, and for events of SCEP in the device's event log \
                         DeviceManagement-Enterprise-Diagnostics-Provider/Admin";
pub(super) const INSTALLER_NEXT: &str = "read the installer's own log on the device: CommandLine in the job can ask for one \
                                         (/l*v and a file)";
/// Values that are listed.
const MOST_LISTED: usize = 5;
