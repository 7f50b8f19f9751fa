//! The tokens that nearly all of a document consists of: tags, texts and references. quick-xml reads the others.

use quick_xml::parser::{ElementParser, Parser as _};

use super::is_white;

/// A token, with how many bytes it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) length: usize,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A start tag whose name has so many bytes.
    Start { name: usize },
    /// A tag of an empty element.
    Empty { name: usize },
    /// An end tag.
    End { name: usize },
    /// Text without a reference.
    Text,
    /// `&amp;` and the like.
    Reference,
}

impl Token {
    /// The token at the beginning of `rest`; `None` for one that is rare or malformed, and at the end.
    #[inline]
    pub(super) fn at_beginning(rest: &[u8]) -> Option<Self> {
        match rest {
            [] | [b'<', b'!' | b'?', ..] | [b'<'] => None,
            [b'<', b'/', tag @ ..] => {
                let name = name_length(tag);
                let kind = TokenKind::End { name };
                let length = name + 3;
                (tag.get(name) == Some(&b'>')).then_some(Self { kind, length })
            }
            [b'<', tag @ ..] => {
                let name = name_length(tag);
                if tag.get(name) == Some(&b'>') {
                    let kind = TokenKind::Start { name };
                    let length = name + 2;
                    return Some(Self { kind, length });
                }
                Self::tag(rest)
            }
            [b'&', name @ ..] => {
                let name = name.iter().take_while(|byte| is_of_reference(**byte));
                let length = name.count() + 2;
                let kind = TokenKind::Reference;
                (rest[length - 1..].first() == Some(&b';')).then_some(Self { kind, length })
            }
            text => {
                let length = memchr::memchr2(b'<', b'&', text).unwrap_or(text.len());
                let kind = TokenKind::Text;
                Some(Self { kind, length })
            }
        }
    }

    /// A tag with attributes, white space, or the slash of an empty element.
    fn tag(rest: &[u8]) -> Option<Self> {
        let length = ElementParser::default().feed(rest)? + 1;
        let content = &rest[1..length - 1];
        let inside = content.strip_suffix(b"/");
        let written = inside.unwrap_or(content);
        let white = written.iter().position(|byte| is_white(*byte));
        let name = white.unwrap_or(written.len());
        let kind = match inside {
            Some(_) => TokenKind::Empty { name },
            None => TokenKind::Start { name },
        };
        Some(Self { kind, length })
    }
}

/// How many bytes of a name stand here, as nearly all names are written.
#[inline]
fn name_length(tag: &[u8]) -> usize {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_' | b'-');
    tag.iter().take_while(|byte| is_plain(byte)).count()
}

fn is_of_reference(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'#'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use quick_xml::events::Event;
    use quick_xml::reader::Reader;

    /// The first token as quick-xml reads it.
    fn first_event(source: &str) -> Option<Token> {
        let mut reader = Reader::from_str(source);
        let config = reader.config_mut();
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        let kind = match reader.read_event().ok()? {
            Event::Start(tag) => TokenKind::Start {
                name: tag.name().as_ref().len(),
            },
            Event::Empty(tag) => TokenKind::Empty {
                name: tag.name().as_ref().len(),
            },
            Event::End(tag) => TokenKind::End {
                name: tag.name().as_ref().len(),
            },
            Event::Text(_) => TokenKind::Text,
            Event::GeneralRef(_) => TokenKind::Reference,
            _ => return None,
        };
        let length = reader.buffer_position() as usize;
        Some(Token { kind, length })
    }

    fn check(source: &str) {
        // A byte order mark is looked at before.
        if let Some(token) = Token::at_beginning(source.as_bytes()) {
            assert_eq!(Some(token), first_event(source), "{source:?}");
        }
    }

    #[test]
    fn a_token_is_the_one_that_quick_xml_reads() {
        for (source, is_read) in [
            ("<a>", true),
            ("<a:b-c_1>x", true),
            ("<a b='>'>x", true),
            ("<a b=\">\"/>x", true),
            ("<a />", true),
            ("<a/ >", true),
            ("<>", true),
            ("< a>", true),
            ("<é>", true),
            ("</a>", true),
            ("</>", true),
            ("</a >", false),
            ("<a", false),
            ("<a b='>", false),
            ("<", false),
            ("", false),
            ("text", true),
            ("text<a>", true),
            ("te&amp;xt", true),
            ("&amp;xt", true),
            ("&#x20;", true),
            ("&;", true),
            ("&amp", false),
            ("&a b;", false),
            ("<!-- a -->", false),
            ("<?a?>", false),
        ] {
            let token = Token::at_beginning(source.as_bytes());
            assert_eq!(token.is_some(), is_read, "{source:?}");
            check(source);
        }
    }

    proptest! {
        #[test]
        fn of_whatever_is_written(source in "[<>/!?&;#a'\" =-é:\\[\\]]{0,12}") {
            check(&source);
        }
    }
}
