//! mitmproxy's patterns: `[/filter]/name/value` and `[/filter]/regex/replacement`.
//!
//! The first character separates the parts. The filter is one of [`crate::filter`], with words whose value is known
//! while the message passes.

use std::ops::Range;

use http::HeaderName;
use http::header::HOST;
use regex::RegexBuilder;

use super::Argument;
use crate::filter::{Filter, Term, Value, Word, regex_reason};
use crate::rules::mistake::Mistake;
use crate::rules::template::Template;
use crate::rules::value::{Alert, Code, FieldName, HeaderText, Http, Pattern, SyncMl, from_text};
use crate::rules::{HeadStep, Matcher, RawStep, Rule, RuleErrors, Stage, Step};

/// Makes the rules of `-H [/filter]/name/value`: they set the header field, or remove it if the value is empty.
///
/// # Errors
/// All errors in the argument.
pub fn modify_headers(argument: &str) -> Result<Vec<Rule>, RuleErrors> {
    let mut argument = Argument::new(("-H", "modify-headers"), argument);
    let rules = Parts::of(&mut argument).and_then(|parts| {
        let step = head_step(&mut argument, &parts)?;
        parts.rules(&argument, &Step::Head(step))
    });
    argument.finish(rules)
}

/// Makes the rules of `-B [/filter]/regex/replacement`: they replace the matches in the body.
///
/// # Errors
/// All errors in the argument.
pub fn modify_body(argument: &str) -> Result<Vec<Rule>, RuleErrors> {
    let mut argument = Argument::new(("-B", "modify-body"), argument);
    let rules = Parts::of(&mut argument).and_then(|parts| {
        let step = body_step(&mut argument, &parts)?;
        parts.rules(&argument, &Step::Raw(step))
    });
    argument.finish(rules)
}

fn head_step(argument: &mut Argument<'_>, parts: &Parts) -> Option<HeadStep> {
    let written = &argument.text[parts.subject.clone()];
    if HeaderName::try_from(written).is_err() {
        let title = format!("`{written}` is not the name of a header field");
        let help = match parts.filter {
            Some(_) => parts.other_separator(),
            None => parts.example(),
        };
        return argument.wrong(parts.subject.clone(), title, &help);
    }
    let name = argument.read::<FieldName>(parts.subject.clone(), "set-header")?;
    if !parts.replacement.is_empty() {
        let value = argument.read::<HeaderText>(parts.replacement.clone(), "value")?;
        parts.fills_in(argument, &value.0)?;
        return Some(HeadStep::SetHeader { name, value });
    }
    if name.0 == HOST {
        let title = "a request has one Host, no more and no less".to_owned();
        let help = format!(
            "write -H '{}mdm.example.com' to send another",
            argument.text
        );
        return argument.wrong(parts.subject.clone(), title, &help);
    }
    Some(HeadStep::RemoveHeader(name))
}

fn body_step(argument: &mut Argument<'_>, parts: &Parts) -> Option<RawStep> {
    let subject = &argument.text[parts.subject.clone()];
    let mut pattern = RegexBuilder::new(subject);
    // In mitmproxy, the dot matches line feeds, too.
    let pattern = match pattern.dot_matches_new_line(true).build() {
        Ok(pattern) => Pattern(pattern),
        Err(error) => {
            let why = regex_reason(&error);
            let title = format!("`{subject}` is not a regular expression");
            let help = format!("{why}; signs that mean themselves have a backslash in front");
            return argument.wrong(parts.subject.clone(), title, &help);
        }
    };
    let with = from_text(&unescaped(&argument.text[parts.replacement.clone()]));
    let with = argument.right(with, parts.replacement.clone(), "with")?;
    parts.fills_in(argument, &with)?;
    Some(RawStep::ReplaceText { pattern, with })
}

/// The parts of a pattern, as ranges in the argument.
struct Parts {
    separator: char,
    flag: &'static str,
    filter: Option<Filter>,
    /// The stages at which the filter can be true of a message.
    stages: Vec<Stage>,
    subject: Range<usize>,
    replacement: Range<usize>,
}

impl Parts {
    fn of(argument: &mut Argument<'_>) -> Option<Self> {
        let text = argument.text;
        let separator = text.chars().next().unwrap_or('/');
        let from = separator.len_utf8().min(text.len());
        let ends = text[from..].match_indices(separator);
        let ends: Vec<usize> = ends.take(2).map(|(at, _)| from + at).collect();
        let behind = |at: usize| at + separator.len_utf8();
        let (filter, subject, replacement) = match ends[..] {
            [first] => (from..from, from..first, behind(first)..text.len()),
            [first, second] => (
                from..first,
                behind(first)..second,
                behind(second)..text.len(),
            ),
            _ => (from..from, from..from, from..from),
        };
        let mut parts = Self {
            separator,
            flag: argument.flag,
            filter: None,
            stages: vec![Stage::Request, Stage::Response],
            subject,
            replacement,
        };
        if ends.is_empty() {
            let title = format!("`{text}` is not [/filter]/what/with");
            return argument.wrong(0..text.len(), title, &parts.example());
        }
        if parts.subject.is_empty() {
            let title = "it names nothing to change".to_owned();
            let help = format!("{}; {}", parts.example(), parts.other_separator());
            return argument.wrong(0..text.len(), title, &help);
        }
        let subject = &text[parts.subject.clone()];
        if begins_as_filter(subject) {
            let title =
                format!("expected a header name or regex here, found the filter `{subject}`");
            let help = format!("{}: filter, subject and replacement", parts.example());
            return argument.wrong(parts.subject, title, &help);
        }
        if text[parts.replacement.clone()].starts_with('@') {
            let title = "files are read by rule files only".to_owned();
            let help = "write a rule with the step set-body = { file = \"…\" }";
            return argument.wrong(parts.replacement, title, help);
        }
        // A blank filter counts as no filter, like an empty one in mitmproxy.
        if !text[filter.clone()].trim().is_empty() {
            parts.read_filter(argument, filter)?;
        }
        Some(parts)
    }

    fn read_filter(&mut self, argument: &mut Argument<'_>, part: Range<usize>) -> Option<()> {
        let moved = |span: &Range<usize>| part.start + span.start..part.start + span.end;
        let filter = match Filter::read(&argument.text[part.clone()]) {
            Ok(filter) => filter,
            Err(error) => {
                let span = moved(&error.span());
                let wrong = argument.report.wrong(span, error.what());
                for help in [error.help(), &self.other_separator()] {
                    if !help.is_empty() {
                        wrong.help(help);
                    }
                }
                return None;
            }
        };
        let mut all_known = true;
        for term in filter.terms() {
            let span = moved(&term.at);
            if let Some((_, instead)) = LATER.iter().find(|(word, _)| *word == term.word) {
                let name = term.word.name();
                let title = format!("`~{name}` is not known while a message passes");
                argument.wrong::<()>(span, title, instead);
                all_known = false;
            } else if let Some((mistake, key)) = unassigned(term) {
                argument.report.mistake(mistake, span, key);
                all_known = false;
            } else if !argument.text[span.clone()].starts_with('~') {
                let word = &argument.text[span.clone()];
                let title = format!("`{word}` is a filter: only URLs that match it");
                let help = format!(
                    "write ~u in front if that is meant; {}",
                    self.other_separator()
                );
                argument.report.warn(span, Mistake::new(title).help(help));
            }
        }
        self.stages
            .retain(|stage| filter.can_match(|term, truth| can_be(term, truth, *stage)));
        if self.stages.is_empty() && all_known {
            let mut terms = filter.terms().into_iter();
            let code = terms.find(|term| term.word == Word::Code);
            let (span, title, help) = match code {
                Some(code) => (
                    moved(&code.at),
                    "`~c` goes with responses: a request has no status",
                    "write ~s in the place of ~q, or leave ~c out",
                ),
                None => (
                    part.clone(),
                    "no message is all of this",
                    "a message is a request (~q) or a response (~s); write | between words of which one is enough",
                ),
            };
            return argument.wrong(span, title.to_owned(), help);
        }
        self.filter = Some(filter);
        all_known.then_some(())
    }

    /// Refuses a template with values of a command: the rule is about whole messages.
    fn fills_in(&self, argument: &mut Argument<'_>, template: &Template) -> Option<()> {
        let Some(name) = template.names().find(|name| name.is_of_command()) else {
            return Some(());
        };
        let title = format!("`{{{{{}}}}}` is of a command", name.text());
        let help = format!(
            "{} changes whole messages: write a rule file (--rules FILE) that says which commands",
            self.flag
        );
        argument.wrong(self.replacement.clone(), title, &help)
    }

    /// Makes a rule for each stage.
    fn rules(self, argument: &Argument<'_>, step: &Step) -> Option<Vec<Rule>> {
        let rule = |stage: &Stage| {
            let suffix = match self.stages.len() {
                1 => String::new(),
                _ => format!(" ({})", stage.name()),
            };
            let matcher = Matcher {
                filter: self.filter.clone(),
                ..Matcher::default()
            };
            argument.rule(&suffix, *stage, matcher, vec![step.clone()])
        };
        Some(self.stages.iter().map(rule).collect())
    }

    fn example(&self) -> String {
        let example = match self.flag {
            "-H" => "/~s/Retry-After/120",
            _ => "/~s/blue/green",
        };
        format!("write {} '{example}'", self.flag)
    }

    fn other_separator(&self) -> String {
        format!(
            "another first character than `{}` separates the parts as well",
            self.separator
        )
    }
}

/// Whether the first word is a word of filters.
fn begins_as_filter(subject: &str) -> bool {
    let mut words = subject.split(|c: char| c.is_whitespace() || c == '&');
    let word = words.next().and_then(|word| word.strip_prefix('~'));
    word.and_then(Word::named).is_some()
}

/// Whether a term can have this truth value for some message of a stage.
fn can_be(term: &Term, truth: bool, stage: Stage) -> bool {
    match term.word {
        Word::Request => truth == (stage == Stage::Request),
        Word::Response => truth == (stage == Stage::Response),
        Word::Code => stage == Stage::Response,
        _ => true,
    }
}

/// Returns the mistake of a code that no standard defines, and the key for such codes in a rule file.
fn unassigned(term: &Term) -> Option<(Mistake, &'static str)> {
    let code = match term.value {
        Value::Numbers(first, last) if first == last => i64::try_from(first).ok()?,
        _ => return None,
    };
    let (mistake, key) = match term.word {
        Word::Code => (Code::<Http>::known(code).err(), "http-status"),
        Word::Status => (Code::<SyncMl>::known(code).err(), "status"),
        Word::Alert => (Code::<Alert>::known(code).err(), "alert"),
        _ => return None,
    };
    Some((mistake?, key))
}

/// The words whose value is known only when the message has passed, and what to do instead.
const LATER: [(Word, &str); 9] = [
    (Word::Open, "write ~status 202, or ~status 101"),
    (Word::Rule, RULES),
    (Word::Changed, RULES),
    (Word::Own, "leave it out: rules see what the peers send"),
    (Word::Lint, LATER_VERBS),
    (Word::Why, LATER_VERBS),
    (Word::Took, LATER_VERBS),
    (
        Word::At,
        "leave it out: a rule acts while dmtap runs, or while the control API enables it",
    ),
    (
        Word::Error,
        "leave it out: an exchange that failed has no message left to change",
    ),
];
const RULES: &str = "leave it out: this rule sees the message as the rules before it left it";
const LATER_VERBS: &str = "leave it out here; it selects messages for dmtap show, why and lint";

/// Converts a replacement of mitmproxy to the form of the step `replace-text`: `\1` is the first group.
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
