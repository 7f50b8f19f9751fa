//! Turns commands and their answers into the facts that a filter tests, from an analysed session or from one message.

use std::borrow::Cow;

use smol_str::SmolStr;

use crate::filter::{CommandInput, ValueInput};
use crate::flow::{CommandAnswer, EffectKind, Transaction, TransactionItem, TransactionOutcome};
use crate::record::EventRecord;
use crate::record::model::{CommandRecord, ItemRecord};

/// Returns the facts of a transaction once for each answer, so that a word about a code and a word about a node apply
/// to the same Item.
pub(super) fn of(transaction: &Transaction) -> Vec<CommandInput<'_>> {
    let answers = transaction.answers.iter();
    let with = answers.map(|answer| whole(transaction, Some(answer)));
    let mut shown: Vec<_> = with.collect();
    if shown.is_empty() {
        shown.push(whole(transaction, None));
    }
    shown
}

/// Returns the facts of the commands and answers in one message. The facts of a Status include the Results of the same
/// command.
pub(super) fn in_message(event: &EventRecord) -> Vec<CommandInput<'_>> {
    let place = |it: &CommandRecord| {
        it.answers
            .as_ref()
            .map(|it| (it.msg.clone(), it.id.clone()))
    };
    let results = |status: &CommandRecord| {
        let mut all = event.commands.iter().filter(|it| it.kind == "Results");
        all.find(|results| place(results) == place(status))
    };
    let shown = event.commands.iter().map(|command| match &*command.kind {
        "Status" => answered(command, results(command), code_sent_on(event, command)),
        "Results" => answered(command, Some(command), None),
        _ => asked(command),
    });
    shown.collect()
}

fn whole<'r>(transaction: &'r Transaction, answer: Option<&'r CommandAnswer>) -> CommandInput<'r> {
    let items = transaction.items.iter();
    let nodes = match answer.and_then(|answer| answer.node.as_deref()) {
        Some(node) => vec![Cow::Borrowed(node)],
        None => items
            .filter_map(|item| item.node.as_deref().map(Cow::Borrowed))
            .collect(),
    };
    let value = |item: &'r TransactionItem| ValueInput {
        text: item.value.as_deref().map(Cow::Borrowed),
        format: item.format.as_deref().map(Cow::Borrowed),
        media_type: item.media_type.as_deref().map(Cow::Borrowed),
    };
    let items = transaction.items.iter().chain(&transaction.results);
    CommandInput {
        name: Some(Cow::Borrowed(&transaction.command)),
        code: answer.and_then(CommandAnswer::code),
        original_error: answer
            .and_then(|answer| answer.original_error.as_deref())
            .map(Cow::Borrowed),
        nodes,
        values: Some(items.map(value).collect()),
        alert: transaction.alert,
        is_known: true,
        is_open: Some(!matches!(
            transaction.outcome,
            TransactionOutcome::Answered | TransactionOutcome::Partial
        )),
        rules: transaction.all_rules().map(SmolStr::as_str).collect(),
    }
}

/// Returns the facts of a command without its answer, which is in another message.
fn asked(command: &CommandRecord) -> CommandInput<'_> {
    let nodes = command
        .items
        .iter()
        .filter_map(|item| item.target.as_deref().or(item.source.as_deref()));
    CommandInput {
        name: Some(Cow::Borrowed(&command.kind)),
        nodes: nodes.map(Cow::Borrowed).collect(),
        values: Some(command.items.iter().map(value).collect()),
        alert: command.alert.as_ref().and_then(|alert| alert.code),
        is_known: true,
        ..CommandInput::default()
    }
}

/// Returns the facts of a Status, of Results or of both. `code` is the code as sent on. Most facts of the command are
/// in another message.
fn answered<'r>(
    answer: &'r CommandRecord,
    results: Option<&'r CommandRecord>,
    code: Option<u16>,
) -> CommandInput<'r> {
    let answers = answer.answers.as_ref();
    let name = answers.and_then(|answers| match answers.is_of_header() {
        true => Some("SyncHdr"),
        false => answers.cmd.as_deref(),
    });
    let nodes = answers.into_iter().flat_map(|answers| {
        let all = answers.loc_uris.iter().chain(&answers.loc_uri);
        all.map(|node| Cow::Borrowed(&**node))
    });
    let status = answer.status.as_ref();
    CommandInput {
        name: name.map(Cow::Borrowed),
        code,
        original_error: status
            .and_then(|status| status.original_error.as_deref())
            .map(Cow::Borrowed),
        nodes: nodes.collect(),
        values: results.map(|results| results.items.iter().map(value).collect()),
        is_open: code.map(|code| matches!(code, 101 | 202)),
        ..CommandInput::default()
    }
}

fn value(item: &ItemRecord) -> ValueInput<'_> {
    ValueInput {
        text: item.data.as_ref().map(|data| Cow::Borrowed(&*data.text)),
        format: item.format.as_deref().map(Cow::Borrowed),
        media_type: item.media_type.as_deref().map(Cow::Borrowed),
    }
}

/// Returns the code of a Status as its receiver got it, which a rule may have changed.
fn code_sent_on(event: &EventRecord, status: &CommandRecord) -> Option<u16> {
    let changes = event.applied.iter().flat_map(|applied| &applied.changes);
    let of_status = changes.filter(|change| {
        let rest = change.path.strip_prefix(&*status.path);
        let is_code = matches!(change.kind, EffectKind::Status | EffectKind::Changed);
        is_code && rest.is_some_and(|rest| matches!(rest, "" | "/Data"))
    });
    let mut codes = of_status.filter_map(|change| change.after.split(' ').next()?.parse().ok());
    let code = codes.next_back();
    code.or(status.status.as_ref()?.code)
}
