//! The answers of a message find their transactions, as they were sent and as they were received.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use smol_str::{SmolStr, format_smolstr};

use super::super::exchanged::{Exchanged, of_user};
use super::super::incident::{Back, IncidentKind};
use super::super::links::{Indexed, Links, entry};
use super::super::why::{goes_on, is_end_of};
use super::commands::{is_alert, is_of_windows};
use super::{LastMessage, MOST_KEPT, OpenSession, add_rules, note_documents};
use crate::flow::session::CommandIndex;
use crate::flow::{
    Arrival, CommandAnswer, CommandPlace, Side, TransactionItem, TransactionOutcome,
};
use crate::record::model::{CommandRecord, MessageRecord, StatusRecord};

impl OpenSession {
    /// Takes in the commands and answers of a message.
    pub(super) fn conversation(&mut self, message: &Exchanged<'_>, is_repeat: bool) {
        let from = message.from;
        let proto = message.sent.and_then(|(header, _)| header.proto.as_deref());
        self.is_data_sync |= proto.is_some_and(|proto| proto.starts_with("SyncML/"));
        self.is_dm |= proto.is_some_and(|proto| proto.starts_with("DM/"));
        self.note_missing(message);
        let answers = self.answers(message);
        let first = self.transactions.len();
        match is_repeat {
            true => self.repeated(message),
            false => self.commands(message),
        }
        self.note_abort(message);
        if let Some((header, commands)) = message.received() {
            self.header_answers(message, commands);
            if from == Side::Server {
                let size = header.max_msg_size.or(self.max_msg_size_of_server);
                self.max_msg_size_of_server = size;
                self.summary.resp_uri = header.resp_uri.clone().or(self.summary.resp_uri.take());
            }
        }
        // A rule's additions count for the receiver.
        let put_in = message.received().filter(|_| message.is_changed());
        for (_, commands) in put_in.into_iter().chain(message.sent) {
            self.facts(from, commands);
        }
        if message.sent.is_some() {
            note_documents(&mut self.documents, message);
        }
        // A peer may lose track of the session by a changed frame.
        add_rules(&mut self.frame_rules, message.rules_of_frame());
        let repeated = self.last[from].commands.clone();
        let header = message.sent.map(|(header, _)| header);
        let Some(header) = header.or(message.received().map(|(header, _)| header)) else {
            self.last[from].all_rules = self.rules_behind(message);
            self.last[from].content_rules = message.rules_of_content();
            return;
        };
        self.last[from] = LastMessage {
            msg_id: header.msg.clone().unwrap_or_default(),
            fingerprint: message.fingerprint,
            at_us: message.record.at_us,
            held_us: message.held_us(),
            exchange: message.exchange,
            // The missing end of a cut message may have the Final.
            is_final: header.is_final || message.unread().is_some(),
            lacks_final: false,
            unreadable: message.is_unreadable().then(|| {
                let msg_id = header.msg.clone().unwrap_or_default();
                (message.exchange, msg_id)
            }),
            leads_away: message.leads_away(),
            is_indented: message.is_indented(),
            cred: message.cred(header),
            checked: message.checked().cloned(),
            rules: message.rules_of_whole(),
            content_rules: message.rules_of_content(),
            frame_rules: message.rules_of_frame(),
            all_rules: self.rules_behind(message),
            commands: match is_repeat {
                true => repeated,
                false => first..self.transactions.len(),
            },
            answers,
        };
        if self.last[from].cred.is_some() {
            self.credentials_came(from, message.record.at_us);
        }
    }

    /// Takes in the answers of a message. Returns their places.
    fn answers(&mut self, message: &Exchanged<'_>) -> Vec<(usize, usize)> {
        let other = message.from.other();
        let mut given = Vec::new();
        let commands = message.sent.map_or(&[][..], |(_, commands)| commands);
        let (mut unfound, mut doubtful) = (Vec::new(), Vec::new());
        self.note_read(other, commands);
        self.given_results.retain(|_| message.from == Side::Server);
        let has_answers = commands.iter().any(|command| command.answers.is_some());
        self.server_answers |= message.from == Side::Server && has_answers;
        for (number, command) in commands.iter().enumerate() {
            let is_of_command = command
                .answers
                .as_ref()
                .is_some_and(|it| !it.is_of_header());
            if !is_of_command {
                continue;
            }
            let found = self.find(other, commands, number);
            let found = found.or_else(|| self.without_id(other, commands, number));
            match found.or_else(|| self.sent_alone(command)) {
                Some(at) if self.has_answer_before(message, at, command) => {
                    doubtful.push((number, Some(at)));
                }
                Some(at) => self.answered(message, number, at, &mut given),
                None => unfound.push(number),
            }
        }
        // These come last: the correctly numbered answers leave fewer commands that they may mean. A cut answer may have
        // lost its number.
        let may_mean = message.unread().is_none() && !message.is_changed();
        let unclear = doubtful.into_iter();
        let unclear = unclear.chain(unfound.iter().map(|number| (*number, None)));
        for (count, (number, at)) in unclear.enumerate() {
            if at.is_none() && self.note_refused_results(message, number) {
                continue;
            }
            let (asker, answer) = (message.from.other(), &commands[number]);
            let meant = match at {
                _ if !may_mean || self.misnumbered.len() == MOST_KEPT => None,
                Some(_) if count < MOST_OF_MESSAGE => self.meant_of_newest(asker, answer),
                None if unfound.len() <= MOST_OF_MESSAGE => {
                    self.meant(asker, commands, &unfound, number)
                }
                _ => None,
            };
            let meant_at = meant.as_ref().map(|(at, _)| *at).or(at);
            self.misnumbered.extend(meant);
            match meant_at {
                Some(at) => self.answered(message, number, at, &mut given),
                None => self.orphan(message.exchange, answer),
            }
        }
        match message.is_changed() {
            true => self.answers_received(message, &mut given),
            false if message.arrives => {
                for (at, answer) in &given {
                    let answer = &mut self.transactions[*at].answers[*answer];
                    answer.received = answer.sent;
                }
            }
            false => {}
        }
        given.iter().for_each(|(at, _)| self.settle(*at));
        given
    }

    /// Takes in the answer at a place of a message, which belongs to a transaction.
    fn answered(
        &mut self,
        message: &Exchanged<'_>,
        number: usize,
        at: usize,
        given: &mut Vec<(usize, usize)>,
    ) {
        let Some((header, commands)) = message.sent else {
            return;
        };
        let command = &commands[number];
        if command.status.is_none() {
            if !message.is_changed() {
                self.results(at, command, place(message, header, command));
            }
            return;
        }
        let answer = self.answer(at, place(message, header, command), command);
        if message.is_changed() {
            let known = &mut self.transactions[at].answers[answer].rules;
            add_rules(known, message.rules_of(number));
        }
        given.push((at, answer));
    }

    /// Takes in the answers of a message that a rule changed, as they were received.
    fn answers_received(&mut self, message: &Exchanged<'_>, given: &mut Vec<(usize, usize)>) {
        let received = message.received().filter(|_| message.arrives);
        let other = message.from.other();
        let mut removed = given.clone();
        let rules = self.rules_behind(message);
        let commands = received.map_or(&[][..], |(_, commands)| commands);
        for command in commands {
            let Some(answers) = &command.answers else {
                continue;
            };
            let renumbered = self.renumbered(message, command);
            let found = renumbered.or_else(|| self.sent[other].find(&command.kind, answers));
            let Some(at) = found else { continue };
            let Some(status) = &command.status else {
                if let Some((header, _)) = received {
                    self.results(at, command, place(message, header, command));
                }
                continue;
            };
            let is_it = |(known, answer): &(usize, usize)| {
                let answer = &self.transactions[at].answers.get(*answer);
                let id = command.id.as_ref().map(short);
                let same = answer.is_some_and(|it| Some(&it.place.cmd_id) == id.as_ref());
                *known == at && same
            };
            let same = removed.iter().position(is_it);
            let known = same.or_else(|| removed.iter().position(|(known, _)| *known == at));
            let answer = match known {
                Some(known) => removed.swap_remove(known).1,
                None => {
                    let Some((header, _)) = received else {
                        continue;
                    };
                    let place = place(message, header, command);
                    let answer = self.answer(at, place, command);
                    self.transactions[at].answers[answer].sent = None;
                    given.push((at, answer));
                    answer
                }
            };
            let invented = known.is_none();
            let answer = &mut self.transactions[at].answers[answer];
            let (code, no_code) = code_of(status);
            (answer.received, answer.no_code) = (Some(code), no_code);
            answer.original_error = status.original_error.as_ref().map(short);
            if (invented || answer.sent != answer.received) && answer.rules.is_empty() {
                answer.rules.clone_from(&rules);
            }
        }
        for (at, answer) in removed {
            let answer = &mut self.transactions[at].answers[answer];
            if answer.rules.is_empty() {
                answer.rules.clone_from(&rules);
            }
        }
    }

    /// Adds an answer to a transaction. Returns its place there.
    fn answer(&mut self, at: usize, place: CommandPlace, command: &CommandRecord) -> usize {
        let items = self.transactions[at].items.len();
        let answers = &mut self.transactions[at].answers;
        // A repeated message answers only once.
        let known = answers.iter().position(|known| {
            known.place.message == place.message && known.place.cmd_id == place.cmd_id
        });
        if let Some(known) = known {
            return known;
        }
        if answers.len() == MOST_ANSWERS {
            answers.pop();
        }
        let status = command.status.as_ref();
        let (sent, no_code) = status.map(code_of).unzip();
        let target = command.answers.as_ref();
        // A Status without references is about all Items.
        let only = target.filter(|it| it.loc_uris.is_empty() || it.loc_uris.len() < items);
        let others = only.into_iter().flat_map(|it| it.loc_uris.iter().skip(1));
        answers.push(CommandAnswer {
            place,
            node: only.and_then(|target| target.loc_uri.as_ref()).map(short),
            other_nodes: others.map(short).collect(),
            sent,
            received: None,
            no_code: no_code.flatten(),
            original_error: status
                .and_then(|status| status.original_error.as_ref())
                .map(short),
            rules: Vec::new(),
        });
        answers.len() - 1
    }

    /// Sets the outcome of a transaction by its answers.
    pub(super) fn settle(&mut self, at: usize) {
        let transaction = &mut self.transactions[at];
        let mut received = transaction
            .answers
            .iter()
            .filter(|it| it.received.is_some());
        let Some(first) = received.next() else {
            if transaction.outcome != TransactionOutcome::Unanswered {
                transaction.outcome = TransactionOutcome::Open;
            }
            return;
        };
        let of_items = transaction.chunks == 0 && transaction.items.len() > 1;
        let differ = of_items && received.any(|it| it.received != first.received);
        let last = transaction.answers.iter().rfind(|it| it.received.is_some());
        // A server that accepts an Alert with 202 says no more of it (OMA DM Protocol 1.2, 8.7).
        let is_of_server = transaction.from == Side::Server;
        let in_progress = is_of_server && last.is_some_and(CommandAnswer::is_in_progress);
        let is_chunk = transaction.chunks > 0;
        let chunks_follow = is_chunk && last.is_some_and(|it| it.received == Some(213));
        transaction.outcome = match (differ, in_progress) {
            _ if chunks_follow => TransactionOutcome::Open,
            (true, _) => TransactionOutcome::Partial,
            (_, true) => TransactionOutcome::InProgress,
            (false, false) => TransactionOutcome::Answered,
        };
    }

    /// Takes in the Status for the SyncHdr of the message before.
    fn header_answers(&mut self, message: &Exchanged<'_>, commands: &[CommandRecord]) {
        let by = message.from;
        for (number, command) in commands.iter().enumerate() {
            let of_header = command.answers.as_ref().filter(|it| it.is_of_header());
            // MsgIDs begin with 1: a Status for message 0 answers nothing.
            let of_header = of_header.filter(|answers| answers.msg != "0");
            let (Some(answers), Some(status)) = (of_header, &command.status) else {
                continue;
            };
            let Some(code) = status.code else { continue };
            if !message.arrives {
                continue;
            }
            if code < 400 {
                let at_us = message.record.at_us;
                let refused = self.incidents.iter_mut().filter(|incident| {
                    matches!(&incident.what, IncidentKind::HeaderRefused { by: who, .. } if *who == by)
                });
                refused.for_each(|incident| incident.back = Some((at_us, Back::Other)));
                continue;
            }
            let scheme = status.chal.as_ref().and_then(|chal| chal.scheme.clone());
            let other = by.other();
            let knows = |links: &Links| links.message(&answers.msg).is_some();
            let is_recorded = self.last[other].msg_id == answers.msg
                || knows(&self.sent[other])
                || knows(&self.received[other]);
            let what = IncidentKind::HeaderRefused {
                by,
                code,
                scheme,
                message: answers.msg.clone(),
                is_recorded,
                cred: self.last[other].cred.clone(),
                checked: self.last[other].checked.clone(),
            };
            let mut rules = match (message.record.own, message.is_changed()) {
                (true, _) => self.rules_behind(message),
                (false, true) => message.rules_of(number),
                (false, false) => Vec::new(),
            };
            if rules.is_empty() && is_recorded {
                // A rule may have changed the message that was refused.
                rules = of_user(&self.last[other].all_rules);
            }
            self.note(message, rules, what);
        }
    }

    /// Takes in the facts about the device in its Alerts, and their reports on work that is done.
    fn facts(&mut self, from: Side, commands: &[CommandRecord]) {
        self.is_windows |= commands.iter().any(is_of_windows);
        for command in commands.iter().filter(|_| from == Side::Device) {
            if !is_alert(command, 1224) && !is_alert(command, 1226) {
                continue;
            }
            for item in &command.items {
                let media_type = item.media_type.as_deref().unwrap_or_default();
                let media_type = media_type.to_ascii_lowercase();
                let value = item.data.as_ref().map(|data| data.text.clone());
                if media_type.ends_with("/loginstatus") {
                    self.summary.login = value;
                } else if media_type.ends_with("synctype") {
                    self.summary.sync_type = value;
                } else if !goes_on(&media_type, value.as_deref()) {
                    let node = item.source.as_ref().or(item.target.as_ref());
                    self.completed(command.correlator.as_ref(), node);
                }
            }
        }
    }

    /// Notes that the device reported the work with this Correlator, or on this node, as done.
    fn completed(&mut self, correlator: Option<&SmolStr>, node: Option<&SmolStr>) {
        let correlator = correlator.map(short);
        let alert = (correlator.as_deref(), node.map(SmolStr::as_str));
        for transaction in &mut self.transactions {
            let is_in_progress = transaction.outcome == TransactionOutcome::InProgress;
            let command = (transaction.correlator.as_deref(), transaction.node());
            if is_in_progress && is_end_of(command, alert) {
                transaction.outcome = TransactionOutcome::Answered;
            }
        }
    }

    /// Returns the commands of a repeated message as they were received, with their transactions.
    fn index_of_repeated(&self, known: Range<usize>, received: &[CommandRecord]) -> Indexed {
        let mut by_id: HashMap<(&SmolStr, &SmolStr), usize> = HashMap::new();
        for at in known {
            let transaction = &self.transactions[at];
            by_id.insert((&transaction.command, &transaction.asked.cmd_id), at);
        }
        let entries = received.iter().filter_map(|command| {
            let id = command.id.as_ref().map(short).unwrap_or_default();
            let kind = short(&command.kind);
            let at = by_id.get(&(&kind, &id)).copied()?;
            Some(entry(command, at))
        });
        Arc::new(CommandIndex::new(entries))
    }

    /// Takes in a message that was sent again: its commands may arrive only now.
    fn repeated(&mut self, message: &Exchanged<'_>) {
        let commands = self.last[message.from].commands.clone();
        let Some((header, received)) = message.received().filter(|_| message.arrives) else {
            return;
        };
        let msg_id = header.msg.clone().unwrap_or_default();
        let index = match message.is_changed() {
            true => Some(self.index_of_repeated(commands.clone(), received)),
            false => self.sent[message.from].message(&msg_id).cloned(),
        };
        if let Some(index) = index {
            self.received[message.from].enter(&msg_id, index);
        }
        self.open.retain(|at| !commands.contains(at));
        for at in commands {
            let transaction = &mut self.transactions[at];
            if transaction.outcome == TransactionOutcome::Open
                && transaction.arrival == Arrival::Delivered
            {
                self.open.push(at);
            }
            if transaction.arrival == Arrival::Undelivered {
                transaction.arrival = Arrival::Delivered;
                transaction.outcome = TransactionOutcome::Open;
                self.open.push(at);
            }
        }
    }
}

/// Returns the code of a Status; 0 if it has none, with the text in its place.
fn code_of(status: &StatusRecord) -> (u16, Option<SmolStr>) {
    match status.code {
        Some(code @ 100..) => (code, None),
        Some(code) => (0, Some(format_smolstr!("{code}"))),
        None => (0, Some(status.data.clone().unwrap_or_default())),
    }
}

/// Returns the place of a command of a message.
pub(super) fn place(
    message: &Exchanged<'_>,
    header: &MessageRecord,
    command: &CommandRecord,
) -> CommandPlace {
    CommandPlace {
        exchange: message.exchange,
        message: header.msg.as_ref().map(short).unwrap_or_default(),
        cmd_id: command.id.as_ref().map(short).unwrap_or_default(),
        at_us: message.record.at_us,
    }
}

/// Returns an Item as a transaction keeps it.
pub(super) fn item(item: &crate::record::model::ItemRecord) -> TransactionItem {
    let data = item.data.as_ref();
    TransactionItem {
        node: item.target.as_ref().or(item.source.as_ref()).map(short),
        format: item.format.as_ref().map(short),
        media_type: item.media_type.as_ref().map(short),
        mark: item.mark.as_ref().map(short),
        value: data.map(|data| data.text.clone()),
        bytes: data.map_or(0, |data| data.bytes),
    }
}

/// Returns the part of a peer's text that is kept.
pub(super) fn short(text: &SmolStr) -> SmolStr {
    match text.len() > MOST_TEXT {
        true => SmolStr::new(&text[..text.floor_char_boundary(MOST_TEXT)]),
        false => text.clone(),
    }
}

/// The most bytes that are kept of a node, an identifier or another short text of a peer.
const MOST_TEXT: usize = 1_024;

/// The most failures of unknown commands that are kept.
pub(super) const MOST_ORPHANS: usize = 20;

/// The most answers of one message with a wrong reference whose commands are looked for; of a message with more, those of
/// none.
pub(super) const MOST_OF_MESSAGE: usize = 100;

/// The most answers that are kept of one transaction; of more, the last one is kept.
const MOST_ANSWERS: usize = 64;
