//! A command with its answers as a filter asks about it: of a session that was analysed, or as one message shows it.

use smol_str::SmolStr;

use super::{is_open, is_result};
use crate::dm::locuri;
use crate::facts;
use crate::filter::{Term, Word};
use crate::flow::{CommandAnswer, EffectKind, Transaction};
use crate::record::EventRecord;
use crate::record::model::{CommandRecord, ItemRecord};

/// A command, with one of its answers.
pub(super) struct Shown<'r>(Kind<'r>);

enum Kind<'r> {
    /// Of a session that was analysed.
    Whole(&'r Transaction, Option<&'r CommandAnswer>),
    /// A command as it is asked: its answer is in another message.
    Asked(&'r CommandRecord),
    /// An answer, a Status or Results or both, with the code as it was sent on: most of the command is in another message.
    Answered(&'r CommandRecord, Option<&'r CommandRecord>, Option<u16>),
}

impl<'r> Shown<'r> {
    /// A transaction once for each answer, so that a word about a code and one about a node speak of the same Item.
    pub(super) fn of(transaction: &'r Transaction) -> Vec<Self> {
        let answers = &transaction.answers;
        match answers.is_empty() {
            true => vec![Self(Kind::Whole(transaction, None))],
            false => answers
                .iter()
                .map(|answer| Self(Kind::Whole(transaction, Some(answer))))
                .collect(),
        }
    }

    /// What one message shows. Results belong to the Status of the same command.
    pub(super) fn in_message(event: &'r EventRecord) -> Vec<Self> {
        let same = |a: &CommandRecord, b: &CommandRecord| {
            let answers =
                |c: &CommandRecord| c.answers.as_ref().map(|a| (a.msg.clone(), a.id.clone()));
            answers(a) == answers(b)
        };
        let results = |status: &CommandRecord| {
            let mut all = event.commands.iter().filter(|c| c.kind == "Results");
            all.find(|results| same(results, status))
        };
        let shown = event.commands.iter().map(|command| match &*command.kind {
            "Status" => Kind::Answered(command, results(command), code_sent_on(event, command)),
            "Results" => Kind::Answered(command, Some(command), None),
            _ => Kind::Asked(command),
        });
        shown.map(Self).collect()
    }

    /// The rules that acted on the command or on its answers.
    pub(super) fn rules(&self) -> impl Iterator<Item = &'r SmolStr> {
        let transaction = match self.0 {
            Kind::Whole(transaction, _) => Some(transaction),
            _ => None,
        };
        transaction.into_iter().flat_map(Transaction::all_rules)
    }

    /// Whether a word is true of it; `None` of words about messages, and where the question does not arise.
    pub(super) fn holds(&self, term: &Term) -> Option<bool> {
        let value = &term.value;
        match term.word {
            Word::Loc => self.of_nodes(|node| value.is_text(node)),
            Word::Csp => {
                self.of_nodes(|node| facts::csp_name(node).is_some_and(|name| value.is_text(name)))
            }
            Word::Scope => self.of_nodes(|node| value.is_text(scope(node))),
            Word::Cmd => Some(value.is_text(self.command()?)),
            Word::Status => Some(value.is_number(self.code()?.into())),
            Word::Hr => Some(
                self.original_error()
                    .is_some_and(|error| is_result(value, error)),
            ),
            Word::Data => self.of_values(|item| Some(value.is_text(item.value?))),
            Word::Fmt => self.of_values(|item| Some(value.is_text(item.format?))),
            Word::Type => self.of_values(|item| Some(value.is_text(item.media_type?))),
            Word::Alert => match &self.0 {
                Kind::Whole(transaction, _) => Some(is_alert(term, transaction.alert)),
                Kind::Asked(command) => Some(is_alert(
                    term,
                    command.alert.as_ref().and_then(|alert| alert.code),
                )),
                Kind::Answered(..) => None,
            },
            Word::Open => match &self.0 {
                Kind::Whole(transaction, _) => Some(is_open(transaction.outcome)),
                Kind::Asked(_) => None,
                Kind::Answered(..) => self.code().map(|code| matches!(code, 101 | 202)),
            },
            _ => None,
        }
    }

    fn command(&self) -> Option<&'r str> {
        match self.0 {
            Kind::Whole(transaction, _) => Some(&transaction.command),
            Kind::Asked(command) => Some(&command.kind),
            Kind::Answered(answer, ..) => {
                let answers = answer.answers.as_ref()?;
                match answers.is_of_header() {
                    true => Some("SyncHdr"),
                    false => answers.cmd.as_deref(),
                }
            }
        }
    }

    fn code(&self) -> Option<u16> {
        match self.0 {
            Kind::Whole(_, answer) => answer?.code(),
            Kind::Asked(_) => None,
            Kind::Answered(.., code) => code,
        }
    }

    fn original_error(&self) -> Option<&'r str> {
        match self.0 {
            Kind::Whole(_, answer) => answer?.original_error.as_deref(),
            Kind::Asked(_) => None,
            Kind::Answered(answer, ..) => answer.status.as_ref()?.original_error.as_deref(),
        }
    }

    /// What holds of the node of the answer where it names one, else of one of the command's nodes.
    fn of_nodes(&self, holds: impl Fn(&str) -> bool) -> Option<bool> {
        let nodes: Vec<&str> = match self.0 {
            Kind::Whole(transaction, answer) => {
                match answer.and_then(|answer| answer.node.as_deref()) {
                    Some(node) => vec![node],
                    None => transaction
                        .items
                        .iter()
                        .filter_map(|item| item.node.as_deref())
                        .collect(),
                }
            }
            Kind::Asked(command) => nodes_of(&command.items),
            Kind::Answered(answer, ..) => {
                let answers = answer.answers.as_ref()?;
                let all = answers.loc_uris.iter().chain(&answers.loc_uri);
                all.map(|node| &**node).collect()
            }
        };
        (!nodes.is_empty()).then(|| nodes.into_iter().any(holds))
    }

    fn of_values(&self, holds: impl Fn(Part<'_>) -> Option<bool>) -> Option<bool> {
        let parts: Vec<Part<'_>> = match self.0 {
            Kind::Whole(transaction, _) => {
                let items = transaction.items.iter().chain(&transaction.results);
                let part = items.map(|item| Part {
                    value: item.value.as_deref(),
                    format: item.format.as_deref(),
                    media_type: item.media_type.as_deref(),
                });
                part.collect()
            }
            Kind::Asked(command) | Kind::Answered(_, Some(command), _) => {
                command.items.iter().map(Part::of).collect()
            }
            Kind::Answered(_, None, _) => return None,
        };
        Some(parts.into_iter().any(|part| holds(part) == Some(true)))
    }
}

/// What words ask about an item.
#[derive(Clone, Copy)]
struct Part<'r> {
    value: Option<&'r str>,
    format: Option<&'r str>,
    media_type: Option<&'r str>,
}

impl<'r> Part<'r> {
    fn of(item: &'r ItemRecord) -> Self {
        Self {
            value: item.data.as_ref().map(|data| &*data.text),
            format: item.format.as_deref(),
            media_type: item.media_type.as_deref(),
        }
    }
}

/// The code of a Status as its receiver got it: a rule may have set another one.
fn code_sent_on(event: &EventRecord, status: &CommandRecord) -> Option<u16> {
    let changes = event.applied.iter().flat_map(|applied| &applied.changes);
    let sets = changes.filter(|change| change.kind == EffectKind::SetStatus);
    let mut of_status = sets.filter(|change| {
        change
            .path
            .strip_prefix(&*status.path)
            .is_some_and(|rest| !rest.starts_with(|c: char| c != '/'))
    });
    let code = of_status
        .next_back()
        .and_then(|change| change.after.split(' ').next()?.parse().ok());
    code.or(status.status.as_ref()?.code)
}

fn nodes_of(items: &[ItemRecord]) -> Vec<&str> {
    let nodes = items
        .iter()
        .filter_map(|item| item.target.as_ref().or(item.source.as_ref()));
    nodes.map(|node| &**node).collect()
}

fn is_alert(term: &Term, code: Option<u16>) -> bool {
    code.is_some_and(|code| term.value.is_number(code.into()))
}

/// Whose node it is: `./User/…`, else the device's.
fn scope(node: &str) -> &'static str {
    match locuri::is_of_user(node) {
        true => "user",
        false => "device",
    }
}
