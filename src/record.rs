//! Records: numbers events, masks secrets and hands the records to sinks.
//!
//! ```text
//! proxy ─ Event ─▶ Journal ─▶ record thread ─┬─ queue ─▶ Transcript     for people
//!                  (number)   (EventRecord)  ├─ queue ─▶ JsonLines      for programs, and for `dmtap show`
//!                                            └─ queue ─▶ Pcapng         for Wireshark
//! ```
//!
//! One thread makes one [`EventRecord`] of each event, with its secrets masked, and every sink gets that record. So
//! `dmtap show` prints from a file the text that the transcript had during the run.

pub mod analysis;
pub mod file;
mod html;
pub mod journal;
pub mod jsonl;
pub mod lint;
pub mod model;
pub mod pcapng;
pub mod redact;
pub mod replay;
pub mod select;
pub mod transcript;

use std::io;

pub use file::{FileError, FileErrorKind, OpenedSink, open_all};
pub use journal::{Builder, CloseError, Journal, JournalLimits, SinkSummary, Summary, WhenFull};
pub use jsonl::JsonLines;
pub use model::EventRecord;
pub use pcapng::Pcapng;
pub use redact::Masking;
pub use replay::{Damage, is_record, replay};
pub use transcript::{Colour, Layout, Transcript};

/// The file of a sink, which others may move away or delete while the sink writes to it.
pub trait SinkFile: Send {
    /// Whether the name no longer leads to the file of the sink.
    fn is_away(&self) -> bool;

    /// Whether the file of the sink has no name any more, so that its content is lost.
    fn is_deleted(&self) -> bool;

    /// Begins a new file under the name, and returns a sink for it.
    ///
    /// # Errors
    /// Fails if the file cannot be opened; the old sink stays in use.
    fn renew(&mut self) -> io::Result<Box<dyn Sink>>;
}

/// Receives every event, on a separate thread.
pub trait Sink: Send {
    /// Writes the beginning of the record, such as the line about the run, and makes it visible. Called once, before
    /// the first event.
    ///
    /// # Errors
    /// Fails if the output cannot be written.
    fn begin(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Writes one event.
    ///
    /// # Errors
    /// Fails if the event cannot be written; the sink gets no more events after that.
    fn write_event(&mut self, record: &EventRecord) -> io::Result<()>;

    /// Makes written events visible to others. Called [`journal::FLUSH_AFTER`] after the first event that is not
    /// visible yet.
    ///
    /// # Errors
    /// Fails if the output cannot be written.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Completes the record; no event follows.
    ///
    /// # Errors
    /// Fails if the output cannot be written.
    fn finish(&mut self) -> io::Result<()> {
        self.flush()
    }
}
