//! `has` and `where`: places in the selected element.

use super::value::{COMPARISONS, test};
use crate::rules::load::place;
use crate::rules::load::read::{Report, Table, each};
use crate::rules::matcher::ValueTest;
use crate::rules::selector::Selector;

pub(super) fn has(table: Table<'_>, report: &mut Report) -> Vec<Selector> {
    each(table, "has", report, |value, report| {
        place::selector(value, "has", report)
    })
}

/// The keys of `where`.
pub(super) fn where_keys() -> Vec<&'static str> {
    ["at"].into_iter().chain(COMPARISONS).collect()
}

pub(super) fn wheres(table: Table<'_>, report: &mut Report) -> Vec<ValueTest> {
    each(table, "where", report, |value, report| {
        let table = Table::of("`where`", value, report)?;
        let keys = where_keys();
        table.refuse_other_keys(&keys, report);
        let test = test(table, report);
        let Some(at) = table.value("at") else {
            if !table.means("at", &keys) {
                report
                    .wrong(value.span(), "`where` names no place")
                    .help("where = { at = \"Item/Data\", equals = \"…\" }");
            }
            return None;
        };
        let at = place::selector(at, "at", report)?;
        Some(ValueTest { at, test: test? })
    })
}
