//! Composition of SyncML: commands for a peer's message, and whole messages. All XML is compact; WBXML is encoded from
//! it.

use std::borrow::Cow;
use std::collections::HashSet;

use bytes::Bytes;
use quick_xml::escape::partial_escape;

use super::{AlertCode, Command, Item, Message, StatusCode, SyncHdr};
use crate::markup::edit::Fragment;
use crate::markup::wbxml::encode::{WbxmlOptions, encode};
use crate::markup::{Document, Encoding, Hint, Limits, Space, decode};

/// A source of CmdIDs that no command of a message has.
#[derive(Clone, Debug)]
pub struct CmdIdAllocator {
    taken: HashSet<Box<str>>,
    last: u32,
}

impl CmdIdAllocator {
    /// Creates an allocator for a message: it counts from the highest CmdID on.
    pub fn of(message: Message<'_>) -> Self {
        let ids = message.all_commands().filter_map(|c| c.cmd_id());
        let taken: HashSet<Box<str>> = ids.map(|id| id.as_ref().into()).collect();
        let numbers = taken.iter().filter_map(|id| id.parse().ok());
        // A peer may have used the highest possible number.
        let last = numbers.filter(|n| *n < u32::MAX / 2).max().unwrap_or(0);
        Self { taken, last }
    }

    /// Creates an allocator for a message being written; the first CmdID follows `last`.
    pub fn after(last: u32) -> Self {
        Self {
            taken: HashSet::new(),
            last,
        }
    }

    /// Returns the last allocated CmdID.
    pub fn last(&self) -> u32 {
        self.last
    }

    /// Allocates the next CmdID.
    pub fn give(&mut self) -> String {
        loop {
            self.last += 1;
            let id = self.last.to_string();
            if !self.taken.contains(&*id) {
                return id;
            }
        }
    }
}

/// The LocURI that identifies an Item in a Status.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ItemRef {
    /// The Target of the Item.
    Target(Box<str>),
    /// The Source of the Item, if it has no Target.
    Source(Box<str>),
}

impl ItemRef {
    /// Returns the reference to an Item; `None` if it has neither Target nor Source.
    pub fn of(item: Item<'_>) -> Option<Self> {
        let target = item.target().map(|uri| Self::Target(uri.as_ref().into()));
        target.or_else(|| Some(Self::Source(item.source()?.as_ref().into())))
    }

    /// Returns the reference as XML.
    pub fn xml(&self) -> String {
        match self {
            Self::Target(uri) => leaf("TargetRef", uri),
            Self::Source(uri) => leaf("SourceRef", uri),
        }
    }

    /// Returns the length of the LocURI in bytes.
    pub fn bytes(&self) -> usize {
        let (Self::Target(uri) | Self::Source(uri)) = self;
        uri.len()
    }
}

/// A Status to write.
#[derive(Clone, Debug)]
pub struct StatusBuilder<'a> {
    /// The MsgID of the message with the command.
    pub msg_ref: &'a str,
    /// The CmdID of the command; `0` for the SyncHdr.
    pub cmd_ref: Cow<'a, str>,
    /// The name of the command.
    pub cmd: &'a str,
    /// The Items that the Status applies to; empty for all of them.
    pub items: &'a [ItemRef],
    /// A `Chal` as XML; empty for none.
    pub chal: &'a str,
    /// The code.
    pub code: StatusCode,
}

impl<'a> StatusBuilder<'a> {
    /// Creates the Status for the SyncHdr of message `msg_ref`.
    pub fn of_header(msg_ref: &'a str, code: StatusCode) -> Self {
        Self {
            msg_ref,
            cmd_ref: "0".into(),
            cmd: "SyncHdr",
            items: &[],
            chal: "",
            code,
        }
    }

    /// Creates the Status for a command of message `msg_ref`.
    pub fn of(msg_ref: &'a str, command: Command<'a>, code: StatusCode) -> Self {
        Self {
            cmd_ref: command.cmd_id().unwrap_or_default(),
            cmd: command.element().local(),
            ..Self::of_header(msg_ref, code)
        }
    }

    /// Returns the Status as XML, in the order of the DTD.
    pub fn xml(&self, cmd_id: &str) -> String {
        let items: String = self.items.iter().map(ItemRef::xml).collect();
        [
            "<Status>",
            &leaf("CmdID", cmd_id),
            &leaf("MsgRef", self.msg_ref),
            &leaf("CmdRef", &self.cmd_ref),
            &leaf("Cmd", self.cmd),
            &items,
            self.chal,
            &leaf("Data", &self.code.0.to_string()),
            "</Status>",
        ]
        .concat()
    }
}

/// Returns an Alert without items as XML.
pub fn alert(cmd_id: &str, code: AlertCode) -> String {
    let inside = leaf("CmdID", cmd_id) + &leaf("Data", &code.0.to_string());
    format!("<Alert>{inside}</Alert>")
}

/// Returns an element with escaped text.
pub fn leaf(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", partial_escape(text))
}

/// Returns an element of `syncml:metinf` with escaped text.
pub fn meta(name: &str, text: &str) -> String {
    let text = partial_escape(text);
    format!("<{name} xmlns=\"syncml:metinf\">{text}</{name}>")
}

/// Returns a `Cred` as XML.
pub fn cred(format: Option<&str>, scheme: Option<&str>, data: &str) -> String {
    let meta = |name, text: Option<&str>| text.map_or(String::new(), |text| meta(name, text));
    let inside = meta("Format", format) + &meta("Type", scheme);
    format!("<Cred><Meta>{inside}</Meta>{}</Cred>", leaf("Data", data))
}

/// The header of a message to write.
#[derive(Clone, Debug)]
pub struct HeaderBuilder<'a> {
    /// `VerDTD`.
    pub ver_dtd: &'a str,
    /// `VerProto`.
    pub ver_proto: &'a str,
    /// `SessionID`.
    pub session_id: &'a str,
    /// `MsgID`.
    pub msg_id: u32,
    /// The address of the receiver.
    pub target: &'a str,
    /// The address of the sender.
    pub source: &'a str,
    /// The `LocName` of the sender: the user.
    pub user: Option<&'a str>,
    /// `Cred` and `Meta` as XML, if the header has them.
    pub rest: String,
}

impl Default for HeaderBuilder<'_> {
    fn default() -> Self {
        Self {
            ver_dtd: "1.2",
            ver_proto: "DM/1.2",
            session_id: "",
            msg_id: 1,
            target: "",
            source: "",
            user: None,
            rest: String::new(),
        }
    }
}

impl HeaderBuilder<'_> {
    /// Returns the message up to its first command; [`END`] completes it.
    pub fn begin(&self, namespace: &str) -> String {
        let user = self
            .user
            .map_or(String::new(), |user| leaf("LocName", user));
        let fields = [
            leaf("VerDTD", self.ver_dtd),
            leaf("VerProto", self.ver_proto),
            leaf("SessionID", self.session_id),
            leaf("MsgID", &self.msg_id.to_string()),
        ]
        .concat();
        format!(
            "<SyncML xmlns=\"{namespace}\"><SyncHdr>{fields}<Target>{}</Target><Source>{}{user}</Source>{}</SyncHdr>\
             <SyncBody>",
            leaf("LocURI", self.target),
            leaf("LocURI", self.source),
            self.rest,
        )
    }
}

/// The end of a message that [`HeaderBuilder::begin`] began.
pub const END: &str = "</SyncBody></SyncML>";

/// Returns a message to the sender of `document`, in the encoding and version of `document`, with the commands `body`.
///
/// `None` if `document` has no header to answer, or its encoding cannot hold the answer.
pub fn message(document: &Document, msg_id: u32, body: &str) -> Option<Bytes> {
    let header = Message::of(document)?.header()?;
    let (to, from) = (header.source()?, header.target().unwrap_or_default());
    write(document, header, &to, &from, msg_id, body)
}

/// Returns a message from the sender of `document`, otherwise like [`message`].
pub fn message_as(document: &Document, msg_id: u32, body: &str) -> Option<Bytes> {
    let header = Message::of(document)?.header()?;
    let (to, from) = (header.target().unwrap_or_default(), header.source()?);
    write(document, header, &to, &from, msg_id, body)
}

fn write(
    document: &Document,
    header: SyncHdr<'_>,
    to: &str,
    from: &str,
    msg_id: u32,
    body: &str,
) -> Option<Bytes> {
    let builder = HeaderBuilder {
        ver_dtd: &header.ver_dtd().unwrap_or("1.2".into()),
        ver_proto: &header.ver_proto().unwrap_or("DM/1.2".into()),
        session_id: &header.session_id()?,
        msg_id,
        target: to,
        source: from,
        ..HeaderBuilder::default()
    };
    let text = builder.begin(&namespace(document)) + body + END;
    match document.is_wbxml() {
        true => to_wbxml(text).ok(),
        false => Some(text.into()),
    }
}

/// Converts a message in XML to WBXML.
///
/// # Errors
/// A description, if the XML is not well-formed or WBXML cannot hold it.
pub fn to_wbxml(xml: String) -> Result<Bytes, String> {
    let document = decode(xml.into(), Hint::default(), &Limits::default());
    let document = document.map_err(|error| error.to_string())?;
    let bytes = encode(&document, &WbxmlOptions::default());
    bytes.map(Bytes::from).map_err(|error| error.to_string())
}

/// Returns the namespace of a message, which depends on its version.
pub fn namespace(document: &Document) -> String {
    match document.encoding() {
        Encoding::Wbxml(header) => header.doctype.namespace(Space::SyncMl).into(),
        Encoding::Xml(_) => declared(document).unwrap_or("SYNCML:SYNCML1.2".into()),
    }
}

/// Returns the SyncML namespace that the root declares.
fn declared(document: &Document) -> Option<String> {
    let attributes = document.root().attributes();
    let mut declared = attributes.filter(|a| a.name().starts_with("xmlns"));
    declared.find_map(|attribute| {
        let uri = attribute.value();
        let known = Space::of_namespace(&uri) == Some(Space::SyncMl);
        known.then(|| partial_escape(&*uri).replace('"', "&quot;"))
    })
}

/// Parses XML to insert into `document`. If names there have prefixes, the XML gets its own namespace declaration.
///
/// `None` if the XML is not well-formed.
pub fn fragment(document: &Document, xml: &str) -> Option<Fragment> {
    let has_prefix = document.root().tag_name().contains(&b':');
    match has_prefix && !xml.contains("xmlns=\"SYNCML") {
        true => declaring(document, xml),
        false => Fragment::parse(xml).ok(),
    }
}

/// Returns the fragment with the namespace of the WBXML message `document`, if its root is an unknown element without
/// namespace: as in an XML message, it then inherits the namespace, and its children are known elements. `None` if that
/// is not necessary.
pub fn in_namespace(document: &Document, xml: &str, fragment: &Fragment) -> Option<Fragment> {
    let root = fragment.document().root();
    let is_lost = root.name().token().is_none() && root.attributes().next().is_none();
    let is_needed = is_lost && !root.local().contains(':') && document.is_wbxml();
    let around = document.root().space() == Some(Space::SyncMl);
    (is_needed && around).then(|| declaring(document, xml))?
}

/// Parses XML whose root gets a declaration of the message's namespace.
fn declaring(document: &Document, xml: &str) -> Option<Fragment> {
    let start = xml.find('<')? + 1;
    let end = xml[start..].find(|c: char| c.is_ascii_whitespace() || c == '>' || c == '/')?;
    let (name, rest) = xml.split_at(start + end);
    Fragment::parse(&format!("{name} xmlns=\"{}\"{rest}", namespace(document))).ok()
}
