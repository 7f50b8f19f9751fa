//! Prints the bytes around the place where a body cannot be decoded.

use std::fmt::Write as _;

use super::block::line;
use super::text_buffer::{Style, TextBuffer};
use crate::record::model::EventRecord;

/// The number of bytes in one row.
const ROW: usize = 16;

/// Prints three rows in hex and as text. The middle row has the byte that could not be read.
pub(super) fn around(out: &mut TextBuffer, record: &EventRecord, at: u32) {
    let coded = record.header("content-encoding");
    let (Some(body), None) = (&record.body, coded) else {
        return;
    };
    let broken = at as usize;
    let first = (broken / ROW).saturating_sub(1) * ROW;
    for start in (first..body.0.len()).step_by(ROW).take(3) {
        let row = &body.0[start..body.0.len().min(start + ROW)];
        let mut hex = String::new();
        for (place, byte) in row.iter().enumerate() {
            let sign = if start + place == broken { '▸' } else { ' ' };
            // Writing to a String cannot fail.
            let _ = write!(hex, "{sign}{byte:02x}");
        }
        let printable = |byte: &u8| matches!(byte, 0x20..=0x7E);
        let text = row
            .iter()
            .map(|b| if printable(b) { char::from(*b) } else { '·' });
        let text: String = text.collect();
        let wide = 3 * ROW;
        line(out).put(Style::Faint, &format!("  {start:06x} "));
        out.put(Style::Text, &format!("{hex:<wide$}  "))
            .put(Style::Faint, &text)
            .end();
    }
}
