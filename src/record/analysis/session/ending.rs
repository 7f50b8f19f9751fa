//! The end of a session.

use std::collections::BTreeMap;

use smol_str::{SmolStr, format_smolstr};

use super::super::exchanged::{Exchanged, of_user};
use super::super::incident::{Back, Incident, IncidentKind};
use super::super::no_answer::NoAnswer;
use super::super::remedied;
use super::super::why::Works;
use super::commands::is_alert;
use super::{OpenSession, without_answer, without_results};
use crate::facts::ReportedValue;
use crate::flow::{Arrival, SessionEnd, Side, Transaction, TransactionOutcome};
use crate::record::EventRecord;
use crate::record::model::{CommandCounts, CommandRecord, ParsedBodyRecord};

impl OpenSession {
    /// Whether the server's last message has blanks or line breaks between its elements.
    pub(in super::super) fn answer_is_indented(&self) -> bool {
        self.last.server.is_indented
    }

    /// Returns the end of the session, if this response ends it.
    pub(super) fn closing(&mut self, message: &Exchanged<'_>) -> Option<SessionEnd> {
        if matches!(message.record.reading, Some(ParsedBodyRecord::Empty)) && !message.is_changed()
        {
            // Windows takes an empty body for the end. It is a rule's doing only in dmtap's own answer.
            let rules = match message.record.own {
                true => of_user(&self.rules_behind(message)),
                false => Vec::new(),
            };
            if rules.is_empty() {
                let media_type = message.record.header("content-type");
                let media_type = media_type.map_or(String::new(), |it| format!(", {it}"));
                let kind = format_smolstr!("HTTP {}{media_type}", message.http_status());
                self.empty_answer = Some((message.exchange, kind));
                // An empty body answers none of the device's commands.
                self.due(Side::Device);
                return Some(SessionEnd::Finished);
            }
            let how = NoAnswer::of_answer(SmolStr::new_static("replaced with an empty one"));
            let what = IncidentKind::Broken {
                by: None,
                during: Side::Server,
                how,
            };
            self.note(message, rules, what);
            return None;
        }
        if let Some(by) = self.aborted_by() {
            return Some(SessionEnd::Aborted { by });
        }
        let (header, commands) = message.received()?;
        let is_final = header.is_final;
        let asks = |command: &CommandRecord| match (&command.answers, &command.status) {
            (_, Some(status)) => matches!(status.code, Some(401 | 407)),
            (Some(_), None) => false,
            (None, None) => true,
        };
        let asks = commands.iter().any(asks);
        self.last.server.lacks_final = !is_final && !asks && message.unread().is_none();
        let is_over = is_final && self.last.device.is_final;
        (is_over && !asks).then_some(SessionEnd::Finished)
    }

    /// Returns the peer that aborted the session, or in whose name a rule did.
    pub(super) fn aborted_by(&self) -> Option<Side> {
        let mut incidents = self.incidents.iter();
        incidents.find_map(|incident| match incident.what {
            IncidentKind::Aborted { by, .. } => Some(by),
            _ => None,
        })
    }

    /// Notes an Alert 1223 in a message.
    pub(super) fn note_abort(&mut self, message: &Exchanged<'_>) {
        let aborts = |commands: &[CommandRecord]| {
            let mut commands = commands.iter();
            commands.any(|command| is_alert(command, SESSION_ABORT))
        };
        let is_sent = message.sent.is_some_and(|(_, commands)| aborts(commands));
        let is_received = message
            .received()
            .is_some_and(|(_, commands)| aborts(commands));
        if is_received {
            let rules = match is_sent {
                // A peer may abort because a rule changed the message before.
                true => self.last[message.from.other()].content_rules.clone(),
                false => message.rules(),
            };
            let by = message.from;
            self.note(message, rules, IncidentKind::Aborted { by, is_sent });
        }
    }

    /// Notes that a peer obeys the challenge to a message without credentials: whether they are accepted is to be seen.
    pub(super) fn credentials_came(&mut self, from: Side, at_us: u64) {
        for incident in &mut self.incidents {
            let is_challenge = matches!(
                &incident.what,
                IncidentKind::HeaderRefused { by, code: 401 | 407, is_recorded: true, cred: None, .. } if *by != from
            );
            if is_challenge && incident.back.is_none() {
                incident.back = Some((at_us, Back::WithCredentials));
            }
        }
    }

    /// Returns the last message without an answer, if the device did not come back after it.
    pub(in crate::record::analysis) fn broken(&self) -> Option<&Incident> {
        let mut newest_first = self.incidents.iter().rev();
        let last = newest_first.find(|incident| incident.what.is_without_answer());
        last.filter(|incident| incident.back.is_none())
    }

    /// Returns the sender whose message did not arrive in the exchange of an answer of dmtap itself, and the reason.
    pub(in crate::record::analysis) fn broken_before(
        &self,
        answer: &Incident,
    ) -> Option<(Side, &NoAnswer)> {
        let mut incidents = self.incidents.iter();
        incidents.find_map(|it| match &it.what {
            IncidentKind::Broken { during, how, .. } if it.exchange == answer.exchange => {
                Some((*during, how))
            }
            _ => None,
        })
    }

    /// Whether a message has another SessionID, and the MsgID that follows the last one of the device.
    pub(in crate::record::analysis) fn is_followed_by(&self, record: &EventRecord) -> bool {
        let Some(next) = record.session.as_ref() else {
            return false;
        };
        let last = self.last.device.msg_id.parse::<u32>().ok();
        let is_next = last.is_some_and(|last| last > 0 && next.msg == last.checked_add(1));
        is_next && next.id != self.summary.id
    }

    /// Notes the message that names no session next to the part of the session that the record lacks.
    pub(in crate::record::analysis) fn note_nameless(&mut self, nameless: &BTreeMap<u64, SmolStr>) {
        let summary = &self.summary;
        let next_to_it = match summary.starts_late {
            true => nameless.range(..summary.first_exchange).next_back(),
            false => nameless.range(summary.last_exchange..).next(),
        };
        self.nameless = next_to_it.map(|(exchange, why)| (*exchange, why.clone()));
    }

    /// Returns the places of commands that go on, and whose work is done according to values that the server read later.
    fn done_work(&self) -> Vec<usize> {
        let works = Works::of(&self.transactions);
        let is_done = |it: &Transaction| {
            let last = it.node().and_then(|node| works.last_about(node));
            let last = last.filter(|last| last.get.number > it.number);
            last.is_some_and(|last| last.value == ReportedValue::Done)
        };
        let going_on = self.transactions.iter().enumerate();
        let going_on = going_on.filter(|(_, it)| it.outcome == TransactionOutcome::InProgress);
        let done = going_on.filter(|(_, it)| is_done(it));
        done.map(|(at, _)| at).collect()
    }

    /// Ends the session: by `otherwise` if no message and no incident shows the end.
    pub(in crate::record::analysis) fn end(&mut self, otherwise: SessionEnd) {
        let by_incident = self.broken().map(|incident| match incident.what {
            // A server that gave no answer refused nothing.
            IncidentKind::Http { status, own, .. } => match self.broken_before(incident) {
                Some((during, _)) if own => SessionEnd::BrokenOff { by: None, during },
                _ => SessionEnd::Refused { status },
            },
            IncidentKind::Broken { by, during, .. } => SessionEnd::BrokenOff { by, during },
            _ => SessionEnd::Open,
        });
        let ended = self.ended.take().or(by_incident);
        let end = ended.unwrap_or(match otherwise {
            // Commands beside their answers are excerpts of sessions.
            _ if !self.alone.is_empty() => SessionEnd::Open,
            SessionEnd::Open if !self.is_left && self.is_closed && !self.is_waiting => {
                SessionEnd::Silent
            }
            otherwise => otherwise,
        });
        let is_unclosed = matches!(end, SessionEnd::Silent | SessionEnd::Superseded)
            && !self.is_waiting
            && self.last.server.lacks_final;
        let end = match is_unclosed {
            true => SessionEnd::WithoutFinal,
            false => end,
        };
        let is_over = end != SessionEnd::Open;
        if is_over {
            self.no_more_chunks();
        }
        for transaction in &mut self.transactions {
            if is_over && transaction.outcome == TransactionOutcome::Open {
                transaction.outcome = TransactionOutcome::Lost;
            }
        }
        for at in self.done_work() {
            self.transactions[at].outcome = TransactionOutcome::Answered;
        }
        for get in self
            .transactions
            .iter_mut()
            .filter(|it| it.command == "Get")
        {
            let missing: Vec<_> = without_results(get).into_iter().cloned().collect();
            let mut missing = missing.into_iter();
            let mut answers = get.answers.iter_mut();
            let unnamed = answers.find(|it| it.has_failed() && it.node.is_none());
            if let (Some(answer), Some(first)) = (unnamed, missing.next()) {
                answer.node = Some(first);
                answer.other_nodes = missing.collect();
            }
        }
        self.lacks_answers =
            end != SessionEnd::Finished || !self.missing.is_empty() || self.lacks_end;
        for asked in self.transactions.iter_mut().filter(|_| !self.lacks_answers) {
            let is_done = matches!(
                asked.outcome,
                TransactionOutcome::Answered | TransactionOutcome::Partial
            );
            // A failure that a rule hid is reported as one.
            let mut answers = asked.answers.iter();
            let has_failed = answers.any(|it| it.has_failed() || it.sent >= Some(400));
            if is_done && !has_failed && without_answer(asked).is_some() {
                asked.outcome = TransactionOutcome::Unanswered;
            }
        }
        self.remedies = remedied::mark(&mut self.transactions, &self.incomplete);
        self.summary.commands = CommandCounts {
            not_kept: self.summary.commands.not_kept,
            ..CommandCounts::of(&self.transactions, |_| true)
        };
        self.summary.end = end;
    }
}

impl CommandCounts {
    /// Counts the server's commands in a session that `is_counted` accepts.
    pub fn of(session: &[Transaction], is_counted: impl Fn(&Transaction) -> bool) -> Self {
        let mut counts = Self::default();
        for transaction in session.iter().filter(|it| is_counted(it)) {
            let is_counted =
                transaction.from == Side::Server && transaction.arrival != Arrival::Injected;
            if !is_counted {
                continue;
            }
            counts.all += 1;
            let counted = match transaction.outcome {
                _ if transaction.has_failed_among(session) => &mut counts.failed,
                TransactionOutcome::Unanswered
                | TransactionOutcome::Lost
                | TransactionOutcome::Open
                    if transaction.is_sent_again_among(session) =>
                {
                    continue;
                }
                TransactionOutcome::Unanswered => &mut counts.unanswered,
                TransactionOutcome::InProgress => &mut counts.in_progress,
                TransactionOutcome::Lost | TransactionOutcome::Open
                    if !transaction.leaves_nothing_open() =>
                {
                    &mut counts.lost
                }
                TransactionOutcome::Answered
                | TransactionOutcome::Partial
                | TransactionOutcome::Lost
                | TransactionOutcome::Open
                | TransactionOutcome::Remedied => continue,
            };
            *counted += 1;
        }
        counts
    }
}

/// The code of the Alert that aborts a session.
pub(super) const SESSION_ABORT: u16 = 1223;
