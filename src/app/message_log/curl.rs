//! What `curl -v` prints, as the messages of HTTP that it shows.
//!
//! ```text
//! > POST /dm HTTP/1.1            what curl sent; it does not show the body
//! < HTTP/1.1 200 OK              what it received
//! <SyncML …                      the body of the response
//! * Connection #0 to host …      a remark
//! ```

use memchr::memmem;

/// The heads without the signs in front of their lines, and the bodies of responses; `None` for any other text.
pub(super) fn as_http(text: &[u8]) -> Option<Vec<u8>> {
    let has = |start: &[u8]| {
        text.starts_with(start) || memmem::find(text, &[b"\n", start].concat()).is_some()
    };
    if !has(b"< HTTP/") && !has(b"> POST ") {
        return None;
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut is_sending = false;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        match line {
            [sign @ (b'>' | b'<'), rest @ ..]
                if rest.first().is_none_or(u8::is_ascii_whitespace) =>
            {
                is_sending = *sign == b'>';
                plain.extend_from_slice(rest.strip_prefix(b" ").unwrap_or(rest));
            }
            // The progress of sending, say: no body.
            _ if is_remark(line) || is_sending && !line.contains(&b'<') => {}
            _ => {
                is_sending = false;
                plain.extend_from_slice(line);
            }
        }
    }
    Some(plain)
}

/// Whether curl wrote the line itself: `* Connected to …`, and `{ [812 bytes data]` for data that go elsewhere.
fn is_remark(line: &[u8]) -> bool {
    let is_count = line.trim_ascii_end().ends_with(b"bytes data]");
    line.starts_with(b"* ")
        || is_count && line.starts_with(b"{ [")
        || is_count && line.starts_with(b"} [")
}
