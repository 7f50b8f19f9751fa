//! A document as a tree for people, and as JSON.

use std::fmt::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Failure, Output};
use crate::dm::certificate::hex;
use crate::dm::notification::Notification;
use crate::dm::{AlertCode, Status, StatusCode};
use crate::facts;
use crate::flow::provider::note_provisioning;
use crate::markup::{
    DecodeError, DecodeErrorKind, Document, Element, Embedded, EmbeddedResult, Encoding, Flag,
    FlagKind, Kind, Limits, Text, tag,
};
use crate::record::model::EnrollmentRecord;
use crate::record::redact::Redactor;
use crate::record::{Masking, transcript};

/// Returns a document as text: the summary of an enrollment message, then each node on a line with its offset, its name,
/// its text, the name of a code, and the length of a long text. Documents inside are opened in place, with offsets of
/// their own, and so are certificates and tokens; accepted deviations come last. Long texts are cut for a terminal.
pub(super) fn annotated(document: &Document, is_terminal: bool) -> String {
    let most = if is_terminal { LONGEST } else { usize::MAX };
    let mut out = header(document);
    let in_full = Redactor::new(Masking::Raw).find(document, &[]);
    if let Some(record) = EnrollmentRecord::of(document, &in_full) {
        out.push_str(&transcript::enrollment(&record));
    }
    lines(&mut out, document, &Limits::default(), 0, most);
    for note in note_provisioning(document) {
        let _ = writeln!(out, "         ! {}: {}", note.id, note.text);
    }
    out
}

/// Adds the lines of one document, `indent` levels to the right. [`Limits::embedded`] bounds the recursion.
fn lines(out: &mut String, document: &Document, limits: &Limits, indent: usize, most: usize) {
    let mut flags = document.flags().to_vec();
    let mut between = document
        .top_ids()
        .filter_map(|id| Text::of(document, id))
        .peekable();
    for element in document.elements() {
        while let Some(loose) = between.next_if(|text| text.id() < element.id()) {
            text_between(out, loose, indent, most);
        }
        let depth = indent + std::iter::successors(element.parent(), |e| e.parent()).count();
        tag_line(out, element, depth);
        let opening = element.open(limits);
        if let EmbeddedResult::Document(embedded) = &opening {
            inside(out, embedded, depth + 1, most);
            continue;
        }
        element.texts().for_each(|text| piece(out, text, most));
        if let Some(meaning) = meaning(element) {
            let _ = write!(out, "   ← {meaning}");
        }
        out.push('\n');
        unfolded(out, element, depth + 1);
        if let EmbeddedResult::Unopened(flag) = opening {
            flags.push(flag);
        }
    }
    between.for_each(|loose| text_between(out, loose, indent, most));
    flags.sort_by_key(|flag| flag.at);
    for flag in flags {
        let place = "  ".repeat(indent);
        let _ = writeln!(out, "{:>7}  {place}! {}", flag.at, flag_text(&flag));
    }
}

/// Adds the contents of the certificates and tokens in an element.
fn unfolded(out: &mut String, element: Element<'_>, indent: usize) {
    let attributes = element.attributes();
    let values = attributes.filter_map(|a| transcript::unfolded(&a.value()));
    for words in values.chain(transcript::unfolded(&element.text())) {
        for line in words.lines() {
            let _ = writeln!(out, "         {}{line}", "  ".repeat(indent));
        }
    }
}

/// Adds the start of an element's line: its offset, its name, its attributes.
fn tag_line(out: &mut String, element: Element<'_>, depth: usize) {
    let (at, place) = (element.span().start, "  ".repeat(depth));
    let _ = write!(out, "{at:>7}  {place}{}", element.local());
    for attribute in element.attributes() {
        let _ = write!(out, " {}={:?}", attribute.name(), attribute.value());
    }
}

/// Adds a document inside another one, in a frame; its offsets count from its own beginning.
fn inside(out: &mut String, embedded: &Embedded, indent: usize, most: usize) {
    let inner = embedded.document();
    let (wrapping, place) = (embedded.wrapping().name(), "  ".repeat(indent));
    let _ = write!(
        out,
        " {wrapping}\n         {place}┌ inside: {}",
        header(inner)
    );
    lines(out, inner, embedded.limits(), indent + 1, most);
    let _ = writeln!(out, "         {place}└");
}

/// Describes a notification; `fits` is whether its digest is right, if it was checked.
pub(super) fn notification(
    notification: Notification<'_>,
    fits: Option<bool>,
    output: Output,
) -> String {
    let (major, minor) = (notification.version() / 10, notification.version() % 10);
    let hex = |bytes: &[u8]| hex(bytes).to_ascii_lowercase();
    let digest = hex(notification.digest());
    let vendor = hex(notification.vendor_specific());
    let initiator = match notification.is_by_server() {
        true => "server",
        false => "user",
    };
    if output == Output::Json {
        let value = json!({
            "v": 1,
            "notification": {
                "version": format!("{major}.{minor}"),
                "ui_mode": notification.user_mode(),
                "initiator": initiator,
                "session": notification.session_id(),
                "server": notification.server(),
                "digest": digest,
                "digest_fits": fits,
                "vendor_specific": vendor,
            }
        });
        return format!("{value}\n");
    }
    let checked = match fits {
        None => "",
        Some(true) => ", that of the password",
        Some(false) => ", not that of the password",
    };
    let mut text = format!(
        "Notification (package 0), version {major}.{minor}\n  \
         server     {}\n  SessionID  {}\n  initiator  {initiator}\n  UI mode    {}\n  digest     {digest}{checked}\n",
        notification.server(),
        notification.session_id(),
        notification.user_mode(),
    );
    if !vendor.is_empty() {
        let _ = writeln!(text, "  vendor     {vendor}");
    }
    text
}

/// Describes a flag, with its class.
pub(super) fn flag_text(flag: &Flag) -> String {
    let id = flag.kind.id().map_or(String::new(), |id| format!("{id} "));
    format!("{id}{}", flag.kind)
}

/// Describes the error of a decoder, with its class.
pub(super) fn refused(error: &DecodeError) -> String {
    let id = error.kind.id().map_or(String::new(), |id| format!("{id} "));
    format!("at byte {}: {id}{}", error.at, error.kind)
}

/// Returns the failure for a message that cannot be decoded, with this text: a broken message has exit code 1; a file
/// without any markup was wrong usage.
pub(super) fn failure(error: &DecodeError, why: String) -> Failure {
    match error.kind {
        DecodeErrorKind::NotMarkup | DecodeErrorKind::Empty => Failure::Usage(why),
        _ => Failure::Failed(why),
    }
}

/// Returns the reasons why strict mode refuses a document: all accepted deviations, and documents too deep inside (F31).
/// No mode refuses OPAQUE that is declared as WBXML and is none (F32), but `--annotate` reports it.
pub(super) fn breaches(document: &Document) -> Vec<Flag> {
    let mut found = document.flags().to_vec();
    too_deep(document, &Limits::default(), None, &mut found);
    found.sort_by_key(|flag| flag.at);
    found
}

/// Collects documents that are too deep, each at the outermost text around it, which begins at `at`.
fn too_deep(document: &Document, limits: &Limits, at: Option<u32>, found: &mut Vec<Flag>) {
    for element in document.elements() {
        match element.open(limits) {
            EmbeddedResult::Document(embedded) => {
                let at = at.unwrap_or(element.span().start);
                too_deep(embedded.document(), embedded.limits(), Some(at), found);
            }
            EmbeddedResult::Unopened(Flag { kind, .. }) if kind == FlagKind::EmbeddedTooDeep => {
                let at = at.unwrap_or(element.span().start);
                found.push(Flag { at, kind });
            }
            EmbeddedResult::Unopened(_) | EmbeddedResult::Plain => {}
        }
    }
}

fn header(document: &Document) -> String {
    match document.encoding() {
        Encoding::Xml(_) => format!("XML, {} bytes\n", document.source().len()),
        Encoding::Wbxml(header) => format!(
            "WBXML 1.{}, {}, charset {}, string table {} bytes, {} bytes\n",
            header.version,
            header.doctype.fpi(),
            header.charset,
            header.string_table.len(),
            document.source().len()
        ),
    }
}

/// Adds a text next to the roots of a fragment, on a line of its own.
fn text_between(out: &mut String, text: Text<'_>, indent: usize, most: usize) {
    let _ = write!(out, "{:>7}  {}", text.span().start, "  ".repeat(indent));
    piece(out, text, most);
    out.push('\n');
}

fn piece(out: &mut String, text: Text<'_>, most: usize) {
    let octets = text.octets();
    let form = match text.kind() {
        Kind::Cdata => " CDATA",
        Kind::Opaque => " OPAQUE",
        _ => "",
    };
    let _ = match std::str::from_utf8(&octets) {
        Ok(text) if text.chars().all(|c| !c.is_control() || c.is_whitespace()) => {
            let shown: String = text.chars().take(most).collect();
            let more = if shown.len() < text.len() { "…" } else { "" };
            write!(out, "{form} {shown:?}{more}")
        }
        _ => write!(out, "{form} {} octets", octets.len()),
    };
    if octets.len() > LONGEST {
        let _ = write!(out, " ({} bytes)", octets.len());
    }
}

/// Returns the meaning of the code in an element.
fn meaning(element: Element<'_>) -> Option<String> {
    if !element.is(tag::DATA) {
        return None;
    }
    let code: u16 = element.text().trim().parse().ok()?;
    let parent = element.parent()?;
    match () {
        () if parent.is(tag::STATUS) => {
            let name = StatusCode(code).name().unwrap_or_default();
            let error = Status::original_error_of(element);
            let error = error.and_then(|error| facts::result_in_text(&error));
            let words = error.map(|fact| format!("{name}; {} {}", fact.key, fact.words()));
            words.or_else(|| (!name.is_empty()).then(|| name.to_owned()))
        }
        () if parent.is(tag::ALERT) => AlertCode(code).name().map(str::to_owned),
        () => None,
    }
}

/// Returns the whole tree as JSON.
pub(super) fn json(document: &Document) -> Value {
    let mut value = document_json(document, &Limits::default());
    value["v"] = 1.into();
    value
}

fn document_json(document: &Document, limits: &Limits) -> Value {
    let encoding = document.encoding().name().to_lowercase();
    let mut flags = document.flags().to_vec();
    // The decoder's limit of depth bounds this recursion, too.
    let top = document
        .top_ids()
        .map(|id| match (document.element(id), Text::of(document, id)) {
            (Some(root), _) => element_json(root, limits, &mut flags),
            (None, text) => json!({"text": text.map(|text| text.value())}),
        });
    let mut top: Vec<Value> = top.collect();
    let (name, content) = match top.len() {
        1 => ("root", top.remove(0)),
        _ => ("roots", top.into()),
    };
    let flags: Vec<Value> = flags
        .iter()
        .map(|f| json!({"at": f.at, "id": f.kind.id(), "what": f.kind.to_string()}))
        .collect();
    json!({"encoding": encoding, "bytes": document.source().len(), "flags": flags, name: content})
}

fn element_json(element: Element<'_>, limits: &Limits, flags: &mut Vec<Flag>) -> Value {
    let span = element.span();
    let mut value = json!({"name": element.local(), "span": [span.start, span.end]});
    let attributes: serde_json::Map<String, Value> = element
        .attributes()
        .map(|a| (a.name().into_owned(), a.value().into()))
        .collect();
    if !attributes.is_empty() {
        value["attributes"] = attributes.into();
    }
    if element.texts().next().is_some() {
        match std::str::from_utf8(&element.octets()) {
            Ok(text) => value["text"] = text.into(),
            Err(_) => value["base64"] = STANDARD.encode(element.octets()).into(),
        }
    }
    match element.open(limits) {
        EmbeddedResult::Plain => {}
        EmbeddedResult::Unopened(flag) => flags.push(flag),
        EmbeddedResult::Document(embedded) => {
            let mut inner = document_json(embedded.document(), embedded.limits());
            inner["wrapping"] = embedded.wrapping().name().into();
            value["embedded"] = inner;
        }
    }
    let children: Vec<Value> = element
        .elements()
        .map(|child| element_json(child, limits, flags))
        .collect();
    if !children.is_empty() {
        value["children"] = children.into();
    }
    value
}

/// The limit of a text on a terminal, in characters.
const LONGEST: usize = 120;
