//! Messages outside of sessions: enrollment, and what could not be read.

mod progress;
mod request;
mod sent_elsewhere;
mod unmanaged;

use std::collections::{BTreeMap, BTreeSet};

use smol_str::{SmolStr, format_smolstr};

use self::progress::Progress;
use self::request::Request;
use self::sent_elsewhere::SentElsewhere;
use self::unmanaged::Unmanaged;
use super::exchanged::Exchanged;
use super::no_answer::NoAnswer;
use super::refused_connection::RefusedConnection;
use super::session::{FailedDocument, failure_words, note_documents};
use super::why::failed_document;
use super::{AnalysedSession, refusal};
use crate::flow::Side;
use crate::printable::counted;
use crate::record::EventRecord;
use crate::record::model::{
    EventKind, ParsedBodyRecord, SessionFinding, SessionSummary, UnreadCause,
};

/// Requests of enrollment that wait for their response, and bodies that could not be read.
#[derive(Default)]
pub(super) struct Enrollments {
    requests: BTreeMap<u64, Request>,
    unread: Vec<(u64, SmolStr, Option<UnreadCause>)>,
    unread_more: u32,
    /// Failures in messages that name no session, and how many more there were.
    failures: Vec<(u64, String)>,
    failures_more: usize,
    documents: Vec<FailedDocument>,
    /// Requests of management that name no session and wait for a response, and those that got none of the server:
    /// when, and why.
    unnamed: BTreeSet<u64>,
    unanswered: Vec<(u64, u64, NoAnswer)>,
    /// The rules that received connections which carried no request yet.
    admitted: BTreeMap<u64, Vec<SmolStr>>,
    elsewhere: SentElsewhere,
    unmanaged: Unmanaged,
    /// The answer that came in chunks, while no request follows it; and whether a device went on after one.
    in_chunks: Option<u64>,
    takes_chunks: bool,
    progress: Progress,
    connections: Vec<RefusedConnection>,
}

impl Enrollments {
    /// Takes in a message of no session; gives the enrollment that it refuses.
    pub(super) fn message(&mut self, record: &EventRecord) -> Option<AnalysedSession> {
        let exchange = record.exchange?;
        self.note_unread(record, exchange);
        self.note_failures(record, exchange);
        note_documents(&mut self.documents, &Exchanged::of(record));
        self.progress.message(record);
        match record.event {
            EventKind::Request => {
                if refusal::is_of_management(record) {
                    self.unnamed.insert(exchange);
                    if self.unnamed.len() > MOST_REQUESTS {
                        self.unnamed.pop_first();
                    }
                }
                if let Some(request) = Request::of(record) {
                    self.requests.insert(exchange, request);
                    if self.requests.len() > MOST_REQUESTS {
                        self.requests.pop_first();
                    }
                }
                None
            }
            _ => {
                let fault = record.enrollment.as_ref().and_then(|it| it.fault.as_ref());
                let request = self.requests.remove(&exchange);
                let request = request.or_else(|| fault.map(|_| Request::unknown(record)));
                let request = request?;
                self.unmanaged.granted(&request, record);
                let over = request.refused(record)?;
                self.progress.settled(exchange);
                Some(over)
            }
        }
    }

    /// Takes in where a message goes, or sends its device.
    pub(super) fn note_hosts(&mut self, record: &EventRecord) {
        let fault = record.enrollment.as_ref().and_then(|it| it.fault.as_ref());
        let is_left = record.is_in_chunks() && fault.is_none();
        self.takes_chunks |= self.in_chunks.is_some() && record.event == EventKind::Request;
        self.in_chunks = record.exchange.filter(|_| is_left);
        self.elsewhere.message(record);
        self.unmanaged.message(record);
    }

    /// An exchange came to no response of the server.
    pub(super) fn failed(&mut self, exchange: u64, record: &EventRecord) {
        let why = NoAnswer::of(record);
        let is_of_server = !record.by_rule && record.from.as_deref() == Some("server");
        if let Some(request) = self.requests.get_mut(&exchange) {
            request.failed = Some(why);
            self.progress.settled(exchange);
        } else if self.unnamed.remove(&exchange)
            && is_of_server
            && self.unanswered.len() < MOST_FAILURES
        {
            self.unanswered.push((exchange, record.at_us, why));
        }
    }

    /// A connection ended before it carried a request.
    pub(super) fn refused(&mut self, record: &EventRecord) {
        let rules = self
            .admitted
            .remove(&record.connection.id)
            .unwrap_or_default();
        let why = record.why.clone().unwrap_or_default();
        let alike = |known: &&mut RefusedConnection| known.why == why && known.rules == rules;
        let has_room = self.connections.len() < MOST_UNREAD;
        match self.connections.iter_mut().find(alike) {
            Some(known) => known.count += 1,
            None if has_room => {
                let connection = record.connection.id;
                self.connections.push(RefusedConnection {
                    why,
                    rules,
                    connection,
                    count: 1,
                });
            }
            None => {}
        }
    }

    /// Rules decided how to receive a connection.
    pub(super) fn admitted(&mut self, record: &EventRecord) {
        let rules = record.applied.iter().map(|applied| applied.rule.clone());
        self.admitted.insert(record.connection.id, rules.collect());
        while self.admitted.len() > MOST_REQUESTS {
            self.admitted.pop_first();
        }
    }

    /// How many enrollments began.
    pub(super) fn begun(&self) -> u64 {
        self.progress.begun
    }

    /// Those of the next run of the record, which go on counting.
    pub(super) fn next_run(&self) -> Self {
        let mut next = Self::default();
        next.progress.begun = self.begun();
        next
    }

    /// What belongs to no session: enrollment without an answer, messages that could not be read, connections that carried none.
    pub(super) fn finish(&mut self, had_exchanges: bool) -> Vec<AnalysedSession> {
        let requests = std::mem::take(&mut self.requests).into_values();
        let mut over: Vec<_> = requests.filter_map(Request::unanswered).collect();
        let mut summary = SessionSummary::default();
        if !self.unread.is_empty() {
            summary.findings.push(self.unread());
        }
        if !self.failures.is_empty() {
            summary.findings.push(self.failures());
        }
        let documents = std::mem::take(&mut self.documents);
        summary
            .findings
            .extend(documents.iter().map(failed_document));
        if !self.unanswered.is_empty() {
            summary.findings.push(self.unanswered());
        }
        let in_chunks = self.in_chunks.take().filter(|_| !self.takes_chunks);
        let elsewhere = self.elsewhere.findings();
        let named = elsewhere.iter().flat_map(|finding| &finding.exchanges);
        let named: Vec<u64> = named.chain(&in_chunks).copied().collect();
        over.extend(self.progress.finish(&named));
        // What went past dmtap may have gone on there.
        let unmanaged = self.unmanaged.findings().into_iter();
        let unmanaged = unmanaged.filter(|_| elsewhere.is_empty());
        summary.findings.extend(unmanaged);
        summary.findings.extend(elsewhere);
        summary.findings.extend(in_chunks.map(left_in_chunks));
        let exchanges = summary
            .findings
            .iter()
            .flat_map(|finding| &finding.exchanges);
        summary.first_exchange = exchanges.clone().min().copied().unwrap_or_default();
        summary.last_exchange = exchanges.max().copied().unwrap_or_default();
        // Where devices do get through, others that hang up say nothing.
        let refused = std::mem::take(&mut self.connections);
        if !had_exchanges {
            summary
                .findings
                .extend(refused.into_iter().map(RefusedConnection::finding));
        }
        (self.unread, self.failures, self.unanswered) = Default::default();
        self.unnamed.clear();
        (self.unread_more, self.failures_more) = (0, 0);
        if !summary.findings.is_empty() {
            over.push(AnalysedSession {
                summary,
                transactions: Vec::new(),
            });
        }
        over
    }

    fn unread(&self) -> SessionFinding {
        let all = self.unread.len() + self.unread_more as usize;
        let listed = self.unread.iter().take(3);
        let mut why: Vec<String> = listed
            .map(|(exchange, why, _)| format!("x{exchange}: {why}"))
            .collect();
        if all > 3 {
            why.push(format!("and {} more", all - 3));
        }
        SessionFinding {
            id: "WHY-15".into(),
            pending: true,
            what: format!(
                "{} could not be read: what they say is not known",
                counted(all, "message")
            ),
            why,
            next: unread_next(self.unread.first().and_then(|(.., cause)| *cause)).into(),
            exchanges: self.unread.iter().map(|(exchange, ..)| *exchange).collect(),
            ..SessionFinding::default()
        }
    }

    /// WHY-01: the commands are not known, since no session links them to their answers.
    fn failures(&self) -> SessionFinding {
        let all = self.failures.len() + self.failures_more;
        let listed = self.failures.iter().take(MOST_LISTED);
        let mut why: Vec<String> = listed.map(|(_, words)| words.clone()).collect();
        if all > MOST_LISTED {
            why.push(format!("and {} more", all - MOST_LISTED));
        }
        let mut exchanges: Vec<u64> = self
            .failures
            .iter()
            .map(|(exchange, _)| *exchange)
            .collect();
        exchanges.dedup();
        SessionFinding {
            id: "WHY-01".into(),
            pending: true,
            what: format!(
                "{} failed in messages that name no session",
                counted(all, "command")
            ),
            why,
            next: "look up the commands with these CmdIDs in what was sent to the device".into(),
            exchanges,
            ..SessionFinding::default()
        }
    }

    /// WHY-03: the server was not reached, or gave no answer.
    fn unanswered(&self) -> SessionFinding {
        let all = self.unanswered.len();
        let listed = self.unanswered.iter().take(MOST_LISTED);
        SessionFinding {
            id: "WHY-03".into(),
            pending: true,
            what: format!(
                "{} without a session got no answer of the server",
                counted(all, "request")
            ),
            why: listed
                .map(|(exchange, _, why)| format!("x{exchange}: {}", why.how))
                .collect(),
            next: self
                .unanswered
                .first()
                .map(|(_, at_us, why)| why.next(*at_us))
                .unwrap_or_default(),
            exchanges: self
                .unanswered
                .iter()
                .map(|(exchange, ..)| *exchange)
                .collect(),
            ..SessionFinding::default()
        }
    }

    fn note_failures(&mut self, record: &EventRecord, exchange: u64) {
        let failures = record
            .commands
            .iter()
            .filter_map(|it| failure_words(exchange, it, "which is not in the record"));
        for words in failures {
            match self.failures.len() < MOST_FAILURES {
                true => self.failures.push((exchange, words)),
                false => self.failures_more += 1,
            }
        }
    }

    fn note_unread(&mut self, record: &EventRecord, exchange: u64) {
        let content_type = record
            .head
            .as_ref()
            .and_then(|head| head.header("content-type"));
        // A log has no heads, and what was found in it is of OMA DM.
        let is_dm = record.head.is_none() || content_type.is_some_and(|it| it.contains("syncml"));
        let (why, cause) = match &record.reading {
            Some(ParsedBodyRecord::Opaque { at, why, .. }) => {
                (format_smolstr!("{why}, at byte {at}"), None)
            }
            Some(ParsedBodyRecord::Unread { why, cause, .. }) => (why.clone(), *cause),
            _ => return,
        };
        if !is_dm || record.own {
            return;
        }
        match self.unread.len() < MOST_UNREAD {
            true => self.unread.push((exchange, why, cause)),
            false => self.unread_more += 1,
        }
    }
}

/// WHY-13: the last thing that a device got is an answer that Windows refuses.
fn left_in_chunks(exchange: u64) -> SessionFinding {
    SessionFinding {
        id: "WHY-13".into(),
        pending: true,
        by: Some(Side::Server),
        what: "Enrollment: the answer came in chunks, and the device did not go on".into(),
        why: vec![format!(
            "x{exchange}: the server sent Transfer-Encoding: chunked and no Content-Length, which Windows refuses (HTTP-04)"
        )],
        next: "let the server send a Content-Length; behind dmtap proxy the answer has one".into(),
        exchanges: vec![exchange],
        ..SessionFinding::default()
    }
}

/// What to do about bodies that were not read.
pub(super) fn unread_next(cause: Option<UnreadCause>) -> &'static str {
    match cause {
        Some(UnreadCause::NotRecorded) => {
            "save the traffic once more with its bodies (\"HAR with content\"), or record it with dmtap proxy -w"
        }
        Some(UnreadCause::TooLarge) => "record it with a larger --max-body",
        _ => "dmtap show prints where reading stopped",
    }
}

const MOST_REQUESTS: usize = 1_000;
const MOST_UNREAD: usize = 100;
/// Failures outside of sessions that are kept, and those that are listed.
const MOST_FAILURES: usize = 100;
const MOST_LISTED: usize = 10;
