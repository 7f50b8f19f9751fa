//! Prints HTTP header fields.

use super::block::line;
use super::text_buffer::{REASON, Style, TextBuffer, WIDTH};
use crate::record::model::HeadRecord;

/// Prints the fields of [`SHOWN_HEADERS`], or all fields if the layout asks for them.
pub(super) fn fields(out: &mut TextBuffer, head: &HeadRecord) {
    if out.layout.headers {
        for (name, value) in &head.headers {
            line(out).quoted(Style::Faint, name, REASON);
            out.put(Style::Faint, ": ")
                .quoted(Style::Faint, value, REASON)
                .end();
        }
        return;
    }
    for (name, shown) in SHOWN_HEADERS {
        let Some(value) = head.header(name) else {
            continue;
        };
        line(out).put(Style::Faint, shown).put(Style::Faint, ": ");
        let most = if name == "location" {
            REASON
        } else {
            out.layout.width.unwrap_or(WIDTH).saturating_sub(30)
        };
        out.quoted(Style::Faint, value, most).end();
    }
}

/// Header fields about identity, or with the target of a redirect.
const SHOWN_HEADERS: [(&str, &str); 6] = [
    ("authorization", "Authorization"),
    ("devicetoken", "DeviceToken"),
    ("x-syncml-hmac", "x-syncml-hmac"),
    ("ms-signature", "MS-Signature"),
    ("mdm-signature", "MDM-Signature"),
    ("location", "Location"),
];
