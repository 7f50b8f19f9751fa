//! Several messages in WBXML, one behind the other: files joined by `cat`, lines of hex read as one.

use bytes::Bytes;

use super::LoggedMessage;
use super::date::WrittenDate;
use super::find::whole;
use crate::markup::{Document, Hint, Limits, decode, wbxml};

/// Parses bytes that are one message, or several in WBXML, one behind the other.
pub(super) fn one_or_more(
    mut bytes: Bytes,
    limits: &Limits,
    date: Option<WrittenDate>,
) -> Vec<LoggedMessage> {
    let mut found = Vec::new();
    while let Some((end, next)) = next_message(&bytes, limits) {
        found.push(whole(bytes.slice(..end), limits, date));
        bytes = bytes.slice(next..);
    }
    found.push(whole(bytes, limits, date));
    found
}

/// Returns the end of a message in WBXML and the place of the next one behind it.
fn next_message(bytes: &Bytes, limits: &Limits) -> Option<(usize, usize)> {
    let first = decode(bytes.clone(), Hint::default(), limits).ok();
    let first = first.filter(Document::is_wbxml)?;
    let end = first.root().span().end as usize;
    let behind = bytes.get(end..)?.trim_ascii_start();
    let next = bytes.len() - behind.len();
    let is_next = || whole(bytes.slice(next..), limits, None).may_be_message();
    (wbxml::looks_like(behind) && is_next()).then_some((end, next))
}
