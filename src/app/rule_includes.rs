//! The files that rule files name.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error_text;
use bytes::Bytes;

/// Reads a file that a rule file names; `file` is the result of [`place`].
///
/// # Errors
/// The reason why it cannot be read, in words; a file of more than 16 MiB is refused.
pub fn read_at(file: &Path) -> Result<Bytes, String> {
    let there = fs::metadata(file).map_err(|error| error_text::io(&error))?;
    if there.is_file() && there.len() > MOST {
        let length = there.len();
        return Err(format!("it has {length} bytes, and {MOST} are the most"));
    }
    // Opening a pipe waits for somebody to write, and a device may have no end.
    if !there.is_file() && !there.is_dir() {
        return Err("it is not a regular file".into());
    }
    Ok(read_bounded(file, MOST)?.into())
}

/// Reads a file of any kind with at most `most` bytes.
///
/// # Errors
/// The reason why it cannot be read, in words.
pub fn read_bounded(file: &Path, most: u64) -> Result<Vec<u8>, String> {
    let open = fs::File::open(file).map_err(|error| error_text::io(&error))?;
    take_bounded(open, most)
}

/// Reads at most `most` bytes from `input`.
pub fn take_bounded(input: impl Read, most: u64) -> Result<Vec<u8>, String> {
    let mut content = Vec::new();
    let read = input.take(most + 1).read_to_end(&mut content);
    read.map_err(|error| error_text::io(&error))?;
    match content.len() as u64 > most {
        true => Err(format!("it is longer than {} MiB", most >> 20)),
        false => Ok(content),
    }
}

/// Returns the path of a file that a rule file names: relative to the folder of the rule file, if it is not absolute.
pub fn place(rule_file: &str, path: &str) -> PathBuf {
    let folder = Path::new(rule_file).parent();
    folder.map_or_else(|| path.into(), |folder| folder.join(path))
}

/// The limit of a file that rules name, and of a rule file or a plan, in bytes.
pub const MOST: u64 = 16 << 20;
