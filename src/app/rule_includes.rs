//! Files that rule files name, read where the program may read files.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error_text;
use bytes::Bytes;

/// The content of `path` as the rule file names it: from the folder of the rule file, if it is not absolute.
/// A reader for [`crate::rules::load::parse_all_with`].
///
/// # Errors
/// Why it cannot be read, in words; more than 16 MiB are not.
pub fn read(rule_file: &str, path: &str) -> Result<Bytes, String> {
    read_at(&place(rule_file, path))
}

/// The content of a file that a rule file names; `file` is what [`place`] gives.
///
/// # Errors
/// Those of [`read`].
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

/// The content of a file that has no more bytes than `most`, whatever kind of file it is.
///
/// # Errors
/// Why it cannot be read, in words.
pub fn read_bounded(file: &Path, most: u64) -> Result<Vec<u8>, String> {
    let open = fs::File::open(file).map_err(|error| error_text::io(&error))?;
    take_bounded(open, most)
}

/// What `input` gives, if it is no more bytes than `most`.
///
/// # Errors
/// Those of [`read_bounded`].
pub fn take_bounded(input: impl Read, most: u64) -> Result<Vec<u8>, String> {
    let mut content = Vec::new();
    let read = input.take(most + 1).read_to_end(&mut content);
    read.map_err(|error| error_text::io(&error))?;
    match content.len() as u64 > most {
        true => Err(format!("it is longer than {} MiB", most >> 20)),
        false => Ok(content),
    }
}

/// Where the file is that a rule file names.
pub fn place(rule_file: &str, path: &str) -> PathBuf {
    let folder = Path::new(rule_file).parent();
    folder.map_or_else(|| path.into(), |folder| folder.join(path))
}

/// Most bytes of a file that rules name, and of a file of rules or of a plan.
pub const MOST: u64 = 16 << 20;
