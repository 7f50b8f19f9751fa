//! The answers of the device and the Statuses that the server received, side by side.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::effects::Effects;
use crate::app::device::SessionError;
use crate::app::enroll_device::report::name;
use crate::app::rule_sources::{Entry, report::summary_with};
use crate::builtin_rules::BUILTIN_RULES;
use crate::dm::StatusCode;
use crate::flow::EffectKind;
use crate::peer::Encoding;

/// The outcomes that one side knows, in order: the command and the code.
pub(super) type Outcomes = [(String, StatusCode)];

/// One command: the device's answer, if it saw the command, and the Status that the server received, if any.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SummaryLine {
    what: String,
    device: Option<StatusCode>,
    server: Option<StatusCode>,
    /// The server received one Status more than the device answered.
    is_repeated: bool,
}

/// One session of the demo.
pub(super) struct Session {
    pub(super) wire: Encoding,
    pub(super) lines: Vec<SummaryLine>,
    /// The reason why it broke off.
    pub(super) broken: Option<SessionError>,
}

/// Pairs the outcomes of both sides, in any order of the Statuses; each side may lack commands of the other.
pub(super) fn both_sides(device: &Outcomes, server: &Outcomes) -> Vec<SummaryLine> {
    // The reference server keeps no outcome of its own Alert 1222.
    let device: Vec<_> = device.iter().filter(|(w, _)| w != NEXT_MESSAGE).collect();
    let mut received: Vec<Option<&(String, StatusCode)>> = server.iter().map(Some).collect();
    let mut pairs: Vec<Option<(usize, StatusCode)>> = vec![None; device.len()];
    // A Status with the code of the answer is preferred to one with another code.
    for is_strict in [true, false] {
        for (pair, outcome) in pairs.iter_mut().zip(&device) {
            let is_its = |other: &&(String, StatusCode)| match is_strict {
                true => other == outcome,
                false => other.0 == outcome.0,
            };
            if pair.is_none() {
                let at = received
                    .iter()
                    .position(|other| other.is_some_and(|o| is_its(&o)));
                *pair = at.and_then(|at| Some((at, received[at].take()?.1)));
            }
        }
    }
    let alone = |(what, code): &(String, StatusCode)| {
        let answer = device.iter().find(|(other, _)| other == what);
        SummaryLine {
            what: what.clone(),
            device: answer.map(|(_, code)| *code),
            server: Some(*code),
            is_repeated: answer.is_some(),
        }
    };
    let mut lines = Vec::new();
    for ((what, code), pair) in device.iter().zip(pairs) {
        if let Some((at, _)) = pair {
            let before = received[..at].iter_mut().filter_map(Option::take);
            lines.extend(before.map(alone));
        }
        lines.push(SummaryLine {
            what: what.clone(),
            device: Some(*code),
            server: pair.map(|(_, code)| code),
            is_repeated: false,
        });
    }
    lines.extend(received.into_iter().flatten().map(alone));
    lines
}

/// Returns the end of the demo, for people.
pub(super) fn closing(
    is_short: bool,
    sessions: &[Session],
    entries: &[Entry],
    effects: &Effects,
    files: &[String],
) -> String {
    let summary = summary_with(entries, |rule| effects.of(rule));
    let (heading, each) = summary.split_once('\n').unwrap_or_default();
    let mut text = match heading {
        "" => String::new(),
        heading => format!("\n{heading}\n"),
    };
    text.push_str(&table(sessions, effects));
    text.push_str(each);
    text.push_str(&beside_the_demo(entries));
    text.push_str("\n\n");
    text.push_str(&match is_short {
        true => PLANNED.to_owned(),
        false => not_found(sessions),
    });
    text.push_str(&records(files));
    text
}

/// Returns the commands for which both sides know 404: no rule made it, the plan asks for nodes that are not there.
fn not_found(sessions: &[Session]) -> String {
    let not_found = Some(StatusCode(404));
    let lines = sessions.iter().flat_map(|session| &session.lines);
    let lines = lines.filter(|line| [line.device, line.server] == [not_found; 2]);
    let commands: BTreeSet<&str> = lines.map(|line| &*line.what).collect();
    if commands.is_empty() {
        return String::new();
    }
    let commands = commands.into_iter().collect::<Vec<_>>().join(", ");
    format!(
        "404 without any rule, because the demo's plan asks for nodes that are not there: {commands}\n\n"
    )
}

/// Returns the files of the records, and the programs that read them.
pub(super) fn records(files: &[String]) -> String {
    format!(
        "Records: {}\nTry:     dmtap show {}    wireshark {}\n",
        files.join("  "),
        files[0],
        files[1]
    )
}

/// Returns the built-in rules that could not act because the demo's device does not enroll.
fn beside_the_demo(entries: &[Entry]) -> String {
    let idle = BUILTIN_RULES.iter().filter(|rule| {
        let file: Arc<str> = rule.file().into();
        let mut own = entries.iter().filter(|e| e.rule.file == file).peekable();
        own.peek().is_some() && own.all(|entry| entry.hits.messages == 0)
    });
    idle.filter(|rule| ["enrollment", "attestation"].contains(&rule.theme))
        .map(|rule| {
            let name = rule.name;
            format!(
                "\n{name} is about enrollment, which these sessions do not have: dmtap demo --enroll --rule {name}"
            )
        })
        .collect()
}

/// Returns the sessions that broke off, and the differences of both sides; an empty line follows.
fn table(sessions: &[Session], effects: &Effects) -> String {
    let mut text = String::new();
    for session in sessions {
        if let Some(error) = &session.broken {
            let name = name(session.wire);
            text.push_str(&format!("  {name}: the device reports: {error}\n"));
        }
    }
    let rows: Vec<_> = sessions.iter().flat_map(rows).collect();
    if rows.is_empty() && text.is_empty() {
        return format!("  {}\n\n", sameness(effects));
    }
    if !rows.is_empty() {
        let widest = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
        let widths = [(0, NARROWEST), (1, NARROWEST_CODE)]
            .map(|(column, least)| widest(column).unwrap_or_default().max(least));
        if !text.is_empty() {
            text.push('\n');
        }
        let head = ["command", "the device answered", "the server received"];
        text.push_str(&columns(&head.map(str::to_owned), widths));
        for row in &rows {
            text.push_str(&columns(row, widths));
        }
    }
    text.push('\n');
    text
}

/// Returns the line for a demo in which no command has different Statuses at server and device.
fn sameness(effects: &Effects) -> &'static str {
    if effects.has(EffectKind::Tunnelled) {
        "dmtap passed the connections on unread, and knows no status of either side"
    } else if effects.is_empty() {
        "both sides saw the same statuses"
    } else {
        "no command's status differs between the two sides; what the rules changed stands below"
    }
}

/// Returns the differences of a session: the command, and the Status that each side knows.
fn rows(session: &Session) -> Vec<[String; 3]> {
    let code = |code: Option<StatusCode>| code.map_or("nothing".into(), |c| c.to_string());
    let differ = session
        .lines
        .iter()
        .filter(|line| line.is_repeated || line.device != line.server);
    let row = |line: &SummaryLine| {
        let what = format!("{}: {}", name(session.wire), line.what);
        let again = if line.is_repeated { ", once more" } else { "" };
        [what, code(line.device), code(line.server) + again]
    };
    differ.map(row).collect()
}

fn columns([what, device, server]: &[String; 3], [first, second]: [usize; 2]) -> String {
    format!("  {what:<first$} {device:<second$} {server}\n")
}

/// The explanation of the failures in the short demo.
const PLANNED: &str = "\
The demo worked. The failures above are planned, two in each session:
  500  the device ran the Add, and rule command-fails gave the server a failure instead
  404  the server deletes a node and then asks for it, to see that it is gone

";
/// The name, in a device's outcomes, of the Alert with which a server asks for the next message.
const NEXT_MESSAGE: &str = "Alert 1222";
/// The least width of the commands' column, in characters.
const NARROWEST: usize = 54;
/// The least width of the column of the device's codes, in characters.
const NARROWEST_CODE: usize = 28;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_one_side_knows_stands_alone() {
        let outcomes = |known: &[(&str, u16)]| -> Vec<(String, StatusCode)> {
            let known = known.iter();
            known.map(|(w, c)| ((*w).into(), StatusCode(*c))).collect()
        };
        let device = outcomes(&[("Get a", 200), ("Put x", 400), ("Add b", 200)]);
        let server = outcomes(&[("Get a", 404), ("Exec c", 500), ("Add b", 200)]);
        let rows: Vec<_> = both_sides(&device, &server)
            .into_iter()
            .map(|l| (l.what, l.device.map(|c| c.0), l.server.map(|c| c.0)))
            .collect();
        let expected = [
            ("Get a".into(), Some(200), Some(404)),
            ("Put x".into(), Some(400), None),
            ("Exec c".into(), None, Some(500)),
            ("Add b".into(), Some(200), Some(200)),
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn a_status_is_found_in_any_order_and_a_second_one_is_no_first() {
        let outcomes = |known: &[(&str, u16)]| -> Vec<(String, StatusCode)> {
            let known = known.iter();
            known.map(|(w, c)| ((*w).into(), StatusCode(*c))).collect()
        };
        let device = outcomes(&[
            ("Get a", 200),
            ("Add b", 200),
            ("Alert 1222", 200),
            ("Get a", 404),
        ]);
        let server = outcomes(&[("Add b", 200), ("Get a", 404), ("Add b", 200)]);
        let lines = both_sides(&device, &server);
        let differ = |l: &&SummaryLine| l.is_repeated || l.device != l.server;
        let rows: Vec<_> = lines
            .iter()
            .filter(differ)
            .map(|l| (&*l.what, l.device.map(|c| c.0), l.server.map(|c| c.0)))
            .collect();
        let expected = [("Get a", Some(200), None), ("Add b", Some(200), Some(200))];
        assert_eq!(rows, expected);
    }

    #[test]
    fn columns_stand_below_each_other_however_long_a_command_is() {
        let line = |what: String| SummaryLine {
            what,
            device: Some(StatusCode(200)),
            server: None,
            is_repeated: false,
        };
        let long = SummaryLine {
            what: "Get ./B".into(),
            device: Some(StatusCode(517)),
            server: None,
            is_repeated: false,
        };
        assert!(StatusCode(517).to_string().len() > NARROWEST_CODE);
        let session = Session {
            wire: Encoding::Xml,
            lines: vec![
                line("Get ./A".into()),
                line(format!("Get ./{}", "A".repeat(90))),
                long,
            ],
            broken: None,
        };
        let table = table(&[session], &Effects::default());
        let at = |word| table.lines().filter_map(move |line| line.find(word));
        let places: Vec<_> = at("the device").chain(at("200 OK")).collect();
        assert_eq!(places, [places[0]; 3], "{table}");
        let places: Vec<_> = at("the server").chain(at("nothing")).collect();
        assert_eq!(places, [places[0]; 4], "{table}");
    }
}
