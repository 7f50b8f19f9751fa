//! Dates that stand behind their messages, as in the last column of a table.
//!
//! ```text
//! (1,'<SyncML>…</SyncML>','2026-11-30 10:12:00'),(2,'<SyncML>…
//!
//! body       | <SyncML>…</SyncML>
//! created_at | 2026-11-30 10:12:00
//! ```

use std::ops::Range;

use super::LoggedMessage;
use super::date::WrittenDate;

/// Gives each message the date behind it if the first has none in front of it, and each date stands in the line of the
/// message in front of it, or in a line of its own.
pub(super) fn move_to_messages(text: &[u8], messages: &mut [(Range<usize>, LoggedMessage)]) {
    let dates = messages.iter().map(|(_, it)| it.date.is_some());
    if !dates.eq((0..messages.len()).map(|place| place > 0)) {
        return;
    }
    let ends = messages.iter().map(|(place, _)| place.end);
    let begins = messages.iter().skip(1).map(|(place, _)| place.start);
    let gaps = ends.zip(begins.chain([text.len()]));
    let dates = gaps.map(|(end, next)| {
        let gap = &text[end..next.min(end + LONGEST_GAP)];
        let gap = String::from_utf8_lossy(gap);
        let (at, date) = WrittenDate::first_in(&gap)?;
        let is_behind = !gap[..at].contains('\n') || gap[at..].contains('\n');
        is_behind.then_some(date)
    });
    let Some(dates) = dates.collect::<Option<Vec<_>>>().filter(|it| it.len() > 1) else {
        return;
    };
    for ((_, message), date) in messages.iter_mut().zip(dates) {
        message.date = Some(date);
    }
}

/// The limit of the text behind a message that may have its date, in bytes.
const LONGEST_GAP: usize = 512;
