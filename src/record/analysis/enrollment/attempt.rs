//! Attempts of devices to enroll: some stop before the device has its certificate, and after some no session follows.

use std::net::IpAddr;

use smol_str::SmolStr;

use super::answer::{granted, lacking, wrong_in_discovery};
use super::{device_of, unread_next};
use crate::flow::SessionEnd;
use crate::record::EventRecord;
use crate::record::analysis::exchanged::Exchanged;
use crate::record::analysis::why::EVENT_LOG;
use crate::record::analysis::{AnalysedSession, EventClock, SILENCE};
use crate::record::model::{
    EnrollmentRecord, EventKind, ParsedBodyRecord, SessionFinding, SessionSummary, UnreadCause,
};

/// The attempts of a record.
#[derive(Default)]
pub(in crate::record::analysis) struct Attempts {
    pub(in crate::record::analysis) begun: Begun,
    /// Whether the record has requests and answers at all; a record of a single message has only one of them.
    has_requests: bool,
    has_answers: bool,
    /// The newest attempt of each device, and the one before that gave it a certificate.
    known: Vec<Attempt>,
    /// The last request for a token of another service, whose answer is no step.
    other: Option<u64>,
    clock: EventClock,
    /// The failed attempts of devices that tried again: the exchange of each, and the one in which the device got its
    /// certificate.
    pub(in crate::record::analysis) remedied: Vec<(u64, u64)>,
}

/// The number of attempts that began, in all runs of a record.
#[derive(Clone, Copy, Debug, Default)]
pub struct Begun {
    /// Enrollments.
    pub enrollments: u64,
    /// Renewals of a certificate.
    pub renewals: u64,
}

/// An attempt so far.
struct Attempt {
    /// The address of the device.
    device: Option<IpAddr>,
    server: Option<SmolStr>,
    /// The server of the first message; later messages may go to others.
    first_server: Option<SmolStr>,
    /// The names of the user in the device's requests, the newest last.
    users: Vec<SmolStr>,
    /// The name of the device.
    name: Option<SmolStr>,
    is_renewal: bool,
    /// The first exchange, and its time.
    began: (u64, u64),
    /// The last step, with its exchange and time.
    step: usize,
    exchange: u64,
    at_us: u64,
    state: State,
    /// The rules that acted on the last message.
    rules: Vec<SmolStr>,
    /// The addresses in the answer to Discover, in the order of [`URLS`].
    urls: [Option<SmolStr>; 3],
    /// The version of SOAP of the device's last request; absent if the record has only an answer.
    soap: Option<SmolStr>,
    /// The mistakes in the last answer, in words.
    mistakes: Vec<String>,
    /// The reason why the answer to the last step could not be read, if it has come.
    unread: Option<(SmolStr, Option<UnreadCause>)>,
}

/// The state of the last step of an attempt.
#[derive(PartialEq, Eq)]
enum State {
    Asked,
    Answered,
    /// The server refused it, or gave no answer.
    Failed,
    /// The device has its certificate, and no session yet.
    Certified {
        /// The reasons why no session can follow.
        causes: Vec<String>,
    },
}

impl Attempts {
    /// Takes in a message outside of sessions.
    pub(super) fn message(&mut self, record: &EventRecord) {
        let Some((enrollment, exchange)) = record.enrollment.as_ref().zip(record.exchange) else {
            return;
        };
        let is_answer = record.event == EventKind::Response;
        self.has_answers |= is_answer;
        let message = enrollment.message.as_deref();
        let is_it = |(asked, answered): &(&str, &str)| {
            message == Some(if is_answer { answered } else { asked })
        };
        let Some(step) = STEPS.iter().position(is_it) else {
            return;
        };
        if !is_answer && step == LAST && is_of_another_service(enrollment) {
            self.other = Some(exchange);
        }
        if self.other == Some(exchange) {
            return;
        }
        let device = device_of(record);
        let find = |is_it: &dyn Fn(&Attempt) -> bool| {
            let mut known = self.known.iter();
            known.position(|it| it.is_under_way() && is_it(it))
        };
        let known = find(&|it| it.exchange == exchange);
        if let Some(at) = known.filter(|at| is_answer && self.known[*at].step != step) {
            let (asked, expected) = STEPS[self.known[at].step];
            let (_, got) = STEPS[step];
            self.known[at].mistakes = vec![format!(
                "The server answered {asked} with {got}, not with {expected}."
            )];
            return;
        }
        let known = known.or_else(|| find(&|it| it.device == device));
        // A device that repeats an earlier step begins anew.
        let known = known.filter(|at| self.known[*at].step <= step);
        let known = known.map(|at| self.known.remove(at));
        if is_answer && step == LAST {
            match known {
                Some(attempt) => self.granted(attempt, record),
                // A request for a token of another service does not count, nor does its answer.
                None if enrollment.granted.is_empty() => {}
                None => self.begun.enrollments += 1,
            }
            return;
        }
        if known.is_none() {
            match is_renewal(enrollment) {
                true => self.begun.renewals += 1,
                false => self.begun.enrollments += 1,
            }
            self.known
                .retain(|it| it.device != device || !it.is_under_way());
        }
        let mut attempt = known.unwrap_or_else(|| Attempt::begun_by(record, exchange));
        (attempt.step, attempt.exchange, attempt.at_us) = (step, exchange, record.at_us);
        attempt.state = match is_answer {
            true => State::Answered,
            false => State::Asked,
        };
        attempt.is_renewal |= is_renewal(enrollment);
        attempt.rules = Exchanged::of(record).rules();
        attempt.server = record.connection.server.clone();
        attempt.name = device_name(enrollment).or(attempt.name);
        if let Some(user) = &enrollment.user {
            attempt.users.retain(|known| known != user);
            attempt.users.push(user.clone());
        }
        if step == 0 {
            attempt.urls = URLS.map(|name| enrollment.facts.get(name).map(SmolStr::new));
        }
        attempt.mistakes.clear();
        attempt.unread = None;
        match is_answer {
            false => attempt.soap = Some(enrollment.soap.clone().unwrap_or_default()),
            true if step == 0 => {
                let arrived = record.sent_enrollment();
                let answer = arrived.as_ref().unwrap_or(enrollment);
                attempt.mistakes = wrong_in_discovery(answer, attempt.soap.as_deref());
            }
            true => {}
        }
        self.keep(attempt);
    }

    fn keep(&mut self, attempt: Attempt) {
        self.known.push(attempt);
        if self.known.len() > MOST_KNOWN {
            self.known.remove(0);
        }
    }

    /// Takes in the answer to the last step of an attempt.
    fn granted(&mut self, attempt: Attempt, record: &EventRecord) {
        let Some(answer) = granted(record) else {
            return;
        };
        let remedied = &mut self.remedied;
        let has_any = !answer.granted.is_empty();
        self.known.retain(|it| {
            let is_remedied = has_any && it.state == State::Failed && it.is_remedied_by(&attempt);
            if is_remedied && remedied.len() < MOST_KNOWN {
                remedied.push((it.exchange, attempt.exchange));
            }
            !is_remedied
        });
        // A device that renews is managed already.
        if !attempt.is_renewal {
            self.known.push(attempt.certified(&answer, record));
        }
    }

    /// Takes in any message: it may be the session that a device with a certificate still lacks.
    pub(super) fn note_management(&mut self, record: &EventRecord) {
        self.clock.is_set_back_by(record.at_us);
        self.has_requests |= record.event == EventKind::Request;
        let enrollment = record.enrollment.as_ref();
        let asks = enrollment.and_then(|it| it.message.as_deref());
        let goes_on = record.message.is_some() || asks == Some(STEPS[LAST].0);
        if record.event == EventKind::Request && goes_on {
            let device = device_of(record);
            self.known
                .retain(|it| it.device != device || !it.is_certified());
        }
    }

    /// Notes that the attempt with this exchange got an answer that could not be read.
    pub(super) fn unread(&mut self, exchange: u64, record: &EventRecord) {
        let mut known = self.known.iter_mut();
        let attempt = known.find(|it| it.exchange == exchange && it.state == State::Asked);
        if let Some((attempt, ParsedBodyRecord::Unread { why, cause, .. })) =
            attempt.zip(record.reading.as_ref())
        {
            attempt.unread = Some((why.clone(), *cause));
        }
    }

    /// Notes that the attempt with this exchange was refused or got no answer.
    pub(super) fn failed(&mut self, exchange: u64, record: &EventRecord) {
        let known = self.known.iter_mut().find(|it| it.exchange == exchange);
        match known {
            Some(attempt) => attempt.state = State::Failed,
            None => {
                let attempt = Attempt::begun_by(record, exchange);
                self.keep(Attempt {
                    state: State::Failed,
                    ..attempt
                });
            }
        }
    }

    /// WHY-03 for each device that has a certificate and no session at the end of the record.
    pub(super) fn unmanaged(&self) -> impl Iterator<Item = SessionFinding> {
        let known = self.known.iter();
        known.filter_map(|it| it.unmanaged(self.clock.now_us))
    }

    /// WHY-15 for each attempt that goes on at the end of the record. Other findings are about the exchanges in `named`.
    pub(super) fn stopped(self, named: &[u64]) -> impl Iterator<Item = AnalysedSession> {
        let known = self.known.into_iter();
        let is_named = |it: &Attempt| it.mistakes.is_empty() && named.contains(&it.exchange);
        let stopped = known.filter(move |it| it.is_under_way() && !is_named(it));
        let is_two_sided = self.has_requests && self.has_answers;
        stopped.map(move |it| it.stopped(is_two_sided))
    }
}

impl Attempt {
    fn begun_by(record: &EventRecord, exchange: u64) -> Self {
        Self {
            device: device_of(record),
            server: None,
            first_server: record.connection.server.clone(),
            users: Vec::new(),
            name: None,
            is_renewal: false,
            began: (exchange, record.at_us),
            step: 0,
            exchange,
            at_us: record.at_us,
            state: State::Asked,
            rules: Vec::new(),
            urls: [None, None, None],
            soap: None,
            mistakes: Vec::new(),
            unread: None,
        }
    }

    fn is_under_way(&self) -> bool {
        matches!(self.state, State::Asked | State::Answered)
    }

    fn is_certified(&self) -> bool {
        matches!(self.state, State::Certified { .. })
    }

    /// Whether another attempt is of the same device. Several devices may share an address; in a log none has one.
    fn is_of_same(&self, other: &Self) -> bool {
        let is_same_name = self.name.as_ref().zip(other.name.as_ref());
        let is_same_name = is_same_name.map(|(one, two)| one == two);
        let has_users = !self.users.is_empty() && !other.users.is_empty();
        let is_same_user = has_users.then(|| self.users.iter().any(|it| other.users.contains(it)));
        let is_known = self.device.is_some() || is_same_name.or(is_same_user).is_some();
        self.device == other.device
            && is_known
            && is_same_name != Some(false)
            && is_same_user != Some(false)
    }

    /// Whether an attempt that got its certificate makes up for this one: it is of the same device, or this one is only a
    /// request without a name, such as the GET of discovery, from the same address to the same server before it.
    fn is_remedied_by(&self, later: &Self) -> bool {
        let is_nameless = self.users.is_empty() && self.name.is_none();
        let is_same_address = self.device.is_some() && self.device == later.device;
        let is_before = self.exchange < later.began.0 && is_same_address;
        let is_same_server = self.first_server.is_some() && self.first_server == later.first_server;
        self.is_of_same(later) || is_nameless && is_before && is_same_server
    }

    /// Returns the attempt after the answer that has the certificate.
    fn certified(mut self, answer: &EnrollmentRecord, record: &EventRecord) -> Self {
        let mut causes = lacking(answer);
        if record.sent.is_none() {
            let refused = record.notes.iter().filter(|it| it.id == "PROV-02");
            causes.extend(refused.map(|it| format!("{} (PROV-02).", it.text)));
        }
        self.state = State::Certified { causes };
        self.at_us = record.at_us;
        self.rules = Exchanged::of(record).rules();
        self
    }

    /// WHY-03 of a device with a certificate and without a session. If no mistake explains that, the device has some time to
    /// begin one.
    fn unmanaged(&self, now_us: u64) -> Option<SessionFinding> {
        let State::Certified { causes } = &self.state else {
            return None;
        };
        let is_over = self.at_us > 0 && now_us.saturating_sub(self.at_us) > SILENCE;
        let next = match causes.is_empty() {
            true if !is_over => return None,
            true => {
                format!("look in the device's event log {EVENT_LOG} why it did not go on")
            }
            false => "mend the provisioning document, and enroll again".to_owned(),
        };
        let (after, gave) = match causes.is_empty() {
            true => ("the certificate", "the certificate"),
            false => ("its provisioning document", "that document"),
        };
        let mut finding = SessionFinding {
            what: format!("Enrollment stopped after {after}: no session came from its address"),
            rules: self.rules.clone(),
            exchanges: vec![self.exchange],
            ..SessionFinding::new("WHY-03")
        };
        finding.by_rules("acted on that message.");
        let granted = format!("the server gave {gave} in x{}", self.exchange);
        finding.why.push(granted);
        finding.why.extend(causes.iter().cloned());
        finding.advise(next, "");
        Some(finding)
    }

    /// Returns the finding about an attempt that stops; `is_two_sided` if the record has requests and answers.
    fn stopped(self, is_two_sided: bool) -> AnalysedSession {
        let finding = SessionFinding {
            pending: is_two_sided || !self.mistakes.is_empty() || self.unread.is_some(),
            ..self.stop()
        };
        let summary = SessionSummary {
            server: self.server,
            first_exchange: self.began.0,
            last_exchange: self.exchange,
            began_us: self.began.1,
            ended_us: self.at_us,
            end: SessionEnd::Silent,
            findings: vec![finding],
            ..SessionSummary::default()
        };
        summary.into()
    }

    fn stop(&self) -> SessionFinding {
        let (asked, answered) = STEPS[self.step];
        let user = self.users.last();
        let user = user.map_or(String::new(), |user| format!(" for {user}"));
        let asked_in = format!("asked in x{}{user}", self.exchange);
        let answered_in = match self.soap {
            Some(_) => format!("{asked_in}, and answered there"),
            None => format!(
                "the answer stands in x{}; the request is not in the record",
                self.exchange
            ),
        };
        let is_answered = self.state == State::Answered;
        let (what, how, follows, next) = match (&self.unread, is_answered) {
            (Some((why, cause)), _) => (
                format!("Enrollment ({asked}): the answer could not be read"),
                format!("{asked_in}, and answered there"),
                why.to_string(),
                unread_next(*cause),
            ),
            _ if !self.mistakes.is_empty() => (
                match is_answered {
                    true => format!("Enrollment goes no further than {asked} in this record"),
                    false => format!("Enrollment ({asked}): the answer is one to another request"),
                },
                answered_in,
                self.mistakes.join("\n"),
                "mend this answer of the server, and enroll again",
            ),
            (None, false) => (
                format!("Enrollment ({asked}): the record has no answer to it"),
                asked_in,
                format!("Next the server should send {answered}."),
                "see in the server's log whether it answered; a record may also end before the answer, or have none of them",
            ),
            (None, true) => (
                format!("Enrollment goes no further than {asked} in this record"),
                answered_in,
                self.next_step(),
                "look whether the device reaches that address, and what its event log says; the record may also end too early",
            ),
        };
        let mut finding = SessionFinding {
            what,
            rules: self.rules.clone(),
            exchanges: vec![self.exchange],
            ..SessionFinding::new("WHY-15")
        };
        finding.by_rules("acted on that message.");
        finding.why.push(how);
        finding.why.extend(follows.lines().map(str::to_owned));
        finding.advise(next, "");
        finding
    }

    /// Returns the next step of the device, in a sentence.
    fn next_step(&self) -> String {
        let [policies, enrollment, sign_in] = &self.urls;
        let at = |url: &Option<SmolStr>| match url {
            Some(url) => format!(" at {url}"),
            None => String::new(),
        };
        let next = match self.step {
            0 => format!("the device should send GetPolicies{}.", at(policies)),
            _ => format!(
                "the device should send RequestSecurityToken{}.",
                at(enrollment)
            ),
        };
        match sign_in.as_ref().filter(|_| self.step == 0) {
            Some(page) => format!("Next the user should sign in at {page}, and {next}"),
            None => format!("Next {next}"),
        }
    }
}

/// Whether a request for a token goes to another service than enrollment; the sign-in of a user looks the same.
fn is_of_another_service(request: &EnrollmentRecord) -> bool {
    let is_enrollment = |action: &SmolStr| action.contains("enrollment");
    request.csr.is_empty() && !request.action.as_ref().is_none_or(is_enrollment)
}

/// Returns the name of the device in its request.
pub(super) fn device_name(request: &EnrollmentRecord) -> Option<SmolStr> {
    let fact = |name| request.facts.get(name).map(SmolStr::new);
    fact("DeviceName")
        .or_else(|| fact("DeviceID"))
        .or_else(|| fact("HWDevID"))
}

/// Whether a request asks for a new certificate in place of the one that the device has.
pub(super) fn is_renewal(request: &EnrollmentRecord) -> bool {
    let request_type = request.facts.get("RequestType");
    request_type.is_some_and(|it| it.contains("Renew"))
}

/// The steps of an enrollment in order (MS-MDE2 1.3): the device's request, and the server's answer.
pub(super) const STEPS: [(&str, &str); 3] = [
    ("Discover", "DiscoverResponse"),
    ("GetPolicies", "GetPoliciesResponse"),
    (
        "RequestSecurityToken",
        "RequestSecurityTokenResponseCollection",
    ),
];
const LAST: usize = STEPS.len() - 1;
/// The elements of a DiscoverResponse with an address: for GetPolicies, for RequestSecurityToken, and for the user's sign-in.
pub(super) const URLS: [&str; 3] = [
    "EnrollmentPolicyServiceUrl",
    "EnrollmentServiceUrl",
    SIGN_IN,
];
pub(super) const SIGN_IN: &str = "AuthenticationServiceUrl";
/// The most attempts that are followed at a time.
const MOST_KNOWN: usize = 1_000;
