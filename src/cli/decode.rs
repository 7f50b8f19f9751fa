//! `dmtap decode`: a message from a file, as XML or as an annotated tree.

use std::io::IsTerminal;
use std::path::PathBuf;

use base64::Engine;
use bytes::Bytes;

use super::{Failure, Outcome, Output, annotate, read_input, write_output, write_text};
use crate::markup::convert::{XmlOptions, to_xml};
use crate::markup::utf16::{Utf16, in_utf8};
use crate::markup::{Document, Flag, Hint, Limits, decode};
use crate::printable;
use crate::record;

/// Decode a message (XML, WBXML, or base64 of either) and print it as XML.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dmtap decode message.wbxml                  XML
  dmtap decode message.wbxml --annotate       each node with its offset
  base64 -w0 message.wbxml | dmtap decode -   base64 is recognised
  dmtap decode message.xml --output json

Exit code 1: the message is broken (with the offset); with --strict also if
something was let pass.")]
pub struct Decode {
    /// The message; `-` reads standard input.
    file: PathBuf,
    /// Print a tree with offsets, names of codes, documents inside documents, and deviations from the standard.
    #[arg(long)]
    annotate: bool,
    /// Refuse deviations from the standard that decode accepts by default: list all of them and print no XML.
    #[arg(long)]
    strict: bool,
    /// Print XML without indentation: exactly the content of the message.
    #[arg(long)]
    compact: bool,
    /// The media type from HTTP, for bytes that are ambiguous.
    #[arg(long, value_name = "TYPE")]
    media_type: Option<String>,
}

impl Decode {
    /// Runs the verb.
    ///
    /// # Errors
    /// A broken message, or an unreadable file.
    pub fn run(self, output: Output) -> Outcome {
        let source = unwrap_base64(read_input(&self.file)?);
        if record::is_record(&source) {
            let name = printable::path(&self.file);
            let why = format!("error: {name} is a record of dmtap, not a message");
            return Err(Failure::Failed(format!("{why}\nhelp: dmtap show {name}")));
        }
        let hint = Hint {
            media_type: self.media_type.as_deref(),
            charset: None,
        };
        let name = printable::path(&self.file);
        let failed = |why| Failure::Failed(format!("error: {name}: {why}"));
        if let Some(utf16) = Utf16::of(&source) {
            let charset = utf16.name();
            tracing::warn!("{name} is {charset}: offsets are those of its text in UTF-8");
        }
        let document = in_utf8(source)
            .and_then(|source| decode(source, hint, &Limits::default()))
            .map_err(|error| failed(annotate::refused(&error)))?;
        let breaches = match self.strict {
            true => annotate::breaches(&document),
            false => Vec::new(),
        };
        // A tree shows what is refused; XML would say that the message could be read.
        let shows_flags = self.annotate || output == Output::Json;
        if breaches.is_empty() || shows_flags {
            self.print(&self.text(&document, output), output)?;
        }
        if breaches.is_empty() {
            return Ok(());
        }
        let line =
            |flag: &Flag| format!("{name}: at byte {}: {}", flag.at, annotate::flag_text(flag));
        let lines: Vec<String> = breaches.iter().map(line).collect();
        Err(Failure::Failed(lines.join("\n")))
    }

    /// XML is what the message says: only a terminal is kept from what it would obey or hide.
    fn print(&self, text: &str, output: Output) -> Outcome {
        match self.annotate || std::io::stdout().is_terminal() {
            true => write_text(text, output),
            false => write_output(text.as_bytes()),
        }
    }

    fn text(&self, document: &Document, output: Output) -> String {
        let mut text = match (output, self.annotate) {
            (Output::Json, _) => annotate::json(document).to_string(),
            (Output::Text, true) => annotate::annotated(document),
            (Output::Text, false) => {
                let options = if self.compact {
                    XmlOptions::compact()
                } else {
                    XmlOptions::indented()
                };
                to_xml(document, &options).xml
            }
        };
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }
}

/// The bytes behind base64, if the input is nothing but base64 of XML or WBXML; else the input.
pub(super) fn unwrap_base64(input: Vec<u8>) -> Bytes {
    let looks = input
        .iter()
        .all(|b| b.is_ascii_alphanumeric() || b"+/=-_ \r\n\t".contains(b));
    if !looks || input.is_empty() {
        return input.into();
    }
    let packed: Vec<u8> = input
        .iter()
        .copied()
        .filter(|b| !b.is_ascii_whitespace())
        .collect();
    let engines = [
        &base64::engine::general_purpose::STANDARD,
        &base64::engine::general_purpose::URL_SAFE,
        &base64::engine::general_purpose::STANDARD_NO_PAD,
    ];
    let decoded = engines
        .iter()
        .find_map(|engine| engine.decode(&packed).ok());
    decoded.map_or_else(|| input.into(), Bytes::from)
}
