//! What the device answered and what the server received, side by side.

use std::sync::Arc;

use super::broken;
use super::effects::Effects;
use crate::app::device::SessionError;
use crate::app::rule_sources::{Entry, report::summary_with};
use crate::builtin_rules::BUILTIN_RULES;
use crate::dm::StatusCode;
use crate::peer::Encoding;

/// What one side knows, in order: the command and the code of its outcome.
pub(super) type Outcomes = [(String, StatusCode)];

/// One command: the device's answer, if it saw the command, and the Status that the server received, if any.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SummaryLine {
    what: String,
    device: Option<StatusCode>,
    server: Option<StatusCode>,
}

/// One session of the demo.
pub(super) struct Session {
    pub(super) wire: Encoding,
    pub(super) lines: Vec<SummaryLine>,
    /// Why it did not come to its end.
    pub(super) broken: Option<SessionError>,
}

impl Session {
    fn name(&self) -> &'static str {
        match self.wire {
            Encoding::Xml => "XML",
            Encoding::Wbxml => "WBXML",
        }
    }
}

/// Puts both sides together; either may lack commands that the other one knows.
pub(super) fn both_sides(device: &Outcomes, server: &Outcomes) -> Vec<SummaryLine> {
    let (mut lines, mut received) = (Vec::new(), server);
    let alone = |(what, code): &(String, StatusCode)| SummaryLine {
        what: what.clone(),
        device: None,
        server: Some(*code),
    };
    for (what, code) in device {
        let found = received.iter().position(|(other, _)| other == what);
        let server = found.map(|at| {
            lines.extend(received[..at].iter().map(alone));
            let code = received[at].1;
            received = &received[at + 1..];
            code
        });
        lines.push(SummaryLine {
            what: what.clone(),
            device: Some(*code),
            server,
        });
    }
    lines.extend(received.iter().map(alone));
    lines
}

/// The end of the demo, for people.
pub(super) fn closing(
    title: Option<&str>,
    sessions: &[Session],
    entries: &[Entry],
    effects: &Effects,
    files: &[String],
) -> String {
    let summary = summary_with(entries, |rule| effects.of(rule));
    let (heading, each) = summary.split_once('\n').unwrap_or_default();
    let mut text = match heading {
        "" => String::new(),
        heading => format!("{heading}\n"),
    };
    text.push_str(&table(title, sessions));
    text.push_str(each);
    text.push_str(&beside_the_demo(entries));
    text.push_str(&format!("\n\nRecords: {}\n", files.join("  ")));
    text.push_str(&format!(
        "Try:     dmtap show {}    wireshark {}\n",
        files[0], files[1]
    ));
    text
}

/// Built-in rules that had nothing to act on, because the demo's device does not enroll.
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
                "\n{name} is about enrollment, which the demo does not play: use it with dmtap proxy --rule {name}"
            )
        })
        .collect()
}

/// How the sessions broke off, and where the two sides differ or that they do not; an empty line follows.
fn table(title: Option<&str>, sessions: &[Session]) -> String {
    let mut text = String::new();
    for session in sessions {
        if let Some(error) = &session.broken {
            let (name, why) = (session.name(), broken::words(error));
            text.push_str(&format!("  {name}: {why}\n"));
        }
    }
    let rows: Vec<_> = sessions.iter().flat_map(rows).collect();
    if rows.is_empty() && text.is_empty() {
        return "  both sides saw the same statuses\n\n".into();
    }
    if let Some(title) = title {
        text.push_str(&format!("  {title}\n"));
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

/// What the two sides of a session know differently: the command, and the Status that each of them knows.
fn rows(session: &Session) -> Vec<[String; 3]> {
    let code = |code: Option<StatusCode>| code.map_or("nothing".into(), |c| c.to_string());
    let differ = session
        .lines
        .iter()
        .filter(|line| line.device != line.server);
    let row = |line: &SummaryLine| {
        let what = format!("{}: {}", session.name(), line.what);
        [what, code(line.device), code(line.server)]
    };
    differ.map(row).collect()
}

fn columns([what, device, server]: &[String; 3], [first, second]: [usize; 2]) -> String {
    format!("  {what:<first$} {device:<second$} {server}\n")
}

/// How wide the commands' column is at least, in characters.
const NARROWEST: usize = 54;
/// How wide the column of the device's codes is at least, in characters.
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
    fn columns_stand_below_each_other_however_long_a_command_is() {
        let line = |what: String| SummaryLine {
            what,
            device: Some(StatusCode(200)),
            server: None,
        };
        let long = SummaryLine {
            what: "Get ./B".into(),
            device: Some(StatusCode(517)),
            server: None,
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
        let table = table(None, &[session]);
        let at = |word| table.lines().filter_map(move |line| line.find(word));
        let places: Vec<_> = at("the device").chain(at("200 OK")).collect();
        assert_eq!(places, [places[0]; 3], "{table}");
        let places: Vec<_> = at("the server").chain(at("nothing")).collect();
        assert_eq!(places, [places[0]; 4], "{table}");
    }
}
