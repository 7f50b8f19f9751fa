//! Lint of files with a message each.

use std::sync::Arc;

use bytes::Bytes;
use memchr::memmem;

use super::log::{commands_in_a_message, message_with_more};
use super::{Linted, Remark, broken_id, is_of_synchronization, remark};
use crate::app::message_log::{has_messages, is_notification, nothing_found, of_other_program};
use crate::app::trial::Speakers;
use crate::dm::carve::has_message;
use crate::dm::{Dialect, Message};
use crate::flow::lint::{LintMessage, Linter, Profile};
use crate::flow::provider::note_provisioning;
use crate::flow::{Note, SessionKey, Severity, Side};
use crate::markup::utf16::{Utf16, in_utf8, windows_1252};
use crate::markup::{DecodeError, Document, Hint, Limits, decode, readable_part, wbxml};
use crate::printable;

/// A conversation in files with a message each.
pub(super) struct Conversation {
    linter: Linter,
    speakers: Speakers,
    exchange: u64,
}

/// The judgement of a file.
pub(super) enum Judged {
    /// A message, and whether it is of data synchronization.
    Message(Linted, bool),
    /// Another content; with the refusal of the file if it has nothing to do with OMA DM.
    Other(String, Option<String>),
}

impl Conversation {
    pub(super) fn new(profile: Profile) -> Self {
        Self {
            linter: Linter::new(profile),
            speakers: Speakers::default(),
            exchange: 0,
        }
    }

    /// Judges the next file.
    ///
    /// # Errors
    /// The file has no message and no markup; in words.
    pub(super) fn judge(&mut self, name: &str, read: Bytes) -> Result<Judged, String> {
        if is_notification(&read) {
            return Ok(Judged::Other("a notification (package 0)".into(), None));
        }
        let utf16 = Utf16::of(&read);
        let single_byte = windows_1252(&read);
        let is_single_byte = single_byte.is_some();
        let source = single_byte.map_or_else(|| in_utf8(read.clone()), Ok);
        let text = source.clone().unwrap_or(read);
        if text.trim_ascii().is_empty() {
            let why = format!("error: {name}: {}", nothing_found(&text));
            return Ok(Judged::Other("an empty body".into(), Some(why)));
        }
        let foreign = |what: String| {
            let why = format!("error: {name}: {what}: {}", nothing_found(&text));
            Ok(Judged::Other(what, Some(why)))
        };
        let message = |by: &'static str, mut notes: Vec<Remark>| {
            locate(&mut notes, &text, is_single_byte);
            Linted::in_file(name, by, notes)
        };
        let decoded = source.and_then(|it| decode(it, Hint::default(), &Limits::default()));
        let mut more = None;
        let decoded = decoded.map(Arc::new).or_else(|error| {
            let (at, document) = message_with_more(&text).ok_or_else(|| error.clone())?;
            more = Some((at, error));
            Ok(document)
        });
        let is_message = |it: &Arc<Document>| Dialect::of(it) != Dialect::Other;
        let alone = match decoded.as_ref().is_ok_and(is_message) || !names_syncml(&text) {
            true => None,
            false => commands_in_a_message(&text),
        };
        if let Some((document, front)) = alone {
            let (by, found) = self.document(&Arc::new(document));
            // The program that sends the commands numbers them.
            let notes = found.into_iter().filter(|note| note.id != "CMD-01");
            let mut notes: Vec<_> = notes.map(remark).collect();
            let places = notes.iter_mut().filter_map(|note| note.at.as_mut());
            let front = u32::try_from(front).unwrap_or(u32::MAX);
            places.for_each(|at| *at = at.saturating_sub(front));
            return Ok(Judged::Message(message(by, notes), false));
        }
        let document = match decoded {
            Ok(document) => document,
            Err(_) if looks_like_html(&text) => return foreign("HTML".into()),
            Err(_) if of_other_program(&text).is_some() || !looks_like_markup(&text) => {
                return Err(format!("error: {name}: {}", nothing_found(&text)));
            }
            // A page, say: nothing in it claims to be a message.
            Err(_) if !wbxml::looks_like(&text) && !names_syncml(&text) => {
                return foreign("broken markup".into());
            }
            Err(error) => {
                let (by, note) = self.broken(&text, &error);
                return Ok(Judged::Message(message(by, vec![note]), false));
            }
        };
        let what = match Dialect::of(&document) {
            Dialect::SyncMl => {
                let flags = document.flags().iter().take(MOST_FLAGS);
                let mut notes: Vec<_> = flags.map(|it| remark(Note::of_flag(it))).collect();
                notes.extend(utf16.and_then(|it| declared_otherwise(it, &text)));
                let (by, found) = self.document(&document);
                notes.extend(found.into_iter().map(remark));
                let header = Message::of(&document).and_then(|message| message.header());
                let proto = header.and_then(|header| header.ver_proto());
                let is_of_ds = proto.is_some_and(|it| is_of_synchronization(&it, &notes));
                if let Some((begins, error)) = more {
                    let begins = u32::try_from(begins).unwrap_or(u32::MAX);
                    let places = notes.iter_mut().filter_map(|note| note.at.as_mut());
                    places.for_each(|at| *at = at.saturating_add(begins));
                    notes.push(Remark {
                        at: Some(error.at),
                        ..Remark::new("XML-01", Severity::Error, error.kind.to_string())
                    });
                }
                return Ok(Judged::Message(message(by, notes), is_of_ds));
            }
            Dialect::Soap if has_messages(&text) => "SOAP of enrollment",
            Dialect::Provisioning => "a provisioning document",
            Dialect::Soap | Dialect::Other => return foreign(root(&document)),
        };
        let notes: Vec<Remark> = note_provisioning(&document)
            .into_iter()
            .map(remark)
            .collect();
        Ok(match notes.is_empty() {
            true => Judged::Other(what.into(), None),
            false => Judged::Message(message(Side::Server.name(), notes), false),
        })
    }

    /// Returns the sender of a message that does not decode, and the note about the error.
    fn broken(&mut self, text: &Bytes, error: &DecodeError) -> (&'static str, Remark) {
        let front = readable_part(text, error, Hint::default(), &Limits::default());
        let speaker = front.map(|front| {
            let (speaker, _) = self.speakers.of(&front, None);
            self.exchange += u64::from(speaker == Side::Device);
            let message = Message::of(&front);
            let key = message.and_then(|it| SessionKey::of("", speaker, it).ok()?);
            key.iter().for_each(|key| self.linter.unread(key));
            speaker
        });
        let id = broken_id(wbxml::looks_like(text));
        let note = Remark {
            at: Some(error.at),
            ..Remark::new(id, Severity::Error, error.kind.to_string())
        };
        (speaker.map_or("sender", Side::name), note)
    }

    /// Returns the sender of a message, and the notes about it.
    fn document(&mut self, document: &Arc<Document>) -> (&'static str, Vec<Note>) {
        let (speaker, _) = self.speakers.of(document, None);
        // A request begins an exchange, an answer belongs to the one before.
        self.exchange += u64::from(speaker == Side::Device);
        let notes = self.linter.message(LintMessage {
            speaker,
            server: "",
            exchange: self.exchange,
            document,
            delivered: Some(document),
            is_own: false,
            is_changed: false,
            head: None,
            links: None,
        });
        (speaker.name(), notes)
    }
}

/// XML-01: a text in UTF-16 whose XML declaration names UTF-8; readers differ in what they believe (XML 1.0 §4.3.3).
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

fn looks_like_markup(text: &[u8]) -> bool {
    let text = text.strip_prefix(MARK).unwrap_or(text);
    wbxml::looks_like(text) || text.trim_ascii_start().starts_with(b"<")
}

/// Whether markup has parts of a message, however broken.
fn names_syncml(text: &[u8]) -> bool {
    let names = ["<SyncML", "</SyncML", "<CmdID>", "<LocURI>"];
    has_message(text)
        || names
            .iter()
            .any(|name| memmem::find(text, name.as_bytes()).is_some())
}

/// Describes other markup: `XML with the root feed`.
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

/// Sets line and column of notes about a text. If the file has one byte for each character, the offsets become those in
/// the file.
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
            // Other bytes continue a character.
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

/// The byte order mark of a text in UTF-8, which does not count as a character.
const MARK: &[u8] = "\u{feff}".as_bytes();
/// The limit of a shown name, in characters.
const LONGEST_NAME: usize = 40;
/// The limit of reported leniencies of the decoder for a file.
const MOST_FLAGS: usize = 16;
