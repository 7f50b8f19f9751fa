//! The evaluation of a filter on a message.

use std::collections::HashMap;

use super::message::{body_size, package};
use super::{MatchContext, Matcher};
use crate::dm::message::trimmed;
use crate::dm::{Command, CommandKind, Dialect, Item, Message, Meta, Refs};
use crate::filter::{About, CommandInput, Filter, Term, ValueInput, Word};
use crate::flow::{AnswerTarget, Side};
use crate::rules::answers::LinkedAnswers;

impl Matcher {
    pub(super) fn passes_filter(&self, context: &MatchContext<'_>) -> bool {
        let passes = |filter: &Filter| context.passes(filter);
        self.filter.as_ref().is_none_or(passes)
    }

    /// Whether the matcher's filter can be true of a message whose document is broken.
    pub(in crate::rules) fn may_pass_filter(&self, context: &MatchContext<'_>) -> bool {
        let can = |term: &Term, truth: bool| match term.word.about() {
            About::Transaction => true,
            About::Message | About::Session => context.holds(term) != Some(!truth),
        };
        self.filter
            .as_ref()
            .is_none_or(|filter| filter.can_match(can))
    }

    /// Whether the matcher's filter needs the body of this message.
    pub(super) fn filter_reads_document(&self) -> bool {
        let words = [Word::Msg, Word::Enc, Word::Dialect, Word::Size];
        self.filter_needs_commands() || self.filter_has(&words)
    }

    /// Whether the matcher's filter needs the session, which only the bodies of requests name.
    pub(super) fn filter_needs_session(&self) -> bool {
        use Word::{Dev, Msg, Pkg, Sess, Sid, User};
        self.filter_has(&[Dev, Msg, Pkg, Sess, Sid, User])
    }

    /// Whether the matcher's filter needs the commands, and the commands that answers refer to.
    pub(super) fn filter_needs_commands(&self) -> bool {
        let asks = |filter: &Filter| filter.is_about(About::Transaction);
        self.filter.as_ref().is_some_and(asks)
    }

    fn filter_has(&self, words: &[Word]) -> bool {
        self.filter.as_ref().is_some_and(|filter| filter.has(words))
    }
}

impl MatchContext<'_> {
    /// Whether a filter is true of the message, with one of its commands or without a command.
    fn passes(&self, filter: &Filter) -> bool {
        let with = |command: Option<&CommandInput<'_>>| {
            filter.matches(&mut |term| match term.word.about() {
                About::Transaction => command?.holds(term),
                About::Message | About::Session => self.holds(term),
            })
        };
        with(None)
            || filter.is_about(About::Transaction)
                && self.commands(&mut |command| with(Some(command)))
    }

    /// Whether a word about the message is true; `None` if the word does not apply.
    fn holds(&self, term: &Term) -> Option<bool> {
        let (input, value) = (self.input, &term.value);
        let (tag, uri) = (input.session, &input.request.uri);
        match term.word {
            Word::Sid => Some(value.is_text(&tag?.key.id)),
            Word::Msg => Some(value.is_number(tag?.message?.into())),
            Word::Pkg => Some(value.is_number(package(input)?)),
            Word::Dev => {
                let is_named = tag.is_some_and(|tag| value.is_text(&tag.key.device));
                Some(is_named || value.is_text(&input.connection.device.to_string()))
            }
            Word::User => Some(value.is_text(tag?.user.as_deref()?)),
            Word::Enc => Some(value.is_text(match self.document?.is_wbxml() {
                true => "wbxml",
                false => "xml",
            })),
            Word::Dialect => Some(value.is_text(Dialect::of(self.document?).name())),
            Word::Sess => Some(value.is_number(tag?.number)),
            Word::X => Some(value.is_number(input.exchange.0)),
            Word::Size => Some(value.is_number(body_size(self)?)),
            Word::Url => Some(value.is_text(&uri.to_string())),
            Word::Domain => Some(value.is_text(uri.host()?)),
            Word::Method => Some(value.is_text(input.request.method.as_str())),
            Word::Code => Some(value.is_number(input.response?.status.as_u16().into())),
            Word::Header => {
                let mut fields = input.headers().iter();
                Some(fields.any(|(name, text)| {
                    let text = String::from_utf8_lossy(text.as_bytes());
                    value.is_text(&format!("{name}: {text}"))
                }))
            }
            Word::Request => Some(input.speaker == Side::Device),
            Word::Response => Some(input.speaker == Side::Server),
            _ => None,
        }
    }

    /// Whether `holds` is true of one of the commands of the message.
    fn commands(&self, holds: &mut dyn FnMut(&CommandInput<'_>) -> bool) -> bool {
        let Some(message) = self.document.and_then(Message::of) else {
            return false;
        };
        let results = message.all_commands();
        let results = results.filter(|command| command.kind() == CommandKind::Results);
        let results: HashMap<_, _> = results
            .filter_map(|results| Some((Refs::of(results)?.or_empty(), results)))
            .collect();
        message
            .all_commands()
            .any(|command| match Refs::of(command) {
                Some(refs) => {
                    let results = results.get(&refs.or_empty()).copied();
                    holds(&answered(command, results, self.answers))
                }
                None => holds(&asked(command)),
            })
    }
}

/// Returns the facts about a command that has no answer yet.
fn asked(command: Command<'_>) -> CommandInput<'_> {
    let nodes = command.items().filter_map(Item::loc_uri_element);
    CommandInput {
        name: Some(command.kind().name().into()),
        nodes: nodes.map(|node| trimmed(node)).collect(),
        values: Some(values(command).collect()),
        alert: command.as_alert().and_then(|_| command.code()),
        is_known: true,
        ..CommandInput::default()
    }
}

/// Returns the facts about a Status with the Results of the same command, or about Results alone, and the command that
/// they answer.
fn answered<'d>(
    answer: Command<'d>,
    results: Option<Command<'d>>,
    answers: &LinkedAnswers<'d>,
) -> CommandInput<'d> {
    let command = answers.to(answer).and_then(AnswerTarget::command);
    let status = answer.as_status();
    let is_for_header = status.is_some_and(|status| status.is_for_header());
    let name = match command {
        _ if is_for_header => Some("SyncHdr".into()),
        Some(command) => Some(command.kind().name().into()),
        None => status.map_or(Some("Get".into()), |status| status.cmd()),
    };
    let own: Vec<_> = match status {
        // The Status for the header names the two addresses of the message, which are not nodes.
        Some(_) if is_for_header => Vec::new(),
        Some(status) => status.ref_nodes().collect(),
        None => answer.items().filter_map(Item::loc_uri_element).collect(),
    };
    let answered = command.filter(|_| own.is_empty()).into_iter();
    let answered = answered
        .flat_map(Command::items)
        .filter_map(Item::loc_uri_element);
    let nodes = own.into_iter().chain(answered.take(MOST_OF_ANSWERED));
    let (own, other) = match status {
        Some(_) => (None, results),
        None => (Some(answer), None),
    };
    let others = command.into_iter().chain(other).flat_map(values);
    let values = own
        .into_iter()
        .flat_map(values)
        .chain(others.take(MOST_OF_ANSWERED));
    CommandInput {
        name,
        code: status.and_then(|status| Some(status.code()?.0)),
        original_error: status.and_then(|status| status.original_error()),
        nodes: nodes.map(|node| trimmed(node)).collect(),
        values: (command.is_some() || results.is_some()).then(|| values.collect()),
        alert: command.and_then(|command| command.as_alert().and_then(|_| command.code())),
        is_known: command.is_some(),
        ..CommandInput::default()
    }
}

fn values(command: Command<'_>) -> impl Iterator<Item = ValueInput<'_>> {
    let of_command = command.meta();
    command.items().map(move |item| ValueInput {
        text: item.data().map(|data| data.text()),
        format: Meta::item_field(Some(item), of_command, Meta::format),
        media_type: Meta::item_field(Some(item), of_command, Meta::media_type),
    })
}

/// The most nodes and values of an answered command, and of its Results, that are read for one Status. Each Item may
/// have a Status of its own, and without this limit all Items would be read for each Status.
const MOST_OF_ANSWERED: usize = 100;
