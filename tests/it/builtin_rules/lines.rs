//! The effects of rules on a conversation, as lines that a table can expect.
//!
//! `request 2: - Status 200 of Replace ./A` and `request 2: + Status 403 of Replace ./A` are a part of the second
//! request as received and as sent. Everything without a line is the same in both.

use std::collections::HashMap;

use dmtap::dm::{AlertCode, Command, CommandKind, Message, Refs, StatusCode};
use dmtap::flow::event::Event;
use dmtap::flow::{CapturedMessage, EffectDetail, Head, ParsedBody, Side};
use dmtap::markup::{Document, Element, Space};

/// The lines of a conversation.
pub fn of(events: &[Event]) -> Vec<String> {
    let (mut lines, mut ledger) = (Vec::new(), Ledger::default());
    for event in events {
        match event {
            Event::Request(captured) | Event::Response(captured) => {
                lines.extend(passing(captured, &ledger));
                ledger.enter(captured);
            }
            Event::ConnectionDecided { applied, .. } => {
                let changes = applied.iter().flat_map(|applied| &applied.changes);
                let change = |c: &EffectDetail| format!("connection: {} {}", c.step, c.after);
                lines.extend(changes.map(|c| change(c).trim_end().to_owned()));
            }
            Event::Failed { exchange, side, .. } => {
                let who = side.map_or("end of dmtap", Side::name);
                lines.push(format!("exchange {}: the {who} failed", exchange.0));
            }
            _ => {}
        }
    }
    lines
}

/// What one side knows of the outcomes of commands, against what it knows without rules.
pub fn outcomes(without: &[(String, StatusCode)], with: &[(String, StatusCode)]) -> Vec<String> {
    if with.len() < without.len() && without.starts_with(with) {
        return vec![format!("ends after {} of {}", with.len(), without.len())];
    }
    let part = |(what, code): &(String, StatusCode)| {
        let short = format!("{} of {what}", code.0);
        let full = short.clone();
        Part { short, full }
    };
    let parts = |known: &[_]| known.iter().map(part).collect::<Vec<_>>();
    differences(&parts(without), &parts(with))
}

/// The commands by who said them, MsgID and CmdID: as they were written, and as they were delivered.
#[derive(Default)]
struct Ledger {
    written: Commands,
    delivered: Commands,
}

type Commands = HashMap<(Side, String, String), String>;

/// Whose word a message is.
#[derive(Clone, Copy)]
enum As {
    /// Its author's, who answers what was delivered to it.
    Written,
    /// What its receiver gets, who knows what it wrote itself.
    Delivered,
}

impl Ledger {
    fn enter(&mut self, captured: &CapturedMessage) {
        let received = captured.body.parsed.document();
        for (document, commands) in [
            (received.map(|document| &**document), &mut self.written),
            (sent(captured), &mut self.delivered),
        ] {
            let Some(message) = document.and_then(Message::of) else {
                continue;
            };
            let number = message.header().and_then(|h| h.msg_id());
            let number = number.unwrap_or_default().into_owned();
            for command in message.all_commands() {
                let id = command.cmd_id().unwrap_or_default().into_owned();
                let key = (captured.from, number.clone(), id);
                commands.entry(key).or_insert_with(|| about(command));
            }
        }
    }

    fn answered(&self, by: Side, reported: As, message: &str, command: &str) -> String {
        if command == "0" {
            return "SyncHdr".into();
        }
        let key = (by.other(), message.to_owned(), command.to_owned());
        let found = match reported {
            As::Written => self.delivered.get(&key),
            As::Delivered => self.written.get(&key).or(self.delivered.get(&key)),
        };
        let found = found.cloned();
        found.unwrap_or_else(|| format!("nothing ({message:?}, {command:?})"))
    }
}

fn sent(captured: &CapturedMessage) -> Option<&Document> {
    match &captured.body.sent_document {
        Some(document) => Some(document),
        None if captured.body.sent == captured.body.received => {
            captured.body.parsed.document().map(|d| &**d)
        }
        None => None,
    }
}

/// Whether it is a message, in a namespace of SyncML.
fn is_syncml(document: &Document) -> bool {
    let is_known = |namespace: std::borrow::Cow<'_, str>| Space::of_namespace(&namespace).is_some();
    Message::of(document).is_some_and(|it| it.namespace().is_none_or(is_known))
}

fn passing(captured: &CapturedMessage, ledger: &Ledger) -> Vec<String> {
    let way = match captured.from {
        Side::Device => "request",
        Side::Server => "response",
    };
    let mut lines = Vec::new();
    if let Head::Response(head) = &captured.head
        && head.status != 200
    {
        lines.push(format!("HTTP {}", head.status.as_u16()));
    }
    match (&captured.body.parsed, sent(captured)) {
        (ParsedBody::Document(received, _), Some(sent))
            if Message::of(received).is_some() && !is_syncml(sent) =>
        {
            lines.push("it is not a SyncML message any more".into());
        }
        (ParsedBody::Document(received, _), Some(sent)) => {
            let speaker = captured.from;
            let of = |document, reported| parts(document, speaker, reported, ledger);
            let (received, sent) = (of(received, As::Written), of(sent, As::Delivered));
            lines.extend(differences(&received, &sent));
        }
        (ParsedBody::Document(..), None) => lines.push("the body does not decode any more".into()),
        _ if !captured.synthesized && captured.body.sent != captured.body.received => {
            lines.push("other bytes".into())
        }
        _ => {}
    }
    for applied in &captured.applied {
        for change in &applied.changes {
            if applied.patch.is_empty() || change.step == "not applied" {
                // Waits are drawn, and from other numbers in each run.
                let drawn = change.step == "latency";
                let after = if drawn { "" } else { &change.after };
                lines.push(format!("{} {after}", change.step).trim_end().into());
            }
        }
    }
    if let ParsedBody::Document(received, _) = &captured.body.parsed {
        lines.extend(troubles(received));
    }
    let number = captured.exchange.0;
    lines
        .into_iter()
        .map(|line| format!("{way} {number}: {line}"))
        .collect()
}

/// What a peer says of large objects that did not arrive: there is none without a built-in rule.
fn troubles(document: &Document) -> Vec<String> {
    let commands = Message::of(document)
        .into_iter()
        .flat_map(Message::commands);
    let trouble = |command: Command<'_>| {
        let alert = command.as_alert().and_then(|alert| alert.code());
        if alert == Some(AlertCode(1225)) {
            return Some(format!("says {} of {}", about(command), command.loc_uri()?));
        }
        let status = command.as_status()?;
        let code = status.code().filter(|code| !code.is_success())?;
        let of_results = status.cmd().as_deref() == Some("Results");
        of_results.then(|| format!("says Status {} of Results", code.0))
    };
    commands.filter_map(trouble).collect()
}

/// A part of a message: in short, and all of it.
struct Part {
    short: String,
    full: String,
}

fn parts(document: &Document, speaker: Side, reported: As, ledger: &Ledger) -> Vec<Part> {
    let mut parts = Vec::new();
    for top in document.root().elements() {
        for element in top.elements() {
            let Some(command) = Command::of(element).filter(|_| top.local() == "SyncBody") else {
                let full = leaves(element).join(" ");
                let short = format!("{}/{full}", top.local());
                parts.push(Part { short, full });
                continue;
            };
            let all = command.with_nested().collect::<Vec<_>>();
            for (depth, command) in all.into_iter().enumerate() {
                let inside = if depth > 0 { "  in it: " } else { "" };
                let short = format!("{inside}{}", short(command, speaker, reported, ledger));
                // Numbers that name the same command in another way are no difference.
                let number = |leaf: &str| leaf.contains("/MsgRef ") || leaf.contains("/CmdRef ");
                let rest = leaves(command.element()).into_iter();
                let rest: Vec<String> = rest.filter(|leaf| !number(leaf)).collect();
                let full = format!("{short}: {}", rest.join(" "));
                parts.push(Part { short, full });
            }
        }
    }
    parts
}

fn short(command: Command<'_>, speaker: Side, reported: As, ledger: &Ledger) -> String {
    let answered = |message: &str, id: &str| ledger.answered(speaker, reported, message, id);
    let mut short = if let Some(status) = command.as_status() {
        let code = status
            .code()
            .map_or("without code".into(), |c| c.0.to_string());
        let (message, id) = (status.msg_ref(), status.cmd_ref());
        let chal = if status.chal().is_some() {
            " with Chal"
        } else {
            ""
        };
        let what = answered(&message.unwrap_or_default(), &id.unwrap_or_default());
        let native = status.original_error();
        let native = native.map_or(String::new(), |error| format!(" with {error}"));
        format!("Status {code} of {what}{chal}{native}")
    } else if let Some(refs) = Refs::of(command) {
        let (msg_ref, cmd_ref) = refs.or_empty();
        let what = answered(&msg_ref, &cmd_ref);
        format!("Results of {what}{}", values(command))
    } else {
        format!("{}{}", about(command), values(command))
    };
    if command.cmd_id().is_none() {
        short.push_str(" without CmdID");
    }
    short
}

/// The name of a command with its node, or with the code of an alert.
fn about(command: Command<'_>) -> String {
    let alert = command.as_alert().and_then(|alert| alert.code());
    let about = match (alert, command.loc_uri()) {
        (Some(code), _) => code.0.to_string(),
        (None, Some(uri)) => uri.into_owned(),
        (None, None) => String::new(),
    };
    format!("{} {about}", command.element().local())
        .trim_end()
        .into()
}

fn values(command: Command<'_>) -> String {
    let data = command.items().filter_map(|item| item.data());
    let values: Vec<_> = data.map(|data| in_short(&data.text())).collect();
    match values.is_empty() {
        true => String::new(),
        false => format!(" = {}", values.join(", ")).trim_end().into(),
    }
}

/// A text; of a long one the beginning, the length, and a checksum, since the whole is compared by it.
fn in_short(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    let begins: String = text.chars().take(12).collect();
    let sum = text.bytes().fold(0u16, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    });
    format!("{begins}… ({} bytes, {sum:04x})", text.len())
}

/// Longest text that is written out, in bytes.
const LONGEST: usize = 200;

/// The texts and attributes in an element, but not in the commands it holds.
fn leaves(element: Element<'_>) -> Vec<String> {
    let attributes = element
        .attributes()
        .filter(|a| !a.name().starts_with("xmlns"));
    let attributes = attributes.map(|a| format!("@{}={}", a.name(), a.value()));
    let mut out: Vec<String> = attributes.collect();
    let mut inner = element.elements().peekable();
    if inner.peek().is_none() {
        out.insert(
            0,
            format!("{} {}", element.local(), in_short(&element.text()))
                .trim_end()
                .into(),
        );
    }
    for child in inner {
        let command = Command::of(child).is_some_and(|c| c.kind() != CommandKind::Unknown);
        if !command {
            let leaves = leaves(child).into_iter();
            out.extend(leaves.map(|leaf| format!("{}/{leaf}", element.local())));
        }
    }
    out
}

/// The parts of the one that the other lacks, and the other way round: the fewest.
fn differences(received: &[Part], sent: &[Part]) -> Vec<String> {
    let (rows, columns) = (received.len(), sent.len());
    let mut common = vec![vec![0; columns + 1]; rows + 1];
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            common[row][column] = match received[row].full == sent[column].full {
                true => common[row + 1][column + 1] + 1,
                false => common[row + 1][column].max(common[row][column + 1]),
            };
        }
    }
    let (mut row, mut column, mut pairs) = (0, 0, Vec::new());
    while row < rows || column < columns {
        if row < rows && column < columns && received[row].full == sent[column].full {
            (row, column) = (row + 1, column + 1);
        } else if row < rows
            && (column == columns || common[row + 1][column] >= common[row][column + 1])
        {
            pairs.push(("-", &received[row]));
            row += 1;
        } else {
            pairs.push(("+", &sent[column]));
            column += 1;
        }
    }
    let same_in_short = |sign, part: &Part| {
        let mut other = pairs.iter().filter(|(s, _)| *s != sign);
        other.any(|(_, p)| p.short == part.short)
    };
    let line = |(sign, part): &(&'static str, &Part)| match same_in_short(*sign, part) {
        true => format!("{sign} {}", part.full),
        false => format!("{sign} {}", part.short),
    };
    pairs.iter().map(line).collect()
}
