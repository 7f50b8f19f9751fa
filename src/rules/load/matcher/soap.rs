//! `soap-action` and `soap-fault`.

use crate::dm::soap::{action, action_name, local_code};
use crate::rules::Stage;
use crate::rules::glob::Glob;
use crate::rules::load::read::{self, Report, Table, each};
use crate::rules::load::suggest::{closest, list};
use crate::rules::matcher::{SoapMatcher, is_action};
use crate::rules::step::SoapFault;

pub(super) fn read(table: Table<'_>, stage: Option<Stage>, report: &mut Report) -> SoapMatcher {
    SoapMatcher {
        action: actions(table, stage, report),
        fault: faults(table, stage, report),
    }
}

fn actions(table: Table<'_>, stage: Option<Stage>, report: &mut Report) -> Vec<Glob> {
    let known = match stage {
        Some(Stage::Request) => action::REQUESTS,
        _ => action::RESPONSES,
    };
    each(table, "soap-action", report, |value, report| {
        let text = read::text(value, "soap-action", report)?;
        let glob = Glob::new(text.trim_ascii());
        if let Some(stage) = stage
            && !known.iter().any(|action| is_action(&glob, action))
        {
            let names = known.map(action_name);
            report.warn(
                value.span(),
                format!("no {} of enrollment has the Action `{text}`", stage.name()),
                format!(
                    "write {}, or a whole Action; `*` matches any characters",
                    list(&names)
                ),
            );
        }
        Some(glob)
    })
}

fn faults(table: Table<'_>, stage: Option<Stage>, report: &mut Report) -> Vec<Glob> {
    if table.value("soap-fault").is_some() && stage == Some(Stage::Request) {
        report
            .wrong(table.key_span("soap-fault"), "a request has no SOAP fault")
            .label("known at the stage `response`")
            .help("write stage = \"response\", or leave `soap-fault` out");
    }
    let subcodes = SoapFault::SUBCODES.map(|(subcode, _)| local_code(subcode));
    let error_types = SoapFault::ERROR_TYPES.map(|(error_type, _)| error_type);
    let known = [&CODES[..], &subcodes, &error_types].concat();
    each(table, "soap-fault", report, |value, report| {
        let text = read::text(value, "soap-fault", report)?;
        let code = local_code(text);
        let glob = Glob::new(code);
        if !known.iter().any(|code| glob.matches(code)) {
            let help = match closest(code, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("faults of enrollment have {}", list(&known)),
            };
            let title = format!("no fault of enrollment has the code `{text}`");
            report.warn(value.span(), title, help);
        }
        Some(glob)
    })
}

/// The codes of SOAP itself (SOAP 1.2 Part 1 §5.4.6; SOAP 1.1 §4.4.1).
const CODES: [&str; 7] = [
    "Receiver",
    "Sender",
    "VersionMismatch",
    "MustUnderstand",
    "DataEncodingUnknown",
    "Client",
    "Server",
];
