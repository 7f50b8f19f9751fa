//! `dmtap decode`: a message from a file, as XML or as an annotated tree.

use std::io::IsTerminal;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Failure, Outcome, Output, annotate, read_input, write_output, write_text};
use crate::app::message_log;
use crate::dm::notification::Notification;
use crate::dm::pasted::unpack;
use crate::markup::convert::{XmlLayout, to_xml};
use crate::markup::utf16::{Utf16, in_utf8};
use crate::markup::{Document, Flag, Hint, Limits, decode, readable_part, wbxml};
use crate::printable;
use crate::record;

/// Decode a message (XML or WBXML, also in base64, hex or a WAP push) and print it as XML.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dmtap decode message.wbxml                  XML
  dmtap decode message.wbxml --annotate       each node with its offset
  base64 -w0 message.wbxml | dmtap decode -   base64 is recognised
  xxd message.wbxml | dmtap decode -          so are hex and dumps
  dmtap decode package0.bin --password PASS   a notification, its digest checked
  dmtap decode message.xml --output json

Exit code 1: the message is broken, or with --strict deviates from the
standard; the error names the offset, and --annotate shows what stands in
front of it. 2: the file is neither XML nor WBXML.")]
pub struct Decode {
    /// The message; `-` reads standard input.
    file: PathBuf,
    /// Print a tree instead of XML: offsets, what codes mean, documents inside values, deviations from the standard.
    #[arg(long)]
    annotate: bool,
    /// If the message deviates from the standard, list all deviations and print no XML; by default decode accepts many.
    #[arg(long)]
    strict: bool,
    /// Print XML without indentation, with exactly the blanks and line breaks of the message.
    #[arg(long)]
    compact: bool,
    /// The Content-Type that the message had in HTTP, for bytes that may be of several formats.
    #[arg(long, value_name = "TYPE")]
    media_type: Option<String>,
    /// The server's password, to check the digest of a notification (package 0).
    #[arg(long, value_name = "PASSWORD")]
    password: Option<String>,
    /// The nonce of that digest in base64. By default the initial ones are tried.
    #[arg(long, value_name = "BASE64", requires = "password", value_parser = base64)]
    nonce: Option<Nonce>,
}

impl Decode {
    /// Runs the verb.
    ///
    /// # Errors
    /// A broken message, or an unreadable file.
    pub fn run(self, output: Output) -> Outcome {
        let source = unpack(read_input(&self.file)?);
        if record::is_record(&source) {
            let name = printable::path(&self.file);
            let why =
                format_args!("{name} is a record of dmtap, not a message\nhelp: dmtap show {name}");
            return Err(Failure::usage(why));
        }
        let hint = Hint {
            media_type: self.media_type.as_deref(),
            charset: None,
        };
        if let Some(notification) = Notification::of(&source) {
            return self.notification(notification, output);
        }
        let name = printable::path(&self.file);
        let failed = |why: String| Failure::failed(format_args!("{name}: {why}"));
        if let Some(utf16) = Utf16::of(&source) {
            let charset = utf16.name();
            tracing::warn!("{name} is {charset}: offsets are those of its text in UTF-8");
        }
        let limits = Limits::default();
        let source = in_utf8(source).map_err(|error| failed(annotate::refused(&error)))?;
        let document = match decode(source.clone(), hint, &limits) {
            Ok(document) => document,
            Err(error) => {
                let front = readable_part(&source, &error, hint, &limits);
                if let Some(front) = front.filter(|_| self.annotate) {
                    write_text(&self.text(&front, output), output)?;
                }
                let messages = message_log::messages(&source, &limits);
                let is_log =
                    !source.trim_ascii_start().starts_with(b"<") && !wbxml::looks_like(&source);
                let read = messages.iter();
                let read = read.filter(|it| is_log || it.parsed.document().is_some());
                let help = match read.count() {
                    0 => String::new(),
                    count => {
                        let messages = printable::counted(count, "message");
                        format!("\nhelp: dmtap show {name} finds {messages} in it")
                    }
                };
                let why = format!("error: {name}: {}{help}", annotate::refused(&error));
                return Err(annotate::failure(&error, why));
            }
        };
        if (document.root().span().end as usize) < source.len() {
            let count = message_log::messages(&source, &limits).len();
            if count > 1 && document.is_wbxml() {
                tracing::warn!(
                    "{name} has {count} messages: this is the first; dmtap show prints them all"
                );
            }
        }
        let breaches = match self.strict {
            true => annotate::breaches(&document),
            false => Vec::new(),
        };
        // A tree shows the refused deviations; XML would suggest a valid message.
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

    fn notification(&self, notification: Notification<'_>, output: Output) -> Outcome {
        let fits = self.password.as_ref().map(|password| {
            let initial: [&[u8]; 2] = [&[0; 4], b"0x00000000"];
            match &self.nonce {
                Some(Nonce(nonce)) => notification.fits(password, nonce),
                None => initial
                    .iter()
                    .any(|nonce| notification.fits(password, nonce)),
            }
        });
        write_text(&annotate::notification(notification, fits, output), output)?;
        match fits {
            Some(false) => Err(Failure::Failed(String::new())),
            _ => Ok(()),
        }
    }

    /// Prints the document. Only for a terminal, XML gets escapes for characters that a terminal would obey or hide.
    fn print(&self, text: &str, output: Output) -> Outcome {
        match self.annotate || std::io::stdout().is_terminal() {
            true => write_text(text, output),
            false => write_output(text.as_bytes()),
        }
    }

    fn text(&self, document: &Document, output: Output) -> String {
        let mut text = match (output, self.annotate) {
            (Output::Json, _) => annotate::json(document).to_string(),
            (Output::Text, true) => annotate::annotated(document, std::io::stdout().is_terminal()),
            (Output::Text, false) => {
                let layout = if self.compact {
                    XmlLayout::Compact
                } else {
                    XmlLayout::Indented
                };
                to_xml(document, layout).xml
            }
        };
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }
}

/// The octets of a nonce.
#[derive(Clone, Debug)]
struct Nonce(Vec<u8>);

fn base64(text: &str) -> Result<Nonce, String> {
    let decoded = STANDARD.decode(text.trim());
    decoded.map(Nonce).map_err(|_| "this is not base64".into())
}
