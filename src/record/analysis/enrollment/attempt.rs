//! Attempts of devices to enroll: some stop before the device has its certificate, and after some no session follows.

mod stopped;
mod tie;

use std::net::IpAddr;

use smol_str::SmolStr;

use self::tie::{Enrolled, Follower};
use super::answer::{granted, lacking, lacks_token, wrong_in_discovery};
use super::device_of;
use crate::record::EventRecord;
use crate::record::analysis::exchanged::Exchanged;
use crate::record::analysis::later::{Remedied, Tie};
use crate::record::analysis::why::EVENT_LOG;
use crate::record::analysis::{AnalysedSession, SILENCE};
use crate::record::model::{
    EnrollmentRecord, EventKind, ParsedBodyRecord, SessionFinding, UnreadCause,
};

/// The attempts of a record.
#[derive(Default)]
pub(in crate::record::analysis) struct Attempts {
    pub(in crate::record::analysis) begun: Begun,
    /// Whether the record has requests and answers at all; a record of a single message has only one of them.
    has_requests: bool,
    has_answers: bool,
    /// The attempts that may go on or be made good, and the newest one that gave each device a certificate.
    known: Vec<Attempt>,
    /// The last request for a token of another service, whose answer is no step.
    other: Option<u64>,
    /// The devices that got a certificate.
    enrolled: Vec<Enrolled>,
    /// The failed attempts of devices that tried again.
    pub(in crate::record::analysis) remedied: Vec<Remedied>,
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
    /// The address of the device, and its last connection.
    device: Option<IpAddr>,
    connection: u64,
    server: Option<SmolStr>,
    /// The server of the first message; later messages may go to others.
    first_server: Option<SmolStr>,
    /// The names of the user in the device's requests, the newest last.
    users: Vec<SmolStr>,
    /// The identifier of the device.
    id: Option<SmolStr>,
    is_renewal: bool,
    /// The first exchange, and its time.
    began: (u64, u64),
    /// The last step, with its exchange and time.
    step: usize,
    exchange: u64,
    at_us: u64,
    state: State,
    /// Whether the last request has no answer yet, not even one that cannot be read.
    is_open: bool,
    /// Whether another attempt began that may be of the same device.
    is_superseded: bool,
    /// Whether the last answer redirects the device.
    is_redirected: bool,
    /// The rules that acted on the last message.
    rules: Vec<SmolStr>,
    /// The addresses in the answer to Discover, in the order of [`URLS`].
    urls: [Option<SmolStr>; 3],
    /// The rules that changed these addresses.
    rules_of_urls: Vec<SmolStr>,
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
            if is_answer && enrollment.fault.is_none() {
                self.answered_otherwise(exchange, message);
            }
            return;
        };
        if !is_answer && step == LAST && is_of_another_service(enrollment) {
            self.other = Some(exchange);
        }
        if self.other == Some(exchange) {
            return;
        }
        let mut known = self.known.iter();
        let known = known.position(|it| it.is_under_way() && it.exchange == exchange);
        if known.is_some_and(|at| is_answer && self.known[at].step != step) {
            return self.answered_otherwise(exchange, message);
        }
        // A device that repeats an earlier step begins anew.
        let known = known.filter(|at| self.known[*at].step <= step);
        let message = Follower::of(record, enrollment, step);
        let known = known.or_else(|| message.attempt(&self.known));
        let known = known.map(|at| self.known.remove(at));
        if is_answer && step == LAST {
            match known {
                Some(attempt) => self.granted(attempt, record),
                // A request for a token of another service does not count, nor does its answer.
                None if enrollment.granted.is_empty() => {}
                None => {
                    self.begun.enrollments += 1;
                    self.note_enrolled(Enrolled::by(&Attempt::begun_by(record, exchange)));
                }
            }
            return;
        }
        if known.is_none() {
            match is_renewal(enrollment) {
                true => self.begun.renewals += 1,
                false => self.begun.enrollments += 1,
            }
            for it in &mut self.known {
                it.is_superseded |= message.may_be_of(it);
            }
        }
        let mut attempt = known.unwrap_or_else(|| Attempt::begun_by(record, exchange));
        (attempt.step, attempt.exchange, attempt.at_us) = (step, exchange, record.at_us);
        (attempt.connection, attempt.is_superseded) = (record.connection.id, false);
        attempt.is_open = !is_answer;
        attempt.state = match is_answer {
            true => State::Answered,
            false => State::Asked,
        };
        attempt.is_renewal |= is_renewal(enrollment);
        attempt.rules = Exchanged::of(record).rules();
        attempt.server = record.connection.server.clone();
        attempt.id = device_id(enrollment).or(attempt.id);
        if let Some(user) = &enrollment.user {
            attempt.users.retain(|known| known != user);
            attempt.users.push(user.clone());
        }
        attempt.mistakes.clear();
        attempt.unread = None;
        match is_answer {
            false => attempt.soap = Some(enrollment.soap.clone().unwrap_or_default()),
            true if step == 0 => {
                let arrived = record.sent_enrollment();
                let answer = arrived.as_ref().unwrap_or(enrollment);
                attempt.mistakes = wrong_in_discovery(answer, attempt.soap.as_deref());
                let addresses = URLS.map(|name| address(record, enrollment, answer, name));
                let is_changed = addresses.iter().any(|(_, is_changed)| *is_changed);
                attempt.urls = addresses.map(|(url, _)| url);
                attempt.rules_of_urls = match is_changed {
                    true => attempt.rules.clone(),
                    false => Vec::new(),
                };
            }
            true => {}
        }
        self.keep(attempt);
    }

    /// Notes an answer that is none to the request in its exchange.
    fn answered_otherwise(&mut self, exchange: u64, got: Option<&str>) {
        let mut known = self.known.iter_mut();
        let asked = known.find(|it| it.state == State::Asked && it.exchange == exchange);
        if let Some(attempt) = asked {
            let (asked, expected) = STEPS[attempt.step];
            let got = got.unwrap_or("an envelope without a message");
            attempt.mistakes = vec![format!(
                "The server answered {asked} with {got}, not with {expected}."
            )];
        }
    }

    fn keep(&mut self, attempt: Attempt) {
        self.known.push(attempt);
        if self.known.len() > MOST_KNOWN {
            self.known.remove(0);
        }
    }

    /// Takes in the answer to the last step of an attempt.
    fn granted(&mut self, mut attempt: Attempt, record: &EventRecord) {
        let Some(answer) = granted(record) else {
            // Without its request the answer may be of another service.
            if record.exchange == Some(attempt.exchange) && lacks_token(record) {
                attempt.state = State::Answered;
                attempt.rules = Exchanged::of(record).rules();
                attempt.mistakes =
                    vec!["The answer has no provisioning document (BinarySecurityToken).".into()];
            }
            // Another finding says that the answer did not arrive.
            return self.keep(attempt);
        };
        let has_any = !answer.granted.is_empty();
        let is_alone = self.note_enrolled(Enrolled::by(&attempt));
        let remedied = &mut self.remedied;
        self.known.retain(|it| {
            if has_any && it.is_under_way() && it.is_of_same_id(&attempt) {
                // A device that did not wait for an answer and asked again has one.
                return false;
            }
            if !has_any || !matches!(it.state, State::Asked | State::Failed) {
                return true;
            }
            let Some(tie) = it.remedied_by(&attempt, record.at_us) else {
                return true;
            };
            let tie = match tie {
                Tie::Likely if !is_alone => Tie::Possible,
                tie => tie,
            };
            let is_known = |known: &Remedied| known.failed == it.exchange && known.tie >= tie;
            if remedied.len() < MOST_KNOWN && !remedied.iter().any(is_known) {
                remedied.push(Remedied {
                    failed: it.exchange,
                    granted: attempt.exchange,
                    tie,
                });
            }
            tie < Tie::Certain
        });
        // A device that renews is managed already.
        if !attempt.is_renewal {
            self.known.push(attempt.certified(&answer, record));
        }
    }

    /// Notes a device with a certificate. Returns whether no other device of its address or users has one.
    fn note_enrolled(&mut self, device: Enrolled) -> bool {
        let others = self.enrolled.iter().filter(|it| it.is_beside(&device));
        let others: Vec<u64> = others.map(|it| it.exchange).collect();
        for it in &mut self.remedied {
            if it.tie == Tie::Likely && others.contains(&it.granted) {
                it.tie = Tie::Possible;
            }
        }
        let has_room = self.enrolled.len() < MOST_KNOWN;
        if has_room {
            self.enrolled.push(device);
        }
        has_room && others.is_empty()
    }

    /// Takes in any message: it may be the session that a device with a certificate still lacks.
    pub(super) fn note_management(&mut self, record: &EventRecord) {
        self.has_requests |= record.event == EventKind::Request;
        if record.event == EventKind::Response {
            let mut known = self.known.iter_mut();
            let asked = known.find(|it| Some(it.exchange) == record.exchange);
            asked.into_iter().for_each(|it| it.is_open = false);
            self.remedied.retain(|it| !it.is_late(record));
        }
        let enrollment = record.enrollment.as_ref();
        let asks = enrollment.and_then(|it| it.message.as_deref());
        let goes_on = record.message.is_some() || asks == Some(STEPS[LAST].0);
        if record.event == EventKind::Request && goes_on {
            let source = record.message.as_ref().and_then(|it| it.source.clone());
            let id = source.or_else(|| device_id(enrollment?));
            let device = device_of(record);
            let is_it = |it: &Attempt| it.device == device && it.is_certified();
            // A message of another device behind the same address says nothing; in sessions a device may have another name.
            let mut enrolled = self.enrolled.iter();
            let is_named = enrolled.any(|it| it.is_named(device, id.as_ref()));
            let is_loose = record.message.is_some() && !is_named || id.is_none();
            self.known
                .retain(|it| !is_it(it) || it.id != id && it.id.is_some() && !is_loose);
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
        self.remedied.retain(|it| !it.is_late(record));
        let status = record.http_status();
        let is_redirected = status.is_some_and(|status| (300..400).contains(&status));
        let known = self.known.iter_mut().find(|it| it.exchange == exchange);
        match known {
            Some(attempt) => {
                (attempt.state, attempt.at_us) = (State::Failed, record.at_us);
                attempt.is_redirected = is_redirected;
            }
            None => {
                let attempt = Attempt::begun_by(record, exchange);
                self.keep(Attempt {
                    state: State::Failed,
                    is_redirected,
                    ..attempt
                });
            }
        }
    }

    /// WHY-03 for each device that has a certificate and no session at the end of the record.
    pub(super) fn unmanaged(&self, now_us: u64) -> impl Iterator<Item = SessionFinding> {
        let known = self.known.iter();
        known.filter_map(move |it| it.unmanaged(now_us))
    }

    /// WHY-15 for each attempt that goes on at the end of the record. Other findings are about the exchanges in `named`.
    pub(super) fn stopped(self, named: &[u64]) -> impl Iterator<Item = AnalysedSession> {
        let known = self.known.into_iter();
        let is_named = |it: &Attempt| it.mistakes.is_empty() && named.contains(&it.exchange);
        let stopped =
            known.filter(move |it| it.is_under_way() && !it.is_superseded && !is_named(it));
        let is_two_sided = self.has_requests && self.has_answers;
        stopped.map(move |it| it.stopped(is_two_sided))
    }
}

impl Attempt {
    fn begun_by(record: &EventRecord, exchange: u64) -> Self {
        Self {
            device: device_of(record),
            connection: record.connection.id,
            server: None,
            first_server: record.connection.server.clone(),
            users: Vec::new(),
            id: None,
            is_renewal: false,
            began: (exchange, record.at_us),
            step: 0,
            exchange,
            at_us: record.at_us,
            state: State::Asked,
            is_open: true,
            is_superseded: false,
            is_redirected: false,
            rules: Vec::new(),
            urls: [None, None, None],
            rules_of_urls: Vec::new(),
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
            what: format!("Enrollment stopped after {after}: no session of the device followed"),
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
}

/// Returns an address in an answer to Discover, and whether a rule of the user changed it: `stay` writes another one, which
/// stands for that of the server.
fn address(
    record: &EventRecord,
    answer: &EnrollmentRecord,
    arrived: &EnrollmentRecord,
    name: &str,
) -> (Option<SmolStr>, bool) {
    let (own, arrived) = (answer.facts.get(name), arrived.facts.get(name));
    let mut changes = record.applied.iter().filter(|it| it.rule == "stay");
    let is_translated = own.zip(arrived).is_some_and(|(own, arrived)| {
        changes.any(|it| {
            let mut changes = it.changes.iter();
            changes.any(|it| it.before == own && it.after == arrived)
        })
    });
    match own == arrived || is_translated {
        true => (own.map(SmolStr::new), false),
        false => (arrived.map(SmolStr::new), true),
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

/// Returns the identifier of the device in its request; names are often those of an image.
fn device_id(request: &EnrollmentRecord) -> Option<SmolStr> {
    let mut names = ["DeviceID", "HWDevID", "DeviceName"].into_iter();
    names.find_map(|name| request.facts.get(name).map(SmolStr::new))
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
