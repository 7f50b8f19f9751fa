//! Writing SyncML: commands for the message of a peer, and whole messages. All XML is compact; WBXML is made of it.

use std::borrow::Cow;
use std::collections::HashSet;

use bytes::Bytes;
use quick_xml::escape::partial_escape;

use super::{AlertCode, Command, Item, Message, StatusCode, SyncHdr};
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

    /// Those of a message that is being written; the first one follows on `last`.
    pub fn after(last: u32) -> Self {
        Self {
            taken: HashSet::new(),
            last,
        }
    }

    /// The last one given.
    pub fn last(&self) -> u32 {
        self.last
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

/// The LocURI by which a Status names an Item.
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

/// A Status to write.
#[derive(Clone, Debug)]
pub struct StatusBuilder<'a> {
    /// MsgID of the message that held the command.
    pub msg_ref: &'a str,
    /// CmdID of the command; `0` for the SyncHdr.
    pub cmd_ref: Cow<'a, str>,
    /// Name of the command.
    pub cmd: &'a str,
    /// The Items it is about; none for all of them.
    pub items: &'a [ItemRef],
    /// A `Chal` as XML; empty for none.
    pub chal: &'a str,
    /// The code.
    pub code: StatusCode,
}

impl<'a> StatusBuilder<'a> {
    /// That of the SyncHdr of message `msg_ref`.
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

    /// That of a command of message `msg_ref`.
    pub fn of(msg_ref: &'a str, command: Command<'a>, code: StatusCode) -> Self {
        Self {
            cmd_ref: command.cmd_id().unwrap_or_default(),
            cmd: command.element().local(),
            ..Self::of_header(msg_ref, code)
        }
    }

    /// As XML, in the order of the DTD.
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

/// An Alert without items, as XML.
pub fn alert(cmd_id: &str, code: AlertCode) -> String {
    let inside = leaf("CmdID", cmd_id) + &leaf("Data", &code.0.to_string());
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

/// A `Cred` as XML.
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
    /// Where the message goes.
    pub target: &'a str,
    /// Who sends it.
    pub source: &'a str,
    /// `LocName` of the sender: the user.
    pub user: Option<&'a str>,
    /// `Cred` and `Meta` as XML, where it has them.
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
    /// The message up to its first command; [`END`] ends it.
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

/// What ends a message that [`HeaderBuilder::begin`] began.
pub const END: &str = "</SyncBody></SyncML>";

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

/// A message in XML as WBXML.
///
/// # Errors
/// In words, where it is not well-formed, or WBXML cannot hold what it says.
pub fn to_wbxml(xml: String) -> Result<Bytes, String> {
    let document = decode(xml.into(), Hint::default(), &Limits::default());
    let document = document.map_err(|error| error.to_string())?;
    let bytes = encode(&document, &WbxmlOptions::default());
    bytes.map(Bytes::from).map_err(|error| error.to_string())
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
