//! Commands, one line each; an item has a line of its own where there are several.

use super::block::{line, size};
use super::page::{Ink, Page};
use super::rule;
use crate::dm::StatusCode;
use crate::record::telling::{AnsweredTold, CommandTold, DataTold, ItemTold, Telling};

/// The longest name or address written in full, in columns.
const LONG: usize = 120;

/// The least room that a value gets, in columns.
const LEAST: usize = 24;

pub(super) fn all(page: &mut Page, told: &Telling<'_>) {
    for (number, command) in told.commands.iter().enumerate() {
        let changed = rule::touches(told, number);
        line(page);
        page.put(Ink::Rule, if changed { "✎" } else { " " });
        let id = command.id.as_deref().unwrap_or("–");
        page.put(
            Ink::Text,
            &" ".repeat(3usize.saturating_sub(id.chars().count())),
        );
        page.said(Ink::Faint, id, 12);
        page.put(Ink::Text, &" ".repeat(2 + indent(command)));
        self::command(page, command);
        rule::of_command(page, told, number);
    }
}

fn indent(command: &CommandTold<'_>) -> usize {
    2 * command.depth.min(20) as usize
}

fn command(page: &mut Page, command: &CommandTold<'_>) {
    page.said(Ink::Strong, &command.kind, 40);
    code(page, command);
    if let Some(answers) = &command.answers {
        // Several Items name their nodes on the lines below.
        let named = command.items.len() > 1 && command.items.iter().all(ItemTold::is_named);
        self::answers(page, answers, named);
    }
    let answers = command.answers.as_ref();
    let only = answers.filter(|answers| answers.loc_uris.is_empty());
    let known = only.and_then(|answers| answers.loc_uri.as_deref());
    if let [only] = &command.items[..] {
        item(page, only, known);
        page.end();
    } else {
        page.end();
        for each in &command.items {
            line(page).put(Ink::Text, &" ".repeat(6 + indent(command)));
            item(page, each, known);
            page.end();
        }
    }
    if let Some(chal) = command
        .status
        .as_ref()
        .and_then(|status| status.chal.as_ref())
    {
        line(page).put(Ink::Text, &" ".repeat(8 + indent(command)));
        page.put(Ink::Odd, "Chal ")
            .said(Ink::Odd, chal.scheme.as_deref().unwrap_or("?"), 40);
        page.put(Ink::Faint, if chal.nonce { " with a nonce" } else { "" })
            .end();
    }
}

fn code(page: &mut Page, command: &CommandTold<'_>) {
    if let Some(status) = &command.status {
        page.put(Ink::Text, " ");
        let Some(code) = status.code else {
            page.put(Ink::Bad, "without a code");
            return;
        };
        let ink = match code {
            _ if StatusCode(code).is_success() => Ink::Good,
            100..=399 | 401 | 407 | 404 | 418 => Ink::Odd,
            _ => Ink::Bad,
        };
        page.put(ink, &code.to_string());
        if let Some(name) = &status.name {
            page.put(ink, " ").said(ink, name, 40);
        }
        if let Some(error) = &status.original_error {
            page.put(Ink::Bad, " Windows error ")
                .said(Ink::Bad, error, 20);
        }
    }
    if let Some(alert) = &command.alert {
        match alert.code {
            Some(code) => page.put(Ink::Text, &format!(" {code}")),
            None => page.put(Ink::Bad, " without a code"),
        };
        if let Some(name) = &alert.name {
            page.put(Ink::Text, " ").said(Ink::Text, name, 40);
        }
    }
}

/// `← Get 5 ./DevDetail/SwV`
fn answers(page: &mut Page, answers: &AnsweredTold<'_>, items_are_named: bool) {
    page.put(Ink::Faint, " ← ");
    let never_sent = answers.found == Some(false);
    if answers.is_of_header() {
        page.put(Ink::Text, "SyncHdr of message ")
            .said(Ink::Text, &answers.msg, 20);
    } else {
        page.said(Ink::Text, answers.cmd.as_deref().unwrap_or("command"), 20);
        match &*answers.id {
            "" => page.put(Ink::Bad, " without CmdID"),
            id => page.put(Ink::Text, " ").said(Ink::Text, id, 20),
        };
        if never_sent {
            page.put(Ink::Bad, " of message ")
                .said(Ink::Bad, &answers.msg, 20);
        }
        nodes(page, answers, items_are_named);
    }
    if never_sent {
        page.put(Ink::Bad, ", which was never sent");
    }
}

fn nodes(page: &mut Page, answers: &AnsweredTold<'_>, items_are_named: bool) {
    if answers.loc_uris.is_empty() {
        if let Some(uri) = &answers.loc_uri {
            page.put(Ink::Text, " ").said(Ink::Text, uri, LONG);
        }
        return;
    }
    if items_are_named {
        return;
    }
    for (number, uri) in answers.loc_uris.iter().enumerate() {
        page.put(Ink::Text, if number == 0 { " " } else { ", " })
            .said(Ink::Text, uri, LONG);
    }
    page.put(Ink::Text, if answers.more { ", …" } else { "" });
}

/// `./DevDetail/SwV chr = "10.0.1"`; the node is left out where `known` has just told it.
fn item(page: &mut Page, item: &ItemTold<'_>, known: Option<&str>) {
    for (word, uri) in [("", &item.target), ("from ", &item.source)] {
        let Some(uri) = uri.as_deref().filter(|uri| Some(*uri) != known) else {
            continue;
        };
        let word = if item.target.is_none() { "" } else { word };
        page.put(Ink::Faint, " ")
            .put(Ink::Faint, word)
            .said(Ink::Text, uri, LONG);
    }
    for word in [&item.format, &item.media_type].into_iter().flatten() {
        page.put(Ink::Faint, " ").said(Ink::Faint, word, 60);
    }
    if let Some(data) = &item.data {
        self::data(page, data);
    }
    if item.more {
        page.put(Ink::Odd, " more chunks follow");
    }
}

fn data(page: &mut Page, data: &DataTold<'_>) {
    page.put(Ink::Faint, " = ");
    let told = size(data.bytes);
    if data.masked {
        page.put(Ink::Odd, &format!("******** masked, {told}"));
        return;
    }
    if data.markup {
        page.put(Ink::Text, "<").said(Ink::Text, &data.text, 40);
        page.put(Ink::Text, "> ").put(Ink::Faint, &told);
        return;
    }
    let room = page.room().saturating_sub(told.len() + 4).max(LEAST);
    if data.hex {
        page.said(Ink::Text, &data.text, room)
            .put(Ink::Faint, &format!(" … {told}"));
        return;
    }
    let columns = super::page::safe(&data.text, usize::MAX).chars().count();
    let (open, close) = (
        "\"",
        if data.cut && columns <= room {
            "…\""
        } else {
            "\""
        },
    );
    page.put(Ink::Faint, open)
        .said(Ink::Text, &data.text, room)
        .put(Ink::Faint, close);
    if data.cut || columns > room {
        page.put(Ink::Faint, &format!(" {told}"));
    }
}
