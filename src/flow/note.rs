//! Remarks on what a peer said: data, never an error.

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
    /// A quirk, or something known to cause trouble.
    Warning,
    /// A MUST of a specification is broken, or the body cannot be read.
    Error,
}

impl Severity {
    /// The severity with this name in records; `Info` for a name that is not known.
    pub fn named(name: &str) -> Self {
        match name {
            "error" => Self::Error,
            "warning" => Self::Warning,
            _ => Self::Info,
        }
    }

    /// The severity of notes with this id, as `docs/notes.md` has it. Of several severities or rows the first counts.
    pub fn of_note(id: &str) -> Self {
        static SEVERITIES: LazyLock<HashMap<&str, Severity>> = LazyLock::new(|| {
            let notes = facts::all().iter().filter(|it| it.kind == FactKind::Note);
            let first = |names: &'static str| names.split(',').next().unwrap_or_default();
            let severities = notes.map(|it| (&*it.key, Severity::named(first(&it.name))));
            severities.rev().collect()
        });
        SEVERITIES.get(id).copied().unwrap_or(Self::Warning)
    }

    /// The name of the severity in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Text of a peer for a note, cut to [`LONGEST_TEXT`] characters.
pub fn clipped(text: &str) -> String {
    cut(text, LONGEST_TEXT)
}

/// A whole note as it is shown, cut to [`MAX_NOTE_CHARS`] characters. What must be masked is masked before.
pub fn clipped_note(text: &str) -> String {
    cut(text, MAX_NOTE_CHARS)
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Characters of a note.
const MAX_NOTE_CHARS: usize = 600;

/// Characters of a peer's text in a note.
pub const LONGEST_TEXT: usize = 200;

/// A remark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The rule of the protocol it is about, such as `STA-03`.
    pub id: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// Offset into the decoded source, in bytes, where it can be pinned down.
    pub at: Option<u32>,
    /// For people.
    pub text: String,
}

impl Note {
    /// A note about the message as a whole, with the severity that `docs/notes.md` states for the id.
    pub fn new(id: &'static str, text: impl Into<String>) -> Self {
        Self {
            id,
            severity: Severity::of_note(id),
            at: None,
            text: text.into(),
        }
    }

    /// The note, about the place at this offset of the decoded source, in bytes.
    pub fn at(self, offset: u32) -> Self {
        Self {
            at: Some(offset),
            ..self
        }
    }

    /// The note with a severity that depends on what it is about.
    pub fn with_severity(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    /// A note about what a decoder let pass.
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
