//! The layout that consoles give to text: a margin, colours.

use std::borrow::Cow;

use memchr::memmem;

/// Removes the names of properties and the margin below them; the lines of a value then begin at one column. `None` for a text
/// in which no message stands so.
///
/// ```text
/// Id           : 2100                    PowerShell's Format-List
/// Message      : <SyncML xmlns="SYNCML:SYNCML1.2"><SyncHdr><VerDTD>1.2</VerDTD><V
///                erProto>DM/1.2</VerProto>…
/// ```
pub(super) fn without_margin(text: &str) -> Option<String> {
    let width = text.lines().find_map(|line| {
        let end = line.find(BEHIND_NAME)? + BEHIND_NAME.len();
        let is_of_name = |it: u8| it.is_ascii_alphanumeric() || it == b' ';
        let is_name = line[..end - BEHIND_NAME.len()].bytes().all(is_of_name);
        (is_name && line[end..].starts_with('<')).then_some(end)
    })?;
    let mut plain = String::with_capacity(text.len());
    for line in text.lines() {
        let parts = line.split_at_checked(width).unwrap_or((line, ""));
        let (margin, value) = match parts {
            (margin, value) if margin.trim().is_empty() => ("", value),
            (name, value) if name.ends_with(BEHIND_NAME) => (name, value),
            _ => (line, ""),
        };
        plain.push_str(margin);
        if !margin.is_empty() {
            plain.push('\n');
        }
        plain.push_str(value);
        plain.push('\n');
    }
    Some(plain)
}

/// Removes the colours of a terminal: `ESC [ 34 m`.
pub fn without_colours(text: &[u8]) -> Cow<'_, [u8]> {
    if memmem::find(text, ESCAPE).is_none() {
        return Cow::Borrowed(text);
    }
    let (mut plain, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some(at) = memmem::find(rest, ESCAPE) {
        let behind = &rest[at + ESCAPE.len()..];
        let is_number = |byte: &&u8| byte.is_ascii_digit() || **byte == b';';
        let end = behind.iter().take_while(is_number).count();
        let is_colour = behind.get(end) == Some(&b'm');
        let kept = if is_colour { at } else { at + ESCAPE.len() };
        plain.extend_from_slice(&rest[..kept]);
        rest = &behind[if is_colour { end + 1 } else { 0 }..];
    }
    plain.extend_from_slice(rest);
    Cow::Owned(plain)
}

/// What stands between the name of a property and its value.
const BEHIND_NAME: &str = " : ";
/// The beginning of a control sequence.
const ESCAPE: &[u8] = b"\x1b[";
