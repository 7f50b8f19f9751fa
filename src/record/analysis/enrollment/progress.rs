//! Enrollments that stop in a record before the device has its certificate.

use std::net::IpAddr;

use smol_str::SmolStr;

use super::sent_elsewhere::device_of;
use crate::flow::SessionEnd;
use crate::record::EventRecord;
use crate::record::analysis::exchanged::{Exchanged, of_user};
use crate::record::analysis::{AnalysedSession, why};
use crate::record::model::{EnrollmentRecord, EventKind, SessionFinding, SessionSummary};

/// The enrollments of a record.
#[derive(Default)]
pub(super) struct Progress {
    /// How many began.
    pub(super) begun: u64,
    /// Whether the record has answers at all: a single message has none.
    has_answers: bool,
    /// Those that are neither granted nor refused.
    open: Vec<Begun>,
    /// The last request for a token of another service: its answer is no step.
    other: Option<u64>,
}

/// An enrollment as far as it went.
struct Begun {
    /// The address of the device.
    device: Option<IpAddr>,
    server: Option<SmolStr>,
    user: Option<SmolStr>,
    began: (u64, u64),
    /// Its last step, with its exchange and time.
    step: usize,
    exchange: u64,
    at_us: u64,
    is_answered: bool,
    /// The rules that acted on the last message.
    rules: Vec<SmolStr>,
    /// Where the answer to Discover sends the device: to sign in, for each of the later steps.
    urls: [Option<SmolStr>; 3],
}

impl Progress {
    /// Takes in a message of enrollment.
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
        let of_exchange = |it: &Begun| it.exchange == exchange;
        let known = self.open.iter().position(of_exchange);
        let known = known.or_else(|| self.open.iter().position(|it| it.device == device));
        // A device that asks for an earlier step begins anew.
        let known = known.filter(|at| self.open[*at].step <= step);
        if is_answer && step == LAST {
            match known {
                Some(at) => drop(self.open.remove(at)),
                // Those who only ask for a token of another service are not counted; neither are their answers.
                None if enrollment.granted.is_empty() => {}
                None => self.begun += 1,
            }
            return;
        }
        if known.is_none() {
            self.begun += 1;
            self.open.retain(|it| it.device != device);
        }
        let mut begun = match known {
            Some(at) => self.open.remove(at),
            None => Begun {
                device,
                server: None,
                user: None,
                began: (exchange, record.at_us),
                step,
                exchange,
                at_us: record.at_us,
                is_answered: false,
                rules: Vec::new(),
                urls: [None, None, None],
            },
        };
        (begun.step, begun.exchange, begun.at_us) = (step, exchange, record.at_us);
        begun.is_answered = is_answer;
        begun.rules = of_user(&Exchanged::of(record).rules());
        begun.server = record.connection.server.clone();
        begun.user = enrollment.user.clone().or(begun.user);
        if step == 0 {
            begun.urls = URLS.map(|name| enrollment.facts.get(name).map(SmolStr::new));
        }
        self.open.push(begun);
        if self.open.len() > MOST_OPEN {
            self.open.remove(0);
        }
    }

    /// What became of the enrollment with this exchange is known: it was refused, or no answer came.
    pub(super) fn settled(&mut self, exchange: u64) {
        self.open.retain(|it| it.exchange != exchange);
    }

    /// WHY-15 for each enrollment that stops, at the end of the record; those with these exchanges are named elsewhere.
    pub(super) fn finish(&mut self, named: &[u64]) -> Vec<AnalysedSession> {
        let has_answers = std::mem::take(&mut self.has_answers);
        let open = std::mem::take(&mut self.open).into_iter();
        let stops = |begun: Begun| {
            let is_pending = begun.is_answered || has_answers;
            let mut over = begun.stops();
            let findings = over.summary.findings.iter_mut();
            findings.for_each(|finding| finding.pending = is_pending);
            over
        };
        open.filter(|it| !named.contains(&it.exchange))
            .map(stops)
            .collect()
    }
}

impl Begun {
    fn stops(self) -> AnalysedSession {
        let summary = SessionSummary {
            server: self.server.clone(),
            first_exchange: self.began.0,
            last_exchange: self.exchange,
            began_us: self.began.1,
            ended_us: self.at_us,
            end: SessionEnd::Silent,
            findings: vec![self.finding()],
            ..SessionSummary::default()
        };
        AnalysedSession {
            summary,
            transactions: Vec::new(),
        }
    }

    fn finding(self) -> SessionFinding {
        let (asked, answered) = STEPS[self.step];
        let user = self.user.as_ref();
        let user = user.map_or(String::new(), |user| format!(" for {user}"));
        let asked_in = format!("asked in x{}{user}", self.exchange);
        let (what, how, follows, next) = match self.is_answered {
            false => (
                format!("Enrollment ({asked}): the record has no answer to it"),
                asked_in,
                format!("{answered} follows"),
                "see in the server's log whether it answered; a record may also end before the answer, or have none of them",
            ),
            true => (
                format!("Enrollment goes no further than {asked} in this record"),
                asked_in + ", and answered there",
                self.next_step(),
                "look whether the device reaches that address, and what its event log says; the record may also end too early",
            ),
        };
        let by_rules =
            (!self.rules.is_empty()).then(|| why::by_rules(&self.rules, "acted on that message."));
        let follows = format!("In an enrollment that goes on, {follows}.");
        SessionFinding {
            id: "WHY-15".into(),
            pending: true,
            what,
            why: by_rules.into_iter().chain([how, follows]).collect(),
            next: match self.rules.is_empty() {
                true => next.into(),
                false => "take the rule out".into(),
            },
            rules: self.rules,
            exchanges: vec![self.exchange],
            ..SessionFinding::default()
        }
    }

    /// What a device does behind the answer to its last step.
    fn next_step(&self) -> String {
        let [sign_in, policies, enrollment] = &self.urls;
        let at = |url: &Option<SmolStr>| match url {
            Some(url) => format!(" at {url}"),
            None => String::new(),
        };
        match (self.step, sign_in) {
            (0, Some(page)) => format!(
                "the user signs in at {page}, then GetPolicies follows{}",
                at(policies)
            ),
            (0, None) => format!("GetPolicies follows{}", at(policies)),
            _ => format!("RequestSecurityToken follows{}", at(enrollment)),
        }
    }
}

/// Whether a request for a token goes to another service than that of enrollment: a user's sign-in has the same form.
fn is_of_another_service(request: &EnrollmentRecord) -> bool {
    let is_enrollment = |action: &SmolStr| action.contains("enrollment");
    request.csr.is_empty() && !request.action.as_ref().is_none_or(is_enrollment)
}

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
/// Enrollments that are followed at a time.
const MOST_OPEN: usize = 1_000;
