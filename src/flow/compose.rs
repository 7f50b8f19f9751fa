//! What dmtap itself says in SyncML: commands put into a peer's message, and whole messages in a peer's place.

use std::collections::HashSet;

use bytes::Bytes;
use quick_xml::escape::partial_escape;

use crate::dm::{Item, Message, StatusCode, SyncHdr};
use crate::markup::edit::Fragment;
use crate::markup::wbxml::DocType;
use crate::markup::wbxml::encode::{WbxmlOptions, encode};
use crate::markup::{Document, Encoding, Hint, Limits, Space, decode};

/// CmdIDs that no command of a message has.
#[derive(Clone, Debug)]
pub struct CmdIdAllocator {
    taken: HashSet<Box<str>>,
    last: u32,
}

impl CmdIdAllocator {
    /// Those of a message: the numbers behind its highest CmdID.
    pub fn of(message: Message<'_>) -> Self {
        let ids = message.all_commands().filter_map(|c| c.cmd_id());
        let taken: HashSet<Box<str>> = ids.map(|id| id.as_ref().into()).collect();
        let numbers = taken.iter().filter_map(|id| id.parse().ok());
        // A peer may have used the highest number there is.
        let last = numbers.filter(|n| *n < u32::MAX / 2).max().unwrap_or(0);
        Self { taken, last }
    }

    /// Those of a message without commands.
    pub fn none_taken() -> Self {
        Self {
            taken: HashSet::new(),
            last: 0,
        }
    }

    /// The next one.
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

/// What a Status calls an Item by: a LocURI of the Item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ItemRef {
    /// Its Target.
    Target(Box<str>),
    /// Its Source, where it has no Target.
    Source(Box<str>),
}

impl ItemRef {
    /// That of an Item; `None` where it has neither.
    pub fn of(item: Item<'_>) -> Option<Self> {
        let target = item.target().map(|uri| Self::Target(uri.as_ref().into()));
        target.or_else(|| Some(Self::Source(item.source()?.as_ref().into())))
    }

    /// As XML.
    pub fn xml(&self) -> String {
        match self {
            Self::Target(uri) => leaf("TargetRef", uri),
            Self::Source(uri) => leaf("SourceRef", uri),
        }
    }

    /// Bytes of its LocURI.
    pub fn bytes(&self) -> usize {
        let (Self::Target(uri) | Self::Source(uri)) = self;
        uri.len()
    }
}

/// A Status as dmtap writes it.
#[derive(Clone, Debug)]
pub struct StatusBuilder<'a> {
    /// MsgID of the message that held the command.
    pub msg_ref: &'a str,
    /// CmdID of the command; `0` for the SyncHdr.
    pub cmd_ref: &'a str,
    /// Name of the command.
    pub cmd: &'a str,
    /// The items it is about, where not all of them.
    pub items: &'a [ItemRef],
    /// A `Chal` as XML; empty for none.
    pub chal: &'a str,
    /// The code.
    pub code: StatusCode,
}

impl StatusBuilder<'_> {
    /// As XML, in the order of the DTD.
    pub fn xml(&self, cmd_id: &str) -> String {
        let items: String = self.items.iter().map(ItemRef::xml).collect();
        [
            "<Status>",
            &leaf("CmdID", cmd_id),
            &leaf("MsgRef", self.msg_ref),
            &leaf("CmdRef", self.cmd_ref),
            &leaf("Cmd", self.cmd),
            &items,
            self.chal,
            &leaf("Data", &self.code.0.to_string()),
            "</Status>",
        ]
        .concat()
    }
}

/// An Alert without items, as XML.
pub fn alert(cmd_id: &str, code: u16) -> String {
    let inside = leaf("CmdID", cmd_id) + &leaf("Data", &code.to_string());
    format!("<Alert>{inside}</Alert>")
}

/// An element with text, escaped.
pub fn leaf(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", partial_escape(text))
}

/// An element of `syncml:metinf` with text, escaped.
pub fn meta(name: &str, text: &str) -> String {
    let text = partial_escape(text);
    format!("<{name} xmlns=\"syncml:metinf\">{text}</{name}>")
}

/// A message to the sender of `document`, in its encoding and version, with these commands in its body.
///
/// `None` where `document` has no header to answer to, or its encoding cannot hold the answer.
pub fn message(document: &Document, msg_id: u32, body: &str) -> Option<Bytes> {
    let header = Message::of(document)?.header()?;
    let (to, from) = (header.source()?, header.target().unwrap_or_default());
    write(document, header, &to, &from, msg_id, body)
}

/// A message of the sender of `document` itself, as [`message`].
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
    let text = format!(
        "<SyncML xmlns=\"{}\"><SyncHdr>{}</SyncHdr><SyncBody>{body}</SyncBody></SyncML>",
        namespace(document),
        head(header, to, from, msg_id)?,
    );
    if !document.is_wbxml() {
        return Some(text.into());
    }
    let own = decode(text.into(), Hint::default(), &Limits::default()).ok()?;
    encode(&own, &WbxmlOptions::default()).ok().map(Bytes::from)
}

/// What the header says, in the versions and the session of another one.
fn head(header: SyncHdr<'_>, to: &str, from: &str, msg_id: u32) -> Option<String> {
    let place = |name: &str, uri: &str| format!("<{name}>{}</{name}>", leaf("LocURI", uri));
    Some(
        [
            leaf("VerDTD", &header.ver_dtd().unwrap_or("1.2".into())),
            leaf("VerProto", &header.ver_proto().unwrap_or("DM/1.2".into())),
            leaf("SessionID", &header.session_id()?),
            leaf("MsgID", &msg_id.to_string()),
            place("Target", to),
            place("Source", from),
        ]
        .concat(),
    )
}

/// The namespace of a message, which tells its version.
pub fn namespace(document: &Document) -> String {
    let version = match document.encoding() {
        Encoding::Wbxml(header) => match header.doctype {
            DocType::SyncMl10 => "1.0",
            DocType::SyncMl11 => "1.1",
            _ => "1.2",
        },
        Encoding::Xml(_) => return declared(document).unwrap_or("SYNCML:SYNCML1.2".into()),
    };
    format!("SYNCML:SYNCML{version}")
}

/// The SyncML namespace that the root declares.
fn declared(document: &Document) -> Option<String> {
    let attributes = document.root().attributes();
    let mut declared = attributes.filter(|a| a.name().starts_with("xmlns"));
    declared.find_map(|attribute| {
        let uri = attribute.value();
        let known = Space::of_namespace(&uri) == Some(Space::SyncMl);
        known.then(|| partial_escape(&*uri).replace('"', "&quot;"))
    })
}

/// A piece of XML to be put into `document`: where names there have prefixes, it declares its namespace itself.
///
/// `None` where it is not well-formed.
pub fn fragment(document: &Document, xml: &str) -> Option<Fragment> {
    let root = document.root().span().of(document.source());
    let name = root.iter().take_while(|byte| !b" \t\r\n>/".contains(byte));
    let has_prefix = !document.is_wbxml() && name.skip(1).any(|byte| *byte == b':');
    match has_prefix && !xml.contains("xmlns=\"SYNCML") {
        true => declaring(document, xml),
        false => Fragment::parse(xml).ok(),
    }
}

/// The same fragment with the namespace of a WBXML message, where its root is an unknown element without one: in XML
/// it would be in the namespace around it, and what it holds would be known. `None` where it need not be.
pub fn in_namespace(document: &Document, xml: &str, fragment: &Fragment) -> Option<Fragment> {
    let root = fragment.document().root();
    let is_lost = root.name().token().is_none() && root.attributes().next().is_none();
    let is_needed = is_lost && !root.local().contains(':') && document.is_wbxml();
    let around = document.root().space() == Some(Space::SyncMl);
    (is_needed && around).then(|| declaring(document, xml))?
}

/// A piece of XML whose root declares the namespace of a message.
fn declaring(document: &Document, xml: &str) -> Option<Fragment> {
    let start = xml.find('<')? + 1;
    let end = xml[start..].find(|c: char| c.is_ascii_whitespace() || c == '>' || c == '/')?;
    let (name, rest) = xml.split_at(start + end);
    Fragment::parse(&format!("{name} xmlns=\"{}\"{rest}", namespace(document))).ok()
}
