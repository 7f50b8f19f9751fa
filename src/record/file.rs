//! Record files: the extension says what is written.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter};
use std::path::Path;

use super::{JsonLines, Masking, Pcapng, Sink, Style, Transcript};

/// Why a record file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The extension is none of ours.
    #[error(
        "{path}: the extension says what to write: .jsonl or .json (JSON lines), .pcapng (for \
         Wireshark), .txt or .log (transcript)"
    )]
    Extension {
        /// The path as given.
        path: String,
    },
    /// pcapng has one header, in front.
    #[error("{path}: a .pcapng file cannot be appended to; leave out the +")]
    Append {
        /// The path as given.
        path: String,
    },
    /// The system does not let it be written.
    #[error("{path}: {error}")]
    Io {
        /// The path as given.
        path: String,
        /// The system's error.
        error: io::Error,
    },
}

impl From<FileError> for io::Error {
    fn from(error: FileError) -> Self {
        let kind = match &error {
            FileError::Io { error, .. } => error.kind(),
            FileError::Extension { .. } | FileError::Append { .. } => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

enum Kind {
    JsonLines,
    Pcapng,
    Transcript,
}

/// Opens a record file. Its extension chooses the kind: `.jsonl` and `.json`, `.pcapng`, `.txt` and `.log`. A file
/// that is there is overwritten; a `+` in front of the path appends instead. Only its owner may read a file made
/// here.
///
/// # Errors
/// [`FileError`] with the path.
pub fn open(path: &str, masking: Masking) -> Result<Box<dyn Sink>, FileError> {
    let (append, name) = match path.strip_prefix('+') {
        Some(name) => (true, name),
        None => (false, path),
    };
    let kind = kind(name).ok_or_else(|| FileError::Extension { path: path.into() })?;
    if append && matches!(kind, Kind::Pcapng) {
        return Err(FileError::Append { path: path.into() });
    }
    let io = |error| FileError::Io {
        path: path.into(),
        error,
    };
    let mut options = options();
    match append {
        true => options.append(true),
        false => options.write(true).truncate(true),
    };
    let file = options.create(true).open(name).map_err(io)?;
    let out = BufWriter::with_capacity(BUFFER, file);
    sink(kind, out, masking).map_err(io)
}

/// Bytes that a sink gathers before they are written.
const BUFFER: usize = 64 * 1024;

fn sink(kind: Kind, out: BufWriter<File>, masking: Masking) -> io::Result<Box<dyn Sink>> {
    Ok(match kind {
        Kind::JsonLines => Box::new(JsonLines::new(out, masking)),
        Kind::Pcapng => Box::new(Pcapng::new(out, masking)?),
        Kind::Transcript => Box::new(Transcript::new(out, Style::Plain, masking)),
    })
}

fn kind(name: &str) -> Option<Kind> {
    let extension = Path::new(name).extension()?.to_str()?;
    match &*extension.to_ascii_lowercase() {
        "jsonl" | "json" => Some(Kind::JsonLines),
        "pcapng" => Some(Kind::Pcapng),
        "txt" | "log" => Some(Kind::Transcript),
        _ => None,
    }
}

#[cfg(unix)]
fn options() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

#[cfg(not(unix))]
fn options() -> OpenOptions {
    OpenOptions::new()
}
