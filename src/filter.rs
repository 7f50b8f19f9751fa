//! Filters: a selection of messages and transactions, in the filter language of mitmproxy.
//!
//! ```text
//! ~cmd Replace & ~status 404        words about one and the same transaction
//! !~status 2xx | ~open              not, or
//! (~dev PHONE-1 ~size 10k)          blanks mean &
//! ManagementServer                  a bare word is ~u
//! ```

mod command;
mod error;
mod parse;
mod value;
mod word;

use std::ops::Range;

pub use command::{CommandInput, ValueInput};
pub use error::FilterError;
pub use value::Value;
pub(crate) use value::regex_reason;
use word::WORDS;
pub use word::{About, Word};

/// A parsed filter. Filters are equal if their texts are equal.
#[derive(Clone, Debug)]
pub struct Filter {
    text: String,
    expr: Expr,
}

/// A word with its value: `~status 404`.
#[derive(Clone, Debug)]
pub struct Term {
    /// The word.
    pub word: Word,
    /// The value after the word.
    pub value: Value,
    /// The byte range of both in the filter.
    pub at: Range<usize>,
}

#[derive(Clone, Debug)]
enum Expr {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Term(Term),
}

impl Filter {
    /// Parses a filter.
    ///
    /// # Errors
    /// The error with its column, and a suggestion.
    pub fn read(text: &str) -> Result<Self, FilterError> {
        let text = text.to_owned();
        parse::read(&text).map(|expr| Self { text, expr })
    }

    /// Whether the filter is true. `holds` evaluates a term; `None` means that the term does not apply, like `~status`
    /// to a command without an answer. The negation of such a term does not apply, either.
    pub fn matches(&self, holds: &mut impl FnMut(&Term) -> Option<bool>) -> bool {
        self.expr.value(holds) == Some(true)
    }

    /// Whether the filter can be true of anything; `can` tells whether a term can be true, or false. Does not detect
    /// contradictions between terms.
    pub fn can_match(&self, can: impl Fn(&Term, bool) -> bool) -> bool {
        self.expr.can_be(true, &can)
    }

    /// Returns the terms, in order.
    pub fn terms(&self) -> Vec<&Term> {
        let mut terms = Vec::new();
        self.expr.each(&mut |term| terms.push(term));
        terms
    }

    /// Whether some word of the filter is about `about`.
    pub fn is_about(&self, about: About) -> bool {
        self.terms().iter().any(|term| term.word.about() == about)
    }

    /// Whether the filter has one of these words.
    pub fn has(&self, words: &[Word]) -> bool {
        self.terms().iter().any(|term| words.contains(&term.word))
    }
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Expr {
    /// Evaluates the expression in Kleene's three-valued logic.
    fn value(&self, holds: &mut impl FnMut(&Term) -> Option<bool>) -> Option<bool> {
        let (parts, stop) = match self {
            Self::Term(term) => return holds(term),
            Self::Not(inner) => return inner.value(holds).map(|value| !value),
            Self::All(parts) => (parts, false),
            Self::Any(parts) => (parts, true),
        };
        let mut value = Some(!stop);
        for part in parts {
            match part.value(holds) {
                Some(part) if part == stop => return Some(stop),
                Some(_) => {}
                None => value = None,
            }
        }
        value
    }

    /// Whether the expression can have this truth value.
    fn can_be(&self, truth: bool, can: &dyn Fn(&Term, bool) -> bool) -> bool {
        let (parts, all) = match self {
            Self::Term(term) => return can(term, truth),
            Self::Not(inner) => return inner.can_be(!truth, can),
            Self::All(parts) => (parts, truth),
            Self::Any(parts) => (parts, !truth),
        };
        let mut parts = parts.iter();
        match all {
            true => parts.all(|part| part.can_be(truth, can)),
            false => parts.any(|part| part.can_be(truth, can)),
        }
    }

    fn each<'f>(&'f self, show: &mut dyn FnMut(&'f Term)) {
        match self {
            Self::Term(term) => show(term),
            Self::Not(inner) => inner.each(show),
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().for_each(|part| part.each(show));
            }
        }
    }
}

/// The longest filter, in bytes.
pub const MAX_FILTER_BYTES: usize = 4096;

/// The most words of a filter.
pub const MAX_WORDS: usize = 256;

/// The deepest nesting of parentheses and `!`.
pub const MAX_NESTING: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks a filter for something of which the given words are true, without values; a word with `?` in front does
    /// not apply.
    fn check(filter: &str, facts: &[&str], expected: bool) {
        let filter_read = Filter::read(filter).unwrap_or_else(|error| panic!("{error}"));
        let mut holds = |term: &Term| {
            let name = term.word.name();
            let open = facts
                .iter()
                .any(|fact| fact.strip_prefix('?') == Some(name));
            (!open).then(|| facts.contains(&name))
        };
        assert_eq!(
            filter_read.matches(&mut holds),
            expected,
            "{filter} of {facts:?}"
        );
    }

    #[test]
    fn blanks_mean_and_and_binds_closer_than_or() {
        check("~q ~e", &["q", "e"], true);
        check("~q ~e", &["q"], false);
        check("~q & ~e", &["q"], false);
        check("~q | ~e & ~s", &["q"], true);
        check("(~q | ~e) & ~s", &["q"], false);
        check("(~q|~e)&~s", &["e", "s"], true);
        check("!~q", &[], true);
        check("!(~q | ~s)", &["s"], false);
        check("! ! ~q", &["q"], true);
        check("  ~own  ", &["own"], true);
        check("mdm.example.com", &["u"], true);
        check("MDM.svc ~q", &["u"], false);
    }

    #[test]
    fn a_question_that_does_not_arise_is_neither_true_nor_its_opposite() {
        check("~status 2xx", &["?status"], false);
        check("!~status 2xx", &["?status"], false);
        check("!~status 2xx | ~open", &["?status", "open"], true);
        check("!~status 2xx & ~open", &["?status", "open"], false);
        check("~own & ~status 2xx", &["?status"], false);
    }

    #[test]
    fn errors_point_at_the_column_and_name_the_nearest_word() {
        let check = |text: &str, expected: &str| {
            let error = Filter::read(text).unwrap_err();
            assert_eq!(error.to_string(), expected, "{text}");
        };
        check(
            "~cmd Replace ~satus 404",
            "error: `~satus` is not a word of a filter\n  ~cmd Replace ~satus 404\n               ^^^^^^\nhelp: write ~status",
        );
        check(
            "~cmd Repalce",
            "error: there is no command `Repalce`\n  ~cmd Repalce\n       ^^^^^^^\nhelp: write Replace",
        );
        check(
            "~status 4x",
            "error: `4x` is not a code\n  ~status 4x\n          ^^\nhelp: write a number, a class such as 4xx, or a range such as 400..499",
        );
        check(
            "(~q | ~s",
            "error: the parenthesis is not closed\n  (~q | ~s\n  ^\nhelp: write ) where it ends",
        );
        check(
            "~q & ",
            "error: a word is missing behind `&`\n  ~q & \n     ^\nhelp: write a word such as ~status 404",
        );
        check(
            "~status",
            "error: `~status` needs a value\n  ~status\n  ^^^^^^^\nhelp: write a number, a class such as 4xx, or a range such as 400..499",
        );
        check(
            "~hr 0x8600",
            "error: `0x8600` is not a result of Windows\n  ~hr 0x8600\n      ^^^^^^\nhelp: write a number such as 0x86000002, or a name such as CFGMGR_E_NODENOTFOUND",
        );
        check(
            "~data '(' ~q",
            "error: `(` is not a regular expression: unclosed group\n  ~data '(' ~q\n        ^^^\nhelp: write \\ in front of a character that is meant as it is",
        );
        check(
            "~data '(\n\u{202e}x' ~q",
            "error: `(\\n\\u{202e}x` is not a regular expression: unclosed group\n  ~data '(  x' ~q\n        ^^^^^^\nhelp: write \\ in front of a character that is meant as it is",
        );
        let help = |text: &str, expected: &str| {
            let error = Filter::read(text).unwrap_err();
            assert_eq!(error.help(), expected, "{text}");
        };
        help("~b secret", "write ~data");
        help("~bq a | ~q", "write ~data");
        help("~hq a", "write ~q & ~h");
        help("~hs a", "write ~s & ~h");
        help("~t xml", "write ~h \"content-type: …\"");
        help("~all", "leave it out: without words everything is selected");
        help("~q and ~e", "write &, or ~u and for URLs with that text");
        help("(~q) OR (~e)", "write |, or ~u or for URLs with that text");
        help("~q & not ~e", "write !, or ~u not for URLs with that text");
        help("not (~e)", "write !, or ~u not for URLs with that text");
        help("~q && ~e", "write one &");
        help("~q || ~e", "write one |");
        help("~q & | ~e", "write a word such as ~status 404");
        for text in [
            "and",
            "~q 'and' ~e",
            "~u or ~e",
            "~q & not",
            "or ~e",
            "android ~q",
            "~q | and & ~e",
        ] {
            assert!(Filter::read(text).is_ok(), "{text}");
        }
        let deep = "(".repeat(MAX_NESTING + 2);
        assert!(
            Filter::read(&deep)
                .unwrap_err()
                .to_string()
                .contains("nested too deep")
        );
        let many = "~q ".repeat(MAX_WORDS + 1);
        assert!(
            Filter::read(&many)
                .unwrap_err()
                .to_string()
                .contains("too many words")
        );
        assert!(Filter::read(&"a".repeat(MAX_FILTER_BYTES + 1)).is_err());
        assert!(Filter::read("").is_err());
    }

    #[test]
    fn values_are_read_as_their_words_need_them() {
        for text in [
            "~status 404",
            "~status 4xx",
            "~status 400..499",
            "~hr -2016345708",
            "~hr E_ACCESSDENIED",
            "~loc './User/**'",
            "~csp BitLocker",
            "~took 5s",
            "~took <200ms",
            "~size >10k",
            "~size 1M",
            "~at 10:00..11:30",
            "~at 2026-03-04T05",
            "~x 12..14",
            "~scope user",
            "~enc wbxml",
            "~lint STA-03",
            "~lint sta",
            "~lint error",
            "~why WHY-06",
            "~alert 1226",
            "~alert 12xx",
            "~pkg 3",
            "~u \"a b\"",
            "~h 'ms-cv: .*'",
            "~c 5xx",
            "~m post",
            "~sess 3",
            "~fmt int",
        ] {
            if let Err(error) = Filter::read(text) {
                panic!("{error}");
            }
        }
    }

    #[test]
    fn a_package_and_an_http_status_that_cannot_be_are_refused() {
        for (text, help) in [
            ("~pkg 9", "1 to 4"),
            ("~pkg 0", "1 to 4"),
            ("~pkg >4", "1 to 4"),
            ("~c 2000", "100 to 999"),
            ("~c 12xx", "100 to 999"),
            ("~c 20", "100 to 999"),
        ] {
            let error = Filter::read(text).expect_err(text).to_string();
            assert!(error.contains(help), "{text}: {error}");
        }
        for text in ["~pkg 1", "~pkg >=3", "~pkg 2..9", "~c 404", "~c 400..1000"] {
            assert!(Filter::read(text).is_ok(), "{text}");
        }
    }
}
