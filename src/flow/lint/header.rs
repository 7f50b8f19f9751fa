//! The rules for the document and the header: XML-02, XML-03, XML-05, XML-07, HDR-01 to HDR-13, HTTP-01 to HTTP-03.

use std::borrow::Cow;
use std::collections::HashMap;

use hashlink::LinkedHashMap;

use super::lint_session::{LintSession, Turn, is_short};
use super::{Findings, LintMessage, content_model, uri};
use crate::dm::{Message, Meta, SyncHdr};
use crate::flow::media::note_other_encoding;
use crate::flow::origin::UrlOrigin;
use crate::flow::{SessionKey, SessionTag, Severity, Side};
use crate::markup::{Element, NodeId, Space, tag};

/// The parts of a request's header that its answer is compared with.
#[derive(Debug, PartialEq)]
pub(super) struct Asked {
    session: Option<String>,
    target: Option<String>,
    source: Option<String>,
    /// Whether a rule kept these parts from the server, which then cannot repeat them.
    is_withheld: bool,
}

impl Asked {
    pub(super) fn of(message: Message<'_>) -> Self {
        let header = message.header();
        let owned =
            |text: Option<Cow<'_, str>>| text.filter(|text| is_short(text)).map(Cow::into_owned);
        Self {
            session: owned(header.and_then(SyncHdr::session_id)),
            target: owned(header.and_then(SyncHdr::target)),
            source: owned(header.and_then(SyncHdr::source)),
            is_withheld: false,
        }
    }

    /// Returns the parts of a request, with what a rule made of it.
    pub(super) fn of_request(linted: LintMessage<'_>, message: Message<'_>) -> Self {
        let asked = Self::of(message);
        let delivered = linted.delivered.and_then(|it| Message::of(it));
        let is_kept = delivered.is_some_and(|it| Self::of(it) == asked);
        Self {
            is_withheld: linted.is_changed && !is_kept,
            ..asked
        }
    }

    /// Returns the known session that the request belongs to.
    pub(super) fn key(
        &self,
        sessions: &LinkedHashMap<SessionKey, LintSession>,
    ) -> Option<SessionKey> {
        let is_it = |key: &&SessionKey| {
            Some(&*key.id) == self.session.as_deref()
                && Some(&*key.device) == self.source.as_deref()
        };
        sessions.keys().rev().find(is_it).cloned()
    }
}

pub(super) fn check(
    found: &mut Findings,
    turn: &Turn<'_>,
    seen: &LintSession,
    request: Option<&Asked>,
) {
    let message = turn.message;
    let has_no_resp = document(found, message);
    http(found, turn);
    let Some(header) = message.header() else {
        let at = Some(message.element());
        // Documentation and servers show commands in files without a SyncHdr. A message would have a Final.
        let is_alone =
            turn.linted.head.is_none() && !message.is_final() && message.body().is_some();
        return match is_alone {
            false => found.add("HDR-07", at, "the message has no SyncHdr"),
            true => found.add_as(
                "HDR-07",
                Severity::Info,
                at,
                "there is no SyncHdr: these are commands alone, and only they are judged",
            ),
        };
    };
    versions(found, message, header);
    session(found, turn, header, seen, request);
    msg_id(found, turn, header, seen);
    let at = Some(header.element());
    let is_known = request.is_none_or(|asked| !asked.is_withheld);
    for (what, uri) in [("Target", header.target()), ("Source", header.source())] {
        if is_known && uri.is_none_or(|uri| uri.is_empty()) {
            found.add("HDR-07", at, format!("SyncHdr has no {what}"));
        }
    }
    let is_url = |uri: Option<Cow<'_, str>>| {
        uri.is_some_and(|uri| uri.to_ascii_lowercase().starts_with("http"))
    };
    let (target, source) = (is_url(header.target()), is_url(header.source()));
    if target != source && target == (turn.side == Side::Server) {
        let (sender, receiver) = (turn.side.name(), turn.side.other().name());
        found.add(
            "HDR-13",
            at,
            format!("Target and Source are swapped: the {sender} names itself as Target, and the {receiver} as Source"),
        );
    }
    if has_no_resp {
        found.add("HDR-09", at, "NoResp is not used in DM");
    }
    sizes_and_addresses(found, turn, header, seen);
}

/// Checks the content, namespaces and markup of the document. Returns whether it has a NoResp anywhere.
fn document(found: &mut Findings, message: Message<'_>) -> bool {
    let document = message.element().document();
    let mut has_no_resp = false;
    let mut formats = HashMap::new();
    let mut behind_data = None;
    for element in document.elements() {
        if behind_data.is_none_or(|behind| element.id() >= behind) {
            content_model::check(found, element);
            behind_data = element.is(tag::DATA).then(|| element.next_after());
        }
        match () {
            () if element.is(tag::META) => {
                if let Some(child) = element.elements().find(is_misplaced) {
                    let text = format!(
                        "{} in Meta is not in the namespace syncml:metinf",
                        child.local()
                    );
                    found.add("XML-05", Some(child), text);
                }
            }
            () if element.is(tag::DATA) => markup(found, element, &mut formats),
            () => has_no_resp |= element.is(tag::NO_RESP),
        }
    }
    has_no_resp
}

/// Whether a name of syncml:metinf has another namespace. The decoder reads it all the same.
fn is_misplaced(child: &Element<'_>) -> bool {
    let document = child.document();
    if document.is_wbxml() || !META.contains(&child.local()) {
        return false;
    }
    if child.tag_name().contains(&b':') {
        return child.space() != Some(Space::MetInf);
    }
    let around = std::iter::successors(Some(*child), |element| element.parent());
    let mut declared = around.filter_map(|element| element.attribute("xmlns"));
    let namespace = declared.next();
    namespace
        .is_some_and(|namespace| Space::of_namespace(&namespace.value()) != Some(Space::MetInf))
}

/// The names of syncml:metinf that DM uses.
const META: [&str; 9] = [
    "Format",
    "Type",
    "Mark",
    "Size",
    "NextNonce",
    "MaxMsgSize",
    "MaxObjSize",
    "EMI",
    "Version",
];

/// Checks XML-07: markup that is a value must be escaped, but documents of SyncML itself may stand in Data. `formats`
/// remembers for each parent of Data whether its Meta names the format xml, so that it is read once.
fn markup(found: &mut Findings, data: Element<'_>, formats: &mut HashMap<NodeId, bool>) {
    let Some(first) = data
        .elements()
        .next()
        .filter(|first| first.space().is_none())
    else {
        return;
    };
    let is_xml = data.parent().is_some_and(|item| {
        *formats.entry(item.id()).or_insert_with(|| {
            let format = item
                .child(tag::META)
                .and_then(|meta| Meta::of(meta).format());
            format.is_some_and(|format| format.eq_ignore_ascii_case("xml"))
        })
    });
    if !is_xml {
        let text = format!("markup in Data is not escaped: <{}>", first.local());
        found.add("XML-07", Some(data), text);
    }
}

fn http(found: &mut Findings, turn: &Turn<'_>) {
    let Some(head) = turn.linted.head else {
        return;
    };
    let media_type = head.field("content-type").unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let known = [
        "application/vnd.syncml.dm+xml",
        "application/vnd.syncml.dm+wbxml",
    ];
    if !known
        .iter()
        .any(|known| known.eq_ignore_ascii_case(essence))
    {
        let text = match essence {
            "" => "the message has no Content-Type".to_owned(),
            other => {
                format!("Content-Type is {other}, not application/vnd.syncml.dm+xml or +wbxml")
            }
        };
        found.add("HTTP-01", None, text);
    }
    if let Some(text) = note_other_encoding(essence, turn.linted.document.is_wbxml()) {
        found.add("HTTP-02", None, text);
    }
    if let Some(method) = head.method.filter(|method| *method != "POST") {
        found.add("HTTP-03", None, format!("the method is {method}, not POST"));
    }
}

fn versions(found: &mut Findings, message: Message<'_>, header: SyncHdr<'_>) {
    let root = message.element();
    let (dtd, proto) = (header.ver_dtd(), header.ver_proto());
    let namespace = message.namespace();
    if !root.document().is_wbxml() {
        let known = ["SYNCML:SYNCML1.0", "SYNCML:SYNCML1.1", "SYNCML:SYNCML1.2"];
        match namespace.as_deref() {
            None => found.add("XML-02", Some(root), "SyncML has no namespace"),
            Some(other) if !known.iter().any(|known| known.eq_ignore_ascii_case(other)) => {
                found.add(
                    "XML-02",
                    Some(root),
                    format!("SyncML has the namespace {other}"),
                );
            }
            Some(known) => {
                let version = known.len().checked_sub(3).and_then(|at| known.get(at..));
                if let (Some(version), Some(dtd)) = (version, dtd.as_deref())
                    && version != dtd
                    && !dtd.is_empty()
                {
                    found.add(
                        "XML-03",
                        Some(root),
                        format!("the namespace is that of {version}, VerDTD is {dtd}"),
                    );
                }
            }
        }
    }
    let is_old =
        dtd.as_deref() == Some("1.1") && proto.as_deref() == Some("DM/1.1") && !found.is_windows;
    let expected = [("VerDTD", dtd, "1.2"), ("VerProto", proto, "DM/1.2")];
    for (name, value, expected) in expected {
        if !is_old && value.as_deref() != Some(expected) {
            let value = value.unwrap_or_default();
            let text = match &*value {
                "" => format!("{name} is missing; it is {expected}"),
                value => format!("{name} is {value}, not {expected}"),
            };
            found.add("HDR-01", Some(header.element()), text);
        }
    }
}

/// Checks HDR-02 and HDR-08 where the device goes on with a session under another key.
pub(super) fn renamed(
    found: &mut Findings,
    message: Message<'_>,
    former: &SessionKey,
    key: &SessionKey,
) {
    let at = message.header().map(SyncHdr::element);
    if former.id != key.id {
        let text = format!(
            "SessionID changes within a session, from {} to {}",
            former.id, key.id
        );
        found.add("HDR-02", at, text);
    }
    if former.device != key.device {
        let text = format!("Source is {}, and was {} before", key.device, former.device);
        found.add("HDR-08", at, text);
    }
}

fn session(
    found: &mut Findings,
    turn: &Turn<'_>,
    header: SyncHdr<'_>,
    seen: &LintSession,
    request: Option<&Asked>,
) {
    let at = Some(header.element());
    let id = header.session_id().unwrap_or_default();
    if request.is_some_and(|asked| asked.is_withheld) {
        return;
    }
    if id.is_empty() {
        return found.add("HDR-02", at, "SessionID is missing or empty");
    }
    if id.len() > 4 {
        found.add(
            "HDR-03",
            at,
            format!("SessionID {id} has more than 4 bytes"),
        );
    }
    let Some(request) = request.filter(|_| !turn.linted.is_changed) else {
        return;
    };
    let is_former = seen.former_id.as_deref() == Some(&*id);
    let asked = request.session.as_deref().filter(|asked| *asked != &*id);
    if let Some(asked) = asked.filter(|_| !is_former) {
        found.add(
            "HDR-02",
            at,
            format!("SessionID is {id}, that of the request was {asked}"),
        );
    }
    let differs = |one: Option<Cow<'_, str>>, other: Option<&str>| match (one, other) {
        (Some(one), Some(other)) => !one.eq_ignore_ascii_case(other),
        _ => false,
    };
    if differs(header.target(), request.source.as_deref()) {
        found.add("HDR-08", at, "Target is not the Source of the request");
    } else if differs(header.source(), request.target.as_deref())
        && !header
            .source()
            .is_some_and(|source| is_at(&source, turn.linted.server))
    {
        // A server behind a proxy with another name writes its own name, which is right.
        found.add("HDR-08", at, "Source is not the Target of the request");
    }
}

/// Whether a URL has the host and the port of this server (`host:port`).
fn is_at(url: &str, server: &str) -> bool {
    let origin = UrlOrigin::of(url).map(|url| url.origin);
    origin.is_some_and(|origin| format!("{}:{}", origin.host, origin.port) == server)
}

fn msg_id(found: &mut Findings, turn: &Turn<'_>, header: SyncHdr<'_>, seen: &LintSession) {
    let at = Some(header.element());
    let written = header.msg_id().unwrap_or_default();
    let number = SessionTag::number_of(turn.message).filter(|number| *number > 0);
    let Some(number) = number else {
        let text = match &*written {
            "" => "MsgID is missing".to_owned(),
            other => format!("MsgID is {other}, not a number from 1 on"),
        };
        return found.add("HDR-04", at, text);
    };
    if !SessionTag::has_canonical_msg_id(turn.message) {
        let text =
            format!("MsgID is {written}, a number written otherwise: answers may name {number}");
        found.add_as("HDR-04", Severity::Warning, at, text);
    }
    let spoken = seen.of(turn.side);
    let opens = turn.message.opens_session();
    let is_first = match turn.side {
        Side::Device => spoken.messages == 0 && opens && turn.message.statuses().next().is_none(),
        Side::Server => spoken.messages == 0 && seen.is_comparable() && seen.device.messages == 1,
    };
    if is_first && number != 1 {
        return found.add(
            "HDR-04",
            at,
            format!("the first message of the session has MsgID {number}"),
        );
    }
    let Some(last) = spoken.msg_id.filter(|_| !seen.is_disturbed) else {
        return;
    };
    let is_answered_again = turn.side == Side::Server && seen.is_retried && number == last;
    if number <= last && !is_answered_again {
        found.add("HDR-05", at, format!("MsgID {number} comes after {last}"));
    } else if number > last.saturating_add(1) && seen.is_whole {
        found.add("HDR-06", at, format!("MsgID goes from {last} to {number}"));
    }
}

fn sizes_and_addresses(
    found: &mut Findings,
    turn: &Turn<'_>,
    header: SyncHdr<'_>,
    seen: &LintSession,
) {
    let at = Some(header.element());
    let bytes = turn.linted.document.source().len() as u64;
    let most = seen
        .of(turn.side.other())
        .max_msg_size
        .filter(|most| *most > 0);
    if let Some(most) = most.filter(|most| bytes > *most) {
        found.add(
            "HDR-10",
            at,
            format!("the message has {bytes} bytes, the other side takes {most} (MaxMsgSize)"),
        );
    }
    if turn.side == Side::Server {
        return;
    }
    if let Some(expected) = seen.resp_uri.as_deref().filter(|_| !seen.is_disturbed)
        && let Some(asked) = turn.linted.head.and_then(|head| head.uri)
        && !uri::path(asked).eq_ignore_ascii_case(uri::path(expected))
    {
        found.add(
            "HDR-11",
            at,
            format!(
                "the message does not go to RespURI {}",
                uri::without_query(expected)
            ),
        );
    }
    let source = header.source().unwrap_or_default();
    for item in turn.message.commands().flat_map(crate::dm::Command::items) {
        let is_id = item
            .source()
            .is_some_and(|node| node.eq_ignore_ascii_case("./DevInfo/DevId"));
        let id = item
            .data()
            .filter(|_| is_id)
            .map(|data| data.text().trim().to_owned());
        if let Some(id) =
            id.filter(|id| *id != source && !id.contains('*') && !source.contains('*'))
        {
            found.add(
                "HDR-12",
                at,
                format!("Source is {source}, ./DevInfo/DevId is {id}"),
            );
        }
    }
}
