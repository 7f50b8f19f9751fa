//! Names of certificates as text: `CN=device,O=Contoso\, Ltd.` (RFC 4514), also with quotes, as Windows and .NET write
//! them.

use std::iter::Peekable;
use std::str::Chars;

use x509_parser::asn1_rs::{Any, FromBer};

use super::certificate::{characters, known_type};

/// Parses the attributes of a name: types, with the names that dmtap uses for known ones, and values. The result does
/// not show which attributes share an RDN. `None` if the text is not a valid name.
pub fn attributes(text: &str) -> Option<Vec<(String, String)>> {
    let mut found = Vec::new();
    let mut rest = text.chars().peekable();
    loop {
        let kind: String = taken_until(&mut rest, '=')?;
        let value = value(&mut rest)?;
        found.push((known_type(kind.trim()), value));
        if rest.next().is_none() {
            return Some(found);
        }
    }
}

/// Escapes a value for such a text.
pub fn escaped(value: &str) -> String {
    let mut text = String::new();
    let last = value.chars().count().saturating_sub(1);
    for (at, letter) in value.chars().enumerate() {
        let is_edge = letter == ' ' && (at == 0 || at == last) || letter == '#' && at == 0;
        match letter {
            '\0' => text.push_str("\\00"),
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => text.extend(['\\', letter]),
            _ if is_edge => text.extend(['\\', letter]),
            _ => text.push(letter),
        }
    }
    text
}

/// Returns the text in front of the character `end`, and skips `end`.
fn taken_until(rest: &mut Peekable<Chars<'_>>, end: char) -> Option<String> {
    let mut taken = String::new();
    loop {
        match rest.next()? {
            letter if letter == end => return Some(taken),
            ',' | ';' | '+' | '"' => return None,
            letter => taken.push(letter),
        }
    }
}

/// Reads a value up to the separator after it, or up to the end.
fn value(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    while rest.next_if(|letter| *letter == ' ').is_some() {}
    match rest.peek() {
        Some('"') => quoted(rest),
        Some('#') => encoded(rest),
        _ => plain(rest),
    }
}

fn plain(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut octets = Vec::new();
    // Spaces at the end count only if they are escaped.
    let mut end = 0;
    while let Some(letter) = rest.next_if(|letter| !is_separator(*letter)) {
        match letter {
            '"' => return None,
            '\\' => escape(rest, &mut octets)?,
            letter => octets.extend(letter.encode_utf8(&mut [0; 4]).bytes()),
        }
        if letter != ' ' {
            end = octets.len();
        }
    }
    octets.truncate(end);
    String::from_utf8(octets).ok()
}

/// Reads `"Contoso, Ltd."`; a quote inside is doubled or escaped.
fn quoted(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    rest.next();
    let mut octets = Vec::new();
    loop {
        match rest.next()? {
            '"' if rest.next_if_eq(&'"').is_some() => octets.push(b'"'),
            '"' => break,
            '\\' => escape(rest, &mut octets)?,
            letter => octets.extend(letter.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    let is_over = is_over(rest);
    is_over.then(|| String::from_utf8(octets).ok())?
}

/// Reads `#0C0141`: a value in BER.
fn encoded(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    rest.next();
    let mut octets = Vec::new();
    while let Some(first) = rest.next_if(char::is_ascii_hexdigit) {
        octets.push(octet(first, rest.next()?)?);
    }
    let is_over = is_over(rest);
    let (_, value) = Any::from_ber(&octets).ok().filter(|_| is_over)?;
    Some(characters(&value))
}

/// Reads the rest of an escape after the backslash: two hexadecimal digits, or the character itself.
fn escape(rest: &mut Peekable<Chars<'_>>, octets: &mut Vec<u8>) -> Option<()> {
    let first = rest.next()?;
    match (first.is_ascii_hexdigit(), rest.peek().copied()) {
        (true, Some(second)) if second.is_ascii_hexdigit() => {
            rest.next();
            octets.push(octet(first, second)?);
        }
        (true, _) => return None,
        (false, _) => octets.extend(first.encode_utf8(&mut [0; 4]).bytes()),
    }
    Some(())
}

fn octet(first: char, second: char) -> Option<u8> {
    let octet = first.to_digit(16)? * 16 + second.to_digit(16)?;
    u8::try_from(octet).ok()
}

/// Skips blanks. Returns whether the value ends then.
fn is_over(rest: &mut Peekable<Chars<'_>>) -> bool {
    while rest.next_if(|letter| *letter == ' ').is_some() {}
    rest.peek().is_none_or(|letter| is_separator(*letter))
}

fn is_separator(letter: char) -> bool {
    matches!(letter, ',' | ';' | '+')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_with_their_escapes_quotes_and_several_values() {
        let check = |text: &str, expected: &[(&str, &str)]| {
            let expected = expected
                .iter()
                .map(|(kind, value)| (kind.to_string(), value.to_string()));
            assert_eq!(attributes(text), Some(expected.collect()), "{text}");
        };
        check("CN=a", &[("CN", "a")]);
        check("cn = a , o=Contoso ", &[("CN", "a"), ("O", "Contoso")]);
        check(
            r"O=Contoso\, Ltd.,CN=a\+b",
            &[("O", "Contoso, Ltd."), ("CN", "a+b")],
        );
        check(
            r#"O="Contoso, ""Ltd."" ", CN=a"#,
            &[("O", "Contoso, \"Ltd.\" "), ("CN", "a")],
        );
        check(r#"O="a\"b";CN=c"#, &[("O", "a\"b"), ("CN", "c")]);
        check("CN=a+OU=b, O=c", &[("CN", "a"), ("OU", "b"), ("O", "c")]);
        check(r"CN=M\C3\BCller\2C A\ ", &[("CN", "Müller, A ")]);
        check(r"CN=\#1\\", &[("CN", "#1\\")]);
        check(
            "2.5.4.3=a,OID.2.5.4.10=b,E=c@d,S=Bayern",
            &[
                ("CN", "a"),
                ("O", "b"),
                ("emailAddress", "c@d"),
                ("ST", "Bayern"),
            ],
        );
        check("CN=#0C0141", &[("CN", "A")]);
        check("CN=", &[("CN", "")]);
        check("CN=a=b", &[("CN", "a=b")]);
        for wrong in [
            "",
            "a",
            "CN=a,",
            "CN=a, Inc",
            "CN=\"a",
            "CN=\"a\"b",
            "CN=a\\",
            "CN=#0",
            "CN=a\"b",
            "CN=\\C3",
        ] {
            assert_eq!(attributes(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_escaped_is_read_as_it_was() {
        for value in [
            "a",
            "Contoso, Ltd.",
            "a+b=c;\"<d>\\",
            " a ",
            "#1",
            "é\0",
            "",
        ] {
            let text = format!("CN={},O=x", escaped(value));
            let expected = [("CN", value), ("O", "x")]
                .map(|(kind, value)| (kind.to_owned(), value.to_owned()));
            assert_eq!(attributes(&text).as_deref(), Some(&expected[..]), "{text}");
        }
    }
}
