//! The message: header and body (SyncML Representation Protocol 1.2.2 §6.1, §6.2).

use std::borrow::Cow;

use super::{AlertCode, Command, Cred, Meta, Status, StatusCode};
use crate::markup::edit::Place;
use crate::markup::{Document, Element, NodeId, tag};

/// A SyncML message.
#[derive(Clone, Copy, Debug)]
pub struct Message<'d>(Element<'d>);

impl<'d> Message<'d> {
    /// Returns the message in a document, if its root is `SyncML`.
    pub fn of(document: &'d Document) -> Option<Self> {
        let root = document.root();
        root.is(tag::SYNC_ML).then_some(Self(root))
    }

    /// Returns the `SyncML` element.
    pub fn element(self) -> Element<'d> {
        self.0
    }

    /// Returns the namespace that the root declares for itself.
    pub fn namespace(self) -> Option<Cow<'d, str>> {
        let root = self.0;
        let own = || {
            let prefix = root.tag_name().strip_suffix(b":SyncML")?;
            let declares = |name: &str| name.as_bytes().strip_prefix(b"xmlns:") == Some(prefix);
            root.attributes().find(|it| declares(&it.name()))
        };
        let declared = own().or_else(|| root.attribute("xmlns"));
        Some(declared?.value())
    }

    /// Returns the header.
    pub fn header(self) -> Option<SyncHdr<'d>> {
        self.0.child(tag::SYNC_HDR).map(SyncHdr)
    }

    /// Returns the body.
    pub fn body(self) -> Option<SyncBody<'d>> {
        self.0.child(tag::SYNC_BODY).map(SyncBody)
    }

    /// Iterates over the commands of the body in order, without those inside others.
    pub fn commands(self) -> impl Iterator<Item = Command<'d>> {
        self.body().into_iter().flat_map(SyncBody::commands)
    }

    /// Iterates over all commands in document order, including those inside Atomic, Sequence and Sync.
    pub fn all_commands(self) -> impl Iterator<Item = Command<'d>> {
        self.body()
            .into_iter()
            .flat_map(|body| Nested::inside(body.0))
    }

    /// Iterates over the Statuses of the body, without those inside other commands.
    pub fn statuses(self) -> impl Iterator<Item = Status<'d>> {
        self.commands().filter_map(Command::as_status)
    }

    /// Returns the Status for the header of the message that this one answers.
    pub fn header_status(self) -> Option<Status<'d>> {
        self.statuses().find(|status| status.is_for_header())
    }

    /// Returns the code of that Status.
    pub fn header_code(self) -> Option<StatusCode> {
        self.header_status()?.code()
    }

    /// Whether the message has the Alert that begins a session: 1200 or 1201.
    pub fn opens_session(self) -> bool {
        self.has_alert(AlertCode(1200)) || self.has_alert(AlertCode(1201))
    }

    /// Whether the message has an Alert with this code.
    pub fn has_alert(self, code: AlertCode) -> bool {
        let mut alerts = self.commands().filter_map(Command::as_alert);
        alerts.any(|alert| alert.code() == Some(code))
    }

    /// Returns the MsgID of the header, as written.
    pub fn msg_id(self) -> Option<Cow<'d, str>> {
        self.header()?.msg_id()
    }

    /// Whether the MsgID is 1, the number of the first message of a session.
    pub fn is_first(self) -> bool {
        self.msg_id().as_deref() == Some("1")
    }

    /// Whether the message is the last of its package: it has a Final.
    pub fn is_final(self) -> bool {
        self.body()
            .is_some_and(|body| body.0.child(tag::FINAL).is_some())
    }
}

/// The header of a message.
#[derive(Clone, Copy, Debug)]
pub struct SyncHdr<'d>(Element<'d>);

impl<'d> SyncHdr<'d> {
    /// Returns the element of the header.
    pub fn element(self) -> Element<'d> {
        self.0
    }

    /// `VerDTD`, such as `1.2`.
    pub fn ver_dtd(self) -> Option<Cow<'d, str>> {
        self.0.child(tag::VER_DTD).map(trimmed)
    }

    /// `VerProto`, such as `DM/1.2`.
    pub fn ver_proto(self) -> Option<Cow<'d, str>> {
        self.0.child(tag::VER_PROTO).map(trimmed)
    }

    /// `SessionID`, an opaque string.
    pub fn session_id(self) -> Option<Cow<'d, str>> {
        self.0.child(tag::SESSION_ID).map(trimmed)
    }

    /// `MsgID` as written.
    pub fn msg_id(self) -> Option<Cow<'d, str>> {
        self.0.child(tag::MSG_ID).map(trimmed)
    }

    /// `Target/LocURI`: the receiver of the message.
    pub fn target(self) -> Option<Cow<'d, str>> {
        loc_uri(self.0.child(tag::TARGET)?)
    }

    /// `Source/LocURI`: the sender of the message; in requests, the device id.
    pub fn source(self) -> Option<Cow<'d, str>> {
        loc_uri(self.0.child(tag::SOURCE)?)
    }

    /// `Source/LocName`: the user id of auth-md5.
    pub fn source_name(self) -> Option<Cow<'d, str>> {
        self.0.child(tag::SOURCE)?.child(tag::LOC_NAME).map(trimmed)
    }

    /// `RespURI`: the address for the answer.
    pub fn resp_uri(self) -> Option<Cow<'d, str>> {
        self.0.child(tag::RESP_URI).map(trimmed)
    }

    /// Returns the credentials of the sender.
    pub fn cred(self) -> Option<Cred<'d>> {
        self.0.child(tag::CRED).map(Cred::of)
    }

    /// Returns the Meta, which has MaxMsgSize and MaxObjSize.
    pub fn meta(self) -> Option<Meta<'d>> {
        self.0.child(tag::META).map(Meta::of)
    }
}

/// The body of a message.
#[derive(Clone, Copy, Debug)]
pub struct SyncBody<'d>(Element<'d>);

impl<'d> SyncBody<'d> {
    /// Returns the element of the body.
    pub fn element(self) -> Element<'d> {
        self.0
    }

    /// Returns the place after the last command, in front of Final.
    pub fn end(self) -> Place {
        let last = self.0.child(tag::FINAL);
        last.map_or(Place::LastIn(self.0.id()), |last| Place::Before(last.id()))
    }

    /// Iterates over the commands in order; unknown commands have `CommandKind::Unknown`.
    pub fn commands(self) -> impl Iterator<Item = Command<'d>> {
        self.0.elements().filter_map(Command::of)
    }
}

/// An iterator over the commands inside an element, in document order. It steps over elements without commands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nested<'d> {
    document: &'d Document,
    at: NodeId,
    end: NodeId,
}

impl<'d> Nested<'d> {
    pub(crate) fn inside(element: Element<'d>) -> Self {
        let document = element.document();
        let at = element
            .child_ids()
            .next()
            .unwrap_or_else(|| element.next_after());
        Self {
            document,
            at,
            end: element.next_after(),
        }
    }
}

impl<'d> Iterator for Nested<'d> {
    type Item = Command<'d>;

    fn next(&mut self) -> Option<Command<'d>> {
        while self.at < self.end {
            let here = self.document.node(self.at);
            let command = self.document.element(self.at).and_then(Command::of);
            let first_inside = NodeId(self.at.0 + 1);
            self.at = match command {
                Some(command) if command.kind().is_container() => first_inside,
                _ => NodeId(here.next),
            };
            if command.is_some() {
                return command;
            }
        }
        None
    }
}

/// Returns the text of an element without white space around it, which pretty-printed messages have.
pub(crate) fn trimmed(element: Element<'_>) -> Cow<'_, str> {
    match element.text() {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_ascii()),
        Cow::Owned(text) => Cow::Owned(text.trim_ascii().to_owned()),
    }
}

/// Returns the `LocURI` of a Target or Source.
pub(crate) fn loc_uri(element: Element<'_>) -> Option<Cow<'_, str>> {
    element.child(tag::LOC_URI).map(trimmed)
}
