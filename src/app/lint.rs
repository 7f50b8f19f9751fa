//! Lint over files and records: what is read, and what is found in it.

mod log;
mod report;

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use memchr::memmem;

pub use self::log::is_log;
use self::log::message_with_more;
pub use self::report::{junit, sarif, text};
use super::dry_run::Speakers;
use super::message_log::{self, COMMANDS_ALONE, is_notification, nothing_found, of_other_program};
use crate::dm::carve::has_message;
use crate::dm::{Dialect, Message};
use crate::flow::lint::{LintMessage, Linter, Profile};
use crate::flow::note::clipped_note;
use crate::flow::provider::note_provider_id;
use crate::flow::{Note, SessionKey, Severity, Side};
use crate::markup::utf16::{Utf16, in_utf8, windows_1252};
use crate::markup::{Document, Hint, Limits, before_break, decode, wbxml};
use crate::printable;
use crate::record::model::{EventKind, ParsedBodyRecord};
use crate::record::{self, EventRecord};

/// What lint found.
#[derive(Debug, Default)]
pub struct Lint {
    /// Each message that was judged, in order.
    pub messages: Vec<Linted>,
    /// Files that hold no message of SyncML: the name, and what each is.
    pub others: Vec<(String, String)>,
    /// How many of the messages are of data synchronization, of which only CmdIDs and values are judged.
    pub synchronization: usize,
}

/// A message that was judged.
#[derive(Debug)]
pub struct Linted {
    /// Where it is: the file, or the exchange with its half.
    pub place: String,
    /// The file that holds it.
    pub file: String,
    /// Its exchange, in a record.
    pub exchange: Option<u64>,
    /// Its session, in a record.
    pub session: Option<u64>,
    /// Who wrote it: `device`, `server`; `dmtap` for what it answered itself.
    pub by: &'static str,
    /// What it breaks.
    pub notes: Vec<Remark>,
}

/// What is done with each event of a record, and its line.
pub type EachWithLine<'e> = dyn FnMut(EventRecord, Option<u64>) -> io::Result<()> + 'e;

/// A note, of this run or of the record.
#[derive(Debug)]
pub struct Remark {
    /// The rule.
    pub id: String,
    /// How much it matters.
    pub severity: Severity,
    /// Offset in the decoded body.
    pub at: Option<u32>,
    /// The line of the file, from 1: in a record and a log that of the message. Absent in WBXML.
    pub line: Option<u64>,
    /// The character in that line, from 1; absent in a record and a log.
    pub column: Option<u64>,
    /// In words.
    pub text: String,
}

impl Linted {
    /// A message that is all of a file.
    fn in_file(name: String, by: &'static str, notes: Vec<Remark>) -> Self {
        Self {
            place: name.clone(),
            file: name,
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
    /// How many notes there are of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        let notes = self.messages.iter().flat_map(|message| &message.notes);
        notes.filter(|note| note.severity == severity).count()
    }

    /// Judges files with a message each, by name, as one conversation in their order.
    ///
    /// # Errors
    /// A file that holds no message and no markup, or no file that has to do with OMA DM, in words.
    pub fn messages(
        files: impl IntoIterator<Item = (String, Bytes)>,
        profile: Profile,
    ) -> Result<Self, String> {
        let mut lint = Self::default();
        let mut linter = Linter::new(profile);
        let mut speakers = Speakers::default();
        let mut exchange = 0;
        // Why the first one that has nothing to do with OMA DM cannot be judged, and whether each is such.
        let (mut foreign, mut is_all_foreign) = (None, true);
        for (name, read) in files {
            if is_notification(&read) {
                is_all_foreign = false;
                lint.others
                    .push((name, "a notification (package 0)".into()));
                continue;
            }
            let utf16 = Utf16::of(&read);
            let single_byte = windows_1252(&read);
            let is_single_byte = single_byte.is_some();
            let source = single_byte.map_or_else(|| in_utf8(read.clone()), Ok);
            let text = source.clone().unwrap_or(read);
            let decoded =
                source.and_then(|source| decode(source, Hint::default(), &Limits::default()));
            let mut other = |lint: &mut Self, name: String, what: String| {
                foreign.get_or_insert_with(|| {
                    format!("error: {name}: {what}: {}", nothing_found(&text))
                });
                lint.others.push((name, what));
            };
            if text.trim_ascii().is_empty() {
                foreign.get_or_insert_with(|| format!("error: {name}: {}", nothing_found(&text)));
                lint.others.push((name, "an empty body".into()));
                continue;
            }
            let mut more = None;
            let decoded = decoded.map(Arc::new).or_else(|error| {
                let (at, document) = message_with_more(&text).ok_or_else(|| error.clone())?;
                more = Some((at, error));
                Ok(document)
            });
            let document = match decoded {
                Ok(document) => document,
                Err(_) if looks_like_html(&text) => {
                    other(&mut lint, name, "HTML".into());
                    continue;
                }
                Err(_) if of_other_program(&text).is_some() || !looks_like_markup(&text) => {
                    return Err(format!("error: {name}: {}", nothing_found(&text)));
                }
                // A page, say: nothing in it claims to be a message.
                Err(_) if !wbxml::looks_like(&text) && !names_syncml(&text) => {
                    other(&mut lint, name, "broken markup".into());
                    continue;
                }
                Err(error) => {
                    let front = before_break(&text, &error, Hint::default(), &Limits::default());
                    let speaker = front.map(|front| {
                        let (speaker, _) = speakers.of(&front, None);
                        exchange += u64::from(speaker == Side::Device);
                        let message = Message::of(&front);
                        let key = message.and_then(|it| SessionKey::of("", speaker, it).ok()?);
                        key.iter().for_each(|key| linter.unread(key));
                        speaker
                    });
                    let id = broken_id(wbxml::looks_like(&text));
                    let words = match are_commands_alone(&text) {
                        true => format!("{}; {COMMANDS_ALONE}", error.kind),
                        false => error.kind.to_string(),
                    };
                    let mut notes = vec![Remark {
                        at: Some(error.at),
                        ..Remark::new(id, Severity::Error, words)
                    }];
                    locate(&mut notes, &text, is_single_byte);
                    let by = speaker.map_or("sender", Side::name);
                    lint.messages.push(Linted::in_file(name, by, notes));
                    continue;
                }
            };
            let what = match Dialect::of(&document) {
                Dialect::SyncMl => None,
                Dialect::Soap if message_log::has_messages(&text) => Some("SOAP of enrollment"),
                Dialect::Provisioning => Some("a provisioning document"),
                Dialect::Soap | Dialect::Other => {
                    other(&mut lint, name, root(&document));
                    continue;
                }
            };
            is_all_foreign = false;
            if let Some(what) = what {
                let mut notes: Vec<_> = note_provider_id(&document)
                    .into_iter()
                    .map(remark)
                    .collect();
                if notes.is_empty() {
                    lint.others.push((name, what.into()));
                    continue;
                }
                locate(&mut notes, &text, is_single_byte);
                lint.messages
                    .push(Linted::in_file(name, Side::Server.name(), notes));
                continue;
            }
            let (speaker, _) = speakers.of(&document, None);
            // A request begins an exchange, an answer belongs to the one before.
            exchange += u64::from(speaker == Side::Device);
            let mut notes: Vec<Remark> = document
                .flags()
                .iter()
                .take(MOST_FLAGS)
                .map(|it| remark(Note::of_flag(it)))
                .collect();
            notes.extend(utf16.and_then(|it| declared_otherwise(it, &text)));
            let found = linter.message(LintMessage {
                speaker,
                server: "",
                exchange,
                document: &document,
                delivered: Some(&document),
                is_own: false,
                is_changed: false,
                head: None,
                links: None,
            });
            notes.extend(found.into_iter().map(remark));
            let header = Message::of(&document).and_then(|message| message.header());
            let proto = header.and_then(|header| header.ver_proto());
            let is_of_ds = proto.is_some_and(|it| is_of_synchronization(&it, &notes));
            lint.synchronization += usize::from(is_of_ds);
            if let Some((begins, error)) = more {
                let begins = u32::try_from(begins).unwrap_or(u32::MAX);
                let places = notes.iter_mut().filter_map(|note| note.at.as_mut());
                places.for_each(|at| *at = at.saturating_add(begins));
                notes.push(Remark {
                    at: Some(error.at),
                    ..Remark::new("XML-01", Severity::Error, error.kind.to_string())
                });
            }
            locate(&mut notes, &text, is_single_byte);
            lint.messages
                .push(Linted::in_file(name, speaker.name(), notes));
        }
        match foreign.filter(|_| is_all_foreign && lint.messages.is_empty()) {
            Some(why) => Err(why),
            None => Ok(lint),
        }
    }

    /// Judges the messages of a record, of which `selected` says which exchanges are reported. `read` reads the record.
    ///
    /// # Errors
    /// Those of reading.
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
            // A file that is not a record may begin anywhere in its conversation: what answers refer to is judged here.
            event.notes.retain(|note| note.id != "STA-03");
            let found = record::lint::of_record(&mut linter, &event);
            if event
                .exchange
                .is_some_and(|exchange| selected(event.run, exchange))
            {
                let mut notes: Vec<_> = found.into_iter().map(remark).collect();
                // The proxy has a note of it; a log has none.
                let is_noted = event.notes.iter().any(|note| note.id.ends_with("XML-01"));
                notes.extend(unread(&event).filter(|_| !is_noted));
                // It is not in the file: nothing was judged.
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

/// Whether a message with this VerProto is of data synchronization (OMA DS), which has other rules. In a session of DM it
/// has the note that its VerProto is wrong.
fn is_of_synchronization(proto: &str, notes: &[Remark]) -> bool {
    proto.starts_with("SyncML/") && !notes.iter().any(|note| note.id == "HDR-01")
}

/// XML-01: a text in UTF-16 whose XML declaration names UTF-8. A reader may believe either (XML 1.0 §4.3.3).
fn declared_otherwise(utf16: Utf16, text: &[u8]) -> Option<Remark> {
    let text = text.strip_prefix(MARK).unwrap_or(text);
    let end = memmem::find(text, b"?>").filter(|_| text.starts_with(b"<?xml"))?;
    let declaration = String::from_utf8_lossy(&text[..end]).to_ascii_lowercase();
    let words = format!(
        "the text is in {}, the XML declaration says UTF-8",
        utf16.name()
    );
    let remark = Remark::new("XML-01", Severity::Warning, words);
    declaration.contains("utf-8").then_some(remark)
}

/// XML-01 or WBXML-01: a message of a peer that could not be read.
fn unread(event: &EventRecord) -> Option<Remark> {
    let Some(ParsedBodyRecord::Opaque { at, why, .. }) = &event.reading else {
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

/// A message of a record with the notes it was recorded with and those of lint.
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

/// The note on a body that does not decode.
fn broken_id(is_wbxml: bool) -> &'static str {
    match is_wbxml {
        true => "WBXML-01",
        false => "XML-01",
    }
}

fn looks_like_markup(text: &[u8]) -> bool {
    let text = text.strip_prefix(MARK).unwrap_or(text);
    wbxml::looks_like(text) || text.trim_ascii_start().starts_with(b"<")
}

/// Whether a text that is no document is one once it stands in a message.
fn are_commands_alone(text: &[u8]) -> bool {
    let parts: [&[u8]; 3] = [b"<SyncML><SyncBody>", text, b"</SyncBody></SyncML>"];
    decode(parts.concat().into(), Hint::default(), &Limits::default()).is_ok()
}

/// Whether markup has anything of a message in it, however broken.
fn names_syncml(text: &[u8]) -> bool {
    let names = ["<SyncML", "</SyncML", "<CmdID>", "<LocURI>"];
    has_message(text)
        || names
            .iter()
            .any(|name| memmem::find(text, name.as_bytes()).is_some())
}

/// What markup of another kind is: `XML with the root feed`.
fn root(document: &Document) -> String {
    let form = match document.is_wbxml() {
        true => "WBXML",
        false => "XML",
    };
    let name = document.root().local();
    let name: String = name.chars().take(LONGEST_NAME).collect();
    format!("{form} with the root {}", printable::line(&name))
}

/// Whether it is a web page: no message, and no XML either.
fn looks_like_html(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let text = text.strip_prefix(MARK).unwrap_or(text);
    let begins = |start: &str| {
        let front = text.get(..start.len());
        front.is_some_and(|front| front.eq_ignore_ascii_case(start.as_bytes()))
    };
    begins("<!doctype html") || begins("<html")
}

/// Finds line and character of notes in the text that they are about. Where the file has a byte for each character, their
/// offsets become those in the file.
fn locate(notes: &mut [Remark], text: &[u8], is_single_byte: bool) {
    if wbxml::looks_like(text) {
        return;
    }
    let mut notes: Vec<_> = notes.iter_mut().collect();
    notes.sort_by_key(|note| note.at);
    let begins = match text.starts_with(MARK) {
        true => MARK.len(),
        false => 0,
    };
    let (mut line, mut column, mut counted, mut characters) = (1, 1, begins, 0);
    for note in notes {
        let Some(at) = note.at else { continue };
        let at = text.len().min(at as usize).max(counted);
        for byte in &text[counted..at] {
            // The others continue a character.
            characters += u32::from(matches!(byte, 0..0x80 | 0xc0..));
            match byte {
                b'\n' => (line, column) = (line + 1, 1),
                0..0x80 | 0xc0.. => column += 1,
                _ => {}
            }
        }
        counted = at;
        if is_single_byte {
            note.at = Some(characters);
        }
        (note.line, note.column) = (Some(line), Some(column));
    }
}

/// The byte order mark of a text in UTF-8, which is no character of it.
const MARK: &[u8] = "\u{feff}".as_bytes();
/// Characters of a name that are shown.
const LONGEST_NAME: usize = 40;
/// Leniencies of the decoder that are reported for a file.
const MOST_FLAGS: usize = 16;
