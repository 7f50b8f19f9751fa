//! A message of a record as its sender and as its receiver know it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use memchr::memmem;
use smol_str::SmolStr;

use crate::flow::effect::SWAP;
use crate::flow::{EffectDetail, EffectKind, Side};
use crate::record::EventRecord;
use crate::record::model::{
    CommandRecord, EventKind, MessageRecord, OpRecord, ParsedBodyRecord, RuleEffectRecord,
    UnreadCause,
};

/// A message.
pub(super) struct Exchanged<'r> {
    pub(super) record: &'r EventRecord,
    pub(super) from: Side,
    pub(super) exchange: u64,
    /// The message that the peer sent; dmtap's own answer has none.
    pub(super) sent: Option<(&'r MessageRecord, &'r [CommandRecord])>,
    /// The message that dmtap sent on, where a rule changed it.
    pub(super) changed: Option<(MessageRecord, Vec<CommandRecord>)>,
    /// Whether it arrived, as far as its delivery shows.
    pub(super) arrives: bool,
    /// A number for its bytes; two messages with different numbers are different.
    pub(super) fingerprint: Option<u64>,
    /// For each change of a rule its name, and the command that it is in.
    touches: Vec<(SmolStr, Option<usize>)>,
}

impl<'r> Exchanged<'r> {
    pub(super) fn of(record: &'r EventRecord) -> Self {
        let from = match record.event {
            EventKind::Request => Side::Device,
            _ => Side::Server,
        };
        let sent = record.message.as_ref();
        Self {
            record,
            from,
            exchange: record.exchange.unwrap_or_default(),
            sent: sent.map(|message| (message, &record.commands[..])),
            changed: record.sent_message(),
            arrives: OpRecord::is_whole(&record.delivery),
            fingerprint: sent.and_then(|_| fingerprint(record)),
            touches: touches(record),
        }
    }

    /// The message that its receiver gets.
    pub(super) fn received(&self) -> Option<(&MessageRecord, &[CommandRecord])> {
        match &self.changed {
            Some((message, commands)) => Some((message, commands)),
            // Something else went out in its place.
            None if self.record.sent.is_some() => None,
            None => self.sent,
        }
    }

    /// Whether its receiver gets something else than was sent.
    pub(super) fn is_changed(&self) -> bool {
        self.record.sent.is_some()
    }

    /// The rules that acted on one of its commands.
    pub(super) fn rules_of(&self, command: usize) -> Vec<SmolStr> {
        let on_it = self.touches.iter().filter(|(_, at)| *at == Some(command));
        distinct(on_it.map(|(rule, _)| rule))
    }

    /// The rules that acted on it anywhere.
    pub(super) fn rules(&self) -> Vec<SmolStr> {
        match self.touches.is_empty() {
            true => of_user(&distinct(
                self.record.applied.iter().map(|applied| &applied.rule),
            )),
            false => distinct(self.touches.iter().map(|(rule, _)| rule)),
        }
    }

    /// The rules that acted on the message as a whole.
    pub(super) fn rules_of_whole(&self) -> Vec<SmolStr> {
        let on_whole = self.touches.iter().filter(|(_, at)| at.is_none());
        distinct(on_whole.map(|(rule, _)| rule))
    }

    /// Whether rules left nothing of a message to read, as far as dmtap reads it.
    pub(super) fn is_unreadable(&self) -> bool {
        self.sent.is_some() && self.received().is_none() && self.arrives
    }

    /// The rules that changed what its receiver takes it for: its SyncHdr, its Final, or the body as a whole.
    pub(super) fn rules_of_frame(&self) -> Vec<SmolStr> {
        use EffectKind::{Body, Inverted, Replaced};
        self.rules_that(|it| {
            let is_of_body = it.path.is_empty() && matches!(it.kind, Body | Inverted | Replaced);
            is_of_body || it.path.contains("/SyncHdr/") || it.path.ends_with("/Final")
        })
    }

    /// The rules that changed what it says; a late message says the same.
    pub(super) fn rules_of_content(&self) -> Vec<SmolStr> {
        use EffectKind::{Delayed, Slowed};
        self.rules_that(|it| is_felt(it) && !matches!(it.kind, Delayed | Slowed))
    }

    /// The rules that acted on it anywhere, so that its receiver may act otherwise.
    pub(super) fn rules_felt(&self) -> Vec<SmolStr> {
        let mut rules = self.rules();
        rules.retain(|rule| {
            let applied = self.record.applied.iter().filter(|it| it.rule == *rule);
            let mut changes = applied.flat_map(|it| &it.changes).peekable();
            changes.peek().is_none() || changes.any(is_felt)
        });
        rules
    }

    /// The rules that made the HTTP status that the device gets.
    pub(super) fn rules_of_status(&self) -> Vec<SmolStr> {
        use EffectKind::{Answered, HttpStatus};
        self.rules_that(|it| match it.kind {
            HttpStatus => it.before != it.after,
            kind => kind == Answered,
        })
    }

    /// The HTTP status of a response: an error of the server, whatever a rule made of it, else that which a rule made.
    pub(super) fn http_status(&self) -> u16 {
        let received = self.record.http_status().unwrap_or(200);
        let mut changes = self.record.applied.iter().flat_map(|it| &it.changes);
        let makes_it =
            |it: &EffectKind| matches!(it, EffectKind::HttpStatus | EffectKind::Answered);
        let last = changes.rfind(|it| makes_it(&it.kind) && it.is_done());
        let made = last.and_then(|it| it.after.parse().ok());
        match received {
            300.. => received,
            _ => made.unwrap_or(received),
        }
    }

    /// The rules of the user with such a change of their own.
    fn rules_that(&self, is_it: impl Fn(&EffectDetail) -> bool) -> Vec<SmolStr> {
        let has_it = |applied: &&RuleEffectRecord| {
            let mut changes = applied.changes.iter();
            changes.any(|it| it.is_done() && !it.is_reconciling() && is_it(it))
        };
        let applied = self.record.applied.iter().filter(has_it);
        of_user(&distinct(applied.map(|applied| &applied.rule)))
    }

    /// How long dmtap held it back, in microseconds.
    pub(super) fn held_us(&self) -> u64 {
        let record = self.record;
        let bytes = record.bytes_sent.or(record.bytes).unwrap_or_default();
        let held = record.delivery.iter().map(|op| match *op {
            OpRecord::WaitUs(time) => time,
            OpRecord::BytesPerSecond(rate) => bytes.saturating_mul(1_000_000) / rate.max(1),
            OpRecord::SlicesUs(size, pause) => (bytes / size.max(1)).saturating_mul(pause),
            _ => 0,
        });
        held.fold(0, u64::saturating_add)
    }

    /// Whether it is of another kind: a page, JSON, plain text.
    pub(super) fn is_foreign(&self) -> bool {
        let is_read = match &self.record.reading {
            Some(ParsedBodyRecord::Undecoded { .. }) => true,
            Some(ParsedBodyRecord::Document { dialect, .. }) => dialect != "syncml",
            _ => false,
        };
        is_read && self.sent.is_none() && !self.record.own && !self.is_changed()
    }

    /// Why nobody knows all that it says; dmtap's own answer is known.
    pub(super) fn unread(&self) -> Option<SmolStr> {
        match &self.record.reading {
            Some(ParsedBodyRecord::Opaque { why, .. } | ParsedBodyRecord::Unread { why, .. }) => {
                (!self.record.own).then(|| why.clone())
            }
            _ => {
                let mut notes = self.record.notes.iter();
                let cut = notes.find(|note| note.id == CUT)?;
                Some(cut.text.clone())
            }
        }
    }

    /// What kept its body from being read.
    pub(super) fn unread_cause(&self) -> Option<UnreadCause> {
        match self.record.reading {
            Some(ParsedBodyRecord::Unread { cause, .. }) => cause,
            _ => None,
        }
    }

    /// Where it leads the device past dmtap, in words.
    pub(super) fn leads_away(&self) -> Option<SmolStr> {
        let mut notes = self.record.notes.iter();
        let note = notes.find(|note| note.id == "STAY-01")?;
        Some(note.text.clone())
    }

    /// Whether blanks or line breaks stand between its elements as its receiver gets it.
    pub(super) fn is_indented(&self) -> bool {
        let body = self.record.sent.as_ref().or(self.record.body.as_ref());
        let body = body.map_or(&[][..], |body| &body.0[..]);
        let at = memmem::find(body, b"<SyncBody").unwrap_or_default();
        body[..at].last().is_some_and(u8::is_ascii_whitespace)
    }

    /// The rules that changed which sizes the sender announces.
    pub(super) fn rules_of_sizes(&self) -> Vec<SmolStr> {
        let is_of_size = |applied: &&RuleEffectRecord| {
            let mut changes = applied.changes.iter().filter(|change| change.is_done());
            changes.any(|it| it.path.contains("/MaxObjSize") || it.path.contains("/MaxMsgSize"))
        };
        let applied = self.record.applied.iter().filter(is_of_size);
        distinct(applied.map(|applied| &applied.rule))
    }
}

fn fingerprint(record: &EventRecord) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    record.body.as_ref()?.0.hash(&mut hasher);
    Some(hasher.finish())
}

fn touches(record: &EventRecord) -> Vec<(SmolStr, Option<usize>)> {
    let mut touches = Vec::new();
    // A peer that gets another address, or another certificate, fails no sooner.
    let of_user = |it: &&RuleEffectRecord| !is_translation(&it.rule);
    for applied in record.applied.iter().filter(of_user) {
        if applied.changes.is_empty() {
            touches.push((applied.rule.clone(), None));
        }
        let changes = applied.changes.iter();
        let changes = changes.filter(|change| change.is_done() && !change.is_reconciling());
        touches
            .extend(changes.map(|change| (applied.rule.clone(), record.command_at(&change.path))));
    }
    touches
}

/// The rules among these that may be behind a missing answer. What dmtap itself changes in requests so that the device
/// goes on through it answers nothing and breaks nothing.
pub(super) fn of_user(rules: &[SmolStr]) -> Vec<SmolStr> {
    let mut rules = rules.to_vec();
    rules.retain(|rule| !is_translation(rule));
    rules
}

/// Whether a rule is `stay` or the swap, which translate what only device and server name otherwise.
fn is_translation(rule: &str) -> bool {
    [SWAP, "stay"].contains(&rule)
}

/// Each name once, in the order in which it first came.
pub(super) fn distinct<'s>(names: impl Iterator<Item = &'s SmolStr>) -> Vec<SmolStr> {
    let mut distinct: Vec<SmolStr> = Vec::new();
    for name in names {
        if !distinct.contains(name) {
            distinct.push(name.clone());
        }
    }
    distinct
}

/// Whether who gets a message may act otherwise for a change: nobody looks at a new header field of another name.
fn is_felt(change: &EffectDetail) -> bool {
    match change.kind {
        EffectKind::NotApplied | EffectKind::Scenario => false,
        EffectKind::Header if change.before.is_empty() => {
            let name = change.after.split(':').next().unwrap_or_default();
            LOOKED_AT.iter().any(|it| name.eq_ignore_ascii_case(it))
        }
        _ => true,
    }
}

/// The header fields that peers look at, where the sender does not send them.
const LOOKED_AT: [&str; 11] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "location",
    "set-cookie",
    "transfer-encoding",
];

/// The note on a message whose end SyncMLViewer did not have.
const CUT: &str = "LOG-01";
