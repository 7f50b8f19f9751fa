//! mitmproxy's patterns: `[/filter]/name/value` and `[/filter]/regex/replacement`.
//!
//! The first character is what separates the parts.

use std::ops::Range;

use regex::Regex;

use super::{InlineRule, error_at};
use crate::rules::RuleErrors;
use crate::rules::load::suggest::list;

/// A pattern taken apart: where its parts are in the argument.
struct Parts {
    /// What must hold, as keys of `match`, each with the part its value is.
    matches: Vec<(&'static str, Range<usize>)>,
    stages: &'static [&'static str],
    subject: Range<usize>,
    replacement: Range<usize>,
}

impl InlineRule {
    /// `[/filter]/name/value`: the header field gets this value, or goes where the value is empty.
    ///
    /// # Errors
    /// An argument of another form.
    pub fn modify_headers(argument: &str) -> Result<Self, RuleErrors> {
        let parts = Parts::of(HEADERS.0, argument)?;
        let mut line = Self::new(HEADERS, argument);
        line.rules(&parts, |line| match parts.replacement.is_empty() {
            true => {
                line.add("remove-header = ");
                line.quote("", parts.subject.clone());
            }
            false => {
                line.add("set-header = ");
                line.quote("", parts.subject.clone());
                line.add(", value = ");
                line.quote("", parts.replacement.clone());
            }
        });
        Ok(line)
    }

    /// `[/filter]/regex/replacement`: what matches in the body gives way to other text.
    ///
    /// # Errors
    /// An argument of another form.
    pub fn modify_body(argument: &str) -> Result<Self, RuleErrors> {
        let parts = Parts::of(BODY.0, argument)?;
        let subject = &argument[parts.subject.clone()];
        if let Err(error) = Regex::new(&format!("(?s){subject}")) {
            let why = error.to_string();
            let why = why.lines().last().unwrap_or_default();
            let title = format!("`{subject}` is no regular expression");
            let help = format!(
                "{}; signs that mean themselves have a backslash in front",
                why.trim_start_matches("error: ")
            );
            return Err(error_at(BODY.0, argument, parts.subject, title, &help));
        }
        let replacement = unescaped(&argument[parts.replacement.clone()]);
        let mut line = Self::new(BODY, argument);
        line.rules(&parts, |line| {
            line.add("replace-text = ");
            // There, the dot stands for line feeds too.
            line.quote("(?s)", parts.subject.clone());
            line.add(", with = ");
            line.text_of(&replacement, parts.replacement.clone());
        });
        Ok(line)
    }

    /// A rule for each stage, with the step that `step` writes.
    fn rules(&mut self, parts: &Parts, step: impl Fn(&mut Self)) {
        for (number, stage) in parts.stages.iter().enumerate() {
            let suffix = match parts.stages.len() {
                1 => String::new(),
                _ => format!(" ({stage})"),
            };
            if number > 0 {
                self.add(", ");
            }
            self.begin(&suffix, stage);
            for (number, (key, part)) in parts.matches.iter().enumerate() {
                self.add(if number == 0 { "match = { " } else { ", " });
                self.add(key);
                self.add(" = ");
                match *key {
                    "http-status" => self.bare(part.clone()),
                    _ => self.quote("", part.clone()),
                }
            }
            if !parts.matches.is_empty() {
                self.add(" }, ");
            }
            self.add("step = { ");
            step(self);
            self.add(" } }");
        }
        self.add("]\n");
    }
}

impl Parts {
    fn of(flag: &'static str, argument: &str) -> Result<Self, RuleErrors> {
        let separator = argument.chars().next().unwrap_or('/');
        let from = separator.len_utf8().min(argument.len());
        let mut ends = argument[from..].match_indices(separator);
        let ends: Vec<usize> = ends.by_ref().take(2).map(|(at, _)| from + at).collect();
        let behind = |at: usize| at + separator.len_utf8();
        let (filter, subject, replacement) = match ends[..] {
            [first] => (from..from, from..first, behind(first)),
            [first, second] => (from..first, behind(first)..second, behind(second)),
            _ => {
                let title = format!("`{argument}` is not [/filter]/what/with");
                let help = format!("write {flag} '{}'", example(flag));
                return Err(error_at(flag, argument, 0..argument.len(), title, &help));
            }
        };
        let replacement = replacement..argument.len();
        if subject.is_empty() {
            let title = "it names nothing to change".to_owned();
            let help = format!("write {flag} '{}'", example(flag));
            return Err(error_at(flag, argument, 0..argument.len(), title, &help));
        }
        if argument[replacement.clone()].starts_with('@') {
            let title = "files are read by rule files only".to_owned();
            let help = "write a rule with the step set-body = { file = \"…\" }";
            return Err(error_at(flag, argument, replacement, title, help));
        }
        let mut parts = Self {
            matches: Vec::new(),
            stages: &["request", "response"],
            subject,
            replacement,
        };
        parts.subject_is_no_filter(flag, argument)?;
        parts.filter(flag, argument, filter)?;
        Ok(parts)
    }

    /// A filter with nothing behind it but one part is no subject: `/~q/a`.
    fn subject_is_no_filter(&self, flag: &'static str, argument: &str) -> Result<(), RuleErrors> {
        let part = self.subject.clone();
        let first = words(argument, part.clone()).next();
        let is_filter = first.is_some_and(|word| FILTERS.contains(&&argument[word]));
        if !is_filter {
            return Ok(());
        }
        let title = format!(
            "`{}` is a filter, and stands where what is changed is named",
            &argument[part.clone()]
        );
        let help = format!(
            "write filter, subject and replacement: {flag} '{}'",
            example(flag)
        );
        Err(error_at(flag, argument, part, title, &help))
    }

    /// Reads `~q`, `~s`, `~m METHOD` and `~c CODE`, with `&` or blanks between them.
    fn filter(
        &mut self,
        flag: &'static str,
        argument: &str,
        filter: Range<usize>,
    ) -> Result<(), RuleErrors> {
        let all: Vec<Range<usize>> = words(argument, filter).collect();
        let stands = |word: &str| all.iter().find(|at| argument[(*at).clone()] == *word);
        if let (Some(_), Some(code)) = (stands("~q"), stands("~c")) {
            let title = "`~c` goes with responses: a request has no status".to_owned();
            let help = "write ~s in the place of ~q, or leave ~c out";
            return Err(error_at(flag, argument, code.clone(), title, help));
        }
        let mut words = all.iter().cloned();
        while let Some(word) = words.next() {
            let key = match &argument[word.clone()] {
                "~q" => {
                    self.stages = &["request"];
                    continue;
                }
                "~s" => {
                    self.stages = &["response"];
                    continue;
                }
                "~m" => "method",
                "~c" => {
                    self.stages = &["response"];
                    "http-status"
                }
                other => {
                    let title = format!("`{other}` is no filter here");
                    let known = list(&["~q", "~s", "~m METHOD", "~c CODE"]);
                    let help = format!(
                        "filters are {known}; another first character than `{}` separates the parts as well",
                        argument.chars().next().unwrap_or('/')
                    );
                    return Err(error_at(flag, argument, word, title, &help));
                }
            };
            let value = words.next();
            let fits = |value: &Range<usize>| {
                key != "http-status" || argument[value.clone()].parse::<u16>().is_ok()
            };
            let Some(value) = value.filter(fits) else {
                let title = format!("`{}` does not say which", &argument[word.clone()]);
                let help = "write ~m POST or ~c 200";
                return Err(error_at(flag, argument, word, title, help));
            };
            self.matches.push((key, value));
        }
        Ok(())
    }
}

/// What a filter begins with.
const FILTERS: [&str; 4] = ["~q", "~s", "~m", "~c"];

/// The words of a part of the argument.
fn words(argument: &str, part: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let between = |c: char| c.is_whitespace() || c == '&';
    let words = argument[part].split(between);
    let place = move |word: &str| {
        let from = word.as_ptr() as usize - argument.as_ptr() as usize;
        from..from + word.len()
    };
    words.filter(|word| !word.is_empty()).map(place)
}

/// What a replacement means, as the step `replace-text` writes it: `\1` is the first group.
fn unescaped(replacement: &str) -> String {
    let mut text = String::new();
    let mut chars = replacement.chars();
    while let Some(c) = chars.next() {
        match c {
            '$' => text.push_str("$$"),
            '\\' => match chars.next() {
                Some(digit @ '0'..='9') => text.push_str(&format!("${{{digit}}}")),
                Some('n') => text.push('\n'),
                Some('r') => text.push('\r'),
                Some('t') => text.push('\t'),
                Some(other) => text.push(other),
                None => text.push('\\'),
            },
            _ => text.push(c),
        }
    }
    text
}

fn example(flag: &str) -> &'static str {
    match flag {
        "-H" => "/~s/Retry-After/120",
        _ => "/~s/blue/green",
    }
}

/// The flag and the word that rules are named with.
const HEADERS: (&str, &str) = ("-H", "modify-headers");
const BODY: (&str, &str) = ("-B", "modify-body");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{ErrorStyle, load};

    fn text(line: Result<InlineRule, RuleErrors>) -> Result<String, String> {
        let line = line.map_err(|errors| errors.render(ErrorStyle::Plain))?;
        let rules = load::parse(line.name(), line.text());
        let text = line.text().to_owned();
        rules.map_err(|errors| errors.in_arguments(&[line]).render(ErrorStyle::Plain))?;
        Ok(text)
    }

    #[test]
    fn patterns_become_rules_at_the_stages_they_name() {
        let check = |argument: &str, stages: &[&str], step: &str| {
            let text = text(InlineRule::modify_headers(argument)).unwrap();
            let said = text.matches("stage = ").count();
            assert_eq!(said, stages.len(), "{text}");
            for stage in stages {
                assert!(text.contains(&format!("stage = \"{stage}\"")), "{text}");
            }
            assert!(text.contains(step), "{text}");
        };
        let set = "step = { set-header = \"X-Test\", value = \"a b\" }";
        check("/X-Test/a b", &["request", "response"], set);
        check("/~q/X-Test/a b", &["request"], set);
        check(
            "|~s & ~c 200|X-Test|a b",
            &["response"],
            "match = { http-status = 200 }",
        );
        check(
            "/~m POST/X-Test/a b",
            &["request", "response"],
            "method = \"POST\"",
        );
        check(
            "/Server/",
            &["request", "response"],
            "remove-header = \"Server\"",
        );
        check(
            "|X-Where|https://a/b",
            &["request", "response"],
            "value = \"https://a/b\"",
        );
    }

    #[test]
    fn a_replacement_in_a_body_has_groups_and_line_feeds() {
        let text = text(InlineRule::modify_body(r"/~q/l(o+)k/$\1\n\\")).unwrap();
        assert!(text.contains(r#"replace-text = "(?s)l(o+)k""#), "{text}");
        assert!(text.contains("$$${1}"), "{text}");
    }

    #[test]
    fn mistakes_are_reported_at_their_place_in_the_argument() {
        let check = |said: Result<String, String>, place: &str, word: &str| {
            let said = said.unwrap_err();
            assert!(said.contains(place), "{said}");
            assert!(said.contains(word), "{said}");
        };
        let headers = |argument| text(InlineRule::modify_headers(argument));
        check(headers("X-Test"), "-H:1:1", "[/filter]/what/with");
        check(headers(""), "-H:1:1", "[/filter]/what/with");
        check(headers("/~x/A/b"), "-H:1:2", "`~x` is no filter here");
        check(headers("/A/b/c"), "-H:1:2", "another first character");
        check(headers("/~m/A/b"), "-H:1:2", "does not say which");
        check(headers("/A B/c"), "-H:1:2", "no name of a header field");
        check(headers("/A/@file"), "-H:1:4", "set-body");
        let body = |argument| text(InlineRule::modify_body(argument));
        check(body("/~s/(/x"), "-B:1:5", "no regular expression");
    }
}
