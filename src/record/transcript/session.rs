//! What is known of a session once it is over.

use super::block::across;
use super::text_buffer::{REASON, Style, TextBuffer};
use crate::flow::SessionEnd;
use crate::printable::counted;
use crate::record::EventRecord;
use crate::record::analysis::why::end_words;
use crate::record::model::{CommandCounts, SessionFinding, SessionSummary};

/// The end of a session, as an event.
pub(super) fn of_event(page: &mut TextBuffer, record: &EventRecord) {
    if let Some(summary) = &record.summary {
        self::summary(page, summary);
    }
}

/// `━━ session 7 ━━ finished ━━ 1 of 14 commands failed ━━`, and what is to be concluded.
pub(super) fn summary(page: &mut TextBuffer, summary: &SessionSummary) {
    let mut words = vec![match (summary.number, &*summary.device) {
        (Some(number), _) => format!("session {number}"),
        (None, "") if summary.end == SessionEnd::Open => "outside of sessions".to_owned(),
        (None, "") => "enrollment".to_owned(),
        (None, device) => format!("enrollment of {device}"),
    }];
    if summary.number.is_some() || summary.end != SessionEnd::Open {
        words.push(end_words(summary));
    }
    // A session that the server refused came to no command.
    let is_refused = matches!(summary.end, SessionEnd::Refused { .. }) && summary.commands.all == 0;
    let is_counted = summary.number.is_some() && !is_refused;
    words.extend(is_counted.then(|| counts(&summary.commands)));
    across(page, &words);
    summary
        .findings
        .iter()
        .for_each(|finding| self::finding(page, finding));
}

/// `1 of 14 commands failed`
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

fn finding(page: &mut TextBuffer, finding: &SessionFinding) {
    let (sign, ink) = match finding.pending {
        true => ("✖ ", Style::Bad),
        false => ("· ", Style::Odd),
    };
    page.put(ink, sign).quoted(ink, &finding.what, REASON);
    page.put(Style::Faint, &format!("    {}", finding.id)).end();
    for (number, line) in finding.why.iter().enumerate() {
        // Whose doing it is comes first.
        let ink = match number == 0 && !finding.rules.is_empty() {
            true => Style::Rule,
            false => Style::Text,
        };
        page.put(Style::Faint, "  │ ")
            .quoted(ink, line, REASON)
            .end();
    }
    if !finding.next.is_empty() {
        page.put(Style::Faint, "  ↳ ");
        page.put(Style::Text, "next: ")
            .quoted(Style::Text, &finding.next, REASON)
            .end();
    }
}
