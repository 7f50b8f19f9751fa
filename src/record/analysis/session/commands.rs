//! The commands of a message become transactions, as they were sent and as they were received.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use smol_str::{SmolStr, format_smolstr};

use super::super::exchanged::Exchanged;
use super::super::links::entry;
use super::answers::{item, place, short};
use super::{MOST_KEPT, OpenObject, OpenSession, add_rules};
use crate::dm::AlertCode;
use crate::flow::session::CommandIndex;
use crate::flow::{Arrival, CommandPlace, Side, Transaction, TransactionItem, TransactionOutcome};
use crate::record::model::{CommandRecord, ItemRecord, MessageRecord, NoteRecord};
use crate::record::redact::MASK;

impl OpenSession {
    /// Takes in the commands of a message that is no repetition.
    pub(super) fn commands(&mut self, message: &Exchanged<'_>) {
        let from = message.from;
        let first = self.transactions.len();
        let mut entries = Vec::new();
        if let Some((header, commands)) = message.sent {
            let errors = errors(message, commands);
            let mut around: Vec<(u32, usize)> = Vec::new();
            for (number, command) in commands.iter().enumerate() {
                around.retain(|(depth, _)| *depth < command.depth);
                if is_alert(command, NO_END_OF_DATA) {
                    self.object_given_up(
                        from.other(),
                        command.loc_uri.as_ref().map(short).as_deref(),
                    );
                }
                let Some(at) = self.ask(message, header, command) else {
                    continue;
                };
                if let Some(error) = errors.get(&number) {
                    self.errors.entry(at).or_insert_with(|| error.clone());
                }
                let transaction = &mut self.transactions[at];
                if message.record.own && is_alert(command, AlertCode::NEXT_MESSAGE.0) {
                    transaction.arrival = Arrival::Injected;
                    transaction.rules = message.rules();
                }
                transaction.parent = parent(&around, at).or(transaction.parent);
                add_rules(&mut transaction.rules, message.rules_of(number));
                around.push((command.depth, at));
                entries.push((command, at));
            }
            if !entries.is_empty() {
                let index = entries.iter().map(|(command, at)| entry(command, *at));
                let index = Arc::new(CommandIndex::new(index));
                let msg_id = header.msg.clone().unwrap_or_default();
                self.sent[from].enter(&msg_id, index.clone());
                if !message.is_changed() && message.arrives {
                    self.received[from].enter(&msg_id, index);
                }
            }
        }
        if message.is_changed() {
            self.commands_received(message, first, &entries);
        }
        for at in entries.into_iter().map(|(_, at)| at) {
            let transaction = &mut self.transactions[at];
            if !message.arrives && transaction.arrival == Arrival::Delivered {
                transaction.arrival = Arrival::Undelivered;
            }
            let waits = transaction.arrival != Arrival::Undelivered;
            let is_listed = at < first && self.open.contains(&at);
            if waits && transaction.outcome == TransactionOutcome::Open && !is_listed {
                self.open.push(at);
            }
        }
    }

    /// Takes in the commands of a message that a rule changed, as they were received.
    fn commands_received(
        &mut self,
        message: &Exchanged<'_>,
        first: usize,
        sent: &[(&CommandRecord, usize)],
    ) {
        let mut left: VecDeque<(&CommandRecord, usize)> = sent.iter().copied().collect();
        let mut entries = Vec::new();
        let received = message.received().filter(|_| message.arrives);
        let commands = received.iter().flat_map(|(_, commands)| commands.iter());
        let commands: Vec<_> = commands.filter(|it| it.answers.is_none()).collect();
        // A rule may change the CmdID or the name of a command.
        let is_same: [fn(&CommandRecord, &CommandRecord) -> bool; 3] = [
            |one, other| one.id == other.id && one.kind == other.kind,
            |one, other| one.id == other.id && one.id.is_some(),
            |one, other| one.kind == other.kind,
        ];
        let mut known: Vec<Option<(&CommandRecord, usize)>> = vec![None; commands.len()];
        for is_same in is_same {
            let unknown = known
                .iter_mut()
                .zip(&commands)
                .filter(|(known, _)| known.is_none());
            for (known, command) in unknown {
                // Commands keep their order as a rule: the first one that is left fits.
                let at = left.iter().position(|(sent, _)| is_same(sent, command));
                *known = at.and_then(|at| left.remove(at));
            }
        }
        let mut around: Vec<(u32, usize)> = Vec::new();
        for (command, known) in commands.into_iter().zip(known) {
            around.retain(|(depth, _)| *depth < command.depth);
            let at = match (known, received) {
                (Some((sent, at)), _) => {
                    let transaction = &mut self.transactions[at];
                    // The sender also waits for answers about Items that a rule removed.
                    let is_part = command.items.iter().all(|it| sent.items.contains(it));
                    if transaction.chunks == 0 && !is_part {
                        let items = command.items.iter().take(Transaction::MOST_ITEMS);
                        transaction.items = items.map(item).collect();
                    }
                    if transaction.rules.is_empty() && is_another(sent, command) {
                        transaction.rules = message.rules();
                    }
                    at
                }
                (None, Some((header, _))) => {
                    let Some(at) = self.new_transaction(message, header, command) else {
                        continue;
                    };
                    let transaction = &mut self.transactions[at];
                    transaction.arrival = Arrival::Injected;
                    transaction.parent = parent(&around, at);
                    transaction.rules = message.rules();
                    self.interrupted(message);
                    at
                }
                _ => continue,
            };
            around.push((command.depth, at));
            entries.push(entry(command, at));
        }
        if let Some((header, _)) = received {
            let msg_id = header.msg.clone().unwrap_or_default();
            let index = Arc::new(CommandIndex::new(entries.into_iter()));
            self.received[message.from].enter(&msg_id, index);
        }
        if !message.arrives {
            return;
        }
        for at in left.into_iter().map(|(_, at)| at).filter(|at| *at >= first) {
            let transaction = &mut self.transactions[at];
            transaction.arrival = Arrival::Withheld;
            if transaction.rules.is_empty() {
                transaction.rules = message.rules();
            }
        }
    }

    /// Notes that a rule put something between the chunks of objects.
    fn interrupted(&mut self, message: &Exchanged<'_>) {
        for object in self
            .objects
            .iter()
            .filter(|object| object.from == message.from)
        {
            self.transactions[object.transaction].rules = message.rules();
        }
    }

    /// Returns the place of the transaction of a command; `None` for an answer, and if there are too many.
    fn ask(
        &mut self,
        message: &Exchanged<'_>,
        header: &MessageRecord,
        command: &CommandRecord,
    ) -> Option<usize> {
        let chunk = match &command.items[..] {
            // A container is never a chunk, even if it has an Item.
            _ if matches!(&*command.kind, "Atomic" | "Sequence") => None,
            [only] => Some(only),
            _ => None,
        };
        let object = chunk.and_then(|item| self.object(message.from, item));
        let more = chunk.is_some_and(|item| item.more);
        if command.answers.is_some() && !more && object.is_none() {
            return None;
        }
        let at = match object {
            Some(object) => {
                let at = self.objects[object].transaction;
                if !more {
                    self.objects.swap_remove(object);
                }
                at
            }
            None => {
                let at = self.new_transaction(message, header, command)?;
                let has_room = self.objects.len() < MOST_OBJECTS;
                if let Some(item) = chunk.filter(|_| more && has_room) {
                    self.objects.push(OpenObject {
                        from: message.from,
                        node: node(item).map(short),
                        transaction: at,
                        size: item.size,
                    });
                }
                at
            }
        };
        if more || object.is_some() {
            let transaction = &mut self.transactions[at];
            transaction.chunks += 1;
            transaction.outcome = TransactionOutcome::Open;
            let bytes = chunk
                .and_then(|item| item.data.as_ref())
                .map_or(0, |data| data.bytes);
            if let Some(item) = transaction.items.first_mut().filter(|_| object.is_some()) {
                item.bytes = item.bytes.saturating_add(bytes);
            }
        }
        Some(at)
    }

    fn new_transaction(
        &mut self,
        message: &Exchanged<'_>,
        header: &MessageRecord,
        command: &CommandRecord,
    ) -> Option<usize> {
        let at = self.transactions.len();
        if at == MOST_TRANSACTIONS {
            let from_server = u32::from(message.from == Side::Server);
            self.summary.commands.not_kept += from_server;
            return None;
        }
        let asked = place(message, header, command);
        self.add(transaction(message.from, asked, command));
        Some(at)
    }

    /// Adds a transaction, and numbers it.
    pub(super) fn add(&mut self, transaction: Transaction) {
        let number = u32::try_from(self.transactions.len() + 1).unwrap_or(u32::MAX);
        self.transactions.push(Transaction {
            number,
            ..transaction
        });
    }

    /// Returns the place of the large object that a command or Results continues.
    fn object(&self, from: Side, item: &ItemRecord) -> Option<usize> {
        let node = node(item).map(short);
        let is_it = |object: &OpenObject| object.from == from && object.node == node;
        self.objects.iter().position(is_it)
    }

    /// Notes that the receiver missed the end of an object from this sender.
    fn object_given_up(&mut self, from: Side, node: Option<&str>) {
        if self.incomplete.len() >= MOST_KEPT {
            return;
        }
        let incomplete = &mut self.incomplete;
        let is_about = |known: Option<&str>| node.is_none() || known == node;
        if !self
            .objects
            .iter()
            .any(|it| it.from == from && is_about(it.node.as_deref()))
        {
            let mut newest_first = self.transactions.iter().rev();
            let known =
                newest_first.find(|it| it.from == from && node.is_some() && it.node() == node);
            let known = known.map(|known| known.number as usize - 1);
            let known = known.filter(|at| incomplete.iter().all(|(listed, _)| listed != at));
            incomplete.extend(known.map(|known| (known, None)));
        }
        self.objects.retain(|object| {
            let is_it = object.from == from && is_about(object.node.as_deref());
            if is_it {
                incomplete.push((object.transaction, object.size));
            }
            !is_it
        });
    }

    /// Notes that no more chunks will come.
    pub(super) fn no_more_chunks(&mut self) {
        let room = MOST_KEPT.saturating_sub(self.incomplete.len());
        let objects = self.objects.drain(..).take(room);
        self.incomplete
            .extend(objects.map(|object| (object.transaction, object.size)));
    }
}

/// Whether a command has something that only Windows has: a node of Microsoft's, a type of its Alerts, a native error.
pub(super) fn is_of_windows(command: &CommandRecord) -> bool {
    let has_error = command
        .status
        .as_ref()
        .is_some_and(|it| it.original_error.is_some());
    has_error
        || command.items.iter().any(|item| {
            let texts = [&item.target, &item.source, &item.media_type];
            texts.into_iter().flatten().any(|text| {
                let text = text.to_ascii_lowercase();
                text.contains("/msft/") || text.contains("com.microsoft")
            })
        })
}

/// Whether the receiver got another command than the sender sent, as far as masked values show that.
fn is_another(sent: &CommandRecord, received: &CommandRecord) -> bool {
    let key = |it: &CommandRecord| (it.kind.clone(), it.alert.clone(), it.items.len());
    let is_same = |(one, other): (&ItemRecord, &ItemRecord)| {
        let data = [one, other].map(|it| it.data.as_ref());
        let mut values = data.iter().flatten();
        let is_masked = values.any(|it| it.masked || it.text.contains(MASK));
        let about = |it: &ItemRecord| (it.target.clone(), it.source.clone(), it.format.clone());
        let is_same_value = is_masked || data[0] == data[1];
        about(one) == about(other) && one.media_type == other.media_type && is_same_value
    };
    let mut items = sent.items.iter().zip(&received.items);
    key(sent) != key(received) || !items.all(is_same)
}

fn node(item: &ItemRecord) -> Option<&SmolStr> {
    item.target.as_ref().or(item.source.as_ref())
}

/// Returns the number of the innermost container around a command, of those `around` it by place.
fn parent(around: &[(u32, usize)], at: usize) -> Option<u32> {
    let (_, parent) = around.last().filter(|(_, parent)| *parent < at)?;
    u32::try_from(parent + 1).ok()
}

/// Returns the transaction of a command without an answer, and without a number.
pub(super) fn transaction(from: Side, asked: CommandPlace, command: &CommandRecord) -> Transaction {
    let items = command.items.iter().take(Transaction::MOST_ITEMS);
    let code = command.alert.as_ref().and_then(|alert| alert.code);
    let items = items.map(|record| match &record.source {
        // The Target of a Generic Alert may be what the work made.
        Some(source) if code == Some(1226) => TransactionItem {
            node: Some(short(source)),
            ..item(record)
        },
        _ => item(record),
    });
    Transaction {
        number: 0,
        from,
        command: short(&command.kind),
        asked,
        parent: None,
        alert: code,
        correlator: command.correlator.as_ref().map(short),
        items: items.collect(),
        answers: Vec::new(),
        results: Vec::new(),
        chunks: 0,
        arrival: Arrival::Delivered,
        rules: Vec::new(),
        outcome: TransactionOutcome::Open,
    }
}

/// Returns an error about each command of a message that breaks the standard, by the place of the command: about its
/// CmdID, else the first noted error, else a warning about its value.
fn errors(message: &Exchanged<'_>, commands: &[CommandRecord]) -> HashMap<usize, NoteRecord> {
    let mut ids: Vec<&str> = commands.iter().filter_map(|it| it.id.as_deref()).collect();
    ids.sort_unstable();
    let is_shared = |id: &str| {
        let first = ids.partition_point(|known| *known < id);
        ids.get(first + 1) == Some(&id)
    };
    let of_id = |command: &CommandRecord| match command.id.as_deref() {
        None | Some("") => Some(SmolStr::new_static("it has no CmdID")),
        Some(id) if is_shared(id) => Some(format_smolstr!(
            "its CmdID {id} is that of another command of the message, too"
        )),
        Some(_) => None,
    };
    let numbered = commands.iter().enumerate();
    let mut errors: HashMap<_, _> = numbered
        .filter_map(|(number, command)| {
            let note = NoteRecord {
                id: SmolStr::new_static("CMD-01"),
                severity: SmolStr::new_static("error"),
                at: None,
                text: of_id(command)?,
            };
            Some((number, note))
        })
        .collect();
    let noted = message.record.notes.iter();
    let is_error = |it: &&NoteRecord| it.severity == "error" && it.id != "CMD-01";
    let is_of_value = |it: &&NoteRecord| it.severity == "warning" && it.id.starts_with("ITM-");
    let of_values = noted.clone().filter(is_of_value);
    for note in noted.filter(is_error).chain(of_values) {
        // The innermost command around the place of the note.
        let Some(at) = note.at else { continue };
        let number = commands
            .iter()
            .rposition(|it| (it.span.0..it.span.1).contains(&at));
        if let Some(number) = number {
            errors.entry(number).or_insert_with(|| note.clone());
        }
    }
    errors
}

/// The most transactions that are kept of one session.
pub(super) const MOST_TRANSACTIONS: usize = 10_000;

/// The most large objects that are followed at a time.
const MOST_OBJECTS: usize = 256;

/// Alert 1225: the end of a large object is missing.
pub(in super::super) const NO_END_OF_DATA: u16 = 1225;

/// Whether an Alert has this code.
pub(super) fn is_alert(command: &CommandRecord, code: u16) -> bool {
    command.alert.as_ref().and_then(|alert| alert.code) == Some(code)
}
