//! Files that rule files name, read where the program may read files.

use std::fs;
use std::path::{Path, PathBuf};

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
    let length = fs::metadata(file).map_err(|error| error.to_string())?.len();
    if length > MOST {
        return Err(format!("it has {length} bytes, and {MOST} are the most"));
    }
    let content = fs::read(file).map_err(|error| error.to_string())?;
    Ok(content.into())
}

/// Where the file is that a rule file names.
pub fn place(rule_file: &str, path: &str) -> PathBuf {
    let folder = Path::new(rule_file).parent();
    folder.map_or_else(|| path.into(), |folder| folder.join(path))
}

const MOST: u64 = 16 << 20;
