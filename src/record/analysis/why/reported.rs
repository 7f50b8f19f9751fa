//! Failures that the device reports in an Alert, of work that it had accepted before.

use super::values::INSTALLER_NEXT;
use super::words::{self, hresult_words, named};
use super::{Case, about};
use crate::dm::{AlertCode, locuri};
use crate::facts::{self, ReportedValue};
use crate::flow::{Side, Transaction, TransactionItem};
use crate::record::model::SessionFinding;

impl Case<'_> {
    /// WHY-01 of Alerts 1224 and 1226 about nodes.
    pub(super) fn reported(&self) -> Vec<SessionFinding> {
        let alerts = self
            .transactions()
            .filter(|it| it.from == Side::Device && matches!(it.alert, Some(1224 | 1226)));
        let failures = alerts.flat_map(|alert| {
            let is_of_work =
                |it: &&TransactionItem| it.node.is_some() || alert.correlator.is_some();
            let failed = alert.items.iter().filter(is_of_work);
            let failed = failed.filter(|item| is_failure(item));
            failed.map(move |item| (alert, item))
        });
        failures
            .take(super::MOST_FINDINGS)
            .map(|(alert, item)| self.report(alert, item))
            .collect()
    }

    fn report(&self, alert: &Transaction, item: &TransactionItem) -> SessionFinding {
        let value = item.value.as_deref().unwrap_or_default();
        let before = &self.session.transactions[..alert.number as usize - 1];
        let (correlator, node) = (alert.correlator.as_deref(), item.node.as_deref());
        let asked = before.iter().rev().find(|it| {
            let may_be_it = it.from == Side::Server && it.command != "Get";
            let command = (it.correlator.as_deref(), it.node());
            may_be_it && is_end_of(command, (correlator, node))
        });
        let all: Vec<_> = asked.into_iter().chain([alert]).collect();
        let mut finding = about("WHY-01", &all);
        let name = || match node {
            Some(node) => node.to_owned(),
            None => format!("Correlator {}", correlator.unwrap_or_default()),
        };
        let name = asked.map_or_else(name, named);
        let meaning = meaning(item);
        let short = match is_of_update(item) {
            true => &meaning,
            false => value,
        };
        finding.what = format!("{name}: the device reports a failure, {short}");
        finding.code = None;
        finding.node = node.map(Into::into).or(finding.node);
        finding.value = None;
        finding.hresult = Some(value.into());
        finding.blame("acted on this.", Side::Device);
        let code = AlertCode(alert.alert.unwrap_or_default());
        let media_type = item.media_type.as_deref().unwrap_or("no type");
        finding.why.push(format!(
            "Alert {code} of {media_type}: {meaning}, sent in {}",
            words::place(&alert.asked)
        ));
        if let Some((asked, answer)) = asked.and_then(|it| Some((it, it.answer()?))) {
            finding.why.push(words::asked_and_answered(asked, answer));
        }
        let next = match media_type.ends_with("win32csp_install") {
            true => INSTALLER_NEXT.into(),
            // Desktop Windows, whose event log has a name, knows no such update.
            false if is_of_update(item) => {
                let at = words::at(alert.asked.at_us);
                format!("look {at} in the device's own log")
            }
            false => self.look_in_log(alert.asked.at_us),
        };
        finding.advise(next, "");
        finding
    }
}

/// Whether an Alert may report the end of a command, by the Correlators and nodes of both. A Correlator that both have says
/// which command it is, except where a server gave the same one to commands on other nodes.
pub(in crate::record::analysis) fn is_end_of(
    (given, own): (Option<&str>, Option<&str>),
    (named, node): (Option<&str>, Option<&str>),
) -> bool {
    let Some(own) = own else { return false };
    match given.zip(named) {
        Some((given, named)) => {
            let is_near = |node| locuri::is_within(own, node) || locuri::is_within(node, own);
            given == named && node.is_none_or(is_near)
        }
        None => node.is_some_and(|node| locuri::is_or_is_child(own, node)),
    }
}

/// Whether an item of an Alert reports that work failed.
fn is_failure(item: &TransactionItem) -> bool {
    let number = number(item);
    let media_type = item.media_type.as_deref().unwrap_or_default();
    let media_type = media_type.to_ascii_lowercase();
    let is_grave = matches!(
        item.mark.as_deref().map(str::to_ascii_lowercase).as_deref(),
        Some("critical" | "fatal")
    );
    match number {
        Some(code) if is_of_update(item) => !matches!(code, 0..=299 | 1200..=1299),
        // Installed, and a restart follows.
        Some(0 | 1641 | 3010) => false,
        // An HRESULT with the bit of failures.
        Some(number) if !(0..0x8000_0000).contains(&number) => true,
        // Of Windows Installer.
        Some(1601..=1654) => true,
        Some(_) => is_grave || media_type.ends_with("_install") || media_type.ends_with("install"),
        None => is_grave,
    }
}

/// Returns the end of the work on a node that an Item of an Alert reports; `None` if it reports no end.
pub(in crate::record::analysis) fn reported_end(item: &TransactionItem) -> Option<ReportedValue> {
    if is_failure(item) {
        return Some(ReportedValue::Failed(meaning(item)));
    }
    let number = number(item)?;
    let media_type = item.media_type.as_deref()?.to_ascii_lowercase();
    let is_done = match is_of_update(item) {
        true => matches!(number, 0 | 200..=299 | 1200..=1299),
        false => matches!(number, 0 | 1641 | 3010),
    };
    let says_end = ENDS.iter().any(|end| media_type.ends_with(end));
    (is_done && says_end).then_some(ReportedValue::Done)
}

/// Whether an Item of an Alert reports that the work goes on.
pub(in crate::record::analysis) fn goes_on(media_type: &str, value: Option<&str>) -> bool {
    let is_in_progress = |value: &str| value.trim().eq_ignore_ascii_case("InProgress");
    media_type.ends_with("requestpending") || value.is_some_and(is_in_progress)
}

/// The ends of the types of Alerts that report the end of work.
const ENDS: [&str; 6] = [
    "csp_install",
    "install.result",
    "firmwareupdate.download",
    "firmwareupdate.update",
    "firmwareupdate.downloadandupdate",
    "operationcomplete",
];

/// Returns the number in the value of an Alert: `1603`, `0x80070643`, `ResultCode=404`, `<ResultCode>404</ResultCode>`.
fn number(item: &TransactionItem) -> Option<i64> {
    let value = item.value.as_deref().unwrap_or_default();
    let code = value.split_once("ResultCode");
    let code = code.map(|(_, code)| code.trim_start().trim_start_matches(['=', '>']));
    let value = code.map_or(value, |code| code.split('<').next().unwrap_or_default());
    let value = value.trim();
    match value.strip_prefix("0x").or(value.strip_prefix("0X")) {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => value.parse().ok(),
    }
}

/// Whether an Alert is about an update of firmware or software, or a lock, as OMA defines it (FUMO, SCOMO, LAWMO).
fn is_of_update(item: &TransactionItem) -> bool {
    let media_type = item.media_type.as_deref().unwrap_or_default();
    let media_type = media_type.to_ascii_lowercase();
    ["firmwareupdate", "scomo", "lawmo"]
        .iter()
        .any(|object| media_type.contains(object))
}

/// Returns the value of an Alert with its meaning.
fn meaning(item: &TransactionItem) -> String {
    let value = item.value.as_deref().unwrap_or_default().trim();
    let of_update = number(item).filter(|_| is_of_update(item));
    let of_update = of_update.and_then(|code| u16::try_from(code).ok());
    let of_update = of_update.and_then(|code| Some((code, facts::update_result(code)?)));
    match (of_update, value.parse::<i64>()) {
        (Some((code, meaning)), _) => format!("{code} ({meaning})"),
        (None, Ok(number)) if !is_of_update(item) => facts::code_words(number),
        _ => hresult_words(value),
    }
}
