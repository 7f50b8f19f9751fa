//! The values of words: codes, numbers, times, patterns.

use regex::{Regex, RegexBuilder};

use crate::dm::{CommandKind, locuri};
use crate::facts::{self, FactKind};
use crate::nearest::closest;

/// A parsed value.
#[derive(Clone, Debug)]
pub enum Value {
    /// No value: the word stands alone.
    Nothing,
    /// A text that is compared as a whole; case does not matter.
    Text(String),
    /// A regular expression; case does not matter.
    Pattern(Regex),
    /// A LocURI, or a part of one.
    Node(Regex),
    /// The numbers from the first to the second, both included: codes, sizes, microseconds.
    Numbers(u64, u64),
    /// A result of Windows.
    Result(u32),
    /// The time from the first moment to the second; [`Self::is_between`] compares them.
    Moments(String, String),
}

/// The form of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Nothing,
    Text,
    Pattern,
    Node,
    Command,
    Codes,
    Numbers,
    /// The number of a package.
    Package,
    /// A status of HTTP.
    HttpStatus,
    Result,
    Time,
    Bytes,
    Moment,
    Note,
    Finding,
    OneOf(&'static [&'static str]),
}

/// A description of the error in a value, and a suggestion.
pub(super) type Wrong = (String, String);

impl Value {
    /// Whether the text equals the value, or matches the pattern.
    pub fn is_text(&self, text: &str) -> bool {
        match self {
            Self::Text(meant) => meant.eq_ignore_ascii_case(text),
            Self::Pattern(pattern) => pattern.is_match(text),
            Self::Node(pattern) => pattern.is_match(&locuri::plain(text)),
            _ => false,
        }
    }

    /// Whether a text begins with the value; case does not matter.
    pub fn begins(&self, text: &str) -> bool {
        let Self::Text(meant) = self else {
            return false;
        };
        let beginning = text.get(..meant.len());
        beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(meant))
    }

    /// Whether a number is in the range.
    pub fn is_number(&self, number: u64) -> bool {
        matches!(self, Self::Numbers(first, last) if (*first..=*last).contains(&number))
    }

    /// Whether any number from `first` to `last` is in the range.
    fn meets(&self, first: u64, last: u64) -> bool {
        matches!(self, Self::Numbers(least, most) if *least <= last && first <= *most)
    }

    /// Whether a text is this result of Windows.
    pub fn is_result(&self, text: &str) -> bool {
        matches!(self, Self::Result(code) if facts::number(text.trim()) == Some(u64::from(*code)))
    }

    /// Whether a moment, RFC 3339 in UTC, is in the range.
    pub fn is_between(&self, at: &str) -> bool {
        let Self::Moments(first, last) = self else {
            return false;
        };
        let time = at.split_once('T').map_or(at, |(_, time)| time);
        let of = |bound: &str| match is_time_of_day(bound) {
            true => time,
            false => at,
        };
        // Moments that begin with the last one belong to the range.
        first.as_str() <= of(first)
            && (of(last) <= last.as_str() || of(last).starts_with(last.as_str()))
    }
}

fn is_time_of_day(bound: &str) -> bool {
    !bound.contains('-')
}

impl Form {
    /// Parses a value.
    pub(super) fn read(self, text: &str) -> Result<Value, Wrong> {
        match self {
            Self::Nothing => Ok(Value::Nothing),
            Self::Text => Ok(Value::Text(text.to_owned())),
            Self::Pattern => pattern(text).map(Value::Pattern),
            Self::Node => node(text).map(Value::Node),
            Self::Command => command(text),
            Self::Codes => codes(text).ok_or_else(|| self.wrong(text, "code")),
            Self::Numbers => range(text, plain).ok_or_else(|| self.wrong(text, "number")),
            Self::Package => range(text, plain)
                .filter(|it| it.meets(1, 4))
                .ok_or_else(|| self.wrong(text, "package")),
            Self::HttpStatus => codes(text)
                .filter(|it| it.meets(100, 999))
                .ok_or_else(|| self.wrong(text, "status of HTTP")),
            Self::Result => result(text).ok_or_else(|| self.wrong(text, "result of Windows")),
            Self::Time => at_least(text, microseconds).ok_or_else(|| self.wrong(text, "time")),
            Self::Bytes => at_least(text, bytes).ok_or_else(|| self.wrong(text, "size")),
            Self::Moment => moments(text).ok_or_else(|| self.wrong(text, "moment")),
            Self::Note => id(text, FactKind::Note, &self.help()),
            Self::Finding => id(text, FactKind::Finding, &self.help()),
            Self::OneOf(words) => match words.iter().find(|word| word.eq_ignore_ascii_case(text)) {
                Some(word) => Ok(Value::Text((*word).to_owned())),
                None => Err((format!("`{text}` is none of its values"), self.help())),
            },
        }
    }

    fn wrong(self, text: &str, what: &str) -> Wrong {
        (format!("`{text}` is not a {what}"), self.help())
    }

    /// Returns a suggestion of what to write.
    pub(super) fn help(self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Text => "write a text; in quotes if it has blanks".into(),
            Self::Pattern => {
                "write a text or a regular expression; in quotes if it has blanks".into()
            }
            Self::Node => {
                "write a LocURI or a part of one, such as './Device/Vendor/MSFT/BitLocker/**'"
                    .into()
            }
            Self::Command => "write the name of a command, such as Replace".into(),
            Self::Codes => {
                "write a number, a class such as 4xx, or a range such as 400..499".into()
            }
            Self::Numbers => "write a number, or a range such as 10..20".into(),
            Self::Package => "write a number from 1 to 4, or a range such as 1..2".into(),
            Self::HttpStatus => {
                "write a number from 100 to 999, a class such as 4xx, or a range such as 400..499"
                    .into()
            }
            Self::Result => {
                "write a number such as 0x86000002, or a name such as CFGMGR_E_NODENOTFOUND".into()
            }
            Self::Time => "write a time such as 5s, >200ms, <1m or 1s..5s".into(),
            Self::Bytes => "write a size such as 500, 10k, <1M or 1k..10k".into(),
            Self::Moment => {
                "write a time of day or a date in UTC, such as 10:00..11:30 or 2026-03-04T05".into()
            }
            Self::Note => "write the id of a note, or error, warning, info".into(),
            Self::Finding => "write the id of a finding, such as WHY-06".into(),
            Self::OneOf(words) => format!("write {}", words.join(", ")),
        }
    }
}

fn pattern(text: &str) -> Result<Regex, Wrong> {
    let built = RegexBuilder::new(text)
        .case_insensitive(true)
        .size_limit(MAX_PATTERN_BYTES)
        .dfa_size_limit(MAX_PATTERN_BYTES)
        .build();
    built.map_err(|error| {
        let why = match &error {
            regex::Error::CompiledTooBig(_) => "it is too large".to_owned(),
            error => regex_reason(error),
        };
        (
            format!("`{text}` is not a regular expression: {why}"),
            "write \\ in front of a character that is meant as it is".into(),
        )
    })
}

/// Returns the reason why a regular expression is not valid: the last line of the parser's message.
pub(crate) fn regex_reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

/// Returns the pattern for a LocURI: with `*` (within a segment) or `**` (any segments) for a whole LocURI, otherwise
/// for a part of one.
fn node(text: &str) -> Result<Regex, Wrong> {
    let text = locuri::plain(text);
    let mut regex = String::new();
    let mut rest = &*text;
    while let Some(at) = rest.find('*') {
        regex.push_str(&regex::escape(&rest[..at]));
        let many = rest[at..].starts_with("**");
        regex.push_str(if many { ".*" } else { "[^/]*" });
        rest = &rest[at + if many { 2 } else { 1 }..];
    }
    regex.push_str(&regex::escape(rest));
    if text.contains('*') {
        regex = format!("^{regex}$");
    }
    pattern(&regex)
}

fn command(text: &str) -> Result<Value, Wrong> {
    let mut names: Vec<&str> = CommandKind::all().map(CommandKind::name).collect();
    names.push("SyncHdr");
    match names.iter().find(|name| name.eq_ignore_ascii_case(text)) {
        Some(name) => Ok(Value::Text((*name).to_owned())),
        None => Err((
            format!("there is no command `{text}`"),
            closest(text, &names)
                .map_or_else(|| Form::Command.help(), |name| format!("write {name}")),
        )),
    }
}

/// Accepts the id of a note or finding, the beginning of one, or the severity of a note.
fn id(text: &str, kind: FactKind, help: &str) -> Result<Value, Wrong> {
    let upper = text.to_ascii_uppercase();
    let of_kind = facts::all().iter().filter(|fact| fact.kind == kind);
    let ids: Vec<&str> = of_kind.map(|fact| &*fact.key).collect();
    let is_severity = kind == FactKind::Note && SEVERITIES.contains(&&*text.to_ascii_lowercase());
    if is_severity
        || ids.iter().any(|id| id.starts_with(&upper))
        || facts::id(text).next().is_some()
    {
        return Ok(Value::Text(text.to_owned()));
    }
    let near = closest(text, &ids);
    Err((
        format!("there is no id `{text}`"),
        near.map_or_else(|| help.to_owned(), |id| format!("write {id}")),
    ))
}

const SEVERITIES: [&str; 3] = ["error", "warning", "info"];

/// Parses `404`, `4xx`, `12xx`, `400..499`.
fn codes(text: &str) -> Option<Value> {
    let lower = text.to_ascii_lowercase();
    let Some(class) = lower.strip_suffix("xx") else {
        return range(text, plain).filter(|_| !text.starts_with(['<', '>']));
    };
    let first = plain(class).filter(|class| (1..=19).contains(class))? * 100;
    Some(Value::Numbers(first, first + 99))
}

fn result(text: &str) -> Option<Value> {
    let number = match facts::number(text) {
        Some(number) => number,
        None => {
            let found = facts::find(text);
            let result = found.iter().find(|fact| fact.kind == FactKind::Result);
            facts::number(&result?.key)?
        }
    };
    let code = u32::try_from(number).ok()?;
    // Results have their family in the upper half.
    (code > u32::from(u16::MAX)).then_some(Value::Result(code))
}

/// Parses a range of a measured quantity: a single time or size means at least that.
fn at_least(text: &str, read: fn(&str) -> Option<u64>) -> Option<Value> {
    match read(text) {
        Some(least) => Some(Value::Numbers(least, u64::MAX)),
        None => range(text, read),
    }
}

/// Parses `5`, `>5`, `<5`, `5..9`.
fn range(text: &str, read: fn(&str) -> Option<u64>) -> Option<Value> {
    if let Some((first, last)) = text.split_once("..") {
        let (first, last) = (read(first)?, read(last)?);
        return (first <= last).then_some(Value::Numbers(first, last));
    }
    if let Some(least) = text.strip_prefix(">=") {
        return Some(Value::Numbers(read(least)?, u64::MAX));
    }
    if let Some(below) = text.strip_prefix('>') {
        return Some(Value::Numbers(read(below)?.checked_add(1)?, u64::MAX));
    }
    if let Some(most) = text.strip_prefix("<=") {
        return Some(Value::Numbers(0, read(most)?));
    }
    if let Some(above) = text.strip_prefix('<') {
        return Some(Value::Numbers(0, read(above)?.checked_sub(1)?));
    }
    let number = read(text)?;
    Some(Value::Numbers(number, number))
}

fn plain(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn microseconds(text: &str) -> Option<u64> {
    measured(
        text,
        &[
            ("us", 1),
            ("ms", 1_000),
            ("s", 1_000_000),
            ("m", 60_000_000),
        ],
    )
}

fn bytes(text: &str) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    let text = text.strip_suffix('b').unwrap_or(&text);
    measured(text, &[("k", 1 << 10), ("m", 1 << 20)]).or_else(|| plain(text))
}

fn measured(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let with_unit =
        |(unit, factor): &(&str, u64)| plain(text.strip_suffix(unit)?)?.checked_mul(*factor);
    units.iter().find_map(with_unit)
}

fn moments(text: &str) -> Option<Value> {
    let moment = |text: &str| {
        let is_sign = |byte: u8| byte.is_ascii_digit() || b"-:.TZ".contains(&byte);
        let is_moment = text.bytes().all(is_sign)
            && text.contains(['-', ':'])
            && text.starts_with(|c: char| c.is_ascii_digit());
        // Moments are compared as text, so 9:00 becomes 09:00.
        let zero = if text.find(':') == Some(1) { "0" } else { "" };
        (is_moment && is_possible(text)).then(|| format!("{zero}{text}"))
    };
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let (first, last) = (moment(first)?, moment(last)?);
    let is_backwards = is_time_of_day(&first) == is_time_of_day(&last)
        && first > last
        && !first.starts_with(&last);
    (!is_backwards).then_some(Value::Moments(first, last))
}

/// Whether the parts of a moment, which may be its beginning only, can be those of a date and a time.
fn is_possible(moment: &str) -> bool {
    let (date, time) = match is_time_of_day(moment) {
        true => ("", moment),
        false => moment.split_once('T').unwrap_or((moment, "")),
    };
    let fits = |text: &str, sign: char, limits: [u32; 3]| {
        let mut parts = text.split(sign).zip(limits);
        parts.all(|(part, limit)| part.is_empty() || part.parse().is_ok_and(|it: u32| it <= limit))
            && text.split(sign).count() <= limits.len()
    };
    let seconds = time.split(['.', 'Z']).next().unwrap_or_default();
    fits(date, '-', [9999, 12, 31]) && fits(seconds, ':', [23, 59, 60])
}

/// The largest automaton of a pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_that_cannot_be_is_refused() {
        for moment in [
            "10:99",
            "25:00",
            "2026-13-45",
            "2026-03-04T24",
            "12:00..10:00",
        ] {
            assert!(Form::Moment.read(moment).is_err(), "{moment}");
        }
        for moment in [
            "10:00..11:30",
            "2026-03-04T05",
            "9:00",
            "2026-03-04T05:06:07.5Z",
            "10:00..10:0",
        ] {
            assert!(Form::Moment.read(moment).is_ok(), "{moment}");
        }
    }

    #[test]
    fn nodes_moments_and_measures_are_compared_as_people_mean_them() {
        let node = |text: &str, uri: &str| Form::Node.read(text).unwrap().is_text(uri);
        assert!(node("bitlocker", "./Device/Vendor/MSFT/BitLocker/X"));
        assert!(node("./Device/**", "./device/Vendor/MSFT/BitLocker/X"));
        assert!(!node("./Device/*", "./Device/Vendor/MSFT"));
        assert!(node("./DevInfo/*", "./DevInfo/DevId"));
        assert!(!node("./Dev.nfo/*", "./DevInfo/DevId"));
        for text in ["{A b}", "%7ba%20b%7D", "./MSI/%7B*/Status", "./MSI/{A b}/*"] {
            for uri in ["./MSI/{A b}/Status", "./MSI/%7BA%20b%7D/Status"] {
                assert!(node(text, uri), "{text} {uri}");
            }
        }
        let at = |text: &str| Form::Moment.read(text).unwrap();
        assert!(at("10:00..11:30").is_between("2026-03-04T11:30:59.000000Z"));
        assert!(!at("10:00..11:30").is_between("2026-03-04T11:31:00.000000Z"));
        assert!(at("2026-03-04T05").is_between("2026-03-04T05:59:07.012345Z"));
        assert!(!at("2026-03-04T05").is_between("2026-03-04T06:00:00.000000Z"));
        assert!(at("05:06").is_between("2026-03-04T05:06:07.012345Z"));
        assert!(at("9:00..11:30").is_between("2026-03-04T10:30:00.000000Z"));
        assert!(!at("9:00..11:30").is_between("2026-03-04T08:59:00.000000Z"));
        assert!(Form::Moment.read("2026").is_err());
        let took = |text: &str, us: u64| Form::Time.read(text).unwrap().is_number(us);
        assert!(took("5s", 6_000_000) && !took("5s", 4_999_999));
        assert!(took("<200ms", 199_999) && !took("<200ms", 200_000));
        assert!(took("1s..2s", 1_500_000));
        assert!(took(">5s", 5_000_001) && !took(">5s", 5_000_000));
        assert!(took("<=5s", 5_000_000) && !took("<=5s", 5_000_001));
        let size = |text: &str, bytes: u64| Form::Bytes.read(text).unwrap().is_number(bytes);
        assert!(size("10k", 10_240) && !size("10kB", 10_239) && size(">=500", 500));
        let code = |text: &str, code: u64| Form::Codes.read(text).unwrap().is_number(code);
        assert!(code("4xx", 499) && !code("4xx", 500) && code("404", 404) && !code("404", 405));
        assert!(code("12xx", 1226) && code("400..402", 401));
    }
}
