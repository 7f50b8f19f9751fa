//! Answers to commands that are in no message of the session.

use std::collections::{BTreeMap, HashMap, VecDeque};

use smol_str::SmolStr;

use super::answers::{MOST_ORPHANS, short};
use super::commands::transaction;
use super::ending::SESSION_ABORT;
use super::{MOST_KEPT, OpenSession, unasked};
use crate::dm::{AlertCode, StatusCode};
use crate::facts::ReportedValue;
use crate::flow::{CommandPlace, Side, Transaction};
use crate::record::EventRecord;
use crate::record::analysis::why::{hresult_words, message_and_cmd_id, reported_end};
use crate::record::model::{CommandRecord, EventKind, MessageRecord};

/// The messages of a server that name no session: commands alone. The logs of some servers show commands in this way beside
/// the answer of a device, and local MDM takes and gives no other messages.
#[derive(Debug, Default)]
pub(in super::super) struct CommandsAlone {
    messages: VecDeque<EventRecord>,
    /// The number of the newest message with a command of this CmdID.
    by_id: HashMap<SmolStr, usize>,
    /// The number of the first message that is kept.
    first: usize,
    commands: usize,
}

impl CommandsAlone {
    /// Takes in a message that names no session.
    pub(in super::super) fn enter(&mut self, record: &EventRecord) {
        let asks = |it: &&CommandRecord| it.answers.is_none();
        let count = record.commands.iter().filter(asks).count();
        if record.event != EventKind::Response || !(1..=MOST_KEPT).contains(&count) {
            return;
        }
        while self.commands + count > MOST_KEPT {
            self.forget_first();
        }
        let commands = record.commands.iter().filter(asks).cloned();
        let commands: Vec<_> = commands
            .map(|mut command| {
                command.items.truncate(Transaction::MOST_ITEMS);
                command.items.shrink_to_fit();
                command
            })
            .collect();
        self.commands += count;
        let ids = commands.iter().filter_map(|it| it.id.clone());
        let number = self.first + self.messages.len();
        self.by_id
            .extend(ids.filter(|id| id.len() >= LEAST_ID).map(|id| (id, number)));
        self.messages.push_back(EventRecord {
            event: record.event,
            exchange: record.exchange,
            connection: record.connection.clone(),
            message: record.message.clone(),
            commands,
            ..EventRecord::default()
        });
    }

    /// Forgets the oldest message.
    fn forget_first(&mut self) {
        let oldest = self.messages.pop_front().unwrap_or_default();
        self.commands -= oldest.commands.len();
        for id in oldest.commands.iter().filter_map(|it| it.id.as_ref()) {
            if self.by_id.get(id) == Some(&self.first) {
                self.by_id.remove(id);
            }
        }
        self.first += 1;
    }

    /// Returns the messages with commands that a message of a device answers, each with the MsgID by which it names them.
    pub(in super::super) fn answered_by(&self, answer: &EventRecord) -> Vec<EventRecord> {
        let answers = answer.commands.iter().filter_map(|it| it.answers.as_ref());
        let mut found = BTreeMap::new();
        for answers in answers {
            if let Some(number) = self.by_id.get(&answers.id) {
                found.entry(number - self.first).or_insert(&answers.msg);
            }
        }
        let found = found.into_iter();
        found
            .map(|(place, msg)| in_front_of(answer, &self.messages[place], msg))
            .collect()
    }

    /// Returns the messages in front of an answer of local MDM, which names nothing in its SyncHdr; none for another message.
    pub(in super::super) fn answered_by_local_mdm(
        &mut self,
        answer: &EventRecord,
    ) -> Vec<EventRecord> {
        let mut answers = answer.commands.iter().filter_map(|it| it.answers.as_ref());
        let header = answer.message.as_ref();
        let is_empty = header.is_some_and(|it| {
            let names = [&it.session, &it.msg, &it.source, &it.target];
            names
                .iter()
                .all(|name| name.as_ref().is_none_or(|it| it.is_empty()))
        });
        let Some(first) = answers
            .next()
            .filter(|_| is_empty && answer.event == EventKind::Request)
        else {
            return Vec::new();
        };
        let open = std::mem::take(self).messages;
        open.iter()
            .map(|asked| in_front_of(answer, asked, &first.msg))
            .collect()
    }
}

/// Returns commands alone as the message that an answer is for.
fn in_front_of(answer: &EventRecord, asked: &EventRecord, msg: &SmolStr) -> EventRecord {
    EventRecord {
        at_us: answer.at_us,
        message: asked.message.clone().map(|header| MessageRecord {
            msg: Some(msg.clone()),
            ..header
        }),
        ..asked.clone()
    }
}

impl OpenSession {
    /// Takes in commands alone, which the next message of the device answers.
    pub(in super::super) fn commands_alone(&mut self, messages: Vec<EventRecord>) {
        for asked in messages {
            let ids = || asked.commands.iter().filter_map(|it| it.id.as_ref());
            let is_known = self
                .transactions
                .iter()
                .any(|it| it.from == Side::Server && ids().any(|id| *id == it.asked.cmd_id));
            if !is_known || self.is_local_mdm() {
                self.alone.extend(asked.exchange);
                self.message(&asked);
            }
        }
    }

    /// Whether the session is one of local MDM on the device, without a server.
    pub(in super::super) fn is_local_mdm(&self) -> bool {
        self.summary.number.is_none()
    }

    /// Returns the transaction of a command alone that an answer belongs to: the newest, whatever MsgRef the answer has.
    pub(super) fn sent_alone(&self, answer: &CommandRecord) -> Option<usize> {
        let answers = answer.answers.as_ref().filter(|_| !self.alone.is_empty())?;
        let asked = answers.cmd.as_ref().map_or("Get", |cmd| cmd);
        self.transactions.iter().rposition(|it| {
            it.asked.cmd_id == answers.id
                && it.command == asked
                && self.alone.contains(&it.asked.exchange)
        })
    }

    /// Notes an answer whose command the record does not have.
    pub(super) fn orphan(&mut self, exchange: u64, command: &CommandRecord) {
        if self.unasked.len() < MOST_KEPT {
            let at_us = self.summary.ended_us;
            self.unasked.extend(unasked(exchange, at_us, command));
        }
        if self.orphans.len() < MOST_ORPHANS {
            let which = match self.is_rest {
                true => "from before that end",
                false => "which is not in the record",
            };
            self.orphans.extend(failure_words(exchange, command, which));
        }
    }
}

/// Returns the failure of an unknown command in words; `which` says why it is unknown. `None` if the answer reports no
/// failure.
pub(in super::super) fn failure_words(
    exchange: u64,
    command: &CommandRecord,
    which: &str,
) -> Option<String> {
    let status = command.status.as_ref();
    let code = status.and_then(|status| status.code);
    let (Some(answers), Some(code @ 400..)) = (&command.answers, code) else {
        return None;
    };
    let name = answers.cmd.as_ref().map(short);
    let name = name.as_deref().unwrap_or("a command");
    let node = answers.loc_uri.as_ref().map(short);
    let node = node.map_or_else(String::new, |node| format!(" {node}"));
    let error = status.and_then(|status| status.original_error.as_ref());
    let error = error.map(|error| format!(" · {}", hresult_words(&short(error))));
    let place = message_and_cmd_id(&short(&answers.msg), &short(&answers.id));
    Some(format!(
        "x{exchange}: {} for {name}{node} ({place}), {which}{}",
        StatusCode(code),
        error.unwrap_or_default()
    ))
}

/// Returns the failures that an Alert of no session reports, in words; or that it ended the session.
pub(in super::super) fn alerted_failures(exchange: u64, alert: &CommandRecord) -> Vec<String> {
    let code = alert.alert.as_ref().and_then(|it| it.code);
    let name = AlertCode(code.unwrap_or_default());
    match code {
        Some(SESSION_ABORT) => return vec![format!("x{exchange}: Alert {name}")],
        Some(1224 | 1226) => {}
        _ => return Vec::new(),
    }
    let place = CommandPlace {
        exchange,
        message: SmolStr::default(),
        cmd_id: SmolStr::default(),
        at_us: 0,
    };
    let alert = transaction(Side::Device, place, alert);
    let correlator = alert.correlator.as_ref();
    let failures = alert.items.iter().filter_map(|item| {
        let about = item.node.as_ref().or(correlator)?;
        match reported_end(item)? {
            ReportedValue::Failed(meaning) => Some(format!(
                "x{exchange}: {about}: the device reports a failure, {meaning} (Alert {name})"
            )),
            _ => None,
        }
    });
    failures.collect()
}

/// The length of the shortest CmdID that is unique in a whole file: shorter ones are numbers that start again in each
/// message.
const LEAST_ID: usize = 16;
