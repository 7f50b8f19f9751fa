//! The finding about an attempt that stops between two steps.

use smol_str::SmolStr;

use super::{Attempt, STEPS, State};
use crate::flow::SessionEnd;
use crate::record::analysis::AnalysedSession;
use crate::record::analysis::enrollment::unread_next;
use crate::record::model::{SessionFinding, SessionSummary};

impl Attempt {
    /// Returns the finding about an attempt that stops; `is_two_sided` if the record has requests and answers.
    pub(super) fn stopped(self, is_two_sided: bool) -> AnalysedSession {
        let finding = SessionFinding {
            pending: is_two_sided || !self.mistakes.is_empty() || self.unread.is_some(),
            ..self.stop()
        };
        let summary = SessionSummary {
            is_renewal: self.is_renewal,
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
        let attempt = match self.is_renewal {
            true => "Renewal",
            false => "Enrollment",
        };
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
                format!("{attempt} ({asked}): the answer could not be read"),
                format!("{asked_in}, and answered there"),
                why.to_string(),
                unread_next(*cause),
            ),
            _ if !self.mistakes.is_empty() => (
                match is_answered {
                    true => format!("{attempt} goes no further than {asked} in this record"),
                    false => format!("{attempt} ({asked}): the answer is another than expected"),
                },
                answered_in,
                self.mistakes.join("\n"),
                "mend this answer of the server, and enroll again",
            ),
            (None, false) => (
                format!("{attempt} ({asked}): the record has no answer to it"),
                asked_in,
                format!("Next the server should send {answered}."),
                "see in the server's log whether it answered; a record may also end before the answer, or have none of them",
            ),
            (None, true) => (
                format!("{attempt} goes no further than {asked} in this record"),
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
        let is_of_urls = is_answered && self.step == 1 && finding.rules.is_empty();
        match is_of_urls && !self.rules_of_urls.is_empty() {
            true => {
                finding.rules = self.rules_of_urls.clone();
                finding.by_rules("changed the addresses in the answer to Discover.");
            }
            false => finding.by_rules("acted on that message."),
        }
        finding.why.push(how);
        finding.why.extend(follows.lines().map(str::to_owned));
        finding.advise(next, "");
        finding
    }

    /// Returns the next step of the device, in a sentence.
    fn next_step(&self) -> String {
        let [policies, enrollment, sign_in] = &self.urls;
        let is_discovered = self.urls.iter().any(Option::is_some);
        let at = |url: &Option<SmolStr>| match url {
            Some(url) => format!(" at {url}"),
            None if is_discovered => {
                "; the answer to Discover that the device got has no address for that".to_owned()
            }
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
