//! Commands and their parts (SyncML Representation Protocol 1.2.2 §6.5, §6.6).

use std::borrow::Cow;
use std::fmt;

use super::message::{Nested, loc_uri, trimmed};
use super::{AlertCode, Chal, StatusCode};
use crate::markup::{Element, NameId, tag};

/// A command: a child of SyncBody, Atomic, Sequence or Sync.
#[derive(Clone, Copy, Debug)]
pub struct Command<'d>(Element<'d>);

/// The kind of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each variant is the command it names")]
pub enum CommandKind {
    Add,
    Alert,
    Atomic,
    Copy,
    Delete,
    Exec,
    Get,
    Replace,
    Results,
    Sequence,
    Status,
    Sync,
    Put,
    Search,
    Map,
    /// An element that is not a SyncML command.
    Unknown,
}

/// The element names of the commands, the frequent ones first.
const KINDS: [(NameId, CommandKind); 15] = [
    (tag::STATUS, CommandKind::Status),
    (tag::REPLACE, CommandKind::Replace),
    (tag::GET, CommandKind::Get),
    (tag::RESULTS, CommandKind::Results),
    (tag::ALERT, CommandKind::Alert),
    (tag::ADD, CommandKind::Add),
    (tag::DELETE, CommandKind::Delete),
    (tag::EXEC, CommandKind::Exec),
    (tag::ATOMIC, CommandKind::Atomic),
    (tag::SEQUENCE, CommandKind::Sequence),
    (tag::COPY, CommandKind::Copy),
    (tag::SYNC, CommandKind::Sync),
    (tag::PUT, CommandKind::Put),
    (tag::SEARCH, CommandKind::Search),
    (tag::MAP, CommandKind::Map),
];

impl CommandKind {
    /// Returns the kind with this name; case matters, as in the standard.
    pub fn named(name: &str) -> Option<Self> {
        let mut kinds = KINDS.iter();
        let known = kinds.find(|(id, _)| id.text() == Some(name));
        known.map(|(_, kind)| *kind)
    }

    /// Iterates over all kinds that are commands of the standard.
    pub fn all() -> impl Iterator<Item = Self> {
        KINDS.iter().map(|(_, kind)| *kind)
    }

    /// Returns the element name.
    pub fn name(self) -> &'static str {
        KINDS
            .iter()
            .find(|(_, kind)| *kind == self)
            .and_then(|(id, _)| id.text())
            .unwrap_or("unknown")
    }

    /// Whether the command answers another one; its receiver sends no Status for it.
    pub fn is_answer(self) -> bool {
        matches!(self, Self::Status | Self::Results)
    }

    /// Whether the command contains other commands.
    pub fn is_container(self) -> bool {
        matches!(self, Self::Atomic | Self::Sequence | Self::Sync)
    }
}

impl fmt::Display for CommandKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl<'d> Command<'d> {
    /// Wraps a child of SyncBody or of a command as a command. Returns `None` for elements that stand among commands
    /// but are none, such as Final, Meta or Item.
    pub fn of(element: Element<'d>) -> Option<Self> {
        let is_other = matches!(
            element.name(),
            tag::CRED
                | tag::NUMBER_OF_CHANGES
                | tag::FINAL
                | tag::CMD_ID
                | tag::META
                | tag::ITEM
                | tag::NO_RESP
                | tag::TARGET
                | tag::SOURCE
        );
        (!is_other).then_some(Self(element))
    }

    /// Returns the element of the command.
    pub fn element(self) -> Element<'d> {
        self.0
    }

    /// Returns the kind of the command.
    pub fn kind(self) -> CommandKind {
        let known = KINDS.iter().find(|(name, _)| self.0.is(*name));
        known.map_or(CommandKind::Unknown, |(_, kind)| *kind)
    }

    /// Returns the `CmdID` as written.
    pub fn cmd_id(self) -> Option<Cow<'d, str>> {
        self.0.child(tag::CMD_ID).map(trimmed)
    }

    /// Returns the items in order.
    pub fn items(self) -> impl Iterator<Item = Item<'d>> + Clone {
        self.0.children(tag::ITEM).map(Item)
    }

    /// Returns the Meta of the command, which applies to all its items.
    pub fn meta(self) -> Option<Meta<'d>> {
        self.0.child(tag::META).map(Meta)
    }

    /// Returns the commands inside an Atomic, Sequence or Sync, in order.
    pub fn nested(self) -> impl Iterator<Item = Self> {
        let container = self.kind().is_container().then_some(self.0);
        container
            .into_iter()
            .flat_map(|element| element.elements().filter_map(Self::of))
    }

    /// Returns the command that contains this one.
    pub fn container(self) -> Option<Self> {
        let parent = self.element().parent().and_then(Self::of);
        parent.filter(|parent| parent.kind().is_container())
    }

    /// Returns the command itself and all commands inside it, in document order.
    pub fn with_nested(self) -> impl Iterator<Item = Self> {
        let container = self.kind().is_container().then_some(self.0);
        let inside = container.into_iter().flat_map(Nested::inside);
        std::iter::once(self).chain(inside)
    }

    /// Whether the receiver answers with a Status: it does for all commands but Status and Results.
    pub fn expects_status(self) -> bool {
        !self.kind().is_answer()
    }

    /// Returns the LocURI of the first Item: of its Target, otherwise of its Source.
    pub fn loc_uri(self) -> Option<Cow<'d, str>> {
        self.items().next()?.loc_uri_element().map(trimmed)
    }

    /// Returns the command as a Status, if it is one.
    pub fn as_status(self) -> Option<Status<'d>> {
        self.0.is(tag::STATUS).then_some(Status(self.0))
    }

    /// Returns the command as an Alert, if it is one.
    pub fn as_alert(self) -> Option<Alert<'d>> {
        self.0.is(tag::ALERT).then_some(Alert(self.0))
    }

    /// Returns the code of a Status or an Alert, if it is a number.
    pub fn code(self) -> Option<u16> {
        let status = || Some(self.as_status()?.code()?.0);
        let alert = || Some(self.as_alert()?.code()?.0);
        status().or_else(alert)
    }

    /// Returns the `Correlator`, which links an Exec to its later alert.
    pub fn correlator(self) -> Option<Cow<'d, str>> {
        self.0.child(tag::CORRELATOR).map(trimmed)
    }
}

/// One item of a command.
#[derive(Clone, Copy, Debug)]
pub struct Item<'d>(Element<'d>);

impl<'d> Item<'d> {
    /// Returns the element of the item.
    pub fn element(self) -> Element<'d> {
        self.0
    }

    /// Returns the element with the LocURI of the item's node: from its Target, otherwise from its Source.
    pub fn loc_uri_element(self) -> Option<Element<'d>> {
        let of = |name| self.0.child(name)?.child(tag::LOC_URI);
        of(tag::TARGET).or_else(|| of(tag::SOURCE))
    }

    /// `Target/LocURI`.
    pub fn target(self) -> Option<Cow<'d, str>> {
        loc_uri(self.0.child(tag::TARGET)?)
    }

    /// `Source/LocURI`.
    pub fn source(self) -> Option<Cow<'d, str>> {
        loc_uri(self.0.child(tag::SOURCE)?)
    }

    /// Returns the Meta of the item itself.
    pub fn meta(self) -> Option<Meta<'d>> {
        self.0.child(tag::META).map(Meta)
    }

    /// Returns the `Data` element, whose text is the value.
    pub fn data(self) -> Option<Element<'d>> {
        self.0.child(tag::DATA)
    }

    /// Whether more chunks of a large object follow.
    pub fn more_data(self) -> bool {
        self.0.child(tag::MORE_DATA).is_some()
    }
}

/// Meta information (SyncML Meta-Information 1.2).
#[derive(Clone, Copy, Debug)]
pub struct Meta<'d>(Element<'d>);

impl<'d> Meta<'d> {
    /// Wraps a Meta element; its children may be inside a `MetInf`.
    pub fn of(element: Element<'d>) -> Self {
        Self(element)
    }

    /// Returns a field that applies to an Item: from its own Meta, otherwise from the command's.
    pub fn item_field(
        item: Option<Item<'d>>,
        of_command: Option<Self>,
        field: fn(Self) -> Option<Cow<'d, str>>,
    ) -> Option<Cow<'d, str>> {
        let of_item = item.and_then(Item::meta).and_then(field);
        of_item.or_else(|| field(of_command?))
    }

    /// `Format`, such as `chr` or `b64`.
    pub fn format(self) -> Option<Cow<'d, str>> {
        self.field(tag::FORMAT)
    }

    /// `Type`, a media type or a name of the vendor.
    pub fn media_type(self) -> Option<Cow<'d, str>> {
        self.field(tag::TYPE)
    }

    /// `Size` in bytes as carried in the message.
    pub fn size(self) -> Option<u64> {
        self.field(tag::SIZE)?.parse().ok()
    }

    /// `Mark`, the importance of a generic alert.
    pub fn mark(self) -> Option<Cow<'d, str>> {
        self.field(tag::MARK)
    }

    /// `NextNonce`, base64.
    pub fn next_nonce(self) -> Option<Cow<'d, str>> {
        self.field(tag::NEXT_NONCE)
    }

    /// `MaxMsgSize` in bytes.
    pub fn max_msg_size(self) -> Option<u64> {
        self.field(tag::MAX_MSG_SIZE)?.parse().ok()
    }

    /// `MaxObjSize` in bytes.
    pub fn max_obj_size(self) -> Option<u64> {
        self.field(tag::MAX_OBJ_SIZE)?.parse().ok()
    }

    fn field(self, name: NameId) -> Option<Cow<'d, str>> {
        let inside = || self.0.child(tag::MET_INF)?.child(name);
        self.0.child(name).or_else(inside).map(trimmed)
    }
}

/// The answer to one command.
#[derive(Clone, Copy, Debug)]
pub struct Status<'d>(Element<'d>);

impl<'d> Status<'d> {
    /// Returns the element of the Status.
    pub fn element(self) -> Element<'d> {
        self.0
    }

    /// Returns the MsgID of the message with the answered command.
    pub fn msg_ref(self) -> Option<Cow<'d, str>> {
        self.0.child(tag::MSG_REF).map(trimmed)
    }

    /// Returns the CmdID of the answered command; `0` is the SyncHdr.
    pub fn cmd_ref(self) -> Option<Cow<'d, str>> {
        self.0.child(tag::CMD_REF).map(trimmed)
    }

    /// Whether the Status answers the SyncHdr: its CmdRef is 0 (DM_RepPro 1.2.1 §6.1.5). Some peers omit CmdRef and put
    /// SyncHdr in Cmd.
    pub fn is_for_header(self) -> bool {
        match self.cmd_ref().as_deref() {
            None | Some("") => self.cmd().as_deref() == Some("SyncHdr"),
            Some(cmd_ref) => cmd_ref == "0",
        }
    }

    /// Returns the name of the answered command.
    pub fn cmd(self) -> Option<Cow<'d, str>> {
        self.0.child(tag::CMD).map(trimmed)
    }

    /// Returns the `Data` element, which has the code.
    pub fn data(self) -> Option<Element<'d>> {
        self.0.child(tag::DATA)
    }

    /// Returns the code, if Data is a number.
    pub fn code(self) -> Option<StatusCode> {
        trimmed(self.data()?).parse().ok().map(StatusCode)
    }

    /// Returns the native Windows error of a failure: the attribute `msft:originalerror` of Data (MS-MDM 2.2.5.1).
    pub fn original_error(self) -> Option<Cow<'d, str>> {
        Self::original_error_of(self.data()?)
    }

    /// Returns the native Windows error from the `Data` element of a Status.
    pub fn original_error_of(data: Element<'d>) -> Option<Cow<'d, str>> {
        Some(data.attribute("msft:originalerror")?.value())
    }

    /// Returns the LocURI of every `TargetRef`.
    pub fn target_refs(self) -> impl Iterator<Item = Cow<'d, str>> {
        let refs = self.0.children(tag::TARGET_REF);
        refs.map(node_of_ref).map(trimmed)
    }

    /// Returns the element with the LocURI of each `TargetRef` and `SourceRef`.
    pub fn ref_nodes(self) -> impl Iterator<Item = Element<'d>> {
        let is_ref = |e: &Element<'d>| e.is(tag::TARGET_REF) || e.is(tag::SOURCE_REF);
        let refs = self.0.elements().filter(is_ref);
        refs.map(node_of_ref)
    }

    /// Returns the LocURI of every `SourceRef`.
    pub fn source_refs(self) -> impl Iterator<Item = Cow<'d, str>> {
        let refs = self.0.children(tag::SOURCE_REF);
        refs.map(node_of_ref).map(trimmed)
    }

    /// Returns the challenge of a 401 or 407, or the next nonce of a 200 or 212.
    pub fn chal(self) -> Option<Chal<'d>> {
        self.0.child(tag::CHAL).map(Chal::of)
    }

    /// Returns the items, which have details.
    pub fn items(self) -> impl Iterator<Item = Item<'d>> + Clone {
        self.0.children(tag::ITEM).map(Item)
    }
}

/// Returns the element with the LocURI of a Ref; older clients write the URI directly into the Ref.
fn node_of_ref(element: Element<'_>) -> Element<'_> {
    element.child(tag::LOC_URI).unwrap_or(element)
}

/// A notification from either peer.
#[derive(Clone, Copy, Debug)]
pub struct Alert<'d>(Element<'d>);

impl<'d> Alert<'d> {
    /// Returns the code, if Data is a number.
    pub fn code(self) -> Option<AlertCode> {
        trimmed(self.0.child(tag::DATA)?)
            .parse()
            .ok()
            .map(AlertCode)
    }

    /// Returns the `Meta/Type` of the first Item: the subject of a client event or generic alert.
    pub fn alert_type(self) -> Option<Cow<'d, str>> {
        let item = self.0.child(tag::ITEM).map(Item)?;
        item.meta()?.media_type()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markup::{Hint, Limits, decode};

    #[test]
    fn of_a_sync_only_the_commands_are_commands() {
        let text = "<Sync><CmdID>1</CmdID><NoResp/><Cred/><Target/><Source/><Meta/>\
                    <NumberOfChanges>2</NumberOfChanges><Add/><Delete/></Sync>";
        let document = decode(text.into(), Hint::default(), &Limits::default()).unwrap();
        let sync = Command::of(document.root()).unwrap();
        let nested: Vec<_> = sync.nested().map(Command::kind).collect();
        assert_eq!(nested, [CommandKind::Add, CommandKind::Delete]);
    }
}
