//! Record files: the extension says what is written.

#[cfg(unix)]
use std::fs::TryLockError;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::jsonl;
use super::model::RunRecord;
use super::{Colour, JsonLines, Layout, Pcapng, Renew, Sink, Transcript};
use crate::error_text;

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
    /// Two programs would write over each other.
    #[error("another dmtap is writing it: name another file")]
    Taken,
    /// Whoever made the link chooses the file that is overwritten.
    #[error("it is a link to {0}: name that file itself")]
    Link(String),
    /// Opening it would wait for somebody who reads.
    #[error("it is a pipe that nobody reads: start its reader first")]
    NoReader,
    /// The system does not let it be written.
    #[error("{why}", why = error_text::io(.0))]
    Io(#[from] io::Error),
}

enum Kind {
    JsonLines,
    Pcapng,
    Transcript,
}

/// Opens a record file. Its extension chooses the kind: `.jsonl` and `.json`, `.pcapng`, `.txt` and `.log`. A file
/// that is there is overwritten; a `+` in front of the path appends instead. Only its owner may read it
/// afterwards, and no other dmtap may write it until the sink is dropped. A link is refused.
///
/// # Errors
/// [`FileError`], which names the file.
pub fn open(path: &str) -> Result<Box<dyn Sink>, FileError> {
    let (append, name) = parsed(path);
    let opened = open_as(name, append, None);
    let opened = opened.map(|(sink, _)| sink);
    opened.map_err(|why| failed(name, why))
}

/// A sink with the name of its file, and what opens that file again once it was rotated away.
pub type Named = (String, Box<dyn Sink>, Box<dyn Renew>);

/// A record file that is open.
struct Rotation {
    path: String,
    /// The run, which every record begins with.
    run: Option<RunRecord>,
    /// Which file of the system it was; `None` of a pipe or a device, which are not rotated.
    identity: Option<Identity>,
}

impl Renew for Rotation {
    fn renew(&mut self) -> io::Result<Option<Box<dyn Sink>>> {
        let (append, name) = parsed(&self.path);
        let there = std::fs::metadata(name).ok();
        let there = there.and_then(|there| identity(&there));
        if self.identity.is_none() || there == self.identity {
            return Ok(None);
        }
        let (sink, identity) =
            open_as(name, append, self.run.as_ref()).map_err(io::Error::other)?;
        self.identity = identity;
        Ok(Some(sink))
    }
}

/// Opens several record files; those of JSON lines begin with the run.
///
/// # Errors
/// [`FileError`] for the first that cannot be opened, or that is named a second time, be it in another way.
pub fn open_all(paths: &[String], run: Option<&RunRecord>) -> Result<Vec<Named>, FileError> {
    let mut known: Vec<PathBuf> = Vec::new();
    let mut sinks = Vec::new();
    for path in paths {
        let (_, name) = parsed(path);
        // A file that is to be made can be found under its other names only when it is there.
        if whole(name).is_some_and(|whole| known.contains(&whole)) {
            return Err(failed(name, FileErrorKind::Twice));
        }
        let (append, _) = parsed(path);
        let opened = open_as(name, append, run);
        let (sink, identity) = opened.map_err(|why| failed(name, why))?;
        let rotation = Rotation {
            path: path.clone(),
            run: run.cloned(),
            identity,
        };
        sinks.push((path.clone(), sink, Box::new(rotation) as _));
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

type Opened = (Box<dyn Sink>, Option<Identity>);

fn open_as(name: &str, append: Append, run: Option<&RunRecord>) -> Result<Opened, FileErrorKind> {
    let kind = kind(name).ok_or(FileErrorKind::Extension)?;
    let append = append == Append::Yes;
    if append && matches!(kind, Kind::Pcapng) {
        return Err(FileErrorKind::Append);
    }
    if let Ok(to) = std::fs::read_link(name) {
        return Err(FileErrorKind::Link(to.display().to_string()));
    }
    // Closing it before the file is open would end the pipe for its reader.
    let _pipe = reader(name)?;
    let torn = append && ends_in_line(name)?;
    let mut options = options();
    options.append(append).write(true).create(true);
    let mut file = options.open(name)?;
    lock(&file)?;
    // Before anything is written: one that was there may be open to others.
    make_private(&file)?;
    if !append && file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    if torn {
        file.write_all(b"\n")?;
    }
    let identity = identity(&file.metadata()?);
    let out = BufWriter::with_capacity(BUFFER, file);
    let sink: Box<dyn Sink> = match kind {
        Kind::JsonLines => match run {
            Some(run) => {
                let line = jsonl::line(jsonl::RUN, run);
                Box::new(JsonLines::new(out).beginning_with(&line))
            }
            None => Box::new(JsonLines::new(out)),
        },
        Kind::Pcapng => Box::new(Pcapng::new(out)?),
        Kind::Transcript => Box::new(Transcript::new(out, Colour::Plain).with_layout(Layout {
            width: None,
            ..Layout::default()
        })),
    };
    Ok((sink, identity))
}

/// The end of a pipe that has a reader, so that opening it once more does not wait for one.
#[cfg(unix)]
fn reader(name: &str) -> Result<Option<File>, FileErrorKind> {
    use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
    if !std::fs::metadata(name).is_ok_and(|there| there.file_type().is_fifo()) {
        return Ok(None);
    }
    let mut options = OpenOptions::new();
    let opened = options
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(name);
    match opened {
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => Err(FileErrorKind::NoReader),
        opened => Ok(Some(opened?)),
    }
}

#[cfg(not(unix))]
fn reader(_: &str) -> Result<Option<File>, FileErrorKind> {
    Ok(None)
}

/// Keeps other programs of this kind from the file until it is closed.
#[cfg(unix)]
fn lock(file: &File) -> Result<(), FileErrorKind> {
    if !file.metadata()?.is_file() {
        return Ok(());
    }
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(FileErrorKind::Taken),
        // Not every file system has locks.
        Err(TryLockError::Error(_)) | Ok(()) => Ok(()),
    }
}

/// A lock of Windows keeps readers (`dmtap show`) out as well.
#[cfg(not(unix))]
fn lock(_: &File) -> Result<(), FileErrorKind> {
    Ok(())
}

/// Device and number of a file.
type Identity = (u64, u64);

/// Which file of the system it is, if it is one that can be rotated away.
#[cfg(unix)]
fn identity(file: &Metadata) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt as _;
    file.is_file().then(|| (file.dev(), file.ino()))
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Option<Identity> {
    None
}

/// Whether a file ends in the middle of a line, as one does that was being written in a crash.
fn ends_in_line(name: &str) -> io::Result<bool> {
    // Opening a pipe to read waits for somebody to write.
    let is_file = std::fs::metadata(name).is_ok_and(|there| there.is_file());
    if !is_file {
        return Ok(false);
    }
    let mut file = File::open(name)?;
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
