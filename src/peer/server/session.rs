//! One session on the server's side: what it received, and what it still has to send.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use super::wrong_version;
use crate::dm::compose::StatusBuilder;
use crate::dm::{AlertCode, Command, CommandKind, Message, StatusCode, SyncHdr, locuri};
use crate::peer::compose::{Composer, Position};
use crate::peer::large::{
    BUFFERED, Incoming, LargeObject, MAX_VALUE_BYTES, NoRoom, Outgoing, SIZE_MISMATCH, Sizes,
};
use crate::peer::plan::{Plan, PlannedCommand};

/// One session on the server's side.
#[derive(Debug, Default)]
pub struct ServerSession {
    pub(super) msg_id: u32,
    package: usize,
    /// The commands of the current package that are not sent yet.
    queue: VecDeque<Arc<PlannedCommand>>,
    /// The value that is being sent in chunks.
    sending: Option<Sending>,
    sent: HashMap<(u32, u32), SentCommand>,
    /// The LocURIs of values that were sent once more; a second repetition is not allowed.
    again: Vec<String>,
    incoming: Incoming,
    /// Large objects whose end never came.
    lost: Vec<LargeObject>,
    theirs: Sizes,
    /// The newest message of the device, and the answer to it. A repeated message gets the same answer again.
    pub(super) last: Option<(Bytes, String)>,
    /// The device's answer to each command, in order: the command and the code.
    pub outcomes: Vec<(String, StatusCode)>,
    /// The complete values that the device reported, in order: LocURI and text, 8 MiB in all.
    pub values: Vec<(String, String)>,
    value_bytes: usize,
    /// Commands that were not sent, because the device does not accept values of their size, or messages long enough
    /// for a part of them.
    pub withheld: Vec<String>,
}

/// A command that was sent.
#[derive(Debug)]
struct SentCommand {
    what: String,
    /// The command itself, if its value can be sent once more.
    order: Option<Arc<PlannedCommand>>,
}

/// A value that is being sent.
#[derive(Debug)]
struct Sending {
    order: Arc<PlannedCommand>,
    rest: Outgoing,
    /// The CmdID of the last chunk in the last message.
    cmd_id: u32,
    /// Whether the device accepted that chunk.
    accepted: bool,
}

/// The place of a command in the messages.
enum Placed {
    /// The command is written or withheld.
    Here,
    /// The command belongs to the next package.
    Later,
    /// The command begins here and continues in further messages.
    InChunks(Outgoing),
}

impl ServerSession {
    /// Begins the answer to a message with this header.
    pub(super) fn begin(&mut self, header: SyncHdr<'_>) {
        self.theirs.note(header);
        self.msg_id += 1;
    }

    /// Answers a message: first with the Statuses that are due, then with the next commands of the plan.
    pub(super) fn answer(
        &mut self,
        message: Message<'_>,
        msg_ref: &str,
        mut reply: Composer,
        plan: &Plan,
    ) -> String {
        let version = message.header().and_then(wrong_version);
        self.note_message(message);
        self.acknowledge(&mut reply, message, msg_ref, version);
        let goes_on = version.is_none() && !message.has_alert(AlertCode::SESSION_ABORT);
        // While a value is being sent in chunks, the server's package is the open one.
        let asks = !message.is_final()
            && !message.has_alert(AlertCode::NEXT_MESSAGE)
            && self.sending.is_none();
        let open = if goes_on && asks {
            // The device has more to say: "Next Message" (PRO 6).
            reply.alert(AlertCode::NEXT_MESSAGE);
            true
        } else {
            goes_on && self.go_on(plan, &mut reply)
        };
        match open {
            true => reply.finish_open(),
            false => reply.finish(),
        }
    }

    /// Reads the Statuses of a message, and its alerts about large objects.
    fn note_message(&mut self, message: Message<'_>) {
        let number = |text: Option<Cow<'_, str>>| text.and_then(|text| text.parse().ok());
        for command in message.commands() {
            if let Some(status) = command.as_status() {
                let refs = number(status.msg_ref()).zip(number(status.cmd_ref()));
                if let (Some(refs), Some(code)) = (refs, status.code()) {
                    self.answered(refs, code);
                }
            }
            if command.as_alert().and_then(|alert| alert.code()) == Some(AlertCode(1225)) {
                let lost = command.loc_uri().map(|uri| locuri::canonical(&uri));
                let named = |order: &PlannedCommand| {
                    order.value().map(|(uri, _)| locuri::canonical(uri)) == lost
                };
                let known = self
                    .sent
                    .iter()
                    .filter_map(|(at, entry)| Some((at, entry.order.as_ref()?)));
                let last = known
                    .filter(|(_, order)| named(order))
                    .max_by_key(|(at, _)| **at);
                if let Some(order) = last.map(|(_, order)| order.clone()) {
                    self.once_more(order);
                }
            }
        }
        // A chunk that the device did not accept is the last one of its object.
        self.sending.take_if(|sending| !sending.accepted);
    }

    fn answered(&mut self, refs: (u32, u32), code: StatusCode) {
        let Some(entry) = self.sent.get(&refs) else {
            return;
        };
        if self.outcomes.len() < MOST_OUTCOMES {
            self.outcomes.push((entry.what.clone(), code));
        }
        let order = entry.order.clone();
        let chunk = self.sending.as_mut();
        let chunk = chunk.filter(|sending| refs == (self.msg_id - 1, sending.cmd_id));
        match (chunk, order) {
            (Some(sending), _) if code == BUFFERED => sending.accepted = true,
            // The device waits for more, but there is nothing left; or the size differs from the announced size.
            (_, Some(order)) if [BUFFERED, SIZE_MISMATCH].contains(&code) => self.once_more(order),
            _ => {}
        }
    }

    /// Sends a whole value again, unless it was sent again before.
    fn once_more(&mut self, order: Arc<PlannedCommand>) {
        let uri = order
            .value()
            .map_or(String::new(), |(uri, _)| locuri::canonical(uri));
        self.sending
            .take_if(|sending| Arc::ptr_eq(&sending.order, &order));
        if !self.again.contains(&uri) {
            self.again.push(uri);
            self.queue.push_front(order);
        }
    }

    /// Writes the next commands, as far as they fit into the message. Returns whether the package stays open.
    fn go_on(&mut self, plan: &Plan, reply: &mut Composer) -> bool {
        let most = plan.sizes().longest_message(self.theirs);
        let empty = reply.mark();
        if let Some(sending) = self.sending.take() {
            if self.send(sending, most, empty, reply) {
                return true;
            }
        } else {
            self.refill(plan);
        }
        while let Some(order) = self.queue.pop_front() {
            match self.place(&order, most, empty, reply) {
                Placed::Here => {}
                // The command goes into a package of its own: only a large object leaves a package open (PRO 6).
                Placed::Later => {
                    self.queue.push_front(order);
                    return false;
                }
                Placed::InChunks(rest) => {
                    let (cmd_id, accepted) = (0, false);
                    let sending = Sending {
                        order,
                        rest,
                        cmd_id,
                        accepted,
                    };
                    return self.send(sending, most, empty, reply);
                }
            }
        }
        // A message without commands would end the session.
        reply.mark() == empty && self.package < plan.packages.len() && self.go_on(plan, reply)
    }

    /// Writes a command if it fits. Returns where else it belongs otherwise.
    fn place(
        &mut self,
        order: &Arc<PlannedCommand>,
        most: usize,
        empty: Position,
        reply: &mut Composer,
    ) -> Placed {
        let value = order.value().map(|(_, text)| text);
        if value.is_some_and(|text| self.theirs.exceeds(text.len())) {
            self.withheld.push(order.to_string());
            return Placed::Here;
        }
        let before = reply.mark();
        let sent = order.write(reply);
        let only = before == empty;
        if reply.fits(most) || only && value.is_none() {
            self.enter(sent, order);
            return Placed::Here;
        }
        let fits_alone = reply.fits_alone(before, most);
        reply.back_to(before);
        match value.filter(|_| only || !fits_alone) {
            Some(text) => Placed::InChunks(Outgoing::new(text)),
            None => Placed::Later,
        }
    }

    /// Takes the commands of the next package, if the last package is sent completely.
    fn refill(&mut self, plan: &Plan) {
        let next = plan.packages.get(self.package);
        if let Some(package) = next.filter(|_| self.queue.is_empty()) {
            self.package += 1;
            self.queue
                .extend(package.commands.iter().cloned().map(Arc::new));
        }
    }

    /// Sends as much of a value as fits. Returns whether the rest follows in further messages.
    fn send(
        &mut self,
        mut sending: Sending,
        most: usize,
        empty: Position,
        reply: &mut Composer,
    ) -> bool {
        let Sending { order, rest, .. } = &mut sending;
        let written = rest.write_some(reply, most, empty, |m, chunk| order.write_chunk(m, chunk));
        let cmd_id = match written {
            Ok(cmd_id) => cmd_id,
            Err(NoRoom::Here) => {
                self.queue.push_front(sending.order);
                return false;
            }
            Err(NoRoom::Anywhere) => {
                self.withheld.push(order.to_string());
                self.abort(reply);
                return false;
            }
        };
        let what = order.to_string();
        self.enter(vec![(cmd_id, what)], &sending.order);
        if sending.rest.is_whole() {
            return false;
        }
        (sending.cmd_id, sending.accepted) = (cmd_id, false);
        self.sending = Some(sending);
        true
    }

    /// Ends the session early (Alert 1223); nothing more of the plan is sent.
    fn abort(&mut self, reply: &mut Composer) {
        self.queue.clear();
        self.package = usize::MAX;
        reply.alert(AlertCode::SESSION_ABORT);
    }

    fn enter(&mut self, sent: Vec<(u32, String)>, order: &Arc<PlannedCommand>) {
        for (cmd_id, what) in sent {
            let order = order.value().is_some().then(|| order.clone());
            self.sent
                .insert((self.msg_id, cmd_id), SentCommand { what, order });
        }
    }

    /// Writes a Status for the SyncHdr and for every command except Status and correct Results (PRO 6; DREP 6.5.1).
    pub(super) fn acknowledge(
        &mut self,
        reply: &mut Composer,
        message: Message<'_>,
        msg_ref: &str,
        refused: Option<StatusCode>,
    ) {
        let code = refused.unwrap_or(StatusCode(200));
        reply.status(&StatusBuilder::of_header(msg_ref, code));
        for command in message.commands() {
            let code = match command.kind() {
                CommandKind::Status => continue,
                CommandKind::Results => match self.read(command) {
                    Ok(()) => continue,
                    Err(code) => code,
                },
                CommandKind::Alert | CommandKind::Replace => StatusCode(200),
                _ => StatusCode(405),
            };
            let code = refused.unwrap_or(code);
            reply.status(&StatusBuilder::of(msg_ref, command, code));
        }
        if message.is_final() {
            self.lost.extend(self.incoming.give_up(None));
        }
        for lost in self.lost.drain(..) {
            reply.no_end_of_data(&lost);
        }
    }

    /// Reads the values of Results.
    ///
    /// # Errors
    /// Returns the code to answer with: 213 for a chunk, otherwise the code of the error.
    fn read(&mut self, command: Command<'_>) -> Result<(), StatusCode> {
        let mut outcome = Ok(());
        for item in command.items() {
            let uri = item.source().unwrap_or_default().into_owned();
            let what = LargeObject {
                command: "Results".into(),
                uri: uri.clone(),
            };
            self.lost.extend(self.incoming.give_up(Some(&what)));
            match self.incoming.take(what, command, item, MAX_VALUE_BYTES) {
                Ok(Some(value)) => self.note(uri, value),
                Ok(None) => outcome = outcome.and(Err(BUFFERED)),
                Err(code) => outcome = Err(code),
            }
        }
        outcome
    }

    /// Remembers a value, if there is room for it.
    fn note(&mut self, uri: String, value: String) {
        let bytes = self.value_bytes + uri.len() + value.len();
        if self.values.len() < MOST_OUTCOMES && bytes <= MOST_VALUE_BYTES {
            self.value_bytes = bytes;
            self.values.push((uri, value));
        }
    }
}

/// The most answers, and the most values, that a session remembers.
const MOST_OUTCOMES: usize = 10_000;
/// The most bytes of values that a session remembers, with their LocURIs.
const MOST_VALUE_BYTES: usize = 8 << 20;
