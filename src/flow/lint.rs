//! Lint: the rules of OMA DM that a peer's message breaks, as notes with the ids of the rules.
//!
//! Each message is checked as its sender wrote it, against what was delivered to that sender before. If dmtap saw or
//! did something that the peers did not, the rules that need the whole conversation stay silent, so that no peer is
//! blamed for it.

mod alert;
mod answer;
mod auth;
mod command;
mod content_model;
mod header;
mod items;
mod large;
mod lint_session;
mod package;
mod profile;
mod results;
mod stray;
mod uri;
mod value;

use std::collections::BTreeMap;
use std::sync::Arc;

use hashlink::LinkedHashMap;

use self::lint_session::{LintSession, Turn};
pub use self::uri::mistake_in_uri;
use super::session::{note_cmd_ids, note_dangling, note_escaped_twice};
use super::{AnswerLink, Note, SessionKey, SessionTag, Severity, Side, Timestamp};
use crate::dm::{Message, SyncHdr};
use crate::markup::{Document, Element};

/// The profile that decides how much known deviations count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// The standard, without exceptions.
    Oma,
    /// Known deviations of Windows and its documentation count less.
    Windows,
    /// The profile `Windows` if a message shows that a peer is Windows, else `Oma`.
    #[default]
    Auto,
}

/// A message to check.
#[derive(Clone, Copy, Debug)]
pub struct LintMessage<'m> {
    /// The sender of the message.
    pub speaker: Side,
    /// The server that the device's connection is for.
    pub server: &'m str,
    /// The number of the exchange.
    pub exchange: u64,
    /// The message as its sender wrote it.
    pub document: &'m Arc<Document>,
    /// The message as its receiver got it; `None` if it did not arrive.
    pub delivered: Option<&'m Arc<Document>>,
    /// Whether dmtap wrote the message in place of the speaker. Such a message is not checked.
    pub is_own: bool,
    /// Whether rules acted on the message, so that the peers do not know the same conversation.
    pub is_changed: bool,
    /// The HTTP head, if there is one.
    pub head: Option<&'m LintHead<'m>>,
    /// The commands that the message's answers answer, as the proxy linked them when the message passed. `None`: nobody
    /// linked them yet, so lint links them against the messages that it was given, and adds notes on answers that
    /// answer nothing.
    pub links: Option<&'m [AnswerLink]>,
}

/// The parts of an HTTP head that lint needs.
#[derive(Clone, Debug, Default)]
pub struct LintHead<'m> {
    /// The method, for a request.
    pub method: Option<&'m str>,
    /// The URI, for a request.
    pub uri: Option<&'m str>,
    /// The header fields: names in lower case, and values.
    pub fields: Vec<(&'m str, &'m str)>,
}

impl LintHead<'_> {
    fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        fields
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }
}

/// Checks the messages of conversations in their order.
#[derive(Debug, Default)]
pub struct Linter {
    profile: Profile,
    sessions: LinkedHashMap<SessionKey, LintSession>,
    /// The session and header of the request, for each of the latest exchanges.
    requests: BTreeMap<u64, header::Asked>,
    now: Timestamp,
    /// The approximate memory of all sessions, in bytes.
    bytes: usize,
}

impl Linter {
    /// Creates a linter with a profile.
    pub fn new(profile: Profile) -> Self {
        Self {
            profile,
            ..Self::default()
        }
    }

    /// Sets the current time, and forgets sessions that were silent for too long.
    pub fn at(&mut self, now: Timestamp) {
        self.now = now;
        let is_over = |seen: &LintSession| now.0.saturating_sub(seen.at.0) > MAX_SILENCE_US;
        while self.sessions.front().is_some_and(|(_, seen)| is_over(seen)) {
            self.forget_oldest();
        }
    }

    /// Returns the approximate bytes of the earlier messages that are remembered.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns notes on the rules that a message breaks. A document that is not a message breaks no rule here. In a
    /// session of data synchronization only CmdIDs and values are checked.
    pub fn message(&mut self, linted: LintMessage<'_>) -> Vec<Note> {
        let notes = self.judge(linted);
        // The session of the message is the newest one.
        if let Some((_, seen)) = self.sessions.iter_mut().next_back() {
            let bytes = seen.bytes();
            self.bytes = self.bytes + bytes - std::mem::replace(&mut seen.counted, bytes);
        }
        while self.bytes > MOST_BYTES && self.sessions.len() > 1 {
            self.forget_oldest();
        }
        notes
    }

    /// Forgets the oldest session. An answer to its commands then counts as an answer to something unseen.
    fn forget_oldest(&mut self) {
        if let Some((_, seen)) = self.sessions.pop_front() {
            self.bytes -= seen.counted;
        }
    }

    fn forget(&mut self, key: &SessionKey) -> Option<LintSession> {
        let seen = self.sessions.remove(key)?;
        self.bytes -= seen.counted;
        Some(seen)
    }

    fn judge(&mut self, linted: LintMessage<'_>) -> Vec<Note> {
        let Some(message) = Message::of(linted.document) else {
            return Vec::new();
        };
        let mut notes = Vec::new();
        if !linted.is_own {
            notes = note_cmd_ids(linted.document);
            notes.extend(note_escaped_twice(linted.document));
        }
        // The Windows API for local management takes messages with an empty header (ApplyLocalManagementSyncML).
        let header = message.header().map(SyncHdr::element);
        let is_empty = header.is_some_and(|header| header.elements().next().is_none());
        if is_empty && message.commands().next().is_some() {
            return notes;
        }
        let mut found = Findings::default();
        let request = match linted.speaker {
            Side::Server => self.requests.remove(&linted.exchange),
            Side::Device => None,
        };
        // An answer belongs to the session of its request, whatever its own header has.
        let of_request = request.as_ref().and_then(|asked| asked.key(&self.sessions));
        let own = SessionKey::of(linted.server, linted.speaker, message);
        let is_of_unknown = request.is_some() && of_request.is_none();
        let key = of_request.or_else(|| own.ok().flatten());
        let proto = message.header().and_then(|header| header.ver_proto());
        let names_sync = proto.is_some_and(|proto| proto.starts_with("SyncML/"));
        if names_sync {
            // A session with a message of DM is one of DM, until the device begins another one.
            let begins = linted.speaker == Side::Device && message.is_first();
            if let Some(before) = key.as_ref().filter(|_| begins) {
                self.forget(before);
            }
            if !key
                .as_ref()
                .is_some_and(|key| self.sessions.contains_key(key))
            {
                return notes;
            }
        }
        let profile = self.profile;
        let mut fresh;
        let seen = match key {
            Some(key) => self.session(key, linted, message, &mut found),
            None => {
                fresh = LintSession::default();
                &mut fresh
            }
        };
        seen.note_peer(linted, message);
        if is_of_unknown {
            // It answers a message that named no session.
            seen.missed();
        }
        found.is_windows = match profile {
            Profile::Oma => false,
            Profile::Windows => true,
            Profile::Auto => seen.is_windows,
        };
        if linted.is_own {
            seen.is_disturbed = true;
            seen.enter(linted, message);
            return notes;
        }
        let mut dangling = Vec::new();
        if seen.is_repeat(linted) {
            // The sender repeats a message, because the answer was lost. It has nothing new.
            seen.enter_again(linted);
        } else {
            let own;
            let links = match linted.links {
                Some(links) => links,
                None => {
                    own = seen.links(linted.speaker, message);
                    dangling = note_dangling(linted.speaker, linted.document, &own);
                    &own[..]
                }
            };
            let turn = Turn {
                linted,
                side: linted.speaker,
                message,
                links,
            };
            header::check(&mut found, &turn, seen, request.as_ref());
            command::check(&mut found, &turn, seen);
            alert::check(&mut found, &turn);
            auth::check(&mut found, &turn, seen);
            answer::check(&mut found, &turn, seen);
            package::check(&mut found, &turn, seen);
            large::check(&mut found, &turn, seen);
            seen.enter(linted, message);
            if !SessionTag::has_canonical_msg_id(message) {
                seen.missed();
            }
        }
        // An answer may yet turn out not to have arrived.
        let asked = match linted.speaker {
            Side::Device => Some(header::Asked::of_request(linted, message)),
            Side::Server => request,
        };
        if let Some(asked) = asked {
            self.requests.insert(linted.exchange, asked);
            while self.requests.len() > MOST_EXCHANGES {
                self.requests.pop_first();
            }
        }
        notes.extend(found.notes());
        notes.extend(dangling);
        notes
    }

    /// Marks that lint did not see a part of a conversation, or that dmtap wrote it. Lint blames no peer for missing
    /// content.
    pub fn missed(&mut self, exchange: u64) {
        let asked = self.requests.remove(&exchange);
        let key = asked.and_then(|asked| asked.key(&self.sessions));
        if let Some(seen) = key.and_then(|key| self.sessions.get_mut(&key)) {
            seen.missed();
        }
    }

    /// Marks that a message of this session could not be read. Lint blames no peer for missing content.
    pub fn unread(&mut self, key: &SessionKey) {
        if let Some(seen) = self.sessions.get_mut(key) {
            seen.missed();
        }
    }

    fn session(
        &mut self,
        key: SessionKey,
        linted: LintMessage<'_>,
        message: Message<'_>,
        found: &mut Findings,
    ) -> &mut LintSession {
        let known = self.sessions.get(&key);
        if known.is_some_and(|seen| seen.begins_anew(linted, message))
            && let Some(before) = self.forget(&key)
        {
            package::left_open(found, &key, &before);
        }
        let continued = match linted.speaker {
            Side::Device if !self.sessions.contains_key(&key) => {
                package::continued(&self.sessions, &key, message)
            }
            _ => None,
        };
        if let Some((former, mut seen)) = continued.and_then(|it| self.sessions.remove_entry(&it)) {
            header::renamed(found, message, &former, &key);
            if former.id != key.id {
                seen.rename();
            }
            self.sessions.insert(key.clone(), seen);
        }
        if !self.sessions.contains_key(&key) {
            // A device that begins a session has ended the session before. One that was recorded from its middle may
            // have begun earlier.
            let begins = linted.speaker == Side::Device && message.is_first();
            let before = begins.then(|| package::before(&self.sessions, &key));
            if let Some(before) = before.flatten()
                && let Some(seen) = self.forget(&before)
            {
                package::left_open(found, &before, &seen);
            }
            self.sessions.insert(key.clone(), LintSession::default());
            while self.sessions.len() > MOST_SESSIONS {
                self.forget_oldest();
            }
        }
        self.sessions.to_back(&key);
        let seen = self
            .sessions
            .entry(key)
            .or_insert_with(LintSession::default);
        seen.at = self.now;
        seen
    }
}

/// The notes on one message. Texts are cut later, when they are shown: if a secret were cut before it is masked, its
/// beginning would remain.
#[derive(Debug, Default)]
struct Findings {
    notes: Vec<Note>,
    /// The number of findings of each id beyond those that have a note of their own.
    more: BTreeMap<&'static str, usize>,
    is_windows: bool,
}

impl Findings {
    fn add(&mut self, id: &'static str, at: Option<Element<'_>>, text: impl Into<String>) {
        self.add_as(id, Severity::of_note(id), at, text);
    }

    fn add_as(
        &mut self,
        id: &'static str,
        severity: Severity,
        at: Option<Element<'_>>,
        text: impl Into<String>,
    ) {
        if self.notes.iter().filter(|note| note.id == id).count() >= MOST_OF_ID {
            *self.more.entry(id).or_default() += 1;
            return;
        }
        self.notes.push(Note {
            at: at.map(|element| element.span().start),
            ..Note::new(id, text).with_severity(severity)
        });
    }

    fn notes(mut self) -> Vec<Note> {
        for (id, more) in &self.more {
            let last = self.notes.iter_mut().rev().find(|note| note.id == *id);
            if let Some(last) = last {
                last.text = format!("{}, and {more} more of the kind in this message", last.text);
            }
        }
        let notes = self.notes.iter_mut();
        for note in notes.filter(|note| self.is_windows && LOWERED.contains(&note.id)) {
            note.severity = match note.severity {
                Severity::Error => Severity::Warning,
                Severity::Warning | Severity::Info => Severity::Info,
            };
        }
        self.notes
    }
}

/// Rules that Windows and its documentation are known to break: the profile `windows` lowers them by one step.
const LOWERED: [&str; 7] = [
    "XML-03", "XML-05", "XML-07", "HDR-08", "STA-06", "ALT-05", "ITM-02",
];

/// The most notes of one rule about one message.
const MOST_OF_ID: usize = 3;

/// The most sessions that are followed at a time. Beyond it, the session that was silent for the longest time is
/// forgotten.
const MOST_SESSIONS: usize = 10_000;

/// The most bytes of earlier messages that all sessions keep. Beyond it, the session that was silent for the longest
/// time is forgotten.
const MOST_BYTES: usize = 64 << 20;

/// The longest silence of a session, in microseconds: one hour. After it, the session is over.
pub const MAX_SILENCE_US: u64 = 3_600_000_000;

/// The most requests that are remembered.
const MOST_EXCHANGES: usize = 10_000;
