//! Compressed files: gzip, and ZIP, which Fiddler's SAZ is, too.

use std::borrow::Cow;
use std::io::{Cursor, Read};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use zip::ZipArchive;

use crate::printable::counted;

/// Returns the content of a gzip file, at most `limit` bytes, and a remark about the unread rest; `None` for any other file.
pub(super) fn gunzipped(file: &[u8], limit: u64) -> Option<(Bytes, Option<String>)> {
    file.starts_with(&[0x1f, 0x8b]).then_some(())?;
    let mut plain = Vec::new();
    // The part in front of a break is worth reading.
    let read = MultiGzDecoder::new(file)
        .take(limit + 1)
        .read_to_end(&mut plain);
    let is_longer = plain.len() as u64 > limit;
    let why = match read {
        _ if is_longer => Some(format!("it holds more than {} MiB", limit >> 20)),
        Err(_) => Some(format!(
            "it breaks off behind {} bytes of text",
            plain.len()
        )),
        Ok(_) => None,
    };
    plain.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let missing = why.map(|why| format!("note: the gzip is not read whole: {why}"));
    (!plain.is_empty()).then(|| (plain.into(), missing))
}

/// The files of a ZIP.
type Unzipped = Vec<(String, Bytes)>;

/// Returns the files of a ZIP with their names, together at most `limit` bytes, and a remark about the unread files;
/// `None` for any other file.
pub(super) fn unzipped(zip: &Bytes, mut limit: u64) -> Option<(Unzipped, Option<String>)> {
    zip.starts_with(b"PK\x03\x04").then_some(())?;
    let mut zip = ZipArchive::new(Cursor::new(zip)).ok()?;
    let most = limit >> 20;
    let (mut files, mut unread) = (Vec::new(), 0);
    for number in 0..zip.len() {
        let Ok(file) = zip.by_index(number) else {
            unread += 1;
            continue;
        };
        let name = file.name().map(Cow::into_owned).unwrap_or_default();
        let length = file.size();
        let mut plain = Vec::new();
        let read = file.take(limit).read_to_end(&mut plain);
        limit -= plain.len() as u64;
        unread += usize::from(read.is_err() || (plain.len() as u64) < length);
        if read.is_ok() && files.len() < MOST_FILES {
            files.push((name, plain.into()));
        }
    }
    let files_unread = counted(unread, "file");
    let missing = format!(
        "note: the ZIP is not read whole: {files_unread} broken, encrypted, packed otherwise or beyond {most} MiB"
    );
    Some((files, (unread > 0).then_some(missing)))
}

/// The limit of files of one ZIP.
const MOST_FILES: usize = 100_000;
