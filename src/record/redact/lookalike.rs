//! Finds secrets by their looks: in bodies that did not decode, and in texts and comments of bodies that did.
//!
//! A value follows the name of a secret in one of a few forms: `name=value`, `"name": "value"`, `<name>value`,
//! `name="name" value="value"`, or in the next `Data` or `Value`. For secrets without a name see [`super::nameless`].

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use memchr::{memchr, memmem, memrchr};

use super::secret_name::{SECRET_ITEMS, TAILS, is_secret_name};
use super::source_mapped_text::SourceMappedText;
use super::{head, merged, nameless, token, unreadable};
use crate::dm::token::ValueType;

/// Fills with asterisks all that looks like a secret in a body that did not decode or was not decoded.
pub(super) fn mask_lookalikes(body: &[u8]) -> Cow<'_, [u8]> {
    if unreadable::is_unreadable(body) {
        return Cow::Owned(unreadable::hidden(body));
    }
    let mut masked = Cow::Borrowed(body);
    let mut places = places(body);
    // A document may be escaped inside another one, so the body is also searched unescaped.
    if memmem::find(body, b"&lt;").is_some() || memmem::find(body, b"&quot;").is_some() {
        let plain = SourceMappedText::of_references(body);
        for place in self::places(&plain.text) {
            plain.places(place, &mut places);
        }
    }
    for place in merged(places) {
        masked.to_mut()[place].fill(b'*');
    }
    masked
}

/// Returns whether a text has to be searched: every form contains one of these characters, or a run of base64.
pub(super) fn is_suspect(text: &[u8]) -> bool {
    let mut run = 0;
    text.iter().any(|byte| {
        run = if nameless::in_base64(*byte) {
            run + 1
        } else {
            0
        };
        run >= nameless::SHORTEST
            || matches!(
                byte,
                b'=' | b':' | b'"' | b'<' | b'>' | b'&' | b'@' | b'-' | b'$'
            )
    })
}

/// Returns the places of a text that look like secrets.
pub(super) fn places(text: &[u8]) -> Vec<Range<usize>> {
    if !is_suspect(text) {
        return Vec::new();
    }
    let mut places = named(text);
    nameless::places(text, within, &mut places);
    places
}

/// Like [`places`], for the content of base64 in a text. Base64 inside it is not decoded again.
fn within(text: &[u8]) -> Vec<Range<usize>> {
    let mut places = named(text);
    nameless::places(text, |_| Vec::new(), &mut places);
    places
}

/// Returns the places of values that follow the name of a secret.
fn named(text: &[u8]) -> Vec<Range<usize>> {
    let mut places: Vec<Range<usize>> = Vec::new();
    let mut last = 0..0;
    for found in NAMES.find_overlapping_iter(text) {
        if last.contains(&found.start()) {
            continue;
        }
        let place = match found.pattern().as_usize() {
            SCHEME => head::user_info(text, found.end()),
            number if ITEMS.contains(&number) => context_item(text, found.start() + 1),
            _ => behind_name(text, found.start(), found.end()),
        };
        if !place.is_empty() {
            last = place.clone();
            places.push(place);
        }
    }
    places
}

static NAMES: LazyLock<AhoCorasick> = LazyLock::new(|| {
    // The names of an enrollment's context items are matched by their beginning.
    let items = ["\"", "'"].map(|quote| SECRET_ITEMS.map(|name| format!("{quote}{name}")));
    let others = ["cred", "sessionid", "sid"];
    let others = others.iter().chain(&TAILS);
    let names = std::iter::once("://").chain(items.as_flattened().iter().map(String::as_str));
    let names = names.chain(others.copied());
    let mut builder = AhoCorasick::builder();
    builder.ascii_case_insensitive(true);
    builder.kind(Some(AhoCorasickKind::DFA));
    builder.build(names).expect("a handful of names")
});

/// The index of `://` in the names.
const SCHEME: usize = 0;

/// The indices of the names of context items, with the quote in front.
const ITEMS: std::ops::RangeInclusive<usize> = 1..=2 * SECRET_ITEMS.len();

/// Returns the place of the value that a name announces; an empty range if it announces none.
fn behind_name(text: &[u8], start: usize, end: usize) -> Range<usize> {
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if text.get(end).is_some_and(part) {
        return 0..0;
    }
    let front = text[..start].iter().rev().take(NEAR);
    let start = start - front.take_while(|byte| part(byte)).count();
    let name = &text[start..end];
    let before = start.checked_sub(1).map_or(0, |at| text[at]);
    if name.eq_ignore_ascii_case(token::BINARY.as_bytes()) && matches!(before, b'<' | b':') {
        return match in_end_tag(text, start) {
            true => 0..0,
            false => token(text, end),
        };
    }
    let is_cred = name.eq_ignore_ascii_case(b"cred") && matches!(before, b'<' | b':');
    let is_field = || is_secret_field(name, before, text.get(end));
    if !is_cred && !is_secret_name(name) && !is_field() || in_end_tag(text, start) {
        return 0..0;
    }
    let is_quote = |byte: u8| matches!(byte, b'"' | b'\'');
    let mut at = end;
    if text[at..].starts_with(b"\\\"") {
        at += 2;
    } else if is_quote(before) && text.get(at) == Some(&before) {
        at += 1;
    }
    if let Some(part) = form_part(text, start, at) {
        return part;
    }
    let after = skip_white(text, at);
    match text.get(after) {
        Some(b'=') => assigned(text, after + 1, head::end_of_field),
        Some(b':') if !matches!(before, b'<' | b'/') => assigned(text, after + 1, end_of_json),
        Some(b',') if is_quote(before) => value_in_json(text, after + 1),
        // `field.name = 'wresult'; field.value = 'SECRET'`, as scripts of sign-in pages have it.
        Some(b';') if is_quote(before) => value_behind(text, after + 1).unwrap_or_default(),
        Some(b'&' | b';' | b',') => 0..0,
        _ if is_quote(before) || before == b'=' => {
            next_to(text, start, at).unwrap_or_else(|| behind_tag(text, end))
        }
        // A word of plain text announces nothing.
        _ if !matches!(before, b'<' | b':' | b'>' | b'/') => 0..0,
        _ => behind_tag(text, end),
    }
}

/// Returns the place of the Value of a context item whose name begins at `start`; an empty range for another attribute.
fn context_item(text: &[u8], start: usize) -> Range<usize> {
    let near = &text[start..text.len().min(start + NEAR)];
    let front = &text[start.saturating_sub(NEAR)..start - 1];
    let front = front.trim_ascii_end().strip_suffix(b"=");
    let front = front.unwrap_or_default().trim_ascii_end();
    let name = &front[front.len().saturating_sub(4)..];
    let is_name = name.eq_ignore_ascii_case(b"Name");
    match memchr(text[start - 1], near) {
        Some(len) if is_name => behind_tag(text, start + len + 1),
        _ => 0..0,
    }
}

/// Returns the place of a BinarySecurityToken whose start tag continues at `at`; an empty range if its ValueType allows
/// it to be shown.
fn token(text: &[u8], at: usize) -> Range<usize> {
    let tag = text[at..].iter().take(LONGEST_TAG);
    if text.len() - at > LONGEST_TAG && !tag.copied().any(|byte| byte == b'>') {
        return at..text.len();
    }
    let place = behind_tag(text, at);
    let tag = &text[at..place.start.clamp(at, text.len())];
    let value_type = memmem::find(tag, b"ValueType").map(|from| {
        let value = assigned(tag, from + "ValueType".len(), head::end_of_field);
        // The value begins after the equals sign.
        match tag.get(value.start) {
            Some(b'=') => assigned(tag, value.start + 1, head::end_of_field),
            _ => value,
        }
    });
    let value_type = value_type.map_or(&[][..], |place| &tag[place]);
    let kind = ValueType(String::from_utf8_lossy(value_type)).kind();
    match text.get(place.clone()) {
        // The end of the token is visible.
        Some(held) if token::is_public(kind, held) && text.get(place.end) == Some(&b'<') => 0..0,
        _ => place,
    }
}

/// Returns whether a field is `code=` of a form (RFC 6749 §4.1.3), or names a session in a URI.
fn is_secret_field(name: &[u8], before: u8, after: Option<&u8>) -> bool {
    let is = |known: &&str| name.eq_ignore_ascii_case(known.as_bytes());
    let is_first = before == 0 || matches!(before, b'&' | b'?' | b';' | b'#');
    after == Some(&b'=') && is_first && FIELDS.iter().any(is)
}

/// The fields of forms and URIs that are secrets.
const FIELDS: [&str; 7] = [
    "code",
    "jsessionid",
    "phpsessionid",
    "sessionid",
    "session_id",
    "session-id",
    "sid",
];

/// Returns the place of a form part after `Content-Disposition: form-data; name="name"` (RFC 7578 §4.2).
fn form_part(text: &[u8], start: usize, at: usize) -> Option<Range<usize>> {
    let front = text[..start].strip_suffix(b"\"").unwrap_or(&text[..start]);
    let line = &front[front.len().saturating_sub(NEAR)..];
    if !line.to_ascii_lowercase().ends_with(b"name=") || memmem::find(line, b"form-data").is_none()
    {
        return None;
    }
    let near = &text[at..text.len().min(at + NEAR)];
    let start = at + memmem::find(near, b"\r\n\r\n")? + 4;
    let len = memmem::find(&text[start..], b"\r\n--");
    Some(start..len.map_or(text.len(), |len| start + len))
}

/// Returns the value's place in `"name": "password", "value": "SECRET"`; `at` is the offset after the comma.
fn value_in_json(text: &[u8], at: usize) -> Range<usize> {
    let at = skip_white(text, at);
    let rest = text[at..].strip_prefix(b"\"").unwrap_or_default();
    if rest.len() < 6 || !rest[..5].eq_ignore_ascii_case(b"value") || rest[5] != b'"' {
        return 0..0;
    }
    let colon = skip_white(text, at + 7);
    match text.get(colon) {
        Some(b':') => assigned(text, colon + 1, end_of_json),
        _ => 0..0,
    }
}

/// Returns the place of a value after `=` or `:`, in quotes (which may be escaped) or without.
fn assigned(text: &[u8], at: usize, end_of_bare: fn(&[u8]) -> usize) -> Range<usize> {
    let at = skip_white(text, at);
    let rest = &text[at..];
    if rest.starts_with(b"\\\"") {
        let end = memmem::find(&rest[2..], b"\\\"").map_or(text.len(), |len| at + 2 + len);
        return at + 2..end;
    }
    match rest.first() {
        Some(quote @ (b'"' | b'\'')) => at + 1..at + 1 + end_of_quoted(&rest[1..], *quote),
        _ => at..at + end_of_bare(rest),
    }
}

fn end_of_quoted(text: &[u8], quote: u8) -> usize {
    let mut at = 0;
    while let Some(found) = memchr::memchr2(quote, b'\\', &text[at..]) {
        at += found;
        if text[at] == quote {
            return at;
        }
        at = (at + 2).min(text.len());
    }
    text.len()
}

/// Returns the end of a number or a word, or of a whole list or object.
fn end_of_json(text: &[u8]) -> usize {
    if let Some(b'[' | b'{') = text.first() {
        return end_of_group(text);
    }
    let ends = |byte: &u8| matches!(byte, b',' | b'{' | b'}' | b'[' | b']' | b'<' | 0..b' ');
    text.iter().position(ends).unwrap_or(text.len())
}

fn end_of_group(text: &[u8]) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while let Some(byte) = text.get(at) {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth <= 1 => return at + 1,
            b']' | b'}' => depth -= 1,
            b'"' => at += 1 + end_of_quoted(&text[at + 1..], b'"'),
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// Returns the value's place in `name="…" value="SECRET"`, in either order; `at` is the offset after the name's quote.
fn next_to(text: &[u8], start: usize, at: usize) -> Option<Range<usize>> {
    let from = start.saturating_sub(FAR);
    let open = memrchr(b'<', &text[from..start]).map(|open| from + open);
    let in_front = open.and_then(|open| {
        let near = &text[open..start];
        let found = memmem::rfind(near, b"value=").or_else(|| memmem::rfind(near, b"VALUE="))?;
        let value = assigned(text, open + found + "value=".len(), head::end_of_field);
        (value.end <= start).then_some(value)
    });
    in_front.or_else(|| value_behind(text, at))
}

fn value_behind(text: &[u8], mut at: usize) -> Option<Range<usize>> {
    for _ in 0..MOST_ATTRIBUTES {
        at = skip_white(text, at);
        let rest = &text[at..];
        let equals = rest.iter().take(NEAR).position(|byte| *byte == b'=')?;
        let name = rest[..equals].trim_ascii();
        if name.iter().any(|byte| b"<>/\"'".contains(byte)) {
            return None;
        }
        let value = assigned(text, at + equals + 1, head::end_of_field);
        let last = name.rsplit(|byte| *byte == b'.').next();
        if last.is_some_and(|last| last.eq_ignore_ascii_case(b"value")) {
            return Some(value);
        }
        let closed = matches!(text.get(value.end), Some(b'"' | b'\''));
        at = value.end + usize::from(closed);
    }
    None
}

/// Returns the place of the text of this tag, or of the next Data or Value if the tag has no text.
fn behind_tag(text: &[u8], from: usize) -> Range<usize> {
    // Namespace declarations make a tag long.
    let tag = &text[from..text.len().min(from + LONGEST_TAG)];
    let tag_end = memchr(b'>', tag).map(|at| at + 1);
    let near = &text[from..text.len().min(from + tag_end.unwrap_or(0) + NEAR)];
    let behind = |name: &[u8]| {
        let end = memmem::find(near, name)? + name.len();
        match near.get(end)? {
            b'>' => Some(end + 1),
            byte if byte.is_ascii_whitespace() => Some(end + memchr(b'>', &near[end..])? + 1),
            _ => None,
        }
    };
    let value = memmem::find(near, b"value=\"").map(|at| at + b"value=\"".len());
    let value = value.filter(|at| tag_end.is_none_or(|end| *at < end));
    let own = tag_end.map(|at| skip_white(text, from + at) - from);
    let own = own.filter(|at| match &text[from + at..] {
        [b'<', rest @ ..] => rest.starts_with(b"![CDATA["),
        rest => !matches!(rest.first(), None | Some(0)),
    });
    let start = value.or(own).or_else(|| behind(b"Data"));
    let Some(start) = start.or_else(|| behind(b"Value")).map(|at| from + at) else {
        return 0..0;
    };
    // The whole content of a CDATA section is a secret.
    if text[start..].starts_with(b"<![CDATA[") {
        let start = start + "<![CDATA[".len();
        let len = memmem::find(&text[start..], b"]]>");
        return start..len.map_or(text.len(), |len| start + len);
    }
    let ends = |byte: &u8| matches!(byte, b'<' | 0) || value.is_some() && *byte == b'"';
    let len = text[start..].iter().position(ends);
    start..len.map_or(text.len(), |len| start + len)
}

fn skip_white(text: &[u8], at: usize) -> usize {
    let white = text[at..].iter().take_while(|b| b.is_ascii_whitespace());
    at + white.count()
}

fn in_end_tag(text: &[u8], at: usize) -> bool {
    let from = at.saturating_sub(NEAR);
    let open = memrchr(b'<', &text[from..at]);
    open.is_some_and(|open| {
        text.get(from + open + 1) == Some(&b'/') && memchr(b'>', &text[from + open..at]).is_none()
    })
}

/// The largest distance from a name to its secret, in bytes.
const NEAR: usize = 300;

/// How many bytes of a start tag after its name are searched.
const LONGEST_TAG: usize = 2048;

/// The largest distance from a name back to the start of the tag with its value, in bytes.
const FAR: usize = 16 * 1024;

/// The most attributes between a name and its value.
const MOST_ATTRIBUTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_filled_in_bodies_that_are_broken() {
        let check = |body: &str| {
            let masked = mask_lookalikes(body.as_bytes());
            let masked = String::from_utf8_lossy(&masked);
            assert!(!masked.contains("SECRET1"), "{body} gave {masked}");
            assert!(masked.contains("kept"), "{body} gave {masked}");
            assert_eq!(masked.len(), body.len(), "{body}");
        };
        check("<SyncML><Cred><Meta><Type>a</Type></Meta><Data>SECRET1</Data></Cred>kept");
        check("<x:Cred>\n <Data>SECRET1</Data></x:Cred><a>kept");
        check("<NextNonce>SECRET1</NextNonce></Meta></Chal><Data>kept</Data>");
        check("<wsse:Password Type=\"PasswordText\">SECRET1</wsse:Password>kept");
        check("<BinarySecurityToken ValueType=\"a\">SECRET1</BinarySecurityToken>kept");
        check("<ContextItem Name=\"EnrollmentData\"><Value>SECRET1</Value>kept");
        check("<ContextItem Name='AIKPub'>\n <v:Value a=\"b\">SECRET1</v:Value>kept");
        check("<ContextItem Name = \"AzureAttestationBlob\"><Value>SECRET1</Value>kept");
        check("<w:Password>\n ab\"SECRET1\n</w:Password>kept");
        check("<w:Password><![CDATA[SECRET1]]></w:Password>kept");
        let declarations = "xmlns:a=\"http://example.com/a/long/name/of/a/namespace\" ".repeat(9);
        check(&format!(
            "<BinarySecurityToken {declarations}>\n SECRET1</BinarySecurityToken>kept"
        ));
        check(&format!(
            "kept<BinarySecurityToken {}>SECRET1",
            "a ".repeat(2000)
        ));
        check("<parm name=\"AAUTHSECRET\" value=\"SECRET1\"/>kept");
        check("<Type>com.microsoft/MDM/AADUserToken</Type></Meta><Data>SECRET1</Data>kept");
        check("wresult=SECRET1&kept=1");
    }

    #[test]
    fn names_are_followed_by_their_value_in_many_ways() {
        let check = |body: &str| {
            let masked = mask_lookalikes(body.as_bytes());
            let masked = String::from_utf8_lossy(&masked);
            assert!(!masked.contains("SECRET1"), "{body} gave {masked}");
            assert!(masked.contains("kept"), "{body} gave {masked}");
        };
        check("kept=1&password=SECRET1");
        check("PASSWORD=SECRET1&kept=1");
        check("grant=kept&access_token=SECRET1");
        check("{\"access_token\":\"SECRET1\",\"a\":\"kept\"}");
        check("{\"Password\" : \"a\\\"SECRET1\", \"a\":\"kept\"}");
        check("{\"a\":\"{\\\"id_token\\\":\\\"SECRET1\\\"}\",\"b\":\"kept\"}");
        check("<input type=hidden name=\"wresult\" value=\"SECRET1\"><p>kept");
        check("<INPUT VALUE=\"SECRET1\" TYPE=\"hidden\" NAME=\"wresult\"><p>kept");
        check("<input name=wresult value='SECRET1'/>kept");
        check(
            "<input name=\"wresult\" id=\"a>b\" value=\"&lt;t a=&quot;b&quot;&gt;SECRET1\"/>kept",
        );
        check(
            "kept; i.type = 'hidden';\n i.name = 'wresult';\n i.value = 'SECRET1';\n f.append(i);",
        );
        check("kept\n i.name = \"wresult\"\n i.value = \"SECRET1\"\n f.append(i)");
        check("&lt;parm name=&quot;AAUTHSECRET&quot; value=&quot;SECRET1&quot;/&gt;kept");
        check("kept https://user:SECRET1@mdm.example.com/a");
        check("<NodeName>Password</NodeName><RTProperties/><Value>SECRET1</Value>kept");
        check("<NodeName>Password</NodeName><Value><![CDATA[SECRET1]]></Value>kept");
    }

    /// This would take minutes if each name searched all the text before or after it.
    #[test]
    fn looking_takes_linear_time() {
        for piece in [
            "password",
            "password=",
            "\"token\" ",
            "\"token\",",
            "token:[",
            "A-",
            "eyJh.",
            "a://b?c=d",
            "form-data; name=token ",
            "<token ",
            "<BinarySecurityToken ",
            "Name=\"AIK",
            "Name=\"AIK\" ",
            ":token>x",
            "\"token\" a=",
            "'token'; a=",
            "://a",
        ] {
            mask_lookalikes(piece.repeat(1 << 16).as_bytes());
        }
    }
}
