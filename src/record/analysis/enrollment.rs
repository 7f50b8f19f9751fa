//! Messages outside of sessions: enrollments, and messages of management that name no session.

mod answer;
mod attempt;
mod request;
mod sent_elsewhere;

use std::collections::BTreeMap;
use std::net::IpAddr;

use smol_str::{SmolStr, format_smolstr};

use self::attempt::Attempts;
pub use self::attempt::Begun;
use self::request::Request;
use self::sent_elsewhere::SentElsewhere;
use super::exchanged::Exchanged;
use super::later::settle_attempts;
use super::no_answer::NoAnswer;
use super::refused_connection::RefusedConnection;
use super::session::{
    FailedDocument, MOST_KEPT, SENT_AGAIN, alerted_failures, failure_words, note_documents, unasked,
};
use super::why::{Works, failed_document, reported_unasked};
use super::{AnalysedSession, refusal, why};
use crate::flow::{Side, Transaction};
use crate::printable::counted;
use crate::record::EventRecord;
use crate::record::model::{
    EventKind, ParsedBodyRecord, SessionFinding, SessionSummary, UnreadCause,
};

/// The messages and connections outside of sessions.
#[derive(Default)]
pub(super) struct Enrollments {
    /// Requests of enrollment that wait for their response.
    requests: BTreeMap<u64, Request>,
    /// Messages that could not be read, and the number of more.
    unread: Vec<(u64, SmolStr, Option<UnreadCause>)>,
    unread_more: usize,
    /// Whether such a message stands in a text without heads, whose tool may have broken it.
    unread_in_text: bool,
    /// Failures in messages that name no session, and the number of more.
    failures: Vec<(u64, String)>,
    failures_more: usize,
    /// Failures that Alerts in such messages report.
    alerted: Vec<(u64, String)>,
    documents: Vec<FailedDocument>,
    /// The Gets that these messages answer with Results.
    unasked: Vec<Transaction>,
    /// Requests that name no session and wait for a response, and whether they are of management.
    unnamed: BTreeMap<u64, bool>,
    /// Those of management that got no response of the server, each with its time and the reason.
    unanswered: Vec<(u64, u64, NoAnswer)>,
    /// The same of all other requests, which count if the server never answered.
    others_unanswered: Vec<(u64, u64, NoAnswer)>,
    has_answers: bool,
    /// The finding about the HTTP error that such a request got, until a request follows.
    http_error: Option<SessionFinding>,
    /// The requests of enrollment that dmtap sent twice, each with its time and what may follow from that.
    sent_again: Vec<(u64, u64, SmolStr)>,
    /// The rules that acted on connections which carried no request yet.
    rules_without_request: BTreeMap<u64, Vec<SmolStr>>,
    elsewhere: SentElsewhere,
    /// The answer that came in chunks, until a request follows.
    in_chunks: Option<u64>,
    /// Whether a device went on after such an answer.
    takes_chunks: bool,
    pub(super) attempts: Attempts,
    connections: Vec<RefusedConnection>,
}

impl Enrollments {
    /// Takes in a message outside of sessions. Returns the enrollment that it refuses.
    pub(super) fn message(&mut self, record: &EventRecord) -> Option<AnalysedSession> {
        let exchange = record.exchange?;
        self.note_unread(record, exchange);
        self.note_failures(record, exchange);
        note_documents(&mut self.documents, &Exchanged::of(record));
        self.attempts.message(record);
        if record.event == EventKind::Request {
            self.unnamed
                .insert(exchange, refusal::is_of_management(record));
            if self.unnamed.len() > MOST_REQUESTS {
                self.unnamed.pop_first();
            }
            if let Some(request) = Request::of(record) {
                self.requests.insert(exchange, request);
                if self.requests.len() > MOST_REQUESTS {
                    self.requests.pop_first();
                }
            }
            return None;
        }
        if self.unnamed.remove(&exchange) == Some(true) {
            self.http_error = http_error(exchange, record);
        }
        let has_fault = has_fault(record);
        self.attempts.unread(exchange, record);
        let request = self.requests.remove(&exchange);
        let mut notes = record.notes.iter();
        if let Some(request) = request.as_ref()
            && notes.any(|note| note.id == SENT_AGAIN)
            && self.sent_again.len() < MOST_FAILURES
        {
            self.sent_again
                .push((exchange, record.at_us, request.sent_twice()));
        }
        let request = request.or_else(|| has_fault.then(|| Request::unknown(record)));
        let over = request?.refused(record)?;
        self.attempts.failed(exchange, record);
        Some(over)
    }

    /// Takes in any message, also one of a session: it shows the server of a device, and whether the device goes on.
    pub(super) fn any_message(&mut self, record: &EventRecord) {
        let is_left = record.is_enrollment_answer_in_chunks() && !has_fault(record);
        match record.event {
            EventKind::Request => self.http_error = None,
            _ => self.has_answers |= !record.own,
        }
        self.takes_chunks |= self.in_chunks.is_some() && record.event == EventKind::Request;
        self.in_chunks = record.exchange.filter(|_| is_left);
        self.elsewhere.message(record);
        self.attempts.note_management(record);
    }

    /// Notes that an exchange got no response of the server.
    pub(super) fn failed(&mut self, exchange: u64, record: &EventRecord) {
        let why = NoAnswer::of(record);
        let is_of_server = !record.by_rule && record.from.as_deref() == Some("server");
        // The failure says why a device sent no body.
        let mut unread = self.unread.iter_mut();
        if record.from.as_deref() == Some("device")
            && let Some((_, reason, _)) = unread.find(|(unread, ..)| *unread == exchange)
        {
            *reason = format_smolstr!("{reason}: {}", why.how);
        }
        if let Some(request) = self.requests.get_mut(&exchange) {
            request.failed = Some(why);
            self.attempts.failed(exchange, record);
        } else if let Some(is_of_management) = self.unnamed.remove(&exchange) {
            let alike = match is_of_management {
                true => &mut self.unanswered,
                false => &mut self.others_unanswered,
            };
            if is_of_server && alike.len() < MOST_FAILURES {
                alike.push((exchange, record.at_us, why));
            }
        }
    }

    /// Notes a connection that ended before it carried a request.
    pub(super) fn refused(&mut self, record: &EventRecord) {
        let rules = self
            .rules_without_request
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

    /// Notes the rules that acted on a connection.
    pub(super) fn connection_decided(&mut self, record: &EventRecord) {
        let rules = record.applied.iter().map(|applied| applied.rule.clone());
        self.rules_without_request
            .insert(record.connection.id, rules.collect());
        while self.rules_without_request.len() > MOST_REQUESTS {
            self.rules_without_request.pop_first();
        }
    }

    /// Returns the findings outside of sessions at the end of the record.
    pub(super) fn finish(mut self, had_exchanges: bool, now_us: u64) -> Vec<AnalysedSession> {
        let mut findings = Vec::from_iter(self.http_error.clone());
        findings.extend(self.unread());
        findings.extend(self.failures());
        findings.extend(self.alerted());
        findings.extend(self.documents.iter().map(failed_document));
        findings.extend(reported_unasked(&self.unasked, &Works::default()));
        findings.extend(unanswered(&self.unanswered));
        findings.extend(self.sent_again());
        let in_chunks = self.in_chunks.filter(|_| !self.takes_chunks);
        let elsewhere = self.elsewhere.findings();
        let named = elsewhere.iter().flat_map(|finding| &finding.exchanges);
        let named: Vec<u64> = named.chain(&in_chunks).copied().collect();
        // A device that went past dmtap may have gone on there.
        if elsewhere.is_empty() {
            findings.extend(self.attempts.unmanaged(now_us));
        }
        let requests = self.requests.into_values();
        let mut over: Vec<_> = requests.filter_map(Request::unanswered).collect();
        let remedied = std::mem::take(&mut self.attempts.remedied);
        over.extend(self.attempts.stopped(&named));
        for AnalysedSession { summary, .. } in &mut over {
            settle_attempts(&mut summary.findings, &remedied);
        }
        findings.extend(elsewhere);
        findings.extend(in_chunks.map(left_in_chunks));
        if findings.is_empty() && over.is_empty() && !self.has_answers {
            findings.extend(unanswered(&self.others_unanswered));
        }
        let exchanges = findings.iter().flat_map(|finding| &finding.exchanges);
        let first_exchange = exchanges.clone().min().copied().unwrap_or_default();
        let last_exchange = exchanges.max().copied().unwrap_or_default();
        // If any device got through, the connections that ended early say nothing.
        if !had_exchanges {
            let refused = self.connections.into_iter();
            findings.extend(refused.map(RefusedConnection::finding));
        }
        if !findings.is_empty() {
            let summary = SessionSummary {
                first_exchange,
                last_exchange,
                findings,
                ..SessionSummary::default()
            };
            over.push(summary.into());
        }
        over
    }

    /// WHY-15.
    fn unread(&self) -> Option<SessionFinding> {
        let (_, _, cause) = self.unread.first()?;
        let all = self.unread.len() + self.unread_more;
        let mut finding = SessionFinding {
            what: match all {
                1 => "1 message could not be read: what it says is not known".into(),
                _ => format!("{all} messages could not be read: what they say is not known"),
            },
            next: match self.unread_in_text && all > 1 {
                true => format!("{}; {LAYOUT}", unread_next(*cause)),
                false => unread_next(*cause).into(),
            },
            exchanges: self.unread.iter().map(|(exchange, ..)| *exchange).collect(),
            ..SessionFinding::new("WHY-15")
        };
        let lines = self.unread.iter().take(MOST_UNREAD_LISTED);
        let lines = lines.map(|(exchange, why, _)| format!("x{exchange}: {why}"));
        finding.why.extend(lines);
        finding.more(all, MOST_UNREAD_LISTED, "");
        Some(finding)
    }

    /// WHY-01: the commands are not known, because no session links them to their answers.
    fn failures(&self) -> Option<SessionFinding> {
        self.failures.first()?;
        let all = self.failures.len() + self.failures_more;
        let exchanges = self.failures.iter().map(|(exchange, _)| *exchange);
        let mut finding = SessionFinding {
            what: format!(
                "{} failed in messages that name no session",
                counted(all, "command")
            ),
            next: "look up the commands with these CmdIDs in what was sent to the device".into(),
            exchanges: exchanges.collect(),
            ..SessionFinding::new("WHY-01")
        };
        finding.exchanges.dedup();
        let lines = self.failures.iter().take(MOST_LISTED);
        finding.why.extend(lines.map(|(_, words)| words.clone()));
        finding.more(all, MOST_LISTED, "");
        Some(finding)
    }

    /// WHY-01 of Alerts.
    fn alerted(&self) -> Option<SessionFinding> {
        self.alerted.first()?;
        let all = self.alerted.len();
        let mut finding = SessionFinding {
            what: format!(
                "Alerts in messages that name no session report {}",
                counted(all, "failure")
            ),
            next: "look in the device's own log at the time of the message".into(),
            exchanges: self.alerted.iter().map(|(exchange, _)| *exchange).collect(),
            ..SessionFinding::new("WHY-01")
        };
        finding.exchanges.dedup();
        finding.list(&self.alerted, MOST_LISTED, "", |(_, words)| words.clone());
        Some(finding)
    }

    /// WHY-05 of requests that dmtap sent twice: the server may have issued two certificates.
    fn sent_again(&self) -> Option<SessionFinding> {
        let (_, at_us, _) = self.sent_again.first()?;
        let mut finding = SessionFinding {
            what:
                "The server closed the connection without an answer, and dmtap sent the request again"
                    .into(),
            exchanges: self.sent_again.iter().map(|(at, ..)| *at).collect(),
            ..SessionFinding::new("WHY-05")
        };
        finding.pending = false;
        finding.list(&self.sent_again, MOST_LISTED, "", |(exchange, _, words)| {
            format!("x{exchange}: {words}")
        });
        finding.next = format!(
            "look in the server's log {} why it closed the connection",
            why::at(*at_us)
        );
        Some(finding)
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
        let alerts = record.commands.iter();
        let alerted = alerts.flat_map(|it| alerted_failures(exchange, it));
        let room = MOST_FAILURES.saturating_sub(self.alerted.len());
        self.alerted
            .extend(alerted.take(room).map(|words| (exchange, words)));
        let gets = record
            .commands
            .iter()
            .filter_map(|it| unasked(exchange, record.at_us, it));
        let room = MOST_KEPT.saturating_sub(self.unasked.len());
        self.unasked.extend(gets.take(room));
    }

    fn note_unread(&mut self, record: &EventRecord, exchange: u64) {
        let content_type = record
            .head
            .as_ref()
            .and_then(|head| head.header("content-type"));
        // A log has no heads, and its messages are of OMA DM.
        let is_dm = record.head.is_none() || content_type.is_some_and(|it| it.contains("syncml"));
        let (why, cause) = match &record.reading {
            Some(ParsedBodyRecord::Broken { at, why, .. }) => {
                (format_smolstr!("{why}, at byte {at}"), None)
            }
            Some(ParsedBodyRecord::Unread { why, cause, .. }) => (why.clone(), *cause),
            _ => return,
        };
        if !is_dm || record.own {
            return;
        }
        self.unread_in_text |= record.head.is_none();
        match self.unread.len() < MOST_UNREAD {
            true => self.unread.push((exchange, why, cause)),
            false => self.unread_more += 1,
        }
    }
}

/// WHY-03: the server gave no answer, or dmtap did not reach it.
fn unanswered(requests: &[(u64, u64, NoAnswer)]) -> Option<SessionFinding> {
    let (_, at_us, why) = requests.first()?;
    let listed = requests.iter().take(MOST_LISTED);
    Some(SessionFinding {
        what: format!(
            "{} without a session got no answer of the server",
            counted(requests.len(), "request")
        ),
        why: listed
            .map(|(exchange, _, why)| format!("x{exchange}: {}", why.how))
            .collect(),
        next: why.next(*at_us),
        exchanges: requests.iter().map(|(exchange, ..)| *exchange).collect(),
        ..SessionFinding::new("WHY-03")
    })
}

/// Whether a message refuses an enrollment with a SOAP fault.
fn has_fault(record: &EventRecord) -> bool {
    record
        .enrollment
        .as_ref()
        .is_some_and(|it| it.fault.is_some())
}

/// WHY-03 of a request that names no session and got an HTTP error of the server.
fn http_error(exchange: u64, record: &EventRecord) -> Option<SessionFinding> {
    let status = record.http_status().filter(|status| *status >= 400)?;
    if record.own || !Exchanged::of(record).rules().is_empty() {
        return None;
    }
    let words = refusal::own_words(record);
    let words = words.map_or(String::new(), |words| format!(": {words}"));
    Some(SessionFinding {
        what: format!(
            "A request without a session was refused with HTTP {status}, and nothing followed"
        ),
        code: Some(status),
        why: vec![format!(
            "x{exchange}: the server answered with HTTP {status}{words}"
        )],
        next: NoAnswer::default().next(record.at_us),
        exchanges: vec![exchange],
        ..SessionFinding::new("WHY-03")
    })
}

/// Returns the address of the device that sent or gets a message.
fn device_of(record: &EventRecord) -> Option<IpAddr> {
    record.connection.device.map(|device| device.ip())
}

/// WHY-13 of a device that did not go on after an answer that Windows refuses.
fn left_in_chunks(exchange: u64) -> SessionFinding {
    SessionFinding {
        by: Some(Side::Server),
        what: "Enrollment: the answer came in chunks, and the device did not go on".into(),
        why: vec![format!(
            "x{exchange}: the server sent Transfer-Encoding: chunked and no Content-Length, which Windows refuses (HTTP-04)"
        )],
        next: "let the server send a Content-Length; behind dmtap proxy the answer has one".into(),
        exchanges: vec![exchange],
        ..SessionFinding::new("WHY-13")
    }
}

/// Returns the advice about bodies that could not be read.
pub(super) fn unread_next(cause: Option<UnreadCause>) -> &'static str {
    match cause {
        Some(UnreadCause::NotRecorded) => {
            "save the traffic once more with its bodies (a browser: \"HAR with content\"; curl -v does not show what it sends), \
             or record it with dmtap proxy -w"
        }
        Some(UnreadCause::TooLarge) => "record it with a larger --max-body",
        _ => "dmtap show prints where reading stopped",
    }
}

/// The advice about a text that a tool may have laid out.
const LAYOUT: &str = "if a tool wrapped, indented or quoted the lines of the file, undo that";
/// The most requests and connections that are followed at a time.
const MOST_REQUESTS: usize = 1_000;
/// The most unreadable messages that are kept, and the most that are listed.
const MOST_UNREAD: usize = 100;
const MOST_UNREAD_LISTED: usize = 3;
/// The most failures that are kept, and the most that are listed.
const MOST_FAILURES: usize = 100;
const MOST_LISTED: usize = 10;
