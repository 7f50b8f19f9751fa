//! A file that holds a message or a record.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use bytes::Bytes;

use crate::app::{message_log, rule_includes};
use crate::cli::{Failure, MOST_INPUT};
use crate::error_text;
use crate::markup::Limits;

/// The content of a file.
pub(super) enum Source {
    /// The bytes of one message.
    Message(Bytes),
    /// JSON lines.
    Record(Box<dyn BufRead>),
}

impl Source {
    /// Opens a file, or standard input for `-`. Reads only the beginning of a record.
    pub(super) fn open(file: &Path) -> Result<Self, Failure> {
        let is_stdin = file.as_os_str() == "-";
        let name: &dyn Display = match is_stdin {
            true => &"standard input",
            false => &file.display(),
        };
        let unreadable = |error: io::Error| Failure::unreadable(name, error_text::io(&error));
        let input: Box<dyn Read> = match is_stdin {
            true => Box::new(io::stdin()),
            false => Box::new(File::open(file).map_err(unreadable)?),
        };
        let mut input = BufReader::new(input);
        let begins = input.fill_buf().map_err(unreadable)?;
        if begins.starts_with(message_log::LINE) {
            return Ok(Self::Record(Box::new(input)));
        }
        let bytes = rule_includes::take_bounded(input, MOST_INPUT);
        let bytes = bytes.map_err(|why| Failure::unreadable(name, why))?;
        // XML begins with `<`, WBXML with its version, and base64 has no brace. JSON may be a log, or a damaged record.
        let bytes = Bytes::from(bytes);
        let is_json = bytes.trim_ascii_start().starts_with(b"{");
        match is_json && message_log::messages(&bytes, &Limits::default()).is_empty() {
            true => Ok(Self::Record(Box::new(Cursor::new(bytes)))),
            false => Ok(Self::Message(bytes)),
        }
    }
}
