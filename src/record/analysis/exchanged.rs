//! A message of a record, as its sender and as its receiver know it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use memchr::memmem;
use smol_str::{SmolStr, format_smolstr};

use crate::flow::effect::SWAP;
use crate::flow::{EffectDetail, EffectKind, Side};
use crate::record::EventRecord;
use crate::record::model::{
    CommandRecord, DeliveryStepRecord, EventKind, MessageRecord, NoteRecord, ParsedBodyRecord,
    RuleEffectRecord, UnreadCause,
};

/// A message.
pub(super) struct Exchanged<'r> {
    pub(super) record: &'r EventRecord,
    pub(super) from: Side,
    pub(super) exchange: u64,
    /// The message that the peer sent; absent for dmtap's own answer.
    pub(super) sent: Option<(&'r MessageRecord, &'r [CommandRecord])>,
    /// The message that dmtap sent on, if a rule changed it.
    pub(super) changed: Option<(MessageRecord, Vec<CommandRecord>)>,
    /// Whether the message arrived, as far as its delivery shows.
    pub(super) arrives: bool,
    /// A hash of the bytes; two messages with different hashes are different.
    pub(super) fingerprint: Option<u64>,
    /// For each change the name of the rule, and the place of the command that the rule changed.
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
            arrives: DeliveryStepRecord::is_whole(&record.delivery),
            fingerprint: sent.and_then(|_| fingerprint(record)),
            touches: touches(record),
        }
    }

    /// Returns the message that the receiver gets.
    pub(super) fn received(&self) -> Option<(&MessageRecord, &[CommandRecord])> {
        match &self.changed {
            Some((message, commands)) => Some((message, commands)),
            // dmtap sent something else.
            None if self.record.sent.is_some() => None,
            None => self.sent,
        }
    }

    /// Whether the receiver gets something else than the sender sent.
    pub(super) fn is_changed(&self) -> bool {
        self.record.sent.is_some()
    }

    /// Returns the rules that acted on the command at a place.
    pub(super) fn rules_of(&self, command: usize) -> Vec<SmolStr> {
        let on_it = self.touches.iter().filter(|(_, at)| *at == Some(command));
        distinct(on_it.map(|(rule, _)| rule))
    }

    /// Returns the rules that acted on any part of the message.
    pub(super) fn rules(&self) -> Vec<SmolStr> {
        match self.touches.is_empty() {
            true => of_user(&distinct(
                self.record.applied.iter().map(|applied| &applied.rule),
            )),
            false => distinct(self.touches.iter().map(|(rule, _)| rule)),
        }
    }

    /// Returns the rules that acted on the message as a whole.
    pub(super) fn rules_of_whole(&self) -> Vec<SmolStr> {
        let on_whole = self.touches.iter().filter(|(_, at)| at.is_none());
        distinct(on_whole.map(|(rule, _)| rule))
    }

    /// Whether rules made the message unreadable for dmtap.
    pub(super) fn is_unreadable(&self) -> bool {
        self.sent.is_some() && self.received().is_none() && self.arrives
    }

    /// Returns the rules that changed the frame of the message: its SyncHdr, its Final, or the body as a whole.
    pub(super) fn rules_of_frame(&self) -> Vec<SmolStr> {
        use EffectKind::{Body, Inverted, Replaced};
        self.rules_that(|it| {
            let is_of_body = it.path.is_empty() && matches!(it.kind, Body | Inverted | Replaced);
            is_of_body || it.path.contains("/SyncHdr/") || it.path.ends_with("/Final")
        })
    }

    /// Returns the rules that changed the content of the message, and not only its timing.
    pub(super) fn rules_of_content(&self) -> Vec<SmolStr> {
        use EffectKind::{Delayed, Slowed};
        self.rules_that(|it| is_felt(it) && !matches!(it.kind, Delayed | Slowed))
    }

    /// Returns the rules with a change that may make the receiver act differently.
    pub(super) fn rules_felt(&self) -> Vec<SmolStr> {
        let mut rules = self.rules();
        rules.retain(|rule| {
            let applied = self.record.applied.iter().filter(|it| it.rule == *rule);
            let mut changes = applied.flat_map(|it| &it.changes).peekable();
            changes.peek().is_none() || changes.any(is_felt)
        });
        rules
    }

    /// Returns the rules that made the HTTP status that the device gets.
    pub(super) fn rules_of_status(&self) -> Vec<SmolStr> {
        use EffectKind::{Answered, HttpStatus};
        self.rules_that(|it| match it.kind {
            HttpStatus => it.before != it.after,
            kind => kind == Answered,
        })
    }

    /// Returns the HTTP status of a response: the server's own if it is an error, else the one that a rule made.
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

    /// Returns the user's rules with such a change, made for its own sake and not to reconcile a peer.
    fn rules_that(&self, is_it: impl Fn(&EffectDetail) -> bool) -> Vec<SmolStr> {
        let has_it = |applied: &&RuleEffectRecord| {
            let mut changes = applied.changes.iter();
            changes.any(|it| it.is_done() && !it.is_reconciling() && is_it(it))
        };
        let applied = self.record.applied.iter().filter(has_it);
        of_user(&distinct(applied.map(|applied| &applied.rule)))
    }

    /// Returns the time for which dmtap held the message back, in microseconds.
    pub(super) fn held_us(&self) -> u64 {
        let record = self.record;
        let bytes = record.bytes_sent.or(record.bytes).unwrap_or_default();
        let held = record.delivery.iter().map(|op| match *op {
            DeliveryStepRecord::WaitUs(time) => time,
            DeliveryStepRecord::BytesPerSecond(rate) => {
                bytes.saturating_mul(1_000_000) / rate.max(1)
            }
            DeliveryStepRecord::SlicesUs(size, pause) => {
                (bytes / size.max(1)).saturating_mul(pause)
            }
            _ => 0,
        });
        held.fold(0, u64::saturating_add)
    }

    /// Whether the body is no SyncML but of another kind: a page, JSON, plain text.
    pub(super) fn is_foreign(&self) -> bool {
        let is_read = match &self.record.reading {
            Some(ParsedBodyRecord::OtherType { .. }) => true,
            Some(ParsedBodyRecord::Document { dialect, .. }) => dialect != "syncml",
            _ => false,
        };
        is_read && self.sent.is_none() && !self.record.own && !self.is_changed()
    }

    /// Returns the reason why dmtap could not read the whole message, in words and as a cause; `None` for dmtap's own answer.
    pub(super) fn unread(&self) -> Option<(SmolStr, Option<UnreadCause>)> {
        let (why, cause) = match &self.record.reading {
            Some(ParsedBodyRecord::Broken { why, .. }) => {
                let mut notes = self.record.notes.iter();
                let excess = notes.find(|note| note.id == EXCESS);
                let excess = excess.map(|note| format_smolstr!("{why}: {}", note.text));
                return (!self.record.own).then(|| (excess.unwrap_or_else(|| why.clone()), None));
            }
            Some(ParsedBodyRecord::Unread { why, cause, .. }) => (why, *cause),
            _ => {
                let mut notes = self.record.notes.iter();
                let cut = notes.find(|note| note.id == CUT)?;
                return Some((cut.text.clone(), None));
            }
        };
        (!self.record.own).then(|| (why.clone(), cause))
    }

    /// Returns the scheme of the credentials in a message, or the name of the header field that has them.
    pub(super) fn cred(&self, header: &MessageRecord) -> Option<SmolStr> {
        let field = || self.record.header(HMAC).map(|_| SmolStr::new_static(HMAC));
        header.cred.clone().or_else(field)
    }

    /// Returns the note on whether the credentials of the message are right; of two, that on wrong ones.
    pub(super) fn checked(&self) -> Option<&NoteRecord> {
        let notes = self.record.notes.iter();
        let checks = notes.filter(|note| matches!(&*note.id, "AUTH-01" | "AUTH-02"));
        checks.max_by_key(|note| &note.id)
    }

    /// Returns the note that the message leads the device past dmtap, in words.
    pub(super) fn leads_away(&self) -> Option<SmolStr> {
        let mut notes = self.record.notes.iter();
        let note = notes.find(|note| note.id == "STAY-01")?;
        Some(note.text.clone())
    }

    /// Whether the receiver gets blanks or line breaks between the elements.
    pub(super) fn is_indented(&self) -> bool {
        let body = self.record.sent.as_ref().or(self.record.body.as_ref());
        let body = body.map_or(&[][..], |body| &body.0[..]);
        let at = memmem::find(body, b"<SyncBody").unwrap_or_default();
        body[..at].last().is_some_and(u8::is_ascii_whitespace)
    }

    /// Returns the rules that changed the sizes that the sender announces.
    pub(super) fn rules_of_sizes(&self) -> Vec<SmolStr> {
        self.rules_that(|it| it.path.contains("/MaxObjSize") || it.path.contains("/MaxMsgSize"))
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

/// Returns the rules without `stay` and the swap, which dmtap applies by itself to keep the device on the proxy and which
/// cause no failures.
pub(super) fn of_user(rules: &[SmolStr]) -> Vec<SmolStr> {
    let mut rules = rules.to_vec();
    rules.retain(|rule| !is_translation(rule));
    rules
}

/// Whether a rule is `stay` or the swap, which translate what only device and server name otherwise.
fn is_translation(rule: &str) -> bool {
    [SWAP, "stay"].contains(&rule)
}

/// Returns each name once, in the order of the first ones.
pub(super) fn distinct<'s>(names: impl Iterator<Item = &'s SmolStr>) -> Vec<SmolStr> {
    let mut distinct: Vec<SmolStr> = Vec::new();
    for name in names {
        if !distinct.contains(name) {
            distinct.push(name.clone());
        }
    }
    distinct
}

/// Whether a change may make the receiver act differently; a new header field of an unknown name does not.
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

/// The header fields that peers obey.
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

/// The header field with the credentials of syncml:auth-MAC.
pub(super) const HMAC: &str = "x-syncml-hmac";

/// The note on bytes behind the body.
const EXCESS: &str = "HTTP-07";

/// The note on a message that SyncMLViewer cut.
const CUT: &str = "LOG-01";
