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

/// A document in which the device reports a failure.
#[derive(Clone, Debug)]
pub(in crate::record::analysis) struct FailedDocument {
    pub(in crate::record::analysis) kind: DocumentKind,
    pub(in crate::record::analysis) id: SmolStr,
    /// The state of a document of declared configuration; the HRESULT of an archive.
    pub(in crate::record::analysis) state: i64,
    /// The places of the reports, each with the kind of command.
    pub(in crate::record::analysis) places: Vec<(SmolStr, CommandPlace)>,
    /// The settings or parts that failed, in words.
    pub(in crate::record::analysis) parts: Vec<String>,
}

/// The kind of a document that may report a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::record::analysis) enum DocumentKind {
    /// `DeclaredConfiguration`, `DeclaredConfigurationResult`.
    DeclaredConfiguration,
    /// `Collection`, from DiagnosticLog/DiagnosticArchive/ArchiveResults.
    DiagnosticArchive,
}

/// Notes the documents that a message of the device reports as failed, and forgets those that it reports as done. Records cut
/// long values, so a body that may have such documents is read once more.
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
    for (reported, has_failed) in all.filter_map(reported) {
        let is_it = |it: &FailedDocument| it.kind == reported.kind && it.id == reported.id;
        if !has_failed {
            documents.retain(|it| !is_it(it));
            continue;
        }
        let at = documents.iter().position(is_it).unwrap_or(documents.len());
        if at == MOST_DOCUMENTS {
            return;
        }
        if at == documents.len() {
            documents.push(FailedDocument {
                parts: Vec::new(),
                ..reported.clone()
            });
        }
        let known = &mut documents[at];
        known.state = reported.state;
        if known.places.len() < MOST_PLACES {
            let kind = SmolStr::new(command.kind().name());
            known.places.push((kind, place.clone()));
        }
        let room = MOST_PARTS.saturating_sub(known.parts.len());
        known.parts.extend(reported.parts.into_iter().take(room));
        known.parts.dedup();
    }
}

/// Returns a document without its place, and whether it reports a failure; `None` for an element that reports nothing.
fn reported(element: Element<'_>) -> Option<(FailedDocument, bool)> {
    let (kind, id, state, parts) = match element.local() {
        "DeclaredConfiguration" | "DeclaredConfigurationResult" => (
            DocumentKind::DeclaredConfiguration,
            value(element, "id"),
            number(element, "state")?.into(),
            settings(element),
        ),
        "Collection" => {
            let state = element.attribute(HRESULT).map(|_| hresult(element))?;
            let id = element.elements().find(|it| it.local() == "ID");
            (
                DocumentKind::DiagnosticArchive,
                id.map_or(String::new(), |it| it.text().trim().to_owned()),
                state.unwrap_or_default(),
                archived(element),
            )
        }
        _ => return None,
    };
    let has_failed = match kind {
        DocumentKind::DeclaredConfiguration => has_failed_state(state),
        DocumentKind::DiagnosticArchive => state != 0 || !parts.is_empty(),
    };
    let document = FailedDocument {
        kind,
        id: short(&SmolStr::from(id)),
        state,
        places: Vec::new(),
        parts,
    };
    Some((document, has_failed))
}

/// Whether a command may have such documents in its values.
fn may_report(command: &CommandRecord) -> bool {
    command.items.iter().any(|item| {
        let media_type = item.media_type.as_deref().unwrap_or_default();
        let node = item.source.as_deref().or(item.target.as_deref());
        let node = node.unwrap_or_default().to_ascii_lowercase();
        media_type
            .to_ascii_lowercase()
            .ends_with("declaredconfigurationdocuments")
            || node.contains("/declaredconfiguration/")
            || node.contains("/diagnosticarchive/archiveresults")
    })
}

/// Returns the settings of a document that failed: `./Vendor/MSFT/VPNv2/Test/AlwaysOn: status 500, state 61`.
fn settings(document: Element<'_>) -> Vec<String> {
    let uris = document.elements().flat_map(Element::elements);
    let failed = uris.filter_map(|uri| {
        let (status, state) = (number(uri, "status"), number(uri, "state"));
        let has_failed = status.is_some_and(|it| it >= 400)
            || state.is_some_and(|it| has_failed_state(it.into()));
        if uri.local() != "URI" || !has_failed {
            return None;
        }
        let csp = uri.parent().map(|csp| value(csp, "name"));
        let numbers = [("status", status), ("state", state)].into_iter();
        let numbers = numbers.filter_map(|(name, it)| Some(format!("{name} {}", it?)));
        Some(format!(
            "{}/{}: {}",
            csp.unwrap_or_default(),
            value(uri, "path"),
            numbers.collect::<Vec<_>>().join(", ")
        ))
    });
    failed.take(MOST_PARTS).collect()
}

/// Returns the parts of an archive that failed: `Command ipconfig /all: -2147024637 (0x80070103) …`.
fn archived(document: Element<'_>) -> Vec<String> {
    let failed = document.elements().filter_map(|part| {
        let failed = hresult(part).filter(|it| *it != 0)?;
        let what = short(&SmolStr::from(part.text().trim()));
        let (part, code) = (part.local(), facts::code_words(failed));
        Some(format!("{part} {what}: {code}"))
    });
    failed.take(MOST_PARTS).collect()
}

/// Whether a state of declared configuration is a failure.
fn has_failed_state(state: i64) -> bool {
    let state = u16::try_from(state).ok();
    state.is_some_and(|it| facts::declared_configuration_failure(it).is_some())
}

fn hresult(element: Element<'_>) -> Option<i64> {
    element.attribute(HRESULT)?.value().trim().parse().ok()
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

/// The most documents that are kept of a session, the most places and parts of each, and the most bytes of a text.
const MOST_DOCUMENTS: usize = 50;
const MOST_PLACES: usize = 4;
const MOST_PARTS: usize = 10;
const MOST_TEXT: usize = 200;
