//! The file from which a verb reads sessions: a record, or any file with SyncML messages in it.

use std::fs::File;
use std::io::{self, BufReader, Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use memchr::memmem;

use super::{Failure, Outcome, read_input};
use crate::app::message_log::{self, DateReading};
use crate::app::why::Question;
use crate::error_text;
use crate::filter::Filter;
use crate::printable;
use crate::record::select::{self, ExchangeNumbers, Exchanges};
use crate::record::{Damage, EventRecord, is_record};

/// A file with sessions, or several files with one conversation, and the reading of dates in files that are no records.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct SessionFile {
    /// A record (JSON lines), or a file with SyncML messages in it: a trace of SyncMLViewer, a HAR, flows of
    /// mitmproxy, what `curl -v` prints, a log; `-` reads standard input.
    file: PathBuf,
    #[arg(skip)]
    more: Vec<PathBuf>,
    #[command(flatten)]
    dates: DateReading,
}

impl SessionFile {
    /// Takes the files in front of a filter as more files of the same conversation.
    ///
    /// # Errors
    /// A file behind the filter's first word, or one that does not exist.
    pub(super) fn take_more(&mut self, words: &mut Vec<String>) -> Outcome {
        let files = words
            .iter()
            .take_while(|word| names_file(word) && Path::new(word).is_file());
        let files = files.count();
        self.more = words.drain(..files).map(PathBuf::from).collect();
        refuse_files(words, "files come before the filter")
    }

    /// Returns the name of the file, for people.
    pub(super) fn name(&self) -> String {
        let files = std::iter::once(&self.file).chain(&self.more);
        let names: Vec<_> = files.map(|file| printable::path(file)).collect();
        names.join(" with ")
    }

    /// Passes its events on in order, and returns damaged lines. If nobody reads the output any more (`| head`), it ends.
    ///
    /// # Errors
    /// The file cannot be read, or has no message.
    pub(super) fn read(
        &self,
        mut on_event: impl FnMut(EventRecord) -> io::Result<()>,
    ) -> Result<Vec<Damage>, Failure> {
        let name = self.name();
        let unreadable = |error: io::Error| Failure::unreadable(&name, error_text::io(&error));
        let input: Box<dyn Read> = match self.file.as_os_str() == "-" {
            _ if !self.more.is_empty() => Box::new(Cursor::new(self.joined()?)),
            true => Box::new(io::stdin()),
            false => Box::new(File::open(&self.file).map_err(unreadable)?),
        };
        let input = BufReader::new(input);
        match message_log::read_file(input, self.dates, |event, _| on_event(event)) {
            Ok(damaged) => Ok(damaged),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Vec::new()),
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                let why = error_text::io(&error);
                Err(Failure::usage(format_args!("{name}: {why}")))
            }
            Err(error) => Err(unreadable(error)),
        }
    }

    /// Returns all files as one text.
    fn joined(&self) -> Result<Bytes, Failure> {
        let files = std::iter::once(&self.file).chain(&self.more).map(|file| {
            let text = read_input(file)?;
            let name = printable::path(file);
            if is_record(&text) {
                let why = "is a record: give this command one record at a time";
                return Err(Failure::usage(format_args!("{name} {why}")));
            }
            let text = Bytes::from(text);
            match !text.trim_ascii().is_empty()
                && memmem::find(&text, b"HTTP/").is_none()
                && !message_log::has_messages(&text)
            {
                true => Err(Failure::usage(format_args!(
                    "{name} has no message of SyncML or SOAP, and no head of HTTP: leave it out"
                ))),
                false => Ok(text),
            }
        });
        Ok(message_log::joined(&files.collect::<Result<Vec<_>, _>>()?))
    }

    /// Returns the exchanges that a filter selects. It reads the file once more for them, to find the commands of answers.
    pub(super) fn exchanges(&self, filter: Option<Filter>) -> Result<Option<Exchanges>, Failure> {
        Ok(match filter {
            Some(filter) if self.file.as_os_str() != "-" => {
                let read = |each: &mut select::Each<'_>| self.read(each).map(drop);
                Some(select::of_record(&filter, read)?)
            }
            filter => filter.map(|filter| Exchanges::new(filter, None)),
        })
    }

    /// Answers a question with the events of the file. Returns their number, and damaged lines.
    pub(super) fn ask(&self, question: &mut Question) -> Result<(u64, Vec<Damage>), Failure> {
        let mut exchanges = self.exchanges(question.filter.clone())?;
        let mut selected = ExchangeNumbers::new();
        let mut events = 0;
        let damaged = self.read(|event| {
            events += 1;
            question.event(&event);
            let enter = &mut |event: &_| select::enter(&mut selected, event);
            exchanges
                .as_mut()
                .map_or(Ok(()), |exchanges| exchanges.event(&event, enter))
        })?;
        if let Some(exchanges) = &mut exchanges {
            select::finish(exchanges, &mut selected);
        }
        question.selected = selected;
        Ok((events, damaged))
    }

    /// Returns the failure for a file without an event.
    pub(super) fn empty(&self) -> Failure {
        Failure::Usage(format!(
            "error: {} is empty: it records no event",
            self.name()
        ))
    }

    /// Reports damaged lines.
    pub(super) fn report(&self, damaged: &[Damage]) -> Outcome {
        let name = self.name();
        let lines = damaged
            .iter()
            .map(|damage| format!("error: {name}: {damage}\n"));
        match damaged.is_empty() {
            true => Ok(()),
            false => Err(Failure::Failed(lines.collect())),
        }
    }
}

/// Refuses a filter with the name of a file in it; `remedy` says where files belong.
///
/// # Errors
/// A file, whether it exists or not.
pub(super) fn refuse_files(filter: &[String], remedy: &str) -> Outcome {
    let before = std::iter::once("").chain(filter.iter().map(String::as_str));
    // The word behind `~u` is its value.
    let words = filter.iter().zip(before);
    let is_value = |before: &str| before.starts_with('~') && !before.contains(' ');
    let mut words = words.filter(|(_, before)| !is_value(before));
    let file = words.find(|(word, _)| names_file(word));
    match file.map(|(word, _)| (word, Path::new(word).is_file())) {
        None => Ok(()),
        Some((file, true)) => {
            let why = format_args!("{file} is a file, not a filter: {remedy}");
            Err(Failure::usage(why))
        }
        Some((file, false)) => Err(Failure::unreadable(file, "there is no such file")),
    }
}

/// Whether a word is the name of a file. A number is a code, even if a file has this name.
fn names_file(word: &str) -> bool {
    let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
    is_file_name(word) || !is_number && Path::new(word).is_file()
}

/// Whether a word of a filter has the form of a file name.
fn is_file_name(word: &str) -> bool {
    let extension = Path::new(word).extension().and_then(|it| it.to_str());
    extension.is_some_and(|it| FILES.contains(&it)) && !word.contains([' ', '~', '*'])
}

/// The extensions of files with sessions or messages in them.
const FILES: [&str; 14] = [
    "jsonl", "json", "xml", "wbxml", "har", "log", "txt", "gz", "zip", "saz", "eml", "evtx", "cab",
    "html",
];
