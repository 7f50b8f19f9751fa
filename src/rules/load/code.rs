//! Status codes in rule files: known ones as numbers, any other one with `force`.

use http::StatusCode as HttpStatus;

use super::read::{self, Report, Table, Value};
use super::suggest::list;
use crate::dm::{AlertCode, StatusCode};
use crate::rules::matcher::Codes;

/// A family of codes.
pub(super) struct Family {
    /// What has such codes, and what they are called.
    what: &'static str,
    called: &'static str,
    least: u16,
    most: u16,
    name: fn(u16) -> Option<&'static str>,
}

/// The codes of a SyncML Status.
pub(super) const SYNCML: Family = Family {
    what: "SyncML",
    called: "status code",
    least: 100,
    most: 599,
    name: |code| StatusCode(code).name(),
};

/// The codes of an HTTP response.
pub(super) const HTTP: Family = Family {
    what: "HTTP",
    called: "status code",
    least: 200,
    most: 599,
    name: |code| HttpStatus::from_u16(code).ok()?.canonical_reason(),
};

/// The codes of an Alert.
pub(super) const ALERT: Family = Family {
    what: "OMA DM",
    called: "alert code",
    least: 100,
    most: 1999,
    name: |code| AlertCode(code).name(),
};

/// The keys of a code that is a table.
pub(super) const KEYS: [&str; 2] = ["code", "force"];

/// What a matcher takes for a hundred codes.
pub(super) const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// How a code of no name is meant, with the table behind it that says so.
pub(super) const MEANT: &str = "to mean it all the same";

impl Family {
    /// Every code with a name.
    pub(super) fn assigned(&self) -> impl Iterator<Item = (u16, &'static str)> {
        (self.least..=self.most).filter_map(|code| Some((code, (self.name)(code)?)))
    }

    /// A code: a number with a name, or `{ code = …, force = true }`.
    pub(super) fn read(&self, value: &Value<'_>, key: &str, report: &mut Report) -> Option<u16> {
        let Some(map) = value.get_ref().as_table() else {
            return self.known(value, key, report);
        };
        let table = Table::new("a code", map, value.span());
        table.refuse_other_keys(&KEYS, report);
        let Some(code) = table.value("code") else {
            report
                .wrong(value.span(), format!("`{key}` has no code"))
                .help(format!("{key} = {{ code = 599, force = true }}"));
            return None;
        };
        match table.value("force").map(|force| force.get_ref().as_bool()) {
            Some(Some(true)) => {
                let bounds = u64::from(self.least)..=self.forced();
                let code = read::number(code, "code", bounds, report)?;
                u16::try_from(code).ok()
            }
            _ => self.known(code, key, report),
        }
    }

    fn known(&self, value: &Value<'_>, key: &str, report: &mut Report) -> Option<u16> {
        let Some(number) = read::integer(value) else {
            read::not_a(value, key, "a number such as 500", report);
            return None;
        };
        if self.what == SYNCML.what && number > i64::from(u16::MAX) {
            report
                .wrong(value.span(), format!("{number:#010x} is a result of Windows, no {}", self.called))
                .help(format!(
                    "write {key} = 500, and for what Windows met a second step: \
                     set-attribute = \"msft:originalerror\", value = \"{number:#010x}\", at = \"Data\""
                ));
            return None;
        }
        let code = u16::try_from(number).unwrap_or(u16::MAX);
        if (self.least..=self.most).contains(&code) && (self.name)(code).is_some() {
            return Some(code);
        }
        let title = format!("{} has no {} {number}", self.what, self.called);
        let error = report.wrong(value.span(), title);
        error.label("no code of this number is assigned");
        error.help(format!("near it are {}", self.near(code)));
        if (self.least.into()..=self.forced() as i64).contains(&number) {
            error.help(format!(
                "{MEANT}: {key} = {{ code = {number}, force = true }}"
            ));
        }
        None
    }

    /// The greatest code that `force` allows.
    fn forced(&self) -> u64 {
        u64::from(self.most).max(999)
    }

    /// The three assigned codes nearest to a number.
    fn near(&self, code: u16) -> String {
        let mut all: Vec<_> = self.assigned().collect();
        all.sort_by_key(|(near, _)| near.abs_diff(code));
        all.truncate(3);
        all.sort_unstable();
        let named: Vec<String> = all
            .iter()
            .map(|(code, name)| format!("{code} {name}"))
            .collect();
        named.join(", ")
    }

    /// What a matcher accepts: a code, a class such as `"2xx"`, or a list of these.
    pub(super) fn matched(
        &self,
        value: &Value<'_>,
        key: &str,
        report: &mut Report,
    ) -> Option<Codes> {
        let mut codes = Codes::new();
        let before = report.count();
        for value in read::one_or_many(value, key, report) {
            let range = match value.get_ref().as_str() {
                Some(class) => self.class(value, class, key, report),
                None => self.read(value, key, report).map(|code| code..=code),
            };
            codes.extend(range);
        }
        (report.count() == before).then_some(codes)
    }

    fn class(
        &self,
        value: &Value<'_>,
        class: &str,
        key: &str,
        report: &mut Report,
    ) -> Option<std::ops::RangeInclusive<u16>> {
        let classes = CLASSES;
        if let Some(at) = classes.iter().position(|c| c.eq_ignore_ascii_case(class)) {
            let first = 100 * (at as u16 + 1);
            return Some(first..=first + 99);
        }
        report
            .wrong(value.span(), format!("`{class}` is no class of codes"))
            .label("not known here")
            .help(format!(
                "write a number such as {key} = 404, or one of {}",
                list(&classes)
            ));
        None
    }
}
