//! Prints commands, one line each; several items get a line each.

use super::block::{line, size};
use super::text_buffer::{Style, TextBuffer, safe};
use super::{rule, whole_value};
use crate::dm::StatusCode;
use crate::facts;
use crate::record::model::{
    AnswerTargetRecord, CommandRecord, DataRecord, EventRecord, ItemRecord,
};
use crate::record::redact::MASK;

/// The longest name or address printed in full, in columns.
const LONG: usize = 120;

/// The least width for a value, in columns.
const LEAST: usize = 24;

pub(super) fn all(out: &mut TextBuffer, record: &EventRecord) {
    // If lines have no maximum width, they show the whole text of a value.
    let is_cut = |command: &CommandRecord| {
        let mut data = command.items.iter().filter_map(|item| item.data.as_ref());
        data.any(is_cut_text)
    };
    let needs_body =
        out.layout.full || out.layout.width.is_none() && record.commands.iter().any(is_cut);
    let document = needs_body.then(|| whole_value::document(record)).flatten();
    let elements = document.as_ref().map(whole_value::elements);
    for (number, command) in record.commands.iter().enumerate() {
        let changed = rule::touches(record, number);
        line(out);
        out.put(Style::Rule, if changed { "✎" } else { " " });
        let id = command.id.as_deref().unwrap_or("–");
        out.put(
            Style::Text,
            &" ".repeat(3usize.saturating_sub(id.chars().count())),
        );
        out.quoted(Style::Faint, id, 12);
        out.put(Style::Text, &" ".repeat(2 + indent(command)));
        self::command(out, command, elements.as_ref());
        rule::of_command(out, record, number);
    }
}

/// Returns the indent of a nested command, in columns.
pub(super) fn indent(command: &CommandRecord) -> usize {
    2 * command.depth.min(20) as usize
}

fn command(
    out: &mut TextBuffer,
    command: &CommandRecord,
    elements: Option<&whole_value::Elements<'_>>,
) {
    out.quoted(Style::Strong, &command.kind, 40);
    code(out, command);
    if let Some(answers) = &command.answers {
        // Several Items name their nodes on the lines below.
        let named = command.items.len() > 1 && command.items.iter().all(ItemRecord::is_named);
        self::answers(out, answers, named);
    }
    let answers = command.answers.as_ref();
    let only = answers.filter(|answers| answers.loc_uris.is_empty());
    let known = only.and_then(|answers| answers.loc_uri.as_deref());
    let data = elements.map_or_else(Vec::new, |elements| whole_value::data(elements, command));
    let data = |number: usize| data.get(number).copied().flatten();
    let whole = |out: &TextBuffer, number: usize, item: &ItemRecord| {
        let is_cut = item.data.as_ref().is_some_and(is_cut_text) && out.layout.width.is_none();
        whole_value::text(data(number).filter(|_| is_cut)?)
    };
    let in_full = out.layout.full;
    if let [only] = &command.items[..] {
        item(out, only, known, whole(out, 0, only));
        out.end();
        if let Some(data) = data(0).filter(|_| in_full) {
            whole_value::value(out, data, only);
        }
    } else {
        out.end();
        for (number, each) in command.items.iter().enumerate() {
            line(out).put(Style::Text, &" ".repeat(6 + indent(command)));
            item(out, each, known, whole(out, number, each));
            out.end();
            if let Some(data) = data(number).filter(|_| in_full) {
                whole_value::value(out, data, each);
            }
        }
    }
    if let Some(words) = windows_error(command) {
        line(out).put(Style::Text, &" ".repeat(8 + indent(command)));
        out.quoted(Style::Bad, &words, LONG).end();
    }
    if let Some(chal) = command
        .status
        .as_ref()
        .and_then(|status| status.chal.as_ref())
    {
        line(out).put(Style::Text, &" ".repeat(8 + indent(command)));
        out.put(Style::Odd, "Chal ")
            .quoted(Style::Odd, chal.scheme.as_deref().unwrap_or("?"), 40);
        out.put(Style::Faint, if chal.nonce { " with a nonce" } else { "" })
            .end();
    }
}

fn code(out: &mut TextBuffer, command: &CommandRecord) {
    if let Some(status) = &command.status {
        out.put(Style::Text, " ");
        let Some(code) = status.code else {
            out.put(Style::Bad, "without a code");
            return;
        };
        let style = match code {
            _ if StatusCode(code).is_success() => Style::Good,
            100..=399 | 401 | 407 | 404 | 418 => Style::Odd,
            _ => Style::Bad,
        };
        out.put(style, &code.to_string());
        if let Some(name) = &status.name {
            out.put(style, " ").quoted(style, name, 40);
        }
        if let Some(error) = &status.original_error {
            out.put(Style::Bad, " Windows error ")
                .quoted(Style::Bad, error, 20);
        }
    }
    if let Some(alert) = &command.alert {
        match alert.code {
            Some(code) => out.put(Style::Text, &format!(" {code}")),
            None => out.put(Style::Bad, " without a code"),
        };
        if let Some(name) = &alert.name {
            out.put(Style::Text, " ").quoted(Style::Text, name, 40);
        }
    }
}

/// Returns `0x86000002 CFGMGR_E_NODENOTFOUND, there is no such node`.
fn windows_error(command: &CommandRecord) -> Option<String> {
    let error = command.status.as_ref()?.original_error.as_deref()?;
    let fact = facts::result_in_text(error)?;
    Some(format!("{} {}", fact.key, fact.words()))
}

/// Prints `← Get 5 ./DevDetail/SwV`.
fn answers(out: &mut TextBuffer, answers: &AnswerTargetRecord, items_are_named: bool) {
    out.put(Style::Faint, " ← ");
    let never_sent = answers.found == Some(false);
    if answers.is_of_header() {
        out.put(Style::Text, "SyncHdr of message ")
            .quoted(Style::Text, &answers.msg, 20);
    } else {
        out.quoted(Style::Text, answers.cmd.as_deref().unwrap_or("command"), 20);
        match &*answers.id {
            "" if never_sent => out.put(Style::Bad, ", without a CmdRef,"),
            "" => out.put(Style::Bad, " without CmdID"),
            id => out.put(Style::Text, " ").quoted(Style::Text, id, 20),
        };
        if never_sent {
            out.put(Style::Bad, " of message ")
                .quoted(Style::Bad, &answers.msg, 20);
        }
        nodes(out, answers, items_are_named);
    }
    // An answered Status was usually sent; the mistake is to answer it (STA-03).
    let is_there = answers.cmd.as_deref() == Some("Status");
    if never_sent && !answers.id.is_empty() && !is_there {
        out.put(Style::Bad, ", which was never sent");
    }
}

fn nodes(out: &mut TextBuffer, answers: &AnswerTargetRecord, items_are_named: bool) {
    if answers.loc_uris.is_empty() {
        if let Some(uri) = &answers.loc_uri {
            out.put(Style::Text, " ").quoted(Style::Text, uri, LONG);
        }
        return;
    }
    if items_are_named {
        return;
    }
    for (number, uri) in answers.loc_uris.iter().enumerate() {
        out.put(Style::Text, if number == 0 { " " } else { ", " })
            .quoted(Style::Text, uri, LONG);
    }
    out.put(Style::Text, if answers.more { ", …" } else { "" });
}

/// Prints `./DevDetail/SwV chr = "10.0.1"`. Leaves out a node that equals `known`, which the line already shows.
/// `whole` is the complete value, if the record has only a part of it.
fn item(out: &mut TextBuffer, item: &ItemRecord, known: Option<&str>, whole: Option<String>) {
    for (word, uri) in [("", &item.target), ("from ", &item.source)] {
        let Some(uri) = uri.as_deref().filter(|uri| Some(*uri) != known) else {
            continue;
        };
        let word = if item.target.is_none() { "" } else { word };
        out.put(Style::Faint, " ")
            .put(Style::Faint, word)
            .quoted(Style::Text, uri, LONG);
    }
    for word in [&item.format, &item.media_type].into_iter().flatten() {
        out.put(Style::Faint, " ").quoted(Style::Faint, word, 60);
    }
    if let Some(data) = &item.data {
        self::data(out, data, whole);
    }
    if item.more {
        out.put(Style::Odd, " more chunks follow");
    }
}

/// Returns whether only a part of a text is shown.
fn is_cut_text(data: &DataRecord) -> bool {
    data.cut && !data.hex && !data.markup && !data.is_hidden()
}

fn data(out: &mut TextBuffer, data: &DataRecord, whole: Option<String>) {
    out.put(Style::Faint, " = ");
    let record = size(data.bytes);
    // The text around a secret is shown like any value.
    if data.is_hidden() {
        out.put(Style::Odd, &format!("{MASK} masked, {record}"));
        return;
    }
    if data.markup {
        out.put(Style::Text, "<")
            .quoted(Style::Text, &data.text, 40);
        out.put(Style::Text, "> ").put(Style::Faint, &record);
        return;
    }
    let room = out.value_room().saturating_sub(record.len() + 4).max(LEAST);
    if data.hex {
        out.quoted(Style::Text, &data.text, room)
            .put(Style::Faint, &format!(" … {record}"));
        return;
    }
    if let Some(text) = whole {
        out.put(Style::Faint, "\"")
            .put(Style::Text, &safe(&text, usize::MAX))
            .put(Style::Faint, &format!("\" {record}"));
        return;
    }
    let columns = safe(&data.text, usize::MAX).chars().count();
    let close = match data.cut && columns <= room {
        true => "…\"",
        false => "\"",
    };
    out.put(Style::Faint, "\"")
        .quoted(Style::Text, &data.text, room)
        .put(Style::Faint, close);
    if data.cut || columns > room {
        out.put(Style::Faint, &format!(" {record}"));
    }
}
