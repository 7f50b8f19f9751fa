//! The texts for places, codes and times in findings.

use jiff::tz::TimeZone;

use crate::dm::{AlertCode, StatusCode};
use crate::facts;
use crate::flow::{CommandAnswer, CommandPlace, SessionEnd, Side, Transaction};
use crate::printable::counted;
use crate::record::model::SessionSummary;

/// `Replace ./Device/Vendor/MSFT/X`
pub(in crate::record::analysis) fn named(transaction: &Transaction) -> String {
    let command = &transaction.command;
    let node = transaction.node();
    match (node, transaction.alert) {
        (_, Some(code)) => format!("{command} {}", AlertCode(code)),
        (Some(node), None) => format!("{command} {node}"),
        (None, None) => command.to_string(),
    }
}

/// `Replace ./Device/Vendor/MSFT/X`, with the node that a failed answer is about.
pub(super) fn named_by(transaction: &Transaction, answer: &CommandAnswer) -> String {
    match answer.node.as_ref().filter(|_| transaction.items.len() > 1) {
        Some(node) => format!("{} {node}", transaction.command),
        None => named(transaction),
    }
}

/// `Replace ./Device/Vendor/MSFT/X and 2 other commands`, for the name of the first of `count` commands.
pub(super) fn with_others(name: String, count: usize) -> String {
    match count {
        0 | 1 => name,
        more => format!("{name} and {}", counted(more - 1, "other command")),
    }
}

/// `, 3 times`; empty for once.
pub(super) fn times(count: usize) -> String {
    match count {
        1 => String::new(),
        more => format!(", {more} times"),
    }
}

/// `404 Not found`
pub(in crate::record::analysis) fn code(code: u16) -> String {
    StatusCode(code).to_string()
}

/// `x30 (message 2, CmdID 6)`
pub(in crate::record::analysis) fn place(place: &CommandPlace) -> String {
    let place_in_it = message_and_cmd_id(&place.message, &place.cmd_id);
    format!("x{} ({place_in_it})", place.exchange)
}

/// `message 2, CmdID 6`; of a message without a number, as in local MDM, `CmdID 6`.
pub(in crate::record::analysis) fn message_and_cmd_id(message: &str, cmd_id: &str) -> String {
    let message = match message {
        "" => String::new(),
        message => format!("message {message}, "),
    };
    match cmd_id {
        "" => format!("{message}without CmdID"),
        id => format!("{message}CmdID {id}"),
    }
}

/// `x30 (CmdID 6)`
pub(super) fn short_place(place: &CommandPlace) -> String {
    format!("x{} (CmdID {})", place.exchange, place.cmd_id)
}

/// `asked in x30 (message 2, CmdID 6)`
pub(in crate::record::analysis) fn asked(transaction: &Transaction) -> String {
    format!("asked in {}", place(&transaction.asked))
}

/// `asked in x30 (message 2, CmdID 6), answered in x31 (message 3, CmdID 4)`
pub(super) fn asked_and_answered(transaction: &Transaction, answer: &CommandAnswer) -> String {
    format!(
        "{}, answered in {}",
        asked(transaction),
        place(&answer.place)
    )
}

/// The same with the answer that counts, where there is one.
pub(super) fn places(transaction: &Transaction) -> String {
    match transaction.answer() {
        Some(answer) => asked_and_answered(transaction, answer),
        None => asked(transaction),
    }
}

/// `x30 message 2 CmdID 6  Replace ./Device/X = "1" → 404 Not found in x31`
pub fn transaction_line(transaction: &Transaction) -> String {
    let place = &transaction.asked;
    let mut line = format!(
        "x{} message {} CmdID {}  {}",
        place.exchange,
        place.message,
        place.cmd_id,
        named(transaction)
    );
    let value = transaction
        .items
        .first()
        .and_then(|item| item.value.as_deref());
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        line += &format!(" = {value:?}");
    }
    match transaction
        .answer()
        .and_then(|answer| Some((answer, answer.code()?)))
    {
        Some((answer, got)) => line += &format!(" → {} in x{}", code(got), answer.place.exchange),
        None => line += " → no answer",
    }
    line
}

/// `0x86000002 CFGMGR_E_NODENOTFOUND, there is no such node`; an unknown number stays as it is.
pub fn hresult_words(text: &str) -> String {
    match facts::result_in_text(text) {
        Some(fact) => format!("{text} {}", fact.words()),
        None => text.to_owned(),
    }
}

/// Intune's number for a Status: `-2016345708 (0x87D10194)`.
pub(super) fn intune(code: u16) -> String {
    let number = facts::RESULT_OF_STATUS | u32::from(code);
    format!("{} (0x{number:08X})", number.cast_signed())
}

/// `both commands`, `all 5 commands`, `the only command`.
pub(super) fn all_of(count: usize) -> String {
    match count {
        1 => "The only command".to_owned(),
        2 => "Both commands".to_owned(),
        more => format!("All {more} commands"),
    }
}

/// `rule a`, `rules a and b`.
pub(super) fn rules(rules: &[smol_str::SmolStr]) -> String {
    match rules {
        [] => String::new(),
        [only] => format!("rule {only}"),
        [all @ .., last] => format!("rules {} and {last}", all.join(", ")),
    }
}

/// `Rule a of dmtap did this.`, for `did this.`.
pub(in crate::record::analysis) fn by_rules(names: &[smol_str::SmolStr], how: &str) -> String {
    format!("{} of dmtap {how}", capital(&rules(names)))
}

/// Returns a sentence with a capital letter at its beginning.
pub(super) fn capital(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// `the device`, `the server`
pub(super) fn side(side: Side) -> &'static str {
    match side {
        Side::Device => "the device",
        Side::Server => "the server",
    }
}

/// `at 09:12:05 UTC`; for a log without times `at this exchange`.
pub(in crate::record::analysis) fn at(at_us: u64) -> String {
    match at_us {
        0 => "at this exchange".to_owned(),
        _ => format!("at {} UTC", zoned(at_us, "%H:%M:%S")),
    }
}

/// `, since 2026-03-01 09:12`, in UTC; only the time if it is the day of `now_us`. Empty for a log without times.
pub(super) fn since(at_us: u64, now_us: u64) -> String {
    let day = |at| zoned(at, "%Y-%m-%d");
    match day(at_us) == day(now_us) {
        _ if at_us == 0 => String::new(),
        true => zoned(at_us, ", since %H:%M"),
        false => zoned(at_us, ", since %Y-%m-%d %H:%M"),
    }
}

fn zoned(at_us: u64, format: &str) -> String {
    let micros = i64::try_from(at_us).unwrap_or(i64::MAX);
    let moment = jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MAX);
    moment.to_zoned(TimeZone::UTC).strftime(format).to_string()
}

/// `12.3 ms`, `31.0 s`
pub(super) fn duration(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{:.1} ms", micros as f64 / 1e3),
        _ => format!("{:.1} s", micros as f64 / 1e6),
    }
}

/// The name of an attempt of a device to get a certificate.
pub fn attempt_words(is_renewal: bool) -> &'static str {
    match is_renewal {
        true => "renewal",
        false => "enrollment",
    }
}

/// The end of a session in a few words.
pub fn end_words(summary: &SessionSummary) -> String {
    let rule = summary.end_rule.as_ref().map(|rule| format!("rule {rule}"));
    let by = |peer: Side| rule.clone().unwrap_or_else(|| side(peer).to_owned());
    match summary.end {
        SessionEnd::Open => "not over".to_owned(),
        SessionEnd::Finished => "finished".to_owned(),
        SessionEnd::Aborted { by: peer } => format!("aborted by {}", by(peer)),
        SessionEnd::BrokenOff { by: Some(peer), .. } => format!("broken off by {}", by(peer)),
        SessionEnd::BrokenOff { by: None, .. } => match &rule {
            Some(rule) => format!("broken off by {rule}"),
            None => "broken off".to_owned(),
        },
        SessionEnd::Silent => "the device did not come back".to_owned(),
        SessionEnd::WithoutFinal => "not closed by the server".to_owned(),
        SessionEnd::Refused { status: ..400 } => "refused".to_owned(),
        SessionEnd::Refused { status } => format!("refused by HTTP {status}"),
        SessionEnd::Superseded => "the device began another session".to_owned(),
        SessionEnd::Renamed => "its SessionID changed".to_owned(),
    }
}
