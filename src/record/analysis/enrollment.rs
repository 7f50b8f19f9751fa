//! Messages outside of sessions: enrollment, and what could not be read.

use std::collections::{BTreeMap, BTreeSet};

use smol_str::{SmolStr, format_smolstr};

use super::AnalysedSession;
use super::exchanged::Exchanged;
use super::refusal::{self, MissedCertificate};
use super::refused_connection::RefusedConnection;
use super::session::failure_words;
use crate::dm::Hresult;
use crate::flow::effect::SWAP;
use crate::flow::{SessionEnd, Side};
use crate::record::EventRecord;
use crate::record::model::{
    EventKind, FaultRecord, ParsedBodyRecord, SessionFinding, SessionSummary,
};
use crate::record::transcript::announces_soap;

/// Requests of enrollment that wait for their response, and bodies that could not be read.
#[derive(Default)]
pub(super) struct Enrollments {
    requests: BTreeMap<u64, Request>,
    unread: Vec<(u64, SmolStr)>,
    unread_more: u32,
    /// Failures in messages that name no session, and how many more there were.
    failures: Vec<(u64, String)>,
    failures_more: usize,
    /// Requests of management that name no session and wait for a response, and those that got none of the server.
    unnamed: BTreeSet<u64>,
    unanswered: Vec<(u64, SmolStr)>,
    /// The rules that received connections which carried no request yet.
    admitted: BTreeMap<u64, Vec<SmolStr>>,
    connections: Vec<RefusedConnection>,
}

/// What a device asked for.
struct Request {
    asks: SmolStr,
    is_renewal: bool,
    device: SmolStr,
    user: Option<SmolStr>,
    rules: Vec<SmolStr>,
    at_us: u64,
    /// Why the server gave no answer: dmtap answers then.
    failed: Option<SmolStr>,
    /// Whether dmtap put a request in its place whose subject strict servers refuse.
    has_illegal_strings: bool,
}

impl Enrollments {
    /// Takes in a message of no session; gives the enrollment that it refuses.
    pub(super) fn message(&mut self, record: &EventRecord) -> Option<AnalysedSession> {
        let exchange = record.exchange?;
        self.note_unread(record, exchange);
        self.note_failures(record, exchange);
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
                request?.refused(record)
            }
        }
    }

    /// An exchange came to no response of the server.
    pub(super) fn failed(&mut self, exchange: u64, record: &EventRecord) {
        let why = record.why.clone();
        let is_of_server = !record.by_rule && record.from.as_deref() == Some("server");
        if let Some(request) = self.requests.get_mut(&exchange) {
            request.failed = why;
        } else if self.unnamed.remove(&exchange)
            && is_of_server
            && self.unanswered.len() < MOST_FAILURES
        {
            self.unanswered.push((exchange, why.unwrap_or_default()));
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

    /// What belongs to no session: messages that could not be read, connections that carried none.
    pub(super) fn finish(&mut self, had_exchanges: bool) -> Option<AnalysedSession> {
        let mut summary = SessionSummary::default();
        if !self.unread.is_empty() {
            summary.findings.push(self.unread());
        }
        if !self.failures.is_empty() {
            summary.findings.push(self.failures());
        }
        if !self.unanswered.is_empty() {
            summary.findings.push(self.unanswered());
        }
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
        (!summary.findings.is_empty()).then(|| AnalysedSession {
            summary,
            transactions: Vec::new(),
        })
    }

    fn unread(&self) -> SessionFinding {
        let all = self.unread.len() + self.unread_more as usize;
        let messages = if all == 1 { "message" } else { "messages" };
        let listed = self.unread.iter().take(3);
        let mut why: Vec<String> = listed
            .map(|(exchange, why)| format!("x{exchange}: {why}"))
            .collect();
        if all > 3 {
            why.push(format!("and {} more", all - 3));
        }
        SessionFinding {
            id: "WHY-15".into(),
            pending: true,
            what: format!("{all} {messages} could not be read: what they say is not known"),
            why,
            next: UNREAD_NEXT.into(),
            exchanges: self.unread.iter().map(|(exchange, _)| *exchange).collect(),
            ..SessionFinding::default()
        }
    }

    /// WHY-01: the commands are not known, since no session links them to their answers.
    fn failures(&self) -> SessionFinding {
        let all = self.failures.len() + self.failures_more;
        let commands = if all == 1 { "command" } else { "commands" };
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
            what: format!("{all} {commands} failed in messages that name no session"),
            why,
            next: "look up the commands with these CmdIDs in what was sent to the device".into(),
            exchanges,
            ..SessionFinding::default()
        }
    }

    /// WHY-03: the server was not reached, or gave no answer.
    fn unanswered(&self) -> SessionFinding {
        let all = self.unanswered.len();
        let requests = if all == 1 { "request" } else { "requests" };
        let listed = self.unanswered.iter().take(MOST_LISTED);
        SessionFinding {
            id: "WHY-03".into(),
            pending: true,
            what: format!("{all} {requests} without a session got no answer of the server"),
            why: listed
                .map(|(exchange, why)| format!("x{exchange}: {why}"))
                .collect(),
            next: "see whether the server is reachable from here: dmtap doctor --server URL".into(),
            exchanges: self
                .unanswered
                .iter()
                .map(|(exchange, _)| *exchange)
                .collect(),
            ..SessionFinding::default()
        }
    }

    fn note_failures(&mut self, record: &EventRecord, exchange: u64) {
        let failures = record
            .commands
            .iter()
            .filter_map(|it| failure_words(exchange, it));
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
        let why = match &record.reading {
            Some(ParsedBodyRecord::Opaque { at, why, .. }) => {
                format_smolstr!("{why}, at byte {at}")
            }
            Some(ParsedBodyRecord::Unread { why, .. }) => why.clone(),
            _ => return,
        };
        if !is_dm || record.own {
            return;
        }
        match self.unread.len() < MOST_UNREAD {
            true => self.unread.push((exchange, why)),
            false => self.unread_more += 1,
        }
    }
}

impl Request {
    fn of(record: &EventRecord) -> Option<Self> {
        let is_empty = matches!(record.reading, Some(ParsedBodyRecord::Empty));
        if is_empty && announces_soap(record) {
            return Some(Self {
                asks: SmolStr::new_static(WITHOUT_BODY),
                rules: Exchanged::of(record).rules(),
                ..Self::unknown(record)
            });
        }
        let enrollment = record.enrollment.as_ref()?;
        let fact = |name| enrollment.facts.get(name).map(SmolStr::new);
        let device = fact("DeviceName")
            .or_else(|| fact("DeviceID"))
            .or_else(|| fact("HWDevID"));
        let asks = enrollment.message.clone().unwrap_or_default();
        let mut applied = record.applied.iter();
        let is_swapped = applied.any(|it| it.rule == SWAP);
        Some(Self {
            is_renewal: fact("RequestType").is_some_and(|it| it.contains("Renew")),
            asks,
            device: device.unwrap_or_default(),
            user: enrollment.user.clone(),
            rules: Exchanged::of(record).rules(),
            at_us: record.at_us,
            failed: None,
            has_illegal_strings: is_swapped && enrollment.csr.get("strings").is_some(),
        })
    }

    /// One that is no message of enrollment.
    fn unknown(record: &EventRecord) -> Self {
        Self {
            asks: SmolStr::new_static("no readable request"),
            is_renewal: false,
            device: SmolStr::default(),
            user: None,
            rules: Vec::new(),
            at_us: record.at_us,
            failed: None,
            has_illegal_strings: false,
        }
    }

    /// What became of it, if it was refused.
    fn refused(self, record: &EventRecord) -> Option<AnalysedSession> {
        let message = Exchanged::of(record);
        let head = record.head.as_ref()?;
        let status = head.status.unwrap_or(200);
        let fault = record.enrollment.as_ref().and_then(|it| it.fault.clone());
        let fault = fault.or_else(|| record.sent_enrollment()?.fault);
        let is_empty =
            matches!(record.reading, Some(ParsedBodyRecord::Empty)) && record.sent.is_none();
        if fault.is_none() && status < 400 && !is_empty {
            return None;
        }
        let exchange = message.exchange;
        let mut rules = message.rules();
        if record.own {
            // A server that gives no answer does so by itself, whatever dmtap's own rules changed in the request.
            let is_own = |it: &SmolStr| self.failed.is_some() && [SWAP, "stay"].contains(&&**it);
            let more = self
                .rules
                .iter()
                .filter(|it| !rules.contains(it) && !is_own(it));
            rules.extend(more.cloned().collect::<Vec<_>>());
        }
        let by_rule = record.own || record.sent.is_some() || !rules.is_empty();
        let mut finding = SessionFinding {
            id: "WHY-13".into(),
            pending: true,
            rules,
            by: (!by_rule).then_some(Side::Server),
            code: Some(status),
            exchanges: vec![exchange],
            ..SessionFinding::default()
        };
        let words = refusal::own_words(record);
        self.words(&mut finding, fault.as_ref(), status, words.as_deref());
        // At a first enrollment there is no certificate yet.
        let may_miss = self.is_renewal && !by_rule && fault.is_none();
        let missed = MissedCertificate::of(record).filter(|_| may_miss);
        if let Some(missed) = missed {
            finding.why.extend(missed.why);
            finding.next = missed.next.into();
            finding.by = None;
        }
        let summary = SessionSummary {
            device: self.device.clone(),
            server: record.connection.server.clone(),
            first_exchange: exchange,
            last_exchange: exchange,
            began_us: self.at_us,
            ended_us: record.at_us,
            messages: 2,
            end: SessionEnd::Refused { status },
            findings: vec![finding],
            ..SessionSummary::default()
        };
        Some(AnalysedSession {
            summary,
            transactions: Vec::new(),
        })
    }

    fn words(
        &self,
        finding: &mut SessionFinding,
        fault: Option<&FaultRecord>,
        status: u16,
        words: Option<&str>,
    ) {
        let what = match (self.is_renewal, &*self.asks) {
            (true, _) => "Renewal".to_owned(),
            (false, "") => "Enrollment".to_owned(),
            (false, asks) => format!("Enrollment ({asks})"),
        };
        let exchange = finding.exchanges.first().copied().unwrap_or_default();
        let (how, hresult) = match fault {
            Some(fault) => {
                let parts = [
                    fault.subcode.as_deref().or(fault.code.as_deref()),
                    fault.error_type.as_deref(),
                ];
                let parts: Vec<&str> = parts.into_iter().flatten().collect();
                (parts.join("/"), fault.hresult.clone())
            }
            None if status >= 400 => (
                format!("HTTP {status}"),
                Some(format_smolstr!("{}", Hresult::of_http(status))),
            ),
            None => (
                "an empty answer".to_owned(),
                Some(format_smolstr!("{}", Hresult::EMPTY_MESSAGE)),
            ),
        };
        finding.what = match &self.failed {
            Some(_) => format!("{what} got no answer of the server: dmtap answered with {how}"),
            None => format!("{what} refused: {how}"),
        };
        finding
            .why
            .extend(self.failed.iter().map(SmolStr::to_string));
        if !finding.rules.is_empty() {
            let how = "did this: the server did not refuse it.";
            let line = super::why::by_rules(&finding.rules, how);
            finding.why.push(line);
        }
        let user = self
            .user
            .as_ref()
            .map(|user| format!(" for {user}"))
            .unwrap_or_default();
        finding.why.push(format!(
            "asked in x{exchange}{user}, answered there with HTTP {status}"
        ));
        let is_empty = self.asks == WITHOUT_BODY && finding.rules.is_empty();
        if is_empty {
            finding.by = None;
            finding
                .why
                .push("The request had no body, though an envelope is expected.".into());
        }
        if let Some(hresult) = &hresult {
            finding.why.push(format!(
                "Windows shows {}",
                super::why::hresult_words(hresult)
            ));
        }
        // The server's log has nothing of what a rule wrote.
        let fault = fault.filter(|_| finding.rules.is_empty());
        let texts = fault
            .into_iter()
            .flat_map(|fault| [&fault.reason, &fault.message]);
        let mut texts: Vec<_> = texts.flatten().filter(|text| !text.is_empty()).collect();
        texts.dedup();
        if let Some(text) = texts.first() {
            finding.why.push(format!("the server's own words: {text}"));
        }
        if let (None, Some(words)) = (fault, words.filter(|_| finding.rules.is_empty())) {
            finding.why.push(format!("the server's own words: {words}"));
        }
        if let Some(trace) = fault.and_then(|fault| fault.trace_id.as_ref()) {
            finding
                .why
                .push(format!("the server's log has it as {trace}"));
        }
        finding.next = match finding.rules.is_empty() {
            true if self.failed.is_some() && !self.has_illegal_strings => {
                "look at the server's log for this exchange: see whether it runs, and what it does with this request".to_owned()
            }
            true if is_empty => "see whether the device sent one: something between may take the body away".to_owned(),
            true if self.has_illegal_strings
                && (self.failed.is_some() || refusal::may_be_of_strings(hresult.as_deref())) =>
            {
                finding.why.push(
                    "The subject of the request has characters that its PrintableString does not allow: strict servers \
                     refuse that."
                        .into(),
                );
                "run dmtap with --csr-strict, which writes the subject as a UTF8String, if it does not run so yet".to_owned()
            }
            true => refusal::next(hresult.as_deref().unwrap_or_default()).to_owned(),
            false => "take the rule out".to_owned(),
        };
        finding.hresult = hresult;
    }
}

/// What stands for the message of a request that has none.
const WITHOUT_BODY: &str = "a request without a body";

/// What to do about bodies that were not read.
pub(super) const UNREAD_NEXT: &str =
    "dmtap show prints where reading stopped; a larger --max-body reads larger messages";

const MOST_REQUESTS: usize = 1_000;
const MOST_UNREAD: usize = 100;
/// Failures outside of sessions that are kept, and those that are listed.
const MOST_FAILURES: usize = 100;
const MOST_LISTED: usize = 10;
