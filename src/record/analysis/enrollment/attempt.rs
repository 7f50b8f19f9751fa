//! Attempts of devices to enroll: those that stop before the device has its certificate, and those after which it is never
//! managed.

use std::net::IpAddr;

use smol_str::SmolStr;

use super::device_of;
use crate::flow::SessionEnd;
use crate::record::EventRecord;
use crate::record::analysis::exchanged::{Exchanged, of_user};
use crate::record::analysis::why::EVENT_LOG;
use crate::record::analysis::{AnalysedSession, SILENCE};
use crate::record::model::{EnrollmentRecord, EventKind, SessionFinding, SessionSummary};

/// The attempts of a record.
#[derive(Default)]
pub(super) struct Attempts {
    pub(super) begun: Begun,
    /// Whether the record has answers at all: a single message has none.
    has_answers: bool,
    /// The newest of each device, and the one before that gave it a certificate.
    known: Vec<Attempt>,
    /// The last request for a token of another service: its answer is no step.
    other: Option<u64>,
    now_us: u64,
    /// Failed attempts of devices that tried again: the exchange of each, and the one in which the device got its
    /// certificate.
    pub(super) overcome: Vec<(u64, u64)>,
}

/// How many began, in all runs of a record.
#[derive(Clone, Copy, Debug, Default)]
pub struct Begun {
    /// Enrollments.
    pub enrollments: u64,
    /// Renewals of a certificate.
    pub renewals: u64,
}

/// An attempt as far as it went.
struct Attempt {
    /// The address of the device.
    device: Option<IpAddr>,
    server: Option<SmolStr>,
    /// The names that the device gave for its user, the newest last, and for itself.
    users: Vec<SmolStr>,
    name: Option<SmolStr>,
    is_renewal: bool,
    began: (u64, u64),
    /// The last step, with its exchange and time.
    step: usize,
    exchange: u64,
    at_us: u64,
    state: State,
    /// The rules that acted on the last message.
    rules: Vec<SmolStr>,
    /// Where the answer to Discover sends the device: to sign in, for each of the later steps.
    urls: [Option<SmolStr>; 3],
}

/// How far the last step of an attempt went.
#[derive(PartialEq, Eq)]
enum State {
    Asked,
    Answered,
    /// The server refused it, or gave no answer.
    Failed,
    /// The device has its certificate, and no session yet.
    Certified {
        /// Why no session can follow.
        causes: Vec<String>,
    },
}

impl Attempts {
    /// Takes in a message of no session.
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
        let known = known.or_else(|| find(&|it| it.device == device));
        // A device that asks for an earlier step begins anew.
        let known = known.filter(|at| self.known[*at].step <= step);
        let known = known.map(|at| self.known.remove(at));
        if is_answer && step == LAST {
            match known {
                Some(attempt) => self.granted(attempt, record),
                // A request for a token of another service is not counted; neither is the answer to it.
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
        attempt.rules = of_user(&Exchanged::of(record).rules());
        attempt.server = record.connection.server.clone();
        attempt.name = device_name(enrollment).or(attempt.name);
        if let Some(user) = &enrollment.user {
            attempt.users.retain(|known| known != user);
            attempt.users.push(user.clone());
        }
        if step == 0 {
            attempt.urls = URLS.map(|name| enrollment.facts.get(name).map(SmolStr::new));
        }
        self.keep(attempt);
    }

    fn keep(&mut self, attempt: Attempt) {
        self.known.push(attempt);
        if self.known.len() > MOST_KNOWN {
            self.known.remove(0);
        }
    }

    /// The answer to the last step of an attempt came.
    fn granted(&mut self, attempt: Attempt, record: &EventRecord) {
        let Some(answer) = granted(record) else {
            return;
        };
        let overcome = &mut self.overcome;
        self.known.retain(|it| {
            let is_overcome = it.state == State::Failed && it.is_of_same(&attempt);
            if is_overcome && overcome.len() < MOST_KNOWN {
                overcome.push((it.exchange, attempt.exchange));
            }
            !is_overcome
        });
        // A device that renews is managed already.
        if !attempt.is_renewal {
            self.known.push(attempt.certified(&answer, record));
        }
    }

    /// Takes in a message of any kind: a device that goes on after its certificate waits for no session.
    pub(super) fn note_management(&mut self, record: &EventRecord) {
        self.now_us = self.now_us.max(record.at_us);
        let enrollment = record.enrollment.as_ref();
        let asks = enrollment.and_then(|it| it.message.as_deref());
        let goes_on = record.message.is_some() || asks == Some(STEPS[LAST].0);
        if record.event == EventKind::Request && goes_on {
            let device = device_of(record);
            self.known
                .retain(|it| it.device != device || !it.is_certified());
        }
    }

    /// The attempt with this exchange was refused, or no answer came.
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

    /// WHY-03 for each device that has a certificate and no session, at the end of the record.
    pub(super) fn unmanaged(&self) -> impl Iterator<Item = SessionFinding> {
        let known = self.known.iter();
        known.filter_map(|it| it.unmanaged(self.now_us))
    }

    /// WHY-15 for each attempt that stops, at the end of the record; those with these exchanges are named elsewhere.
    pub(super) fn stopped(self, named: &[u64]) -> impl Iterator<Item = AnalysedSession> {
        let known = self.known.into_iter();
        let stopped = known.filter(|it| it.is_under_way() && !named.contains(&it.exchange));
        stopped.map(move |it| it.stopped(self.has_answers))
    }
}

impl Attempt {
    fn begun_by(record: &EventRecord, exchange: u64) -> Self {
        Self {
            device: device_of(record),
            server: None,
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
        }
    }

    fn is_under_way(&self) -> bool {
        matches!(self.state, State::Asked | State::Answered)
    }

    fn is_certified(&self) -> bool {
        matches!(self.state, State::Certified { .. })
    }

    /// Whether another attempt is of the same device: several may have one address, and in a log none has one.
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

    /// The attempt after this answer gave the device its certificate.
    fn certified(mut self, answer: &EnrollmentRecord, record: &EventRecord) -> Self {
        let notes = record.notes.iter().filter(|note| note.id == PROVIDER_ID);
        let notes = notes.map(|note| note.text.to_string());
        self.state = State::Certified {
            causes: lacking(answer).into_iter().chain(notes).collect(),
        };
        self.at_us = record.at_us;
        self.rules = of_user(&Exchanged::of(record).rules());
        self
    }

    /// A session may begin later: without a cause there is time for it.
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
        let mut finding = SessionFinding {
            what: "Enrollment stopped after the certificate: no session came from its address"
                .into(),
            rules: self.rules.clone(),
            exchanges: vec![self.exchange],
            ..SessionFinding::new("WHY-03")
        };
        finding.by_rules("acted on that message.");
        let granted = format!("the server gave the certificate in x{}", self.exchange);
        finding.why.push(granted);
        finding.why.extend(causes.iter().cloned());
        finding.advise(next, "");
        Some(finding)
    }

    fn stopped(self, has_answers: bool) -> AnalysedSession {
        let finding = SessionFinding {
            pending: self.state == State::Answered || has_answers,
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
        let (what, how, follows, next) = match self.state == State::Answered {
            false => (
                format!("Enrollment ({asked}): the record has no answer to it"),
                asked_in,
                format!("Next the server should send {answered}."),
                "see in the server's log whether it answered; a record may also end before the answer, or have none of them",
            ),
            true => (
                format!("Enrollment goes no further than {asked} in this record"),
                asked_in + ", and answered there",
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
        finding.why.extend([how, follows]);
        finding.advise(next, "");
        finding
    }

    /// What a device does after the answer to its last step.
    fn next_step(&self) -> String {
        let [sign_in, policies, enrollment] = &self.urls;
        let at = |url: &Option<SmolStr>| match url {
            Some(url) => format!(" at {url}"),
            None => String::new(),
        };
        match (self.step, sign_in) {
            (0, Some(page)) => format!(
                "Next the user should sign in at {page}, and the device should send GetPolicies{}.",
                at(policies)
            ),
            (0, None) => format!("Next the device should send GetPolicies{}.", at(policies)),
            _ => format!(
                "Next the device should send RequestSecurityToken{}.",
                at(enrollment)
            ),
        }
    }
}

/// Whether a request for a token goes to another service than that of enrollment: a user's sign-in has the same form.
fn is_of_another_service(request: &EnrollmentRecord) -> bool {
    let is_enrollment = |action: &SmolStr| action.contains("enrollment");
    request.csr.is_empty() && !request.action.as_ref().is_none_or(is_enrollment)
}

/// The answer to the last step of an attempt, where it gives the device a certificate that arrives.
fn granted(record: &EventRecord) -> Option<EnrollmentRecord> {
    let has_failed = record.http_status().is_some_and(|status| status >= 400);
    let answer = record
        .sent_enrollment()
        .or_else(|| record.enrollment.clone())?;
    let name = answer.message.as_deref().unwrap_or_default();
    // A token of another service grants nothing of these.
    let is_granted = name.starts_with("RequestSecurityTokenResponse") && !answer.granted.is_empty();
    (is_granted && !has_failed && Exchanged::of(record).arrives).then_some(answer)
}

/// What the device calls itself.
pub(super) fn device_name(request: &EnrollmentRecord) -> Option<SmolStr> {
    let fact = |name| request.facts.get(name).map(SmolStr::new);
    fact("DeviceName")
        .or_else(|| fact("DeviceID"))
        .or_else(|| fact("HWDevID"))
}

/// Whether a request asks for a new certificate in the place of the one that the device has.
pub(super) fn is_renewal(request: &EnrollmentRecord) -> bool {
    let request_type = request.facts.get("RequestType");
    request_type.is_some_and(|it| it.contains("Renew"))
}

/// What a provisioning document lacks without which a device is not managed.
fn lacking(answer: &EnrollmentRecord) -> Vec<String> {
    let parts = &answer.granted;
    let unreadable = parts
        .iter()
        .filter(|it| it.facts.get("unreadable").is_some());
    let mut lines: Vec<String> = unreadable
        .map(|it| {
            let name = it.name.as_ref().map_or("", SmolStr::as_str);
            format!("The certificate in {name} cannot be read.")
        })
        .collect();
    if !parts.iter().any(|it| it.kind == "account") {
        lines.push("Its provisioning document has no DM account (w7 APPLICATION).".to_owned());
    }
    lines
}

/// The note about an account whose name is not that of a node of DMClient: Windows enrolls, and never connects.
const PROVIDER_ID: &str = "PROV-01";

/// The steps of an enrollment in order (MS-MDE2 1.3): what the device sends, and what the server answers.
const STEPS: [(&str, &str); 3] = [
    ("Discover", "DiscoverResponse"),
    ("GetPolicies", "GetPoliciesResponse"),
    (
        "RequestSecurityToken",
        "RequestSecurityTokenResponseCollection",
    ),
];
const LAST: usize = STEPS.len() - 1;
/// What DiscoverResponse names: where the user signs in, and where the later steps go.
const URLS: [&str; 3] = [
    "AuthenticationServiceUrl",
    "EnrollmentPolicyServiceUrl",
    "EnrollmentServiceUrl",
];
/// Attempts that are followed at a time.
const MOST_KNOWN: usize = 1_000;
