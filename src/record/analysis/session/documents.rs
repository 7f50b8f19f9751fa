//! Documents of declared configuration (WinDC) of which a device reports that they failed: in an Alert, or in Results.

use smol_str::SmolStr;

use super::super::exchanged::Exchanged;
use super::OpenSession;
use super::answers::short;
use crate::dm::{Command, Item, Message};
use crate::facts;
use crate::flow::{CommandPlace, Side};
use crate::markup::{self, Document, Element, Hint, Limits};
use crate::record::model::CommandRecord;

/// A document that failed.
#[derive(Clone, Debug)]
pub(in crate::record::analysis) struct FailedDocument {
    pub(in crate::record::analysis) id: SmolStr,
    pub(in crate::record::analysis) state: u16,
    /// Where the device reports it, each with the kind of command.
    pub(in crate::record::analysis) places: Vec<(SmolStr, CommandPlace)>,
    /// The settings that failed, in words.
    pub(in crate::record::analysis) settings: Vec<String>,
}

impl OpenSession {
    /// Takes notice of documents that a message of the device reports as failed. Records cut long values, so the body
    /// is read once more, where there may be some.
    pub(super) fn note_documents(&mut self, message: &Exchanged<'_>) {
        let Some((header, commands)) = message.sent.filter(|_| message.from == Side::Device) else {
            return;
        };
        if !commands.iter().any(may_report) {
            return;
        }
        let record = message.record;
        let body = record.written_body();
        let body = body.and_then(|it| it.document(record.head.as_ref(), &Limits::default()));
        let Some(known) = body.as_ref().and_then(Message::of) else {
            return;
        };
        for command in known.commands() {
            for data in command.items().filter_map(Item::data) {
                let inside = (data.elements().next().is_none())
                    .then(|| {
                        markup::decode(
                            data.text().trim().to_owned().into(),
                            Hint::default(),
                            &Limits::default(),
                        )
                        .ok()
                    })
                    .flatten();
                let root = inside.as_ref().map_or(data, Document::root);
                let place = CommandPlace {
                    exchange: message.exchange,
                    message: header.msg.as_ref().map(short).unwrap_or_default(),
                    cmd_id: command
                        .cmd_id()
                        .map(|id| short(&SmolStr::from(id)))
                        .unwrap_or_default(),
                    at_us: record.at_us,
                };
                self.documents_in(root, command, &place);
            }
        }
    }

    fn documents_in(&mut self, root: Element<'_>, command: Command<'_>, place: &CommandPlace) {
        let is_document = |it: &Element<'_>| {
            matches!(
                it.local(),
                "DeclaredConfiguration" | "DeclaredConfigurationResult"
            )
        };
        let inside = root.elements();
        let all = std::iter::once(root)
            .chain(inside.flat_map(|it| std::iter::once(it).chain(it.elements())));
        for document in all.filter(is_document) {
            let state = number(document, "state");
            let Some(state) =
                state.filter(|it| facts::declared_configuration_failure(*it).is_some())
            else {
                continue;
            };
            let id = short(&SmolStr::from(value(document, "id")));
            let at = self.documents.iter().position(|it| it.id == id);
            if at.is_none() && self.documents.len() == MOST_DOCUMENTS {
                return;
            }
            let at = at.unwrap_or_else(|| {
                self.documents.push(FailedDocument {
                    id,
                    state,
                    places: Vec::new(),
                    settings: Vec::new(),
                });
                self.documents.len() - 1
            });
            let known = &mut self.documents[at];
            known.state = state;
            if known.places.len() < MOST_PLACES {
                known
                    .places
                    .push((SmolStr::new(command.kind().name()), place.clone()));
            }
            known.settings.extend(
                settings(document).take(MOST_SETTINGS.saturating_sub(known.settings.len())),
            );
            known.settings.dedup();
        }
    }
}

/// Whether the values of a command may be such documents.
fn may_report(command: &CommandRecord) -> bool {
    command.items.iter().any(|item| {
        let media_type = item.media_type.as_deref().unwrap_or_default();
        let node = item
            .source
            .as_deref()
            .or(item.target.as_deref())
            .unwrap_or_default();
        media_type
            .to_ascii_lowercase()
            .ends_with("declaredconfigurationdocuments")
            || node
                .to_ascii_lowercase()
                .contains("/declaredconfiguration/")
    })
}

/// The settings of a document that failed: `./Vendor/MSFT/VPNv2/Test/AlwaysOn: status 500, state 61`.
fn settings<'d>(document: Element<'d>) -> impl Iterator<Item = String> + use<'d> {
    document
        .elements()
        .flat_map(Element::elements)
        .filter_map(|uri| {
            let (status, state) = (number(uri, "status"), number(uri, "state"));
            let has_failed = status.is_some_and(|it| it >= 400)
                || state.is_some_and(|it| facts::declared_configuration_failure(it).is_some());
            if uri.local() != "URI" || !has_failed {
                return None;
            }
            let csp = uri
                .parent()
                .map(|csp| value(csp, "name"))
                .unwrap_or_default();
            let number = |name: &str, it: Option<u16>| it.map(|it| format!("{name} {it}"));
            let numbers: Vec<String> = [number("status", status), number("state", state)]
                .into_iter()
                .flatten()
                .collect();
            Some(format!(
                "{csp}/{}: {}",
                value(uri, "path"),
                numbers.join(", ")
            ))
        })
}

fn value(element: Element<'_>, name: &str) -> String {
    let value = element.attribute(name).map(|it| it.value().into_owned());
    let value = value.unwrap_or_default();
    value[..value.floor_char_boundary(MOST_TEXT)].to_owned()
}

fn number(element: Element<'_>, name: &str) -> Option<u16> {
    element.attribute(name)?.value().trim().parse().ok()
}

/// Documents of a session that are kept, places of each, settings of each, and bytes of a text.
const MOST_DOCUMENTS: usize = 50;
const MOST_PLACES: usize = 4;
const MOST_SETTINGS: usize = 10;
const MOST_TEXT: usize = 200;
