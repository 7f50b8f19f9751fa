//! Record files: the extension says what is written.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use super::{JsonLines, Masking, Pcapng, Sink, Style, Transcript};

/// Why a record file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The extension is none of ours.
    #[error(
        "the extension says what to write: .jsonl or .json (JSON lines), .pcapng (for Wireshark), .txt or .log \
         (transcript)"
    )]
    Extension,
    /// pcapng has one header, in front.
    #[error("a .pcapng file cannot be appended to: leave out the +")]
    Append,
    /// The system does not let it be written.
    #[error(transparent)]
    Io(#[from] io::Error),
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
/// [`FileError`], which does not repeat the path.
pub fn open(path: &str, masking: Masking) -> Result<Box<dyn Sink>, FileError> {
    let (append, name) = match path.strip_prefix('+') {
        Some(name) => (true, name),
        None => (false, path),
    };
    let kind = kind(name).ok_or(FileError::Extension)?;
    if append && matches!(kind, Kind::Pcapng) {
        return Err(FileError::Append);
    }
    let mut options = options();
    match append {
        true => options.append(true),
        false => options.write(true).truncate(true),
    };
    let torn = append && ends_in_line(name)?;
    let mut file = options.create(true).open(name)?;
    if torn {
        file.write_all(b"\n")?;
    }
    let out = BufWriter::with_capacity(BUFFER, file);
    Ok(match kind {
        Kind::JsonLines => Box::new(JsonLines::new(out, masking)),
        Kind::Pcapng => Box::new(Pcapng::new(out, masking)?),
        Kind::Transcript => Box::new(Transcript::new(out, Style::Plain, masking)),
    })
}

/// Whether a file ends in the middle of a line, as one does that was being written in a crash.
fn ends_in_line(name: &str) -> io::Result<bool> {
    let mut file = match File::open(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file?,
    };
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// Bytes that a sink gathers before they are written.
const BUFFER: usize = 64 * 1024;

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
