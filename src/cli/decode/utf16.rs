//! A message in UTF-16, as a file holds it, in UTF-8.

use bytes::Bytes;

/// A text that was UTF-16.
#[derive(Debug)]
pub(super) struct Narrowed {
    /// The same text in UTF-8, behind a byte order mark: what its declaration says of the encoding is not so here.
    pub(super) text: Bytes,
    /// The charset it was in.
    pub(super) charset: &'static str,
}

/// The source in UTF-8, where it is XML in UTF-16; `None` where it is something else.
///
/// # Errors
/// The offset, in words, of a half of a character.
pub(super) fn narrowed(source: &[u8]) -> Result<Option<Narrowed>, String> {
    let (charset, unit, mark): (_, fn([u8; 2]) -> u16, _) = match source {
        // UTF-32 begins alike.
        [0xFF, 0xFE, 0, 0, ..] => return Ok(None),
        [0xFF, 0xFE, ..] => ("UTF-16LE", u16::from_le_bytes, 2),
        [0xFE, 0xFF, ..] => ("UTF-16BE", u16::from_be_bytes, 2),
        [b'<', 0, next, 0, ..] if begins_tag(*next) => ("UTF-16LE", u16::from_le_bytes, 0),
        [0, b'<', 0, next, ..] if begins_tag(*next) => ("UTF-16BE", u16::from_be_bytes, 0),
        _ => return Ok(None),
    };
    let broken = |at: usize| format!("at byte {at}: {charset}: half of a character");
    let (pairs, rest) = source[mark..].as_chunks::<2>();
    let mut text = String::with_capacity(source.len());
    text.push('\u{FEFF}');
    let mut at = mark;
    for character in char::decode_utf16(pairs.iter().map(|&pair| unit(pair))) {
        let character = character.map_err(|_| broken(at))?;
        text.push(character);
        at += 2 * character.len_utf16();
    }
    if !rest.is_empty() {
        return Err(broken(at));
    }
    let text = text.into();
    Ok(Some(Narrowed { text, charset }))
}

fn begins_tag(next: u8) -> bool {
    next == b'?' || next == b'!' || next.is_ascii_alphabetic()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf_16_becomes_utf_8_and_half_of_a_character_is_refused_with_its_offset() {
        let text = "<a>\u{e9}\u{1F600}</a>";
        let le: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let marked = |mark: [u8; 2], bytes: &[u8]| [&mark[..], bytes].concat();
        for (source, charset) in [
            (le.clone(), "UTF-16LE"),
            (marked([0xFF, 0xFE], &le), "UTF-16LE"),
            (be.clone(), "UTF-16BE"),
            (marked([0xFE, 0xFF], &be), "UTF-16BE"),
        ] {
            let narrowed = narrowed(&source).expect("whole").expect("UTF-16");
            assert_eq!(narrowed.charset, charset);
            assert_eq!(narrowed.text, format!("\u{FEFF}{text}").as_bytes());
        }
        for (source, at) in [(&le[..10], 8), (&le[..9], 8), (&le[..7], 6)] {
            let error = narrowed(source).expect_err("broken");
            assert!(error.starts_with(&format!("at byte {at}: ")), "{error}");
        }
        for other in [&b"<a/>"[..], b"\xFF\xFE\0\0<\0\0\0", b"\x03\x01\x6A\0", b""] {
            assert!(narrowed(other).expect("no UTF-16").is_none());
        }
    }
}
