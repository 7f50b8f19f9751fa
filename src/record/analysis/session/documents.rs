//! Documents in which a device reports what failed: of declared configuration (WinDC), in an Alert or in Results, and
//! the results of a diagnostic archive.

use smol_str::SmolStr;

use super::super::exchanged::Exchanged;
use super::answers::short;
use crate::dm::{Command, Item, Message};
use crate::facts;
use crate::flow::{CommandPlace, Side};
use crate::markup::{self, Document, Element, Hint, Limits};
use crate::record::model::CommandRecord;

/// A document that reports a failure.
#[derive(Clone, Debug)]
pub(in crate::record::analysis) struct FailedDocument {
    pub(in crate::record::analysis) kind: DocumentKind,
    pub(in crate::record::analysis) id: SmolStr,
    /// The state of a document of declared configuration; the HRESULT of an archive.
    pub(in crate::record::analysis) state: i64,
    /// Where the device reports it, each with the kind of command.
    pub(in crate::record::analysis) places: Vec<(SmolStr, CommandPlace)>,
    /// The settings, or the parts of an archive, that failed, in words.
    pub(in crate::record::analysis) parts: Vec<String>,
}

/// What reports a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::record::analysis) enum DocumentKind {
    /// `DeclaredConfiguration`, `DeclaredConfigurationResult`.
    DeclaredConfiguration,
    /// `Collection`, from DiagnosticLog/DiagnosticArchive/ArchiveResults.
    DiagnosticArchive,
}

/// Takes notice of documents that a message of the device reports as failed. Records cut long values, so the body is read
/// once more, where there may be some.
pub(in crate::record::analysis) fn note_documents(
    documents: &mut Vec<FailedDocument>,
    message: &Exchanged<'_>,
) {
    let record = message.record;
    if message.from != Side::Device || !record.commands.iter().any(may_report) {
        return;
    }
    let header = record.message.as_ref();
    let body = record.written_body();
    let body = body.and_then(|it| it.document(record.head.as_ref(), &Limits::default()));
    let Some(known) = body.as_ref().and_then(Message::of) else {
        return;
    };
    for command in known.commands() {
        for data in command.items().filter_map(Item::data) {
            let inside = (data.elements().next().is_none())
                .then(|| {
                    let text = data.text().trim().to_owned();
                    markup::decode(text.into(), Hint::default(), &Limits::default()).ok()
                })
                .flatten();
            let root = inside.as_ref().map_or(data, Document::root);
            let place = CommandPlace {
                exchange: message.exchange,
                message: header
                    .and_then(|it| it.msg.as_ref())
                    .map(short)
                    .unwrap_or_default(),
                cmd_id: command
                    .cmd_id()
                    .map(|id| short(&SmolStr::from(id)))
                    .unwrap_or_default(),
                at_us: record.at_us,
            };
            documents_in(documents, root, command, &place);
        }
    }
}

fn documents_in(
    documents: &mut Vec<FailedDocument>,
    root: Element<'_>,
    command: Command<'_>,
    place: &CommandPlace,
) {
    let inside = root.elements();
    let all =
        std::iter::once(root).chain(inside.flat_map(|it| std::iter::once(it).chain(it.elements())));
    for (kind, document) in all.filter_map(|it| Some((kind(it)?, it))) {
        let id = short(&SmolStr::from(match kind {
            DocumentKind::DeclaredConfiguration => value(document, "id"),
            DocumentKind::DiagnosticArchive => child_text(document, "ID"),
        }));
        let is_it = |it: &FailedDocument| it.kind == kind && it.id == id;
        let Some(state) = failed_state(kind, document) else {
            // What it is at last counts.
            if kind == DocumentKind::DiagnosticArchive || number(document, "state").is_some() {
                documents.retain(|it| !is_it(it));
            }
            continue;
        };
        let at = documents.iter().position(is_it);
        if at.is_none() && documents.len() == MOST_DOCUMENTS {
            return;
        }
        let at = at.unwrap_or_else(|| {
            documents.push(FailedDocument {
                kind,
                id,
                state,
                places: Vec::new(),
                parts: Vec::new(),
            });
            documents.len() - 1
        });
        let known = &mut documents[at];
        known.state = state;
        if known.places.len() < MOST_PLACES {
            known
                .places
                .push((SmolStr::new(command.kind().name()), place.clone()));
        }
        let room = MOST_PARTS.saturating_sub(known.parts.len());
        match kind {
            DocumentKind::DeclaredConfiguration => {
                known.parts.extend(settings(document).take(room));
            }
            DocumentKind::DiagnosticArchive => known.parts.extend(archived(document).take(room)),
        }
        known.parts.dedup();
    }
}

fn kind(element: Element<'_>) -> Option<DocumentKind> {
    Some(match element.local() {
        "DeclaredConfiguration" | "DeclaredConfigurationResult" => {
            DocumentKind::DeclaredConfiguration
        }
        "Collection" if element.attribute(HRESULT).is_some() => DocumentKind::DiagnosticArchive,
        _ => return None,
    })
}

/// The state of a document that reports a failure.
fn failed_state(kind: DocumentKind, document: Element<'_>) -> Option<i64> {
    match kind {
        DocumentKind::DeclaredConfiguration => number(document, "state")
            .filter(|it| facts::declared_configuration_failure(*it).is_some())
            .map(i64::from),
        DocumentKind::DiagnosticArchive => {
            let state = hresult(document).unwrap_or_default();
            (state != 0 || archived(document).next().is_some()).then_some(state)
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
            || [
                "/declaredconfiguration/",
                "/diagnosticarchive/archiveresults",
            ]
            .iter()
            .any(|known| node.to_ascii_lowercase().contains(known))
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

/// The parts of an archive that could not be gathered: `Command ipconfig /all: -2147024637 (0x80070103) …`.
fn archived<'d>(document: Element<'d>) -> impl Iterator<Item = String> + use<'d> {
    document.elements().filter_map(|part| {
        let failed = hresult(part).filter(|it| *it != 0)?;
        let what = short(&SmolStr::from(part.text().trim()));
        Some(format!(
            "{} {what}: {}",
            part.local(),
            facts::code_words(failed)
        ))
    })
}

fn hresult(element: Element<'_>) -> Option<i64> {
    element.attribute(HRESULT)?.value().trim().parse().ok()
}

fn child_text(element: Element<'_>, name: &str) -> String {
    let child = element.elements().find(|it| it.local() == name);
    child.map_or(String::new(), |it| it.text().trim().to_owned())
}

fn value(element: Element<'_>, name: &str) -> String {
    let value = element.attribute(name).map(|it| it.value().into_owned());
    let value = value.unwrap_or_default();
    value[..value.floor_char_boundary(MOST_TEXT)].to_owned()
}

fn number(element: Element<'_>, name: &str) -> Option<u16> {
    element.attribute(name)?.value().trim().parse().ok()
}

const HRESULT: &str = "HRESULT";

/// Documents of a session that are kept, places of each, parts of each, and bytes of a text.
const MOST_DOCUMENTS: usize = 50;
const MOST_PLACES: usize = 4;
const MOST_PARTS: usize = 10;
const MOST_TEXT: usize = 200;
