//! Lint over files and records.

mod conversation;
mod log;
mod report;

use std::io;

use bytes::Bytes;

use self::conversation::{Conversation, Judged};
pub use self::log::is_log;
pub use self::report::{junit, sarif, text};
use crate::flow::lint::{Linter, Profile};
use crate::flow::note::clipped_note;
use crate::flow::{Note, Severity, Side};
use crate::markup::wbxml;
use crate::record::model::{EventKind, ParsedBodyRecord};
use crate::record::{self, EventRecord};

/// The results of lint.
#[derive(Debug, Default)]
pub struct Lint {
    /// The judged messages, in order.
    pub messages: Vec<Linted>,
    /// The files without a message of SyncML: the name, and the content.
    pub others: Vec<(String, String)>,
    /// The number of messages of data synchronization, of which only CmdIDs and values are judged.
    pub synchronization: usize,
}

/// A message that was judged.
#[derive(Debug)]
pub struct Linted {
    /// Its place: the file, or the exchange with its half.
    pub place: String,
    /// The file that holds it.
    pub file: String,
    /// Its exchange, in a record.
    pub exchange: Option<u64>,
    /// Its session, in a record.
    pub session: Option<u64>,
    /// Its sender: `device` or `server`; `dmtap` for an answer of its own.
    pub by: &'static str,
    /// The notes about it.
    pub notes: Vec<Remark>,
}

/// A function that receives each event of a record, and its line.
pub type EachWithLine<'e> = dyn FnMut(EventRecord, Option<u64>) -> io::Result<()> + 'e;

/// A note, of this run or of the record.
#[derive(Debug)]
pub struct Remark {
    /// The rule.
    pub id: String,
    /// Its severity.
    pub severity: Severity,
    /// The offset in the decoded body.
    pub at: Option<u32>,
    /// The line of the file, from 1: in a record and a log that of the message. Absent in WBXML.
    pub line: Option<u64>,
    /// The character in that line, from 1; absent in a record and a log.
    pub column: Option<u64>,
    /// The text.
    pub text: String,
}

impl Linted {
    /// Creates the result for a message in a file of its own.
    fn in_file(name: &str, by: &'static str, notes: Vec<Remark>) -> Self {
        Self {
            place: name.to_owned(),
            file: name.to_owned(),
            exchange: None,
            session: None,
            by,
            notes,
        }
    }
}

impl Remark {
    fn new(id: &str, severity: Severity, text: String) -> Self {
        Self {
            id: id.to_owned(),
            severity,
            at: None,
            line: None,
            column: None,
            text,
        }
    }
}

impl Lint {
    /// Returns the number of notes of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        let notes = self.messages.iter().flat_map(|message| &message.notes);
        notes.filter(|note| note.severity == severity).count()
    }

    /// Adds what was found in other files.
    pub fn add(&mut self, other: Self) {
        self.messages.extend(other.messages);
        self.others.extend(other.others);
        self.synchronization += other.synchronization;
    }

    /// Judges files with a message each, by name, as one conversation in their order.
    ///
    /// # Errors
    /// A file has no message and no markup, or no file has to do with OMA DM; in words.
    pub fn messages(
        files: impl IntoIterator<Item = (String, Bytes)>,
        profile: Profile,
    ) -> Result<Self, String> {
        let mut lint = Self::default();
        let mut conversation = Conversation::new(profile);
        let mut refusals = Vec::new();
        for (name, read) in files {
            match conversation.judge(&name, read)? {
                Judged::Message(message, is_of_ds) => {
                    lint.messages.push(message);
                    lint.synchronization += usize::from(is_of_ds);
                }
                Judged::Other(what, foreign) => {
                    lint.others.push((name, what));
                    refusals.push(foreign);
                }
            }
        }
        let are_foreign = lint.messages.is_empty() && refusals.iter().all(Option::is_some);
        match refusals.into_iter().flatten().next() {
            Some(why) if are_foreign => Err(why),
            _ => Ok(lint),
        }
    }

    /// Judges the messages of a record, and reports the exchanges of a run for which `selected` is true. `read` reads the
    /// record.
    pub fn record<E>(
        name: &str,
        read: impl Fn(&mut EachWithLine<'_>) -> Result<(), E>,
        profile: Profile,
        selected: impl Fn(u32, u64) -> bool,
    ) -> Result<Self, E> {
        let mut lint = Self::default();
        let mut linter = Linter::new(profile);
        let mut run = 0;
        read(&mut |mut event, line| {
            if event.summary.is_some() {
                return Ok(());
            }
            if event.run != run {
                linter = Linter::new(profile);
                run = event.run;
            }
            // A file that is not a record may begin within a conversation: the linter checks the references of answers.
            event.notes.retain(|note| note.id != "STA-03");
            let found = record::lint::of_record(&mut linter, &event);
            if event
                .exchange
                .is_some_and(|exchange| selected(event.run, exchange))
            {
                let mut notes: Vec<_> = found.into_iter().map(remark).collect();
                // The proxy noted it; a log has no notes.
                let is_noted = event.notes.iter().any(|note| note.id.ends_with("XML-01"));
                notes.extend(unread(&event).filter(|_| !is_noted));
                // The message is not in the file, and was not judged.
                let is_missing = matches!(event.reading, Some(ParsedBodyRecord::Unread { .. }));
                let mut message = linted(name, &event, notes);
                message = message.filter(|it| !is_missing || !it.notes.is_empty());
                if let Some(message) = message.as_mut().filter(|_| event.run > 0) {
                    message.place = format!("run {} {}", event.run + 1, message.place);
                }
                let notes = message.iter_mut().flat_map(|message| &mut message.notes);
                notes.for_each(|note| note.line = line);
                let proto = event.message.as_ref().and_then(|it| it.proto.as_deref());
                let is_of_ds = message.as_ref().zip(proto);
                let is_of_ds =
                    is_of_ds.is_some_and(|(it, proto)| is_of_synchronization(proto, &it.notes));
                lint.synchronization += usize::from(is_of_ds);
                lint.messages.extend(message);
            }
            Ok(())
        })?;
        Ok(lint)
    }
}

/// Whether a message with this VerProto is of data synchronization (OMA DS), which has other rules. In a session of DM
/// there is a note that the VerProto is wrong.
fn is_of_synchronization(proto: &str, notes: &[Remark]) -> bool {
    proto.starts_with("SyncML/") && !notes.iter().any(|note| note.id == "HDR-01")
}

/// XML-01 or WBXML-01: a message of a peer that cannot be read.
fn unread(event: &EventRecord) -> Option<Remark> {
    let Some(ParsedBodyRecord::Broken { at, why, .. }) = &event.reading else {
        return None;
    };
    let text = format!("{why}: this message could not be read, nothing in it is judged");
    let is_wbxml = event
        .body
        .as_ref()
        .is_some_and(|body| wbxml::looks_like(&body.0));
    let remark = Remark::new(broken_id(is_wbxml), Severity::Error, text);
    (!event.own).then_some(Remark {
        at: Some(*at),
        ..remark
    })
}

/// Whether a message in a text breaks before it names its session.
fn is_of_unknown_sender(event: &EventRecord) -> bool {
    let is_broken = matches!(event.reading, Some(ParsedBodyRecord::Broken { .. }));
    is_broken && event.head.is_none() && event.session.is_none()
}

/// Returns a message of a record with its recorded notes and those of lint.
fn linted(name: &str, event: &EventRecord, found: Vec<Remark>) -> Option<Linted> {
    let half = match event.event {
        EventKind::Request => "request",
        EventKind::Response => "response",
        _ => return None,
    };
    let recorded = event.notes.iter().map(|note| {
        let severity = Severity::named(&note.severity);
        Remark {
            at: note.at,
            ..Remark::new(&note.id, severity, note.text.to_string())
        }
    });
    let mut notes: Vec<Remark> = recorded.collect();
    notes.extend(found);
    notes.sort_by_key(|note| note.at);
    Some(Linted {
        place: format!("x{} {half}", event.exchange?),
        file: name.to_owned(),
        exchange: event.exchange,
        session: event.session.as_ref().map(|session| session.number),
        by: match (event.own, event.from.as_deref()) {
            (true, _) => "dmtap",
            // The tool that wrote the file may have broken the message.
            _ if is_of_unknown_sender(event) => "sender",
            (_, Some("server")) => Side::Server.name(),
            _ => Side::Device.name(),
        },
        notes,
    })
}

fn remark(note: Note) -> Remark {
    Remark {
        at: note.at,
        ..Remark::new(note.id, note.severity, clipped_note(&note.text))
    }
}

/// Returns the id of the note about a body that does not decode.
fn broken_id(is_wbxml: bool) -> &'static str {
    match is_wbxml {
        true => "WBXML-01",
        false => "XML-01",
    }
}
