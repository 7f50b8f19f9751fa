//! Remarks about what a peer sent. They are data, never errors.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use crate::facts::{self, FactKind};
use crate::markup::{Flag, FlagKind};

/// How much a note matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// A quirk, or a known cause of trouble.
    Warning,
    /// The message breaks a MUST of a specification, or the body cannot be read.
    Error,
}

impl Severity {
    /// Returns the severity with this name in records; [`Self::Info`] for an unknown name.
    pub fn named(name: &str) -> Self {
        match name {
            "error" => Self::Error,
            "warning" => Self::Warning,
            _ => Self::Info,
        }
    }

    /// Returns the severity of notes with this id in `docs/notes.md`. Of several severities or rows, the first counts.
    pub fn of_note(id: &str) -> Self {
        static SEVERITIES: LazyLock<HashMap<&str, Severity>> = LazyLock::new(|| {
            let notes = facts::all().iter().filter(|it| it.kind == FactKind::Note);
            let first = |names: &'static str| names.split(',').next().unwrap_or_default();
            let severities = notes.map(|it| (&*it.key, Severity::named(first(&it.name))));
            severities.rev().collect()
        });
        SEVERITIES.get(id).copied().unwrap_or(Self::Warning)
    }

    /// Returns the name of the severity in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Cuts a text of a peer to [`LONGEST_TEXT`] characters, for use in a note.
pub fn clipped(text: &str) -> String {
    cut(text, LONGEST_TEXT)
}

/// Cuts the text of a whole note to [`MAX_NOTE_CHARS`] characters. The caller masks secrets first.
pub fn clipped_note(text: &str) -> String {
    cut(text, MAX_NOTE_CHARS)
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The most characters of a note.
const MAX_NOTE_CHARS: usize = 600;

/// The most characters of a peer's text in a note.
pub const LONGEST_TEXT: usize = 200;

/// A remark about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The id of the protocol rule that the note is about, such as `STA-03`.
    pub id: &'static str,
    /// How much the note matters.
    pub severity: Severity,
    /// The offset into the decoded source in bytes, if the place is known.
    pub at: Option<u32>,
    /// The text for people.
    pub text: String,
}

impl Note {
    /// Creates a note about the message as a whole, with the severity that `docs/notes.md` states for the id.
    pub fn new(id: &'static str, text: impl Into<String>) -> Self {
        Self {
            id,
            severity: Severity::of_note(id),
            at: None,
            text: text.into(),
        }
    }

    /// Puts the note at this offset of the decoded source, in bytes.
    pub fn at(self, offset: u32) -> Self {
        Self {
            at: Some(offset),
            ..self
        }
    }

    /// Gives the note a severity that depends on its subject.
    pub fn with_severity(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    /// Returns the note on a deviation that a decoder accepted.
    pub fn of_flag(flag: &Flag) -> Self {
        Self {
            id: flag.kind.id().unwrap_or(match flag.kind {
                FlagKind::Doctype => "XML-06",
                _ => "XML-01",
            }),
            severity: match flag.kind {
                FlagKind::PaddedNumber | FlagKind::VendorTag { .. } | FlagKind::IdleSwitch => {
                    Severity::Info
                }
                _ => Severity::Warning,
            },
            at: Some(flag.at),
            text: clipped(&flag.kind.to_string()),
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.severity.name(), self.id, self.text)?;
        match self.at {
            Some(at) => write!(f, " (at byte {at})"),
            None => Ok(()),
        }
    }
}
