//! Record files: the extension selects the format.

#[cfg(unix)]
use std::fs::TryLockError;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::jsonl;
use super::model::RunRecord;
use super::{Colour, JsonLines, Layout, Pcapng, Sink, SinkFile, Transcript};
use crate::error_text;

/// The error of a record file, with its path.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {why}")]
pub struct FileError {
    /// The file.
    pub path: String,
    /// The reason.
    pub why: FileErrorKind,
}

/// The reason why a record file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum FileErrorKind {
    /// The extension is not the extension of a record file.
    #[error(
        "the extension says what to write: .jsonl or .json (JSON lines), .pcapng (for Wireshark), .txt or .log \
         (transcript)"
    )]
    Extension,
    /// A pcapng file has one header, at its beginning.
    #[error("a .pcapng file cannot be appended to: leave out the +")]
    Append,
    /// The file is named twice: two sinks would overwrite each other.
    #[error("it is named twice: a file holds one record")]
    Twice,
    /// Another dmtap writes the file: two programs would overwrite each other.
    #[error("another dmtap is writing it: name another file")]
    Taken,
    /// The path is a link: whoever made the link would choose the file that is overwritten.
    #[error("it is a link to {0}: name that file itself")]
    Link(String),
    /// The path is a pipe without a reader: opening it would wait for one.
    #[error("it is a pipe that nobody reads: start its reader first")]
    NoReader,
    /// The system refuses the access.
    #[error("{why}", why = error_text::io(.0))]
    Io(#[from] io::Error),
}

enum Kind {
    JsonLines,
    Pcapng,
    Transcript,
}

/// The name of a file, its sink, and the file itself.
pub type OpenedSink = (String, Box<dyn Sink>, Box<dyn SinkFile>);

/// Opens record files. The extension selects the format: `.jsonl` and `.json`, `.pcapng`, `.txt` and `.log`. An existing
/// file is overwritten; a `+` in front of the path appends instead. Files of JSON lines begin with a line about the run.
/// Afterwards only the owner of a file may read it, and no other dmtap may write it until the sink is dropped. A link is
/// refused.
///
/// # Errors
/// Returns a [`FileError`] for the first file that cannot be opened, or that is named twice, even under different
/// names.
pub fn open_all(paths: &[String], run: &RunRecord) -> Result<Vec<OpenedSink>, FileError> {
    let mut known: Vec<PathBuf> = Vec::new();
    let mut sinks = Vec::new();
    for path in paths {
        let name = name_of(path);
        let failed = |why| FileError {
            path: name.to_owned(),
            why,
        };
        // The real path of a file is known only once the file exists.
        if whole(name).is_some_and(|whole| known.contains(&whole)) {
            return Err(failed(FileErrorKind::Twice));
        }
        let (sink, identity) = open(path, run).map_err(failed)?;
        let file = OpenFile::new(path.clone(), run.clone(), identity);
        let file: Box<dyn SinkFile> = Box::new(file);
        sinks.push((path.clone(), sink, file));
        known.extend(whole(name));
    }
    Ok(sinks)
}

/// Returns the path without the `+` that asks to append.
fn name_of(path: &str) -> &str {
    path.strip_prefix('+').unwrap_or(path)
}

/// The open file of a sink.
struct OpenFile {
    path: String,
    run: RunRecord,
    /// The identity of the file; `None` for a pipe or a device, which are not rotated.
    opened: Option<Identity>,
    /// The file once more: the sink owns its own handle, and with it the lock.
    file: Option<File>,
}

impl OpenFile {
    fn new(path: String, run: RunRecord, opened: Option<Identity>) -> Self {
        let file = opened.and_then(|_| File::open(name_of(&path)).ok());
        Self {
            path,
            run,
            opened,
            file,
        }
    }
}

impl SinkFile for OpenFile {
    fn is_away(&self) -> bool {
        let there = std::fs::metadata(name_of(&self.path)).ok();
        let there = there.and_then(|there| identity(&there));
        self.opened.is_some() && there != self.opened
    }

    fn is_deleted(&self) -> bool {
        let file = self.file.as_ref().and_then(|file| file.metadata().ok());
        file.is_some_and(|file| identity(&file) == self.opened && !has_name(&file))
    }

    fn renew(&mut self) -> io::Result<Box<dyn Sink>> {
        let (sink, identity) = open(&self.path, &self.run).map_err(io::Error::other)?;
        *self = Self::new(self.path.clone(), self.run.clone(), identity);
        Ok(sink)
    }
}

/// Returns the path of an existing regular file with all links resolved; `None` for anything else (a pipe, a terminal).
fn whole(name: &str) -> Option<PathBuf> {
    let whole = Path::new(name).canonicalize().ok()?;
    whole.is_file().then_some(whole)
}

type Opened = (Box<dyn Sink>, Option<Identity>);

fn open(path: &str, run: &RunRecord) -> Result<Opened, FileErrorKind> {
    let (name, append) = (name_of(path), path.starts_with('+'));
    let kind = kind(name).ok_or(FileErrorKind::Extension)?;
    if append && matches!(kind, Kind::Pcapng) {
        return Err(FileErrorKind::Append);
    }
    if let Ok(to) = std::fs::read_link(name) {
        return Err(FileErrorKind::Link(to.display().to_string()));
    }
    // If this end closed before the file is open, the reader of the pipe would see the end of its input.
    let _pipe = reader(name)?;
    let torn = append && ends_in_line(name)?;
    let mut options = options();
    options.append(append).write(true).create(true);
    let mut file = options.open(name)?;
    lock(&file)?;
    // Before anything is written: others may be allowed to read an existing file.
    make_private(&file)?;
    if !append && file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    if torn {
        file.write_all(b"\n")?;
    }
    let identity = identity(&file.metadata()?);
    let out = BufWriter::with_capacity(BUFFER, Unlocking(file));
    let sink: Box<dyn Sink> = match kind {
        Kind::JsonLines => {
            let beginning = jsonl::line(jsonl::RUN, run);
            Box::new(JsonLines::new(out).beginning_with(&beginning))
        }
        Kind::Pcapng => Box::new(Pcapng::new(out)?),
        Kind::Transcript => Box::new(Transcript::new(out, Colour::Plain).with_layout(Layout {
            width: None,
            ..Layout::default()
        })),
    };
    Ok((sink, identity))
}

/// Opens a pipe for writing if it has a reader, so that the actual open does not wait for one. Returns `None` if `name`
/// is not a pipe.
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

/// Locks a regular file against other dmtap processes until it is closed.
#[cfg(unix)]
fn lock(file: &File) -> Result<(), FileErrorKind> {
    if !file.metadata()?.is_file() {
        return Ok(());
    }
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(FileErrorKind::Taken),
        // Some file systems have no locks.
        Err(TryLockError::Error(_)) | Ok(()) => Ok(()),
    }
}

/// Does nothing: a lock on Windows would keep readers (`dmtap show`) out as well.
#[cfg(not(unix))]
fn lock(_: &File) -> Result<(), FileErrorKind> {
    Ok(())
}

/// A file whose lock ends with it. To close the file is not enough: a program that another thread starts has a copy of the
/// descriptor, with the lock, for a moment.
#[derive(Debug)]
struct Unlocking(File);

impl Write for Unlocking {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Drop for Unlocking {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// The device number and inode number of a file.
type Identity = (u64, u64);

/// Returns the identity of a regular file; other files cannot be rotated away.
#[cfg(unix)]
fn identity(file: &Metadata) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt as _;
    file.is_file().then(|| (file.dev(), file.ino()))
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Option<Identity> {
    None
}

#[cfg(unix)]
fn has_name(file: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(file) > 0
}

#[cfg(not(unix))]
fn has_name(_: &Metadata) -> bool {
    true
}

/// Returns whether a file ends in the middle of a line, as after a crash during a write.
fn ends_in_line(name: &str) -> io::Result<bool> {
    // Opening a pipe for reading waits for a writer.
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

/// The size of a sink's write buffer, in bytes.
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

/// Makes a regular file readable only by its owner, even if it existed before. Leaves a pipe or a device unchanged.
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

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_lock_ends_with_the_file_though_its_descriptor_has_a_copy() {
        let folder = tempfile::tempdir().unwrap();
        let open = || File::create(folder.path().join("a.jsonl")).unwrap();
        let file = open();
        lock(&file).unwrap();
        let _copy = file.try_clone().unwrap();
        assert!(lock(&open()).is_err());
        drop(Unlocking(file));
        lock(&open()).unwrap();
    }
}
