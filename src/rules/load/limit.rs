//! The `limit` table of a rule.

use toml::de::DeValue;

use super::read::{self, Report, Table};
use crate::rules::chance::Chance;
use crate::rules::{Limit, Per};

pub(super) const KEYS: [&str; 5] = ["times", "skip", "every", "chance", "per"];

pub(super) fn limit(table: Table<'_>, report: &mut Report) -> Option<Limit> {
    let before = report.count();
    table.refuse_other_keys(&KEYS, report);
    let mut number = |key, least| match table.value(key) {
        Some(value) => read::number(value, key, least..=u64::from(u32::MAX), report).map(Some),
        None => Some(None),
    };
    let (times, skip, every) = (number("times", 1), number("skip", 0), number("every", 1));
    let chance = chance(table, report);
    let per = match table.value("per") {
        Some(value) => read::one_of(value, "per", &Per::ALL, report),
        None => Some(Per::default()),
    };
    let limit = Limit {
        skip: skip?.unwrap_or(0),
        every: every?.unwrap_or(1),
        times: times?,
        chance: chance?,
        per: per?,
    };
    let limits =
        limit.times.is_some() || limit.skip > 0 || limit.every > 1 || limit.chance.is_some();
    if !limits && report.count() == before {
        report
            .wrong(table.span(), "this limit limits nothing")
            .help("times = 1 acts once, skip = 1 lets the first one pass, every = 3 acts on each third one, chance = 0.3 acts on three of ten");
        return None;
    }
    Some(limit)
}

/// A probability above 0, at most 1; `Some(None)` where none is given.
fn chance(table: Table<'_>, report: &mut Report) -> Option<Option<Chance>> {
    let Some(value) = table.value("chance") else {
        return Some(None);
    };
    let written = match value.get_ref() {
        DeValue::Float(number) => Some(number.as_str()),
        DeValue::Integer(number) => Some(number.as_str()),
        _ => None,
    };
    let Some(written) = written else {
        read::not_a(value, "chance", "a number such as 0.3", report);
        return None;
    };
    let number: Option<f64> = written.replace('_', "").parse().ok();
    let chance = number.and_then(Chance::new);
    if chance.is_none() {
        let error = report.wrong(value.span(), format!("`chance` cannot be {written}"));
        error.label("above 0, at most 1");
        error.help("chance = 0.3 acts on about three finds of ten");
    }
    chance.map(Some)
}
