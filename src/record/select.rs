//! Selects exchanges with a filter. An exchange is selected if the filter matches one of its messages, with or without
//! a transaction (a command and its answers) in that message.
//!
//! All words about transactions in one filter must match the same transaction. An exchange shows the transactions whose
//! command or answer it carries. In live traffic, only the exchange with the answer knows both the command and its
//! answer.

mod exchange;
mod linked;
mod record;
mod shown;
mod sink;

use smol_str::SmolStr;

pub use exchange::{Exchanges, Pass};
pub use linked::Linked;
pub use record::{Each, ExchangeNumbers, enter, exchanges, finish, of_record};
pub use sink::{sink, sink_file};

use super::EventRecord;
use super::model::{EventKind, ParsedBodyRecord};
use crate::filter::{CommandInput, Filter, Term, Value, Word};
use crate::flow::{EffectDetail, Transaction};

/// The subject of a filter: a message of an exchange, and a transaction in it.
#[derive(Clone, Copy)]
struct Subject<'r> {
    /// The message.
    event: &'r EventRecord,
    /// The other half of the exchange, if it is known.
    other: Option<&'r EventRecord>,
    /// Whether the exchange is over: facts that are still missing will not come.
    is_over: bool,
    /// A command or an answer in the message.
    shown: Option<&'r CommandInput<'r>>,
    /// The ids of the findings about the exchange, if its session was analysed.
    findings: Option<&'r [SmolStr]>,
}

/// Returns whether a filter matches a message, with any of its transactions or with none.
fn selects(filter: &Filter, subject: Subject<'_>, shown: &[CommandInput<'_>]) -> bool {
    let with = |shown: Option<&CommandInput<'_>>| {
        filter.matches(&mut |term| Subject { shown, ..subject }.holds(term))
    };
    with(None) || shown.iter().any(|shown| with(Some(shown)))
}

/// Returns whether a filter can select a transaction, whatever messages it is in.
pub fn may_select(filter: &Filter, transaction: &Transaction) -> bool {
    shown::of(transaction)
        .iter()
        .any(|shown| filter.can_match(|term, truth| shown.holds(term) != Some(!truth)))
}

impl Subject<'_> {
    fn holds(&self, term: &Term) -> Option<bool> {
        let event = self.event;
        let value = &term.value;
        let text = |text: Option<&SmolStr>| text.map(|text| value.is_text(text));
        match term.word {
            Word::Sid => {
                let session = event.session.as_ref().map(|session| &session.id);
                text(session.or_else(|| event.message.as_ref()?.session.as_ref()))
            }
            Word::Msg => {
                let number = event.message.as_ref()?.msg.as_ref()?.parse();
                Some(value.is_number(number.ok()?))
            }
            Word::Pkg => Some(value.is_number(event.session.as_ref()?.package?.into())),
            Word::Dev => self.is_device(value),
            Word::User => text(event.session.as_ref()?.user.as_ref()),
            Word::Enc => match event.reading.as_ref()? {
                ParsedBodyRecord::Document { encoding, .. } => Some(value.is_text(encoding)),
                _ => None,
            },
            Word::Dialect => match event.reading.as_ref()? {
                ParsedBodyRecord::Document { dialect, .. } => Some(value.is_text(dialect)),
                _ => None,
            },
            Word::Rule => {
                let of_shown = self
                    .shown
                    .into_iter()
                    .flat_map(|shown| &shown.rules)
                    .copied();
                let mut rules = event.applied.iter().map(|it| &*it.rule).chain(of_shown);
                Some(rules.any(|rule| value.is_text(rule)))
            }
            Word::Changed => {
                let mut changes = event.applied.iter().flat_map(|it| &it.changes);
                Some(changes.any(EffectDetail::is_done) || event.bytes_sent.is_some())
            }
            Word::Own => Some(event.own),
            Word::Lint => {
                let mut notes = event.notes.iter();
                Some(notes.any(|note| value.begins(&note.id) || value.is_text(&note.severity)))
            }
            Word::Why => Some(self.findings?.iter().any(|id| value.begins(id))),
            Word::Sess => Some(value.is_number(event.session.as_ref()?.number)),
            Word::X => Some(value.is_number(event.exchange?)),
            Word::Took => self.of_either(|event| Some(value.is_number(event.took_us?))),
            Word::Size => Some(value.is_number(event.bytes?)),
            Word::At => Some(value.is_between(&event.at)),
            Word::Url => {
                self.of_either(|event| Some(value.is_text(event.head.as_ref()?.uri.as_ref()?)))
            }
            Word::Domain => self.of_either(|event| {
                let uri: http::Uri = event.head.as_ref()?.uri.as_ref()?.parse().ok()?;
                Some(value.is_text(uri.host()?))
            }),
            Word::Method => {
                self.of_either(|event| Some(value.is_text(event.head.as_ref()?.method.as_ref()?)))
            }
            Word::Code => {
                self.of_either(|event| Some(value.is_number(event.http_status()?.into())))
            }
            Word::Header => {
                let mut fields = event.head.as_ref()?.headers.iter();
                Some(fields.any(|(name, text)| value.is_text(&format!("{name}: {text}"))))
            }
            Word::Request => Some(event.event == EventKind::Request),
            Word::Response => Some(event.event == EventKind::Response),
            Word::Error => {
                let is_failure = |event: &EventRecord| {
                    matches!(
                        event.event,
                        EventKind::Failed | EventKind::Refused | EventKind::Malformed
                    )
                };
                let failed = is_failure(event) || self.other.is_some_and(is_failure);
                (failed || self.is_over).then_some(failed)
            }
            Word::Data if self.shown.is_none() => self.is_in_document(value),
            Word::Hr => self.result(value).or_else(|| self.shown?.holds(term)),
            _ => self.shown?.holds(term),
        }
    }

    /// Returns the answer of this half of the exchange, or else of the other half.
    fn of_either(&self, said: impl Fn(&EventRecord) -> Option<bool>) -> Option<bool> {
        said(self.event).or_else(|| said(self.other?))
    }

    fn is_device(&self, value: &Value) -> Option<bool> {
        let event = self.event;
        let session = event.session.as_ref().map(|session| &session.device);
        let address = event.connection.device.map(|address| address.to_string());
        if session.is_none() && address.is_none() {
            return None;
        }
        let is_named = session.is_some_and(|device| value.is_text(device));
        Some(is_named || address.is_some_and(|address| value.is_text(&address)))
    }

    /// Returns whether a message of enrollment or a provisioning document contains a text.
    fn is_in_document(&self, value: &Value) -> Option<bool> {
        self.event.enrollment.as_ref()?;
        Some(value.is_text(self.event.written_body()?.text()?))
    }

    /// Returns whether the fault of an enrollment has one of the result codes that `value` names.
    fn result(&self, value: &Value) -> Option<bool> {
        let fault = self.event.enrollment.as_ref()?.fault.as_ref()?;
        Some(value.is_result(fault.hresult.as_deref()?))
    }
}
