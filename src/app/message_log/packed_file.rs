//! Files that are compressed: gzip, and the ZIP that a SAZ of Fiddler is.

use std::io::Read;

use bytes::Bytes;
use flate2::read::{DeflateDecoder, MultiGzDecoder};
use memchr::memmem;

use crate::printable::counted;

/// What a file of gzip has in it, at most `limit` bytes, and for people why that is not all; `None` for any other file.
pub(super) fn gunzipped(file: &[u8], limit: u64) -> Option<(Bytes, Option<String>)> {
    file.starts_with(&[0x1f, 0x8b]).then_some(())?;
    let mut plain = Vec::new();
    // What stands in front of a break is worth reading.
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

/// The files of a ZIP with their names, at most `limit` bytes of all together, and for people how many are not read;
/// `None` for any other file.
pub(super) fn unzipped(zip: &Bytes, mut limit: u64) -> Option<(Unzipped, Option<String>)> {
    zip.starts_with(b"PK\x03\x04").then_some(())?;
    let mut at = u32_at(zip, memmem::rfind(zip, b"PK\x05\x06")? + 16)?;
    let most = limit >> 20;
    let (mut files, mut unread) = (Vec::new(), 0);
    while zip.get(at..)?.starts_with(b"PK\x01\x02") {
        let method = u16_at(zip, at + 10)?;
        let packed = u32_at(zip, at + 20)?;
        let length = u32_at(zip, at + 24)?;
        let [name, extra, comment] = [28, 30, 32].map(|field| u16_at(zip, at + field));
        let local = u32_at(zip, at + 42)?;
        let begins = local + 30 + u16_at(zip, local + 26)? + u16_at(zip, local + 28)?;
        let content = zip.get(begins..begins.checked_add(packed)?)?;
        let mut plain = Vec::new();
        let read = match method {
            0 => content.take(limit).read_to_end(&mut plain),
            8 => DeflateDecoder::new(content)
                .take(limit)
                .read_to_end(&mut plain),
            _ => Ok(0),
        };
        limit -= plain.len() as u64;
        let names = at + 46..at + 46 + name?;
        unread += usize::from(read.is_err() || plain.len() < length);
        if read.is_ok() && files.len() < MOST_FILES {
            let name = String::from_utf8_lossy(zip.get(names)?).into_owned();
            files.push((name, plain.into()));
        }
        at += 46 + name? + extra? + comment?;
    }
    let files_unread = counted(unread, "file");
    let missing = format!(
        "note: the ZIP is not read whole: {files_unread} broken, encrypted, packed otherwise or beyond {most} MiB"
    );
    Some((files, (unread > 0).then_some(missing)))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
    let field = bytes.get(at..at + 2)?;
    Some(u16::from_le_bytes([field[0], field[1]]).into())
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u16_at(bytes, at)? | u16_at(bytes, at + 2)? << 16)
}

/// Files of one ZIP.
const MOST_FILES: usize = 100_000;
