//! The rules for alerts: ALT-01 to ALT-07.

use std::collections::HashSet;

use super::Findings;
use super::lint_session::Turn;
use crate::dm::{AlertCode, Command, Meta};
use crate::flow::{Severity, Side};

pub(super) fn check(found: &mut Findings, turn: &Turn<'_>) {
    let mut important = Vec::new();
    for command in turn.message.all_commands() {
        let Some(alert) = command.as_alert() else {
            continue;
        };
        let at = Some(command.element());
        let Some(code) = alert.code().filter(|code| code.name().is_some()) else {
            let text = match alert.code() {
                Some(code) => format!("Alert {} is not a code of OMA DM", code.0),
                None => "Alert has no code".to_owned(),
            };
            found.add("ALT-01", at, text);
            continue;
        };
        let of_device = matches!(code.0, 1200 | 1201 | 1224 | 1226);
        let of_server = matches!(code.0, 1100..=1104);
        match turn.side {
            Side::Device if of_server => {
                found.add("ALT-02", at, format!("a device does not send Alert {code}"))
            }
            Side::Server if of_device => {
                found.add("ALT-02", at, format!("a server does not send Alert {code}"))
            }
            _ => {}
        }
        if of_server && command.items().count() < 2 {
            found.add(
                "ALT-03",
                at,
                format!("Alert {code} needs two Items: options and text"),
            );
        }
        if matches!(code.0, 1224 | 1226) {
            items(found, command, code, &mut important);
        }
    }
    generic_alert_field(found, turn, &important);
}

/// Checks the Items of a client event or generic alert, and collects the types of critical and fatal ones.
fn items(found: &mut Findings, command: Command<'_>, code: AlertCode, important: &mut Vec<String>) {
    if command.items().next().is_none() {
        return found.add(
            "ALT-04",
            Some(command.element()),
            format!("Alert {code} has no Item"),
        );
    }
    // The Meta of the command is read once: a message may have very many Items.
    let common = command.meta();
    let common_type = common.and_then(Meta::media_type);
    let common_format = common.and_then(Meta::format);
    let common_mark = common.and_then(Meta::mark);
    for item in command.items() {
        let at = Some(item.element());
        let own = item.meta();
        let media_type = own.and_then(Meta::media_type);
        let media_type = media_type.or_else(|| common_type.clone());
        let has_format = own.and_then(Meta::format).is_some() || common_format.is_some();
        let Some(media_type) = media_type.filter(|name| !name.is_empty()) else {
            found.add("ALT-04", at, format!("an Item of Alert {code} has no Type"));
            continue;
        };
        if code.0 == 1226 {
            for (what, is_missing) in [("Format", !has_format), ("Data", item.data().is_none())] {
                if is_missing {
                    found.add(
                        "ALT-04",
                        at,
                        format!("an Item of Alert {code} has no {what}"),
                    );
                }
            }
            let known = ["Reversed-Domain-Name:", "Content-Type:"];
            if !known.iter().any(|start| media_type.starts_with(start)) {
                let text = format!(
                    "Type {media_type} begins with neither {} nor {}",
                    known[0], known[1]
                );
                // FUMO 1.0 §10.2 requires its types without a prefix, and SCOMO and LAWMO have URNs. OMA DM Protocol 1.2
                // §8.7.1.6 requires the prefix.
                let mut of_oma = ["org.openmobilealliance.dm.", "urn:oma:at:"].iter();
                let is_of_oma = of_oma.any(|start| media_type.starts_with(start));
                let severity = match is_of_oma {
                    true => Severity::Info,
                    false => Severity::of_note("ALT-05"),
                };
                found.add_as("ALT-05", severity, at, text);
            }
        }
        let mark = own.and_then(Meta::mark).or_else(|| common_mark.clone());
        let Some(mark) = mark.filter(|mark| !mark.is_empty()) else {
            continue;
        };
        if !MARKS.contains(&&*mark) {
            found.add(
                "ALT-06",
                at,
                format!("Mark is {mark}, which is none of {}", MARKS.join(", ")),
            );
        }
        if code.0 == 1226 && ["fatal", "critical"].contains(&&*mark) {
            important.push(media_type.into_owned());
        }
    }
}

const MARKS: [&str; 7] = [
    "fatal",
    "critical",
    "minor",
    "warning",
    "informational",
    "harmless",
    "indeterminate",
];

/// Checks that MDM-GenericAlert names the types of critical and fatal alerts (MS-MDM 2.1).
fn generic_alert_field(found: &mut Findings, turn: &Turn<'_>, important: &[String]) {
    let Some(field) = turn
        .linted
        .head
        .and_then(|head| head.field("mdm-genericalert"))
    else {
        return;
    };
    let named = field.split('<').filter_map(|part| part.split_once('>'));
    let named: HashSet<&str> = named.map(|(name, _)| name).collect();
    let lacks = |name: &&String| !named.contains(name.as_str());
    if let Some(missing) = important.iter().find(lacks) {
        found.add(
            "ALT-07",
            None,
            format!("MDM-GenericAlert does not name {missing}"),
        );
    }
}
