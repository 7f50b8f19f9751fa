//! The rules for values and their formats: ITM-02, ITM-03.

use super::Findings;
use crate::dm::{Command, Item, Meta};

/// Checks the Format of each Item, and whether its Data fits the Format. No note quotes a value.
pub(super) fn check(found: &mut Findings, command: Command<'_>) {
    let of_command = command.meta();
    for item in command.items() {
        let Some(format) = Meta::item_field(Some(item), of_command, Meta::format) else {
            continue;
        };
        let format = format.to_ascii_lowercase();
        let at = Some(item.element());
        if format.is_empty() || FORMATS.contains(&&*format) {
            if let Some(what) = misfit(&format, item) {
                found.add(
                    "ITM-03",
                    at,
                    format!("the Format is {format}, and Data {what}"),
                );
            }
        } else {
            found.add("ITM-02", at, format!("{format} is not a Format of OMA DM"));
        }
    }
}

/// Returns the error in a value that does not fit its Format. An empty value fits every Format; partial and masked
/// values are not checked.
fn misfit(format: &str, item: Item<'_>) -> Option<&'static str> {
    let data = item.data().filter(|_| !item.more_data())?;
    let text = data.text();
    let text = text.trim_ascii();
    if text.is_empty() || text.contains('*') || data.elements().next().is_some() {
        return None;
    }
    match format {
        "int" if !is_number(text) => Some("is not a number"),
        // Microsoft's samples write True and TRUE, too.
        "bool"
            if !["true", "false"]
                .iter()
                .any(|it| text.eq_ignore_ascii_case(it)) =>
        {
            Some("is neither true nor false")
        }
        // In WBXML the Data may have the octets themselves.
        "b64" if !data.document().is_wbxml() && !text.bytes().all(is_of_base64) => {
            Some("has characters that base64 has not")
        }
        _ => None,
    }
}

/// Whether a text is a number: decimal digits, or hexadecimal digits behind `0x`, with or without a sign.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_hex = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    match digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        Some(digits) => !digits.is_empty() && is_hex(digits),
        None => !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// Whether base64 text with line breaks may have this byte.
fn is_of_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=".contains(&byte) || byte.is_ascii_whitespace()
}

/// The formats of OMA DM Tree and Description 1.2.
const FORMATS: [&str; 11] = [
    "b64", "bin", "bool", "chr", "int", "node", "null", "xml", "date", "time", "float",
];
