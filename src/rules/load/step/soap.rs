//! The verb that answers enrollment with a fault.

use super::{PASSING, StepReader};
use crate::rules::Step;
use crate::rules::load::read::{self, Report, Table, Value};
use crate::rules::step::SoapFault;

pub(super) const VERBS: &[StepReader] = &[StepReader {
    name: "soap-fault",
    stages: PASSING,
    options: &[],
    read: fault,
}];

/// The keys of `soap-fault`.
pub(super) const KEYS: [&str; 4] = ["subcode", "error-type", "message", "trace-id"];

fn fault(value: &Value<'_>, _: Table<'_>, report: &mut Report) -> Option<Step> {
    let table = Table::of("`soap-fault`", value, report)?;
    let before = report.count();
    table.refuse_other_keys(&KEYS, report);
    let subcode = match table.value("subcode") {
        Some(value) => known(value, "subcode", &SoapFault::SUBCODES, report),
        None => {
            report
                .wrong(value.span(), "`soap-fault` has no subcode")
                .help("soap-fault = { subcode = \"s:Authorization\", error-type = \"DeviceCapReached\" }");
            None
        }
    };
    let error_type = table
        .value("error-type")
        .map(|value| known(value, "error-type", &SoapFault::ERROR_TYPES, report));
    let mut text = |key: &str, default: &str| match table.value(key) {
        Some(value) => read::text(value, key, report).map(str::to_owned),
        None => Some(default.to_owned()),
    };
    let message = text("message", "refused by dmtap");
    let trace_id = text("trace-id", "dmtap");
    (report.count() == before).then_some(())?;
    Some(Step::Soap(SoapFault {
        subcode: subcode?,
        error_type: error_type.map_or(Some(None), |known| known.map(Some))?,
        message: message?,
        trace_id: trace_id?,
    }))
}

/// One of the words of a table.
fn known(
    value: &Value<'_>,
    key: &str,
    table: &[(&'static str, &str)],
    report: &mut Report,
) -> Option<&'static str> {
    let words: Vec<(&str, &'static str)> = table.iter().map(|(word, _)| (*word, *word)).collect();
    read::one_of(value, key, &words, report)
}
