//! Prints the summary of a session that is over.

use super::block::across;
use super::run_name;
use super::text_buffer::{REASON, Style, TextBuffer};
use crate::flow::SessionEnd;
use crate::printable::counted;
use crate::record::EventRecord;
use crate::record::analysis::why::{attempt_words, end_words};
use crate::record::model::{CommandCounts, SessionFinding, SessionSummary};

/// Prints the event at the end of a session.
pub(super) fn of_event(out: &mut TextBuffer, record: &EventRecord) {
    if let Some(summary) = &record.summary {
        self::summary(out, summary, None, false);
    }
}

/// Prints `━━ session 7 ━━ finished ━━ 1 of 14 commands failed ━━`, and the findings.
/// Begins with `run 2` if the record has several runs, and names the device if it has several of them.
pub(super) fn summary(
    out: &mut TextBuffer,
    summary: &SessionSummary,
    run: Option<u32>,
    of_several: bool,
) {
    let mut words = Vec::from_iter(run.map(run_name));
    words.push(match (summary.number, &*summary.device) {
        (Some(number), device) if of_several => format!("session {number} of {device}"),
        (Some(number), _) => format!("session {number}"),
        (None, "") if summary.end == SessionEnd::Open => "outside of sessions".to_owned(),
        (None, device) if summary.end == SessionEnd::Open => device.to_owned(),
        (None, "") => attempt_words(summary.is_renewal).to_owned(),
        (None, device) => format!("{} of {device}", attempt_words(summary.is_renewal)),
    });
    if summary.number.is_some() || summary.end != SessionEnd::Open {
        words.push(end_words(summary));
    }
    // A session that the server refused has no commands to count.
    let is_refused = matches!(summary.end, SessionEnd::Refused { .. }) && summary.commands.all == 0;
    let is_counted = summary.number.is_some() && !is_refused;
    words.extend(is_counted.then(|| counts(&summary.commands)));
    across(out, &words);
    summary
        .findings
        .iter()
        .for_each(|finding| self::finding(out, finding));
}

/// Returns `1 of 14 commands failed`.
fn counts(counts: &CommandCounts) -> String {
    let CommandCounts {
        all,
        failed,
        unanswered,
        in_progress,
        lost,
        not_kept,
    } = *counts;
    let commands = counted(all, "command");
    let parts = [
        (failed, "failed"),
        (unanswered, "never answered"),
        (in_progress, "not done yet"),
        (lost, "without an answer"),
        (not_kept, "not followed"),
    ];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    match (&parts[..], all) {
        ([], 0) => "no commands".to_owned(),
        ([], _) => format!("{commands}, none failed"),
        ([only], _) => {
            let (count, what) = only.split_once(' ').unwrap_or((only, ""));
            format!("{count} of {commands} {what}")
        }
        (several, _) => format!("{commands}: {}", several.join(", ")),
    }
}

fn finding(out: &mut TextBuffer, finding: &SessionFinding) {
    let (sign, style) = match finding.pending {
        true => ("✖ ", Style::Bad),
        false => ("· ", Style::Odd),
    };
    out.put(style, sign).quoted(style, &finding.what, REASON);
    out.put(Style::Faint, &format!("    {}", finding.id)).end();
    for (number, line) in finding.why.iter().enumerate() {
        // The first line says who caused the finding.
        let style = match number == 0 && !finding.rules.is_empty() {
            true => Style::Rule,
            false => Style::Text,
        };
        out.put(Style::Faint, "  │ ")
            .quoted(style, line, REASON)
            .end();
    }
    if !finding.next.is_empty() {
        out.put(Style::Faint, "  ↳ ");
        out.put(Style::Text, "next: ")
            .quoted(Style::Text, &finding.next, REASON)
            .end();
    }
}
