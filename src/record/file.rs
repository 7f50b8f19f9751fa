//! Record files: the extension says what is written.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::{JsonLines, Masking, Pcapng, Sink, Style, Transcript};

/// Why a record file cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {why}")]
pub struct FileError {
    /// The file.
    pub path: String,
    /// What is wrong with it.
    pub why: FileErrorKind,
}

/// What is wrong with a record file.
#[derive(Debug, thiserror::Error)]
pub enum FileErrorKind {
    /// The extension is none of ours.
    #[error(
        "the extension says what to write: .jsonl or .json (JSON lines), .pcapng (for Wireshark), .txt or .log \
         (transcript)"
    )]
    Extension,
    /// pcapng has one header, in front.
    #[error("a .pcapng file cannot be appended to: leave out the +")]
    Append,
    /// Two sinks would write over each other.
    #[error("it is named twice: a file holds one record")]
    Twice,
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
/// that is there is overwritten; a `+` in front of the path appends instead. Only its owner may read it
/// afterwards.
///
/// # Errors
/// [`FileError`], which names the file.
pub fn open(path: &str, masking: Masking) -> Result<Box<dyn Sink>, FileError> {
    let (append, name) = parsed(path);
    let opened = open_as(name, append, masking);
    opened.map_err(|why| failed(name, why))
}

/// A sink with the name of its file.
pub type Named = (String, Box<dyn Sink>);

/// Opens several record files.
///
/// # Errors
/// [`FileError`] for the first that cannot be opened, or that is named a second time, be it in another way.
pub fn open_all(paths: &[String], masking: Masking) -> Result<Vec<Named>, FileError> {
    let mut known: Vec<PathBuf> = Vec::new();
    let mut sinks = Vec::new();
    for path in paths {
        let (_, name) = parsed(path);
        // A file that is to be made can be found under its other names only when it is there.
        if whole(name).is_some_and(|whole| known.contains(&whole)) {
            return Err(failed(name, FileErrorKind::Twice));
        }
        sinks.push((path.clone(), open(path, masking)?));
        known.extend(whole(name));
    }
    Ok(sinks)
}

fn parsed(path: &str) -> (Append, &str) {
    match path.strip_prefix('+') {
        Some(name) => (Append::Yes, name),
        None => (Append::No, path),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Append {
    Yes,
    No,
}

fn failed(path: &str, why: FileErrorKind) -> FileError {
    let path = path.to_owned();
    FileError { path, why }
}

/// The one name of a file that is there, links resolved; of another kind (a pipe, a terminal) none.
fn whole(name: &str) -> Option<PathBuf> {
    let whole = Path::new(name).canonicalize().ok()?;
    whole.is_file().then_some(whole)
}

fn open_as(name: &str, append: Append, masking: Masking) -> Result<Box<dyn Sink>, FileErrorKind> {
    let kind = kind(name).ok_or(FileErrorKind::Extension)?;
    let append = append == Append::Yes;
    if append && matches!(kind, Kind::Pcapng) {
        return Err(FileErrorKind::Append);
    }
    let torn = append && ends_in_line(name)?;
    let mut options = options();
    options.append(append).write(true).create(true);
    let mut file = options.open(name)?;
    // Before anything is written: one that was there may be open to others.
    make_private(&file)?;
    if !append && file.metadata()?.is_file() {
        file.set_len(0)?;
    }
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

/// Only the owner may read a file, also one that was there. A pipe or a device stays as it is.
#[cfg(unix)]
fn make_private(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.permissions().mode() & 0o777 == 0o600 {
        return Ok(());
    }
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn make_private(_: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
fn options() -> OpenOptions {
    OpenOptions::new()
}
