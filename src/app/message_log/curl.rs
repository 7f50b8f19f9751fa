//! The output of `curl -v` and of `curl --trace-ascii`, as messages of HTTP.
//!
//! ```text
//! > POST /dm HTTP/1.1            the request; curl does not show its body
//! < HTTP/1.1 200 OK              the response
//! <SyncML …                      the body of the response
//! * Connection #0 to host …      a remark
//! ```

/// Returns the heads without the signs in front of their lines, and the bodies of responses as they are; `None` for a
/// text without such a head.
pub(super) fn as_http(text: &[u8]) -> Option<Vec<u8>> {
    let lines = || text.split_inclusive(|byte| *byte == b'\n');
    if !lines().any(|line| begins_head(line).is_some()) {
        return None;
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut state = State::Body;
    for line in lines() {
        if let Some(sign) = begins_head(line) {
            state = State::Head(sign);
        }
        match (state, line) {
            (State::Head(sign), [first, rest @ ..])
                if *first == sign && rest.first().is_none_or(u8::is_ascii_whitespace) =>
            {
                plain.extend_from_slice(rest.strip_prefix(b" ").unwrap_or(rest));
                if rest.trim_ascii().is_empty() {
                    state = match sign {
                        REQUEST => State::Sent,
                        _ => State::Body,
                    };
                }
            }
            (State::Body, _) if is_remark(line) => state = State::Remarks,
            (State::Remarks, [b'*', ..]) => {}
            (State::Head(_) | State::Sent, _)
                if line.starts_with(b"*") || !line.contains(&b'<') => {}
            (_, _) if is_count(line) => {}
            _ => {
                state = State::Body;
                plain.extend_from_slice(line);
            }
        }
    }
    Some(plain)
}

/// The part of the output to which lines belong.
#[derive(Clone, Copy)]
enum State {
    /// A head, whose lines begin with this sign.
    Head(u8),
    /// Behind the head of a request: the remarks and progress there are left out.
    Sent,
    /// Remarks in front of or behind the body of a response, which are left out.
    Remarks,
    /// The body of a response, whose lines are left as they are.
    Body,
}

/// Returns the sign of a head that begins with this line.
fn begins_head(line: &[u8]) -> Option<u8> {
    let line = line.trim_ascii_end();
    match line {
        [RESPONSE, b' ', rest @ ..] if rest.starts_with(b"HTTP/") => Some(RESPONSE),
        [REQUEST, b' ', rest @ ..] => {
            let mut words = rest.rsplit(|byte| *byte == b' ');
            let is_version = words.next().is_some_and(|word| word.starts_with(b"HTTP/"));
            (is_version && words.count() == 2).then_some(REQUEST)
        }
        _ => None,
    }
}

/// Whether the line is the first of curl's remarks in front of or behind a body.
fn is_remark(line: &[u8]) -> bool {
    let remarks = [
        "* Connection #",
        "* Closing connection",
        "* Re-using existing",
        "* Found bundle",
        "* Hostname ",
        "* Host ",
        "*   Trying ",
        "* transfer closed",
    ];
    remarks
        .iter()
        .any(|remark| line.starts_with(remark.as_bytes()))
}

/// Returns the heads and bodies of both directions that `curl --trace-ascii` wrote; `None` for any other text. The offsets of
/// the rows show the line breaks that it leaves out.
///
/// ```text
/// => Send header, 147 bytes (0x93)
/// 0000: POST /dm HTTP/1.1
/// 0013: Host: mdm.example
/// ```
pub(super) fn traced(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let mut plain = String::with_capacity(text.len());
    // The place in which the block begins, and its length.
    let mut block: Option<(usize, usize)> = None;
    for line in text.lines() {
        let begin = [" header, ", " data, "]
            .iter()
            .find_map(|it| line.split_once(it));
        let length = begin.and_then(|(front, behind)| {
            let is_begin = front.ends_with("=> Send") || front.ends_with("<= Recv");
            behind
                .split_once(" bytes (0x")
                .filter(|_| is_begin)?
                .0
                .parse()
                .ok()
        });
        if let Some(length) = length {
            fill(&mut plain, block.map(|(begins, length)| begins + length))?;
            block = Some((plain.len(), length));
        } else if let Some((begins, _)) = block
            && let Some((offset, row)) = line.split_once(": ")
            && let Ok(offset) = usize::from_str_radix(offset, 16)
        {
            fill(&mut plain, Some(begins + offset))?;
            plain.push_str(row);
        } else {
            fill(
                &mut plain,
                block.take().map(|(begins, length)| begins + length),
            )?;
        }
    }
    fill(&mut plain, block.map(|(begins, length)| begins + length))?;
    (!plain.is_empty()).then(|| plain.into_bytes())
}

/// Adds line breaks up to a length; `None` if a text is longer already, or would miss more than those.
fn fill(plain: &mut String, length: Option<usize>) -> Option<()> {
    let missing = length.map_or(Some(0), |length| length.checked_sub(plain.len()))?;
    plain.push_str("\r\n\r\n".get(..missing)?);
    Some(())
}

/// Whether the line counts data in another output: `{ [812 bytes data]`, or a row of the progress.
fn is_count(line: &[u8]) -> bool {
    if let [b'\r', rest @ ..] = line {
        return rest
            .trim_ascii_start()
            .first()
            .is_some_and(u8::is_ascii_digit);
    }
    let is_count = line.trim_ascii_end().ends_with(b"bytes data]");
    is_count && (line.starts_with(b"{ [") || line.starts_with(b"} ["))
}

const REQUEST: u8 = b'>';
const RESPONSE: u8 = b'<';
