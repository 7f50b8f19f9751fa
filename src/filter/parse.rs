//! The parser of filters: `|` over `&` over `!`, words, parentheses.

use std::ops::Range;

use super::value::Form;
use super::{Expr, FilterError, MAX_FILTER_BYTES, MAX_NESTING, MAX_WORDS, Term, WORDS, Word};
use crate::nearest::closest;

/// Parses a filter.
pub(super) fn read(text: &str) -> Result<Expr, FilterError> {
    if text.len() > MAX_FILTER_BYTES {
        let what = format!("the filter has more than {MAX_FILTER_BYTES} bytes");
        return Err(FilterError::new(
            text,
            MAX_FILTER_BYTES..MAX_FILTER_BYTES + 1,
            what,
            "",
        ));
    }
    let mut parser = Parser {
        text,
        at: 0,
        depth: 0,
        words: 0,
    };
    let expr = parser.any()?;
    parser.blanks();
    match parser.peek() {
        None => Ok(expr),
        // Every other character begins or continues a word.
        Some(_) => Err(parser.error_here(
            "this parenthesis was not opened",
            "leave it out, or write ( in front",
        )),
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
    words: usize,
}

impl<'t> Parser<'t> {
    fn any(&mut self) -> Result<Expr, FilterError> {
        let mut parts = vec![self.all()?];
        while self.takes('|') {
            parts.push(self.all()?);
        }
        Ok(joined(parts, Expr::Any))
    }

    fn all(&mut self) -> Result<Expr, FilterError> {
        let mut parts = vec![self.one()?];
        loop {
            self.blanks();
            match self.peek() {
                None | Some('|' | ')') => return Ok(joined(parts, Expr::All)),
                Some('&') => {
                    self.at += 1;
                    parts.push(self.one()?);
                }
                Some(_) => parts.push(self.one()?),
            }
        }
    }

    fn one(&mut self) -> Result<Expr, FilterError> {
        self.blanks();
        let start = self.at;
        match self.peek() {
            None | Some('&' | '|' | ')') => Err(self.missing()),
            Some('!') => {
                self.at += 1;
                self.enter(start)?;
                let inner = self.one()?;
                self.depth -= 1;
                Ok(Expr::Not(Box::new(inner)))
            }
            Some('(') => {
                self.at += 1;
                self.enter(start)?;
                let inner = self.any()?;
                self.depth -= 1;
                match self.takes(')') {
                    true => Ok(inner),
                    false => Err(self.error(
                        start..start + 1,
                        "the parenthesis is not closed",
                        "write ) where it ends",
                    )),
                }
            }
            Some(_) => self.term(),
        }
    }

    fn term(&mut self) -> Result<Expr, FilterError> {
        self.words += 1;
        if self.words > MAX_WORDS {
            return Err(self.error_here(
                &format!("the filter has too many words, more than {MAX_WORDS}"),
                "",
            ));
        }
        let start = self.at;
        if self.peek() != Some('~') {
            let (text, span) = self.argument()?;
            self.refuse_spelled_sign(&span)?;
            return self.valued(Word::Url, &text, start, span);
        }
        self.at += 1;
        let rest = &self.text[self.at..];
        let name_end = rest
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(rest.len());
        let name = &rest[..name_end];
        self.at += name_end;
        let span = start..self.at;
        let Some(word) = Word::named(&name.to_ascii_lowercase()) else {
            let names: Vec<&str> = WORDS.iter().map(|(_, name, ..)| *name).collect();
            let of_mitmproxy = OF_MITMPROXY
                .iter()
                .find(|(word, _)| word.eq_ignore_ascii_case(name));
            let help = match (of_mitmproxy, closest(name, &names)) {
                (Some((_, help)), _) => (*help).to_owned(),
                (None, Some(near)) => format!("write ~{near}"),
                (None, None) => format!("the words are ~{}", names.join(" ~")),
            };
            return Err(self.error(span, &format!("`~{name}` is not a word of a filter"), &help));
        };
        if word.form() == Form::Nothing {
            return self.valued(word, "", start, span);
        }
        self.blanks();
        if matches!(self.peek(), None | Some('&' | '|' | '(' | ')' | '~' | '!')) {
            return Err(self.error(
                span,
                &format!("`~{name}` needs a value"),
                &word.form().help(),
            ));
        }
        let (text, span) = self.argument()?;
        self.valued(word, &text, start, span)
    }

    /// Refuses `and`, `or`, `not` in the place of an operator. In quotes, or where an operator cannot stand, they are
    /// texts.
    fn refuse_spelled_sign(&self, span: &Range<usize>) -> Result<(), FilterError> {
        let spelled = &self.text[span.clone()];
        let known = SPELLED_SIGNS.iter();
        let known = known
            .copied()
            .find(|(name, _)| spelled.eq_ignore_ascii_case(name));
        let Some((name, sign)) = known else {
            return Ok(());
        };
        let is_word = |c: char| !"&|()".contains(c);
        let before = self.text[..span.start].trim_end().chars().next_back();
        let behind = self.text[span.end..].trim_start().chars().next();
        let joins = before.is_some_and(|c| is_word(c) && c != '!' || c == ')');
        let goes_on = behind.is_some_and(|c| is_word(c) || c == '(');
        if !goes_on || (sign != '!' && !joins) {
            return Ok(());
        }
        let what = format!("`{spelled}` is not a sign of a filter");
        let help = format!("write {sign}, or ~u {name} for URLs with that text");
        Err(self.error(span.clone(), &what, &help))
    }

    /// Returns the term of a word that begins at `at`, with its value at `span`.
    fn valued(
        &self,
        word: Word,
        text: &str,
        at: usize,
        span: Range<usize>,
    ) -> Result<Expr, FilterError> {
        let value = word.form().read(text);
        let value = value.map_err(|(what, help)| self.error(span.clone(), &what, &help))?;
        let at = at..span.end;
        Ok(Expr::Term(Term { word, value, at }))
    }

    /// Reads a value: in quotes, in which `\` escapes a quote or a `\`; otherwise up to a blank or an operator.
    fn argument(&mut self) -> Result<(String, Range<usize>), FilterError> {
        let start = self.at;
        let rest = &self.text[start..];
        let Some(quote) = rest.chars().next().filter(|c| ['"', '\''].contains(c)) else {
            let is_end = |c: char| c.is_whitespace() || "()&|".contains(c);
            let end = rest.find(is_end).unwrap_or(rest.len());
            self.at += end;
            return Ok((rest[..end].to_owned(), start..self.at));
        };
        let (mut value, mut escaped) = (String::new(), false);
        for (at, c) in rest.char_indices().skip(1) {
            match c {
                _ if escaped => {
                    // In front of other characters the `\` stays, since patterns need it.
                    if c != quote && c != '\\' {
                        value.push('\\');
                    }
                    value.push(c);
                    escaped = false;
                }
                '\\' => escaped = true,
                c if c == quote => {
                    self.at = start + at + 1;
                    return Ok((value, start..self.at));
                }
                c => value.push(c),
            }
        }
        Err(self.error(
            start..start + 1,
            "the quote is not closed",
            &format!("write {quote} where it ends"),
        ))
    }

    fn enter(&mut self, start: usize) -> Result<(), FilterError> {
        self.depth += 1;
        match self.depth > MAX_NESTING {
            true => Err(self.error(start..start + 1, "the filter is nested too deep", "")),
            false => Ok(()),
        }
    }

    /// Returns the error for a missing word, at the operator in front of this place if there is one.
    fn missing(&self) -> FilterError {
        let before = self.text[..self.at].trim_end();
        let mut help = "write a word such as ~status 404";
        // Other languages double these operators.
        for (sign, once) in [('&', "write one &"), ('|', "write one |")] {
            if self.peek() == Some(sign) && before.ends_with(sign) {
                help = once;
            }
        }
        match before.char_indices().next_back() {
            Some((at, sign)) => {
                let what = format!("a word is missing behind `{sign}`");
                self.error(at..at + sign.len_utf8(), &what, help)
            }
            None => self.error_here("a word is missing", help),
        }
    }

    fn error_here(&self, what: &str, help: &str) -> FilterError {
        self.error(self.at..self.at + 1, what, help)
    }

    fn error(&self, span: Range<usize>, what: &str, help: &str) -> FilterError {
        FilterError::new(self.text, span, what.to_owned(), help)
    }

    fn blanks(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn takes(&mut self, sign: char) -> bool {
        self.blanks();
        let is_there = self.peek() == Some(sign);
        self.at += usize::from(is_there);
        is_there
    }
}

fn joined(mut parts: Vec<Expr>, join: fn(Vec<Expr>) -> Expr) -> Expr {
    match parts.len() {
        1 => parts.remove(0),
        _ => join(parts),
    }
}

/// Words of mitmproxy's filters that dmtap does not have, and what to write instead.
const OF_MITMPROXY: [(&str, &str); 10] = [
    (
        "a",
        "leave it out: it is about pictures and scripts of web pages",
    ),
    ("all", "leave it out: without words everything is selected"),
    ("b", "write ~data"),
    ("bq", "write ~data"),
    ("bs", "write ~data"),
    ("hq", "write ~q & ~h"),
    ("hs", "write ~s & ~h"),
    ("t", "write ~h \"content-type: …\""),
    ("tq", "write ~q & ~h \"content-type: …\""),
    ("ts", "write ~s & ~h \"content-type: …\""),
];
/// Operators as other languages spell them.
const SPELLED_SIGNS: [(&str, char); 3] = [("and", '&'), ("or", '|'), ("not", '!')];
