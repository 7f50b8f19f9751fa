//! A command with its answer, as the object of words about commands.

use std::borrow::Cow;

use super::{Term, Value, Word};
use crate::dm::locuri;
use crate::facts;

/// The facts about a command and one of its answers.
#[derive(Clone, Debug, Default)]
pub struct CommandInput<'a> {
    /// The name of the command; `SyncHdr` if a Status answers the header.
    pub name: Option<Cow<'a, str>>,
    /// The code of the Status.
    pub code: Option<u16>,
    /// The native Windows error in the Status.
    pub original_error: Option<Cow<'a, str>>,
    /// The nodes in the answer, otherwise in the command.
    pub nodes: Vec<Cow<'a, str>>,
    /// The values sent or returned; `None` if they are in another message.
    pub values: Option<Vec<ValueInput<'a>>>,
    /// The code of an Alert.
    pub alert: Option<u16>,
    /// Whether the command itself is known, not only an answer.
    pub is_known: bool,
    /// Whether the last answer is still missing; `None` if that is unknown.
    pub is_open: Option<bool>,
    /// The rules that acted on the command or its answers, if its session was analysed.
    pub rules: Vec<&'a str>,
}

/// The facts about a value.
#[derive(Clone, Debug, Default)]
pub struct ValueInput<'a> {
    /// The text.
    pub text: Option<Cow<'a, str>>,
    /// The Format in Meta.
    pub format: Option<Cow<'a, str>>,
    /// The Type in Meta.
    pub media_type: Option<Cow<'a, str>>,
}

impl CommandInput<'_> {
    /// Whether a word is true of the command; `None` for words about messages, and if the word does not apply.
    pub fn holds(&self, term: &Term) -> Option<bool> {
        let value = &term.value;
        match term.word {
            Word::Loc => self.of_nodes(|node| value.is_text(node)),
            Word::Csp => {
                self.of_nodes(|node| facts::csp_name(node).is_some_and(|name| value.is_text(name)))
            }
            Word::Scope => self.of_nodes(|node| value.is_text(owner(node))),
            Word::Cmd => Some(value.is_text(self.name.as_deref()?)),
            Word::Status => Some(value.is_number(self.code?.into())),
            Word::Hr => {
                let error = self.original_error.as_deref();
                Some(error.is_some_and(|error| value.is_result(error)))
            }
            Word::Data => self.of_values(value, |input| input.text.as_deref()),
            Word::Fmt => self.of_values(value, |input| input.format.as_deref()),
            Word::Type => self.of_values(value, |input| input.media_type.as_deref()),
            Word::Alert => self
                .is_known
                .then(|| self.alert.is_some_and(|code| value.is_number(code.into()))),
            Word::Open => self.is_open,
            _ => None,
        }
    }

    fn of_nodes(&self, holds: impl Fn(&str) -> bool) -> Option<bool> {
        let mut nodes = self.nodes.iter();
        (!self.nodes.is_empty()).then(|| nodes.any(|node| holds(node)))
    }

    fn of_values(
        &self,
        value: &Value,
        text: impl for<'v> Fn(&'v ValueInput<'_>) -> Option<&'v str>,
    ) -> Option<bool> {
        let mut values = self.values.as_ref()?.iter();
        Some(values.any(|input| text(input).is_some_and(|text| value.is_text(text))))
    }
}

/// Returns the owner of a node: the user for `./User/…`, otherwise the device.
fn owner(node: &str) -> &'static str {
    match locuri::is_of_user(node) {
        true => "user",
        false => "device",
    }
}
