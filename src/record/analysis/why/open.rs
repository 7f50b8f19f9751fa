//! Commands without an answer, and commands that still run.

use smol_str::SmolStr;

use super::failed::{failure, is_hidden};
use super::header::REFUSING;
use super::large_object::came;
use super::mistake::OWN_ID;
use super::values::Works;
use super::words::{self, code, named};
use super::{Case, MOST_LISTED, about};
use crate::flow::{Arrival, SessionEnd, Side, Transaction, TransactionItem, TransactionOutcome};
use crate::printable::counted;
use crate::record::analysis::finding::grouped;
use crate::record::analysis::incident::IncidentKind;
use crate::record::analysis::session::{RefusedResults, WrongRef, without_answer};
use crate::record::model::SessionFinding;

impl<'s> Case<'s> {
    /// WHY-02, WHY-09, WHY-10, and WHY-15 if the record lacks something. There is no WHY-09 about a command that one of the
    /// `known` findings is about.
    pub(super) fn open(&self, known: &[SessionFinding]) -> Vec<SessionFinding> {
        let mut findings = Vec::new();
        findings.extend(self.unanswered());
        findings.extend(self.undelivered());
        let incomplete = self.session.incomplete.iter();
        let incomplete = incomplete.map(|(at, size)| (&self.session.transactions[*at], *size));
        let is_pending =
            |it: &Transaction| failure(it).is_none() && it.outcome != TransactionOutcome::Remedied;
        let incomplete = incomplete.filter(|(object, _)| is_pending(object));
        findings.extend(incomplete.map(|(it, size)| self.incomplete_object(it, size, known)));
        findings.extend(self.misnumbered());
        findings.extend(self.without_results());
        findings.extend(self.refused_results());
        let works = Works::of(&self.session.transactions);
        let is_known = |it: &&Transaction| {
            let last = it.node().and_then(|node| works.last_about(node));
            let mut named = known.iter().flat_map(|finding| &finding.transactions);
            last.is_some_and(|last| last.get.number > it.number) || named.any(|at| *at == it.number)
        };
        let in_progress = self
            .transactions()
            .filter(|it| it.outcome == TransactionOutcome::InProgress);
        findings.extend(in_progress.filter(|it| !is_known(it)).map(accepted));
        findings.extend(self.torn());
        findings
    }

    /// WHY-02.
    fn unanswered(&self) -> Vec<SessionFinding> {
        let incomplete = self.session.incomplete.iter().copied();
        let large = incomplete.chain(self.session.objects_under_way());
        let large: Vec<usize> = large.map(|(at, _)| at + 1).collect();
        let unanswered = self.transactions().filter(|it| {
            it.outcome == TransactionOutcome::Unanswered
                && !large.contains(&(it.number as usize))
                && !self.is_refused(it)
                && !self.may_be_unread(it)
                && !self.is_sent_again(it)
                && (!is_hidden(it) || lacking(it).is_some())
                && (!self.is_misnumbered(it) || lacking(it).is_some())
        });
        let groups = grouped(unanswered, |one, other| {
            let is_same_mistake = self.shared_id(one).is_some() == self.shared_id(other).is_some();
            one.from == other.from
                && is_same_mistake
                && super::rules(&[one]) == super::rules(&[other])
        });
        groups
            .iter()
            .map(|group| self.never_answered(group))
            .collect()
    }

    fn never_answered(&self, group: &[&Transaction]) -> SessionFinding {
        let mut finding = about("WHY-02", group);
        let first = group[0];
        let asked = first.from.other();
        finding.code = None;
        let name = |it: &Transaction| lacking(it).unwrap_or_else(|| named(it));
        let lacking_node = without_answer(first);
        let has_results = !first.results.is_empty() && lacking_node.is_none();
        let mut answers = first.answers.iter();
        let has_status = lacking_node
            .is_some_and(|node| answers.any(|it| it.received.is_some() && it.is_about(node)));
        let how = match group.len() == 1 {
            true if has_results => "its Results came, and no Status",
            true if has_status => "200 OK, and no Results came",
            _ => "never answered",
        };
        if let Some(node) = lacking_node {
            finding.node = Some(node.clone());
            let is_it = |it: &&TransactionItem| it.node.as_ref() == Some(node);
            let item = first.items.iter().find(is_it);
            finding.value = item.and_then(|item| item.value.clone());
            // A rule may have taken it out of the answers.
            if let Some(answer) = first.answers.last().filter(|_| finding.rules.is_empty()) {
                finding.rules = self.session.rules_on(answer.place.exchange);
            }
        }
        finding.what = format!("{}: {how}", words::with_others(name(first), group.len()));
        let removed = first.answers.iter().find(|it| it.received.is_none());
        let removed = removed.and_then(|it| Some((it.sent?, it.place.exchange)));
        let how = match (removed, first.arrival) {
            (Some((sent, exchange)), _) => {
                // The rule took it out, or gave it another CmdRef.
                let sender = words::side(first.from);
                let sent = code(sent);
                format!("did this: {sender} received no Status {sent} for it in x{exchange}.")
            }
            (_, Arrival::Withheld) => {
                format!("did this: it kept the command from {}.", words::side(asked))
            }
            _ => "acted on this.".into(),
        };
        let refusing = self.refusing(first).filter(|_| finding.rules.is_empty());
        finding
            .rules
            .extend(refusing.iter().flat_map(|it| it.rules.iter().cloned()));
        let (how, by) = match refusing {
            Some(_) => (REFUSING, first.from),
            None => (&*how, asked),
        };
        finding.blame(how, by);
        for transaction in group.iter().take(MOST_LISTED) {
            finding.why.push(match transaction.number == first.number {
                true => words::asked(transaction),
                false => format!(
                    "likewise {}, {}",
                    name(transaction),
                    words::asked(transaction)
                ),
            });
            if let (Some(_), Some(came)) = (lacking(transaction), answered_items(transaction)) {
                finding.why.push(came);
            }
        }
        finding.more(group.len(), MOST_LISTED, "");
        if !finding.rules.is_empty() {
            finding.advise("", " to see whether the answer comes");
            return finding;
        }
        if refusing.is_some() {
            self.behind_refusal(&mut finding, group);
            return finding;
        }
        if let Some(mistake) = self.shared_id(first) {
            finding.by = Some(first.from);
            let line = format!("Nobody knows which Status is its own: {mistake} (CMD-01).");
            finding.why.push(line);
            finding.pending = first.from == Side::Server;
            finding.next = OWN_ID.into();
            return finding;
        }
        // One of these may be the answer.
        let orphans = self.session.orphans.iter().take(MOST_LISTED);
        finding.why.extend(orphans.cloned());
        let answered = self
            .transactions()
            .filter(|it| it.from == first.from && !it.answers.is_empty())
            .filter(|it| it.outcome != TransactionOutcome::Unanswered);
        let answered = match answered.count() {
            0 => "no other command".to_owned(),
            count => counted(count, "other command"),
        };
        let empty = self.session.empty_answer.as_ref();
        let empty = empty.filter(|(at, _)| asked == Side::Server && *at == first.asked.exchange);
        finding.why.push(match empty {
            Some((at, kind)) => {
                format!("The answer of the server in x{at} ({kind}) has no body at all.")
            }
            None => format!(
                "{} closed the package that had to answer it; it answered {answered} in this session.",
                words::capital(words::side(asked)),
            ),
        });
        match asked {
            Side::Device if first.alert.is_some() => {
                finding.next = "let the device answer each Alert with a Status".into()
            }
            Side::Device => finding.next =
                "Get the node in a later session: whether the command was carried out is not known"
                    .into(),
            // Devices go on without the answer if the server says anything at all.
            Side::Server => {
                let has_asked = self.transactions().any(|it| it.from == Side::Server);
                finding.pending = !self.session.server_answers && !has_asked;
                finding.next =
                    "let the server answer every Alert and Replace of the device with a Status"
                        .into();
            }
        }
        finding
    }

    /// Whether an answer to a command came whose CmdRef names no command.
    fn is_misnumbered(&self, transaction: &Transaction) -> bool {
        let mut answers = self.session.misnumbered.iter();
        answers.any(|(at, _)| at + 1 == transaction.number as usize)
    }

    /// WHY-02 of commands whose answers have a wrong CmdRef or MsgRef.
    fn misnumbered(&self) -> Option<SessionFinding> {
        let transactions = &self.session.transactions;
        let answers = self.session.misnumbered.iter();
        let mut answers: Vec<_> = answers
            .map(|(at, wrong)| (&transactions[*at], wrong))
            .collect();
        // The Status and the Results of one command.
        answers.dedup_by_key(|(transaction, _)| transaction.number);
        let (first, _) = answers.first()?;
        let asked = first.from.other();
        let all: Vec<_> = answers.iter().map(|(it, _)| *it).collect();
        let mut finding = about("WHY-02", &all);
        finding.code = None;
        let lacks_it =
            |it: &&WrongRef| matches!(it, WrongRef::Cmd(id) | WrongRef::Msg(id) if id.is_empty());
        let all_lack_it = answers.iter().all(|(_, wrong)| lacks_it(wrong));
        let is_of_message = answers.iter().all(|(_, it)| matches!(it, WrongRef::Msg(_)));
        let how = match (all_lack_it, is_of_message) {
            (true, false) => "answered without a CmdRef",
            (false, false) => "answered under a wrong CmdRef",
            (true, true) => "answered without a MsgRef",
            (false, true) => "answered under a wrong MsgRef",
        };
        // The Item that the Results are about, of several.
        let node = first.results.first().filter(|_| first.items.len() > 1);
        let node = node.and_then(|item| item.node.as_deref());
        let name = node.map_or_else(|| named(first), |node| format!("{} {node}", first.command));
        finding.what = format!("{}: {how}", words::with_others(name, all.len()));
        // A rule may have changed the MsgID that the answers should have.
        if is_of_message && finding.rules.is_empty() {
            finding.rules.clone_from(&self.session.frame_rules);
        }
        finding.blame("acted on the header or the body of the message.", asked);
        finding.list(&answers, MOST_LISTED, "", |(transaction, wrong)| {
            let likewise = match transaction.number == first.number {
                true => String::new(),
                false => format!("likewise {}, ", named(transaction)),
            };
            let message = &transaction.asked.message;
            let wrong = match wrong {
                WrongRef::Cmd(id) if id.is_empty() => "no CmdRef".to_owned(),
                WrongRef::Cmd(id) => format!("CmdRef {id}, which message {message} does not have"),
                WrongRef::Msg(id) if id.is_empty() => "no MsgRef".to_owned(),
                WrongRef::Msg(id) => format!("MsgRef {id}, and not {message}"),
            };
            let place = match transaction.answers.last() {
                Some(answer) => words::asked_and_answered(transaction, answer),
                None => words::asked(transaction),
            };
            format!("{likewise}{place}; the answer has {wrong}")
        });
        finding.why.push(match is_of_message {
            false => "No other command of its kind in that message is left without an answer: it seems to be this one's.".into(),
            true => "No other command with that CmdID is left without an answer: it seems to be this one's.".into(),
        });
        if is_of_message && !finding.rules.is_empty() {
            finding.advise("", "");
            return Some(finding);
        }
        let (what, to) = match is_of_message {
            false => ("CmdID of the command", "CmdRef (STA-03)"),
            true => ("MsgID of the message", "MsgRef (STA-03)"),
        };
        finding.next = format!(
            "let {} write the {what} into {to}: strict receivers take the command for unanswered",
            words::side(asked)
        );
        Some(finding)
    }

    /// WHY-01 of Results that the server refuses.
    fn refused_results(&self) -> Option<SessionFinding> {
        let all = &self.session.refused_results;
        let first = all.first()?;
        let transaction = |it: &RefusedResults| &self.session.transactions[it.transaction];
        let transactions: Vec<_> = all.iter().map(transaction).collect();
        let mut finding = about("WHY-01", &transactions);
        let names = words::with_others(named(transaction(first)), all.len());
        finding.what = format!("The Results of {names}: {}", code(first.code));
        (finding.code, finding.value) = (Some(first.code), None);
        finding.rules.extend(first.rules.iter().cloned());
        finding
            .exchanges
            .extend(all.iter().map(|it| it.refused.exchange));
        finding.exchanges.sort_unstable();
        finding.exchanges.dedup();
        finding.blame("acted on this.", Side::Server);
        finding.list(all, MOST_LISTED, "", |it| {
            let (came, refused) = (words::place(&it.came), words::place(&it.refused));
            format!("they came in {came}, and were refused in {refused}")
        });
        let at = words::at(first.refused.at_us);
        finding.advise(
            format!("look in the server's log {at} why it does not take them"),
            "",
        );
        Some(finding)
    }

    /// Whether the message of a command was refused as a whole.
    fn is_refused(&self, transaction: &Transaction) -> bool {
        self.session
            .incidents
            .iter()
            .any(|incident| match &incident.what {
                IncidentKind::HeaderRefused { by, message, .. } => {
                    *by != transaction.from && *message == transaction.asked.message
                }
                _ => false,
            })
    }

    /// Whether the answer to a command may be in a message that could not be read.
    pub(super) fn may_be_unread(&self, transaction: &Transaction) -> bool {
        self.session.incidents.iter().any(|incident| {
            let is_later = incident.exchange >= transaction.asked.exchange;
            is_later && matches!(incident.what, IncidentKind::Unread { from, .. } if from != transaction.from)
        })
    }

    /// WHY-15: the record does not have the whole session.
    fn torn(&self) -> Option<SessionFinding> {
        let summary = &self.session.summary;
        if self.session.is_local_mdm() {
            return None;
        }
        let is_open = *self.end() == SessionEnd::Open;
        let missing = self.session.missing.iter().take(MOST_LISTED);
        let missing = missing.map(|(from, first, last)| {
            let (messages, are) = match first == last {
                true => (format!("Message {first}"), "is"),
                false => (format!("Messages {first} to {last}"), "are"),
            };
            let from = words::side(*from);
            format!("{messages} of {from} {are} not in the record, or {from} skipped the number.")
        });
        let lacks_end = self.session.lacks_end.then(|| {
            "The record says that the session finished: a filter (--save-filter) may have left out messages."
                .to_owned()
        });
        let has_gaps = is_open || lacks_end.is_some() || !self.session.missing.is_empty();
        let lost = if has_gaps { self.lost() } else { None };
        if !summary.starts_late && !has_gaps {
            return None;
        }
        let has_device = self.session.has_request() || !self.session.incidents.is_empty();
        let may_be_bootstrap = !summary.starts_late && !self.session.server_answers;
        if is_open && !has_device && may_be_bootstrap {
            return Some(SessionFinding {
                pending: false,
                what:
                    "The record has no message of the device: a bootstrap, or a part of a session"
                        .into(),
                next: "nothing, if it is a bootstrap: a device does not answer it".into(),
                exchanges: vec![summary.first_exchange],
                ..SessionFinding::new("WHY-15")
            });
        }
        let what = match (summary.starts_late, is_open) {
            (_, true) if !has_device => {
                "The record has only a part of this session: no message of the device"
            }
            (true, true) if !self.session.is_left => {
                "The record has only a part of this session: neither its beginning nor its end"
            }
            _ if self.session.is_rest => "The device went on after the session had ended",
            (true, false) => "The record begins in the middle of this session",
            (_, true) if self.session.is_left => {
                "This session was not followed to its end: there were too many at a time"
            }
            (false, false) => "The record lacks messages of this session",
            _ => "The record ends while this session goes on",
        };
        let nameless = self.session.nameless.as_ref();
        let nameless =
            nameless.map(|(exchange, why)| format!("x{exchange} names no session: {why}."));
        let under_way = self.session.objects_under_way().take(MOST_LISTED);
        let under_way = under_way.map(|(at, size)| {
            let object = &self.session.transactions[at];
            let came = came(object, size);
            format!(
                "{}: {came}; the record ends before the next one.",
                named(object)
            )
        });
        // The finding about messages that could not be read lists them already.
        let mut incidents = self.session.incidents.iter();
        let orphans = match incidents.any(|it| matches!(it.what, IncidentKind::Unread { .. })) {
            true => &[][..],
            false => &self.session.orphans[..],
        };
        Some(SessionFinding {
            pending: lost.is_some() || !orphans.is_empty(),
            what: what.into(),
            why: lacks_end.into_iter()
                .chain(nameless)
                .chain(missing)
                .chain(orphans.iter().cloned())
                .chain(under_way)
                .chain(lost)
                .collect(),
            next: match self.session.is_left {
                _ if self.session.is_rest => {
                    "look why the server's answer before it had no command, or no body".into()
                }
                true => "record fewer devices at a time".into(),
                false if self.session.nameless.is_some() => {
                    "let every message have its SessionID and Source: dmtap lint lists those without".into()
                }
                false if !self.session.alone.is_empty() => {
                    "look in the server's log for the rest of the session, or record it with dmtap proxy -w".into()
                }
                false => {
                    "give whole sessions: a log from the device's first message to the last, or a record that begins before it"
                        .into()
                }
            },
            exchanges: vec![summary.first_exchange, summary.last_exchange],
            ..SessionFinding::new("WHY-15")
        })
    }
}

/// Returns the first Item without an answer of a command of which others have one: `Get ./DevDetail/HwV`.
fn lacking(transaction: &Transaction) -> Option<String> {
    let node = without_answer(transaction)?;
    Some(format!("{} {node}", transaction.command))
}

/// `Of its Items the Results of ./DevDetail/SwV came.`
fn answered_items(transaction: &Transaction) -> Option<String> {
    let came: Vec<&str> = match transaction.results.is_empty() {
        true => transaction
            .answers
            .iter()
            .flat_map(|it| it.nodes().map(SmolStr::as_str))
            .collect(),
        false => transaction
            .results
            .iter()
            .filter_map(|item| item.node.as_deref())
            .collect(),
    };
    let named = (!came.is_empty()).then(|| came.join(", "))?;
    Some(match (transaction.results.is_empty(), came.len()) {
        (false, _) => format!("Of its Items the Results of {named} came."),
        (true, 1) => format!("Of its Items {named} has a Status."),
        (true, _) => format!("Of its Items {named} have a Status."),
    })
}

/// WHY-09.
fn accepted(transaction: &Transaction) -> SessionFinding {
    let mut finding = about("WHY-09", &[transaction]);
    let got = transaction.code().unwrap_or_default();
    finding.what = format!(
        "{}: {}, its completion was not seen",
        named(transaction),
        code(got)
    );
    finding.by_rules("acted on this.");
    finding.why.push(words::places(transaction));
    finding.advise(
        "wait for an Alert 1226 about the node, or Get its status in a later session",
        " to see what the device answers by itself",
    );
    finding
}
