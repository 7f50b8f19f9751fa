//! The table of the failures of a run: what failed, where, and with which code.

use smol_str::SmolStr;

use super::block::across;
use super::run_name;
use super::text_buffer::{Colour, REASON, Style, TextBuffer};
use crate::dm::StatusCode;
use crate::printable::counted;
use crate::record::analysis::why::hresult_words;
use crate::record::model::{SessionFinding, SessionSummary, VERSION};

/// The failures of a run, up to a limit.
#[derive(Default)]
pub struct Failures {
    rows: Vec<Row>,
    more: u64,
}

struct Row {
    run: u32,
    session: Option<u64>,
    device: SmolStr,
    finding: SessionFinding,
}

impl Failures {
    /// Adds the failures of a session of a run, from 0.
    pub fn enter(&mut self, summary: &SessionSummary, run: u32) {
        for finding in summary.findings.iter().filter(|finding| finding.pending) {
            if self.rows.len() == MOST_ROWS {
                self.more += 1;
                continue;
            }
            self.rows.push(Row {
                run,
                session: summary.number,
                device: summary.device.clone(),
                finding: finding.clone(),
            });
        }
    }

    /// Returns whether nothing failed.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns one line of JSON for each failure.
    pub fn json(&self) -> String {
        let line = |it: &Row| {
            let (session, device, finding) = (it.session, &it.device, &it.finding);
            let mut row = serde_json::json!({"v": VERSION, "session": session, "device": device, "finding": finding});
            if self.has_several_runs() {
                row["run"] = (it.run + 1).into();
            }
            format!("{row}\n")
        };
        self.rows.iter().map(line).collect()
    }

    fn has_several_runs(&self) -> bool {
        self.rows.iter().any(|row| row.run > 0)
    }

    /// Returns the table.
    pub fn text(&self, colour: Colour) -> String {
        let mut buffer = TextBuffer::new(colour);
        self.print(&mut buffer);
        buffer.text().to_owned()
    }

    pub(super) fn print(&self, out: &mut TextBuffer) {
        let all = self.rows.len() as u64 + self.more;
        across(out, &[counted(all, "failure")]);
        let of_run = self.has_several_runs();
        for row in &self.rows {
            row.print(out, of_run.then_some(row.run));
        }
        if self.more > 0 {
            out.put(Style::Text, &format!("and {} more", self.more))
                .end();
        }
    }
}

impl Row {
    /// Prints `session 7 · DEVICE-0007 · Replace ./Device/X: 404 Not found    WHY-01`, then the value, code and native
    /// error. Begins with `run` if it is given.
    fn print(&self, out: &mut TextBuffer, run: Option<u32>) {
        let finding = &self.finding;
        out.put(Style::Bad, "✖ ");
        if let Some(run) = run {
            out.put(Style::Text, &(run_name(run) + " · "));
        }
        if let Some(number) = self.session {
            out.put(Style::Text, &format!("session {number} · "));
        }
        if !self.device.is_empty() {
            out.quoted(Style::Device, &self.device, REASON)
                .put(Style::Text, " · ");
        }
        out.quoted(Style::Text, &finding.what, REASON);
        out.put(Style::Faint, &format!("    {}", finding.id)).end();
        let mut facts = Vec::new();
        facts.extend(
            finding
                .value
                .as_ref()
                .map(|value| format!("value {value:?}")),
        );
        let code = finding
            .code
            .filter(|code| !finding.what.contains(&code.to_string()));
        facts.extend(code.map(|code| match &*finding.id {
            // The code of an answer to an enrollment is an HTTP status.
            "WHY-13" => format!("HTTP {code}"),
            _ => StatusCode(code).to_string(),
        }));
        facts.extend(finding.hresult.as_ref().map(|error| hresult_words(error)));
        let rules = finding.rules.iter();
        facts.extend(rules.map(|rule| format!("by rule {rule}")));
        if !facts.is_empty() {
            out.put(Style::Faint, "  │ ");
            out.quoted(Style::Text, &facts.join(" · "), REASON).end();
        }
    }
}

/// The most failures that are kept.
const MOST_ROWS: usize = 1_000;
