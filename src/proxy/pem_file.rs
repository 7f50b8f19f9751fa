//! PEM files of the user, which are read within a limit.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Reads the content of a PEM file.
///
/// # Errors
/// An error if the file cannot be read, or is too long for a PEM file.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?
        .take(MAX_PEM_BYTES + 1)
        .read_to_end(&mut content)?;
    match content.len() as u64 > MAX_PEM_BYTES {
        true => {
            let why = format!(
                "it is longer than {} MiB: it is not a PEM file",
                MAX_PEM_BYTES >> 20
            );
            Err(io::Error::other(why))
        }
        false => Ok(content),
    }
}

/// The most bytes of a PEM file. All CAs that a system trusts take about 250,000.
const MAX_PEM_BYTES: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_an_end_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("long.pem");
        let sparse = File::create(&file).expect("a file");
        sparse.set_len(MAX_PEM_BYTES).expect("as long as it may be");
        assert_eq!(
            read(&file).expect("short enough").len() as u64,
            MAX_PEM_BYTES
        );
        sparse.set_len(1 << 40).expect("no end in sight");
        let error = read(&file).expect_err("too long");
        assert!(error.to_string().contains("longer than 4 MiB"), "{error}");
    }
}
