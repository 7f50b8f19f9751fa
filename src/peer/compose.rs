//! Writing messages: compact XML as Windows writes it, or the same as WBXML.

use bytes::Bytes;

use super::large::{Chunk, Sizes, What};
use crate::dm::{AlertCode, StatusCode};
use crate::markup::wbxml::encode::{WbxmlOptions, encode};
use crate::markup::{Hint, Limits, decode};

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Encoding {
    /// `application/vnd.syncml.dm+xml`.
    #[default]
    Xml,
    /// `application/vnd.syncml.dm+wbxml`.
    Wbxml,
}

impl Encoding {
    /// The media type of messages (DM_RepPro 1.2.1 §6.2.1).
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Xml => "application/vnd.syncml.dm+xml",
            Self::Wbxml => "application/vnd.syncml.dm+wbxml",
        }
    }

    /// The encoding a media type names.
    pub fn of_media_type(media_type: &str) -> Self {
        if media_type.contains("wbxml") {
            Self::Wbxml
        } else {
            Self::Xml
        }
    }
}

/// What a header says.
#[derive(Clone, Debug)]
pub(crate) struct Header<'a> {
    pub(crate) session_id: &'a str,
    pub(crate) msg_id: u32,
    pub(crate) target: &'a str,
    pub(crate) source: &'a str,
    /// `Cred` as XML, and the user it is of; `None` for neither.
    pub(crate) cred: Option<(&'a str, &'a str)>,
    /// What its sender takes.
    pub(crate) sizes: Sizes,
}

/// A message being written. Commands get their CmdIDs as they come.
#[derive(Debug)]
pub(crate) struct Composer {
    out: String,
    next_cmd: u32,
    /// Bytes of the header.
    header: usize,
}

/// A place in a message, to come back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    len: usize,
    next_cmd: u32,
}

/// Which command a Status or Results answers.
#[derive(Clone, Debug)]
pub(crate) struct Reference<'a> {
    pub(crate) msg: &'a str,
    pub(crate) cmd: &'a str,
    pub(crate) name: &'a str,
}

impl Composer {
    /// Begins a message; the first command gets `first_cmd` (Windows begins at 2).
    pub(crate) fn new(header: &Header<'_>, first_cmd: u32) -> Self {
        let mut message = Self {
            out: String::with_capacity(1024),
            next_cmd: first_cmd,
            header: 0,
        };
        message.out.push_str("<SyncML xmlns=\"SYNCML:SYNCML1.2\">");
        message.within("SyncHdr", |m| {
            m.leaf("VerDTD", "1.2");
            m.leaf("VerProto", "DM/1.2");
            m.leaf("SessionID", header.session_id);
            m.leaf("MsgID", &header.msg_id.to_string());
            m.within("Target", |m| m.leaf("LocURI", header.target));
            m.within("Source", |m| {
                m.leaf("LocURI", header.source);
                if let Some((_, user)) = header.cred {
                    m.leaf("LocName", user);
                }
            });
            if let Some((cred, _)) = header.cred {
                m.out.push_str(cred);
            }
            m.sizes(header.sizes);
        });
        message.out.push_str("<SyncBody>");
        message.header = message.out.len();
        message
    }

    fn sizes(&mut self, sizes: Sizes) {
        if sizes == Sizes::default() {
            return;
        }
        let fields = [("MaxMsgSize", sizes.message), ("MaxObjSize", sizes.object)];
        self.within("Meta", |m| {
            for (name, size) in fields {
                if let Some(size) = size {
                    m.meta(name, &size.to_string());
                }
            }
        });
    }

    /// Bytes written so far.
    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    /// Where it is by now.
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            len: self.out.len(),
            next_cmd: self.next_cmd,
        }
    }

    /// Takes back what was written since.
    pub(crate) fn back_to(&mut self, mark: Mark) {
        self.out.truncate(mark.len);
        self.next_cmd = mark.next_cmd;
    }

    /// Whether it can be finished within `most` bytes.
    pub(crate) fn fits(&self, most: usize) -> bool {
        self.out.len().saturating_add(RESERVE) <= most
    }

    /// Whether what was written since would fit into `most` bytes in a message with little else.
    pub(crate) fn fits_alone(&self, since: Mark, most: usize) -> bool {
        let alone = self.header + LITTLE_ELSE + (self.out.len() - since.len);
        alone.saturating_add(RESERVE) <= most
    }

    /// Whether there is little else in it yet than in any message.
    pub(crate) fn is_bare(&self) -> bool {
        self.out.len() <= self.header + LITTLE_ELSE
    }

    /// A command with its CmdID first, which is returned.
    pub(crate) fn command(&mut self, name: &str, inside: impl FnOnce(&mut Self)) -> u32 {
        let id = self.next_cmd;
        self.next_cmd += 1;
        self.within(name, |m| {
            m.leaf("CmdID", &id.to_string());
            inside(m);
        });
        id
    }

    /// A Status. `target` is named where several items have their own outcomes.
    pub(crate) fn status(&mut self, of: &Reference<'_>, target: Option<&str>, code: StatusCode) {
        self.command("Status", |m| {
            m.leaf("MsgRef", of.msg);
            m.leaf("CmdRef", of.cmd);
            m.leaf("Cmd", of.name);
            if let Some(target) = target {
                m.leaf("TargetRef", target);
            }
            m.leaf("Data", &code.0.to_string());
        });
    }

    /// An Alert without items.
    pub(crate) fn alert(&mut self, code: AlertCode) {
        self.command("Alert", |m| m.leaf("Data", &code.0.to_string()));
    }

    /// Alert 1225: of a large object the end never came (PRO 7).
    pub(crate) fn no_end_of_data(&mut self, lost: &What) {
        let place = match &*lost.command {
            "Results" => "Source",
            _ => "Target",
        };
        self.command("Alert", |m| {
            m.leaf("Data", "1225");
            m.within("Item", |m| {
                m.within(place, |m| m.leaf("LocURI", &lost.uri));
            });
        });
    }

    /// The message, leaving its package open.
    pub(crate) fn finish_open(mut self) -> String {
        self.out.push_str("</SyncBody></SyncML>");
        self.out
    }

    /// The message, closing its package.
    pub(crate) fn finish(mut self) -> String {
        self.out.push_str("<Final/></SyncBody></SyncML>");
        self.out
    }

    /// An element with things inside.
    pub(crate) fn within(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        self.out.push('<');
        self.out.push_str(name);
        self.out.push('>');
        inside(self);
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    /// An element with text.
    pub(crate) fn leaf(&mut self, name: &str, text: &str) {
        self.within(name, |m| {
            m.out.push_str(&quick_xml::escape::partial_escape(text))
        });
    }

    /// Meta, Data and MoreData of an Item.
    pub(crate) fn value(&mut self, format: &str, chunk: &Chunk<'_>) {
        self.within("Meta", |m| {
            m.meta("Format", format);
            m.meta("Type", "text/plain");
            if let Some(size) = chunk.size {
                m.meta("Size", &size.to_string());
            }
        });
        self.leaf("Data", chunk.text);
        if chunk.more {
            self.out.push_str("<MoreData/>");
        }
    }

    /// An element of `syncml:metinf` with text.
    pub(crate) fn meta(&mut self, name: &str, text: &str) {
        self.out
            .push_str(&format!("<{name} xmlns=\"syncml:metinf\">"));
        self.out.push_str(&quick_xml::escape::partial_escape(text));
        self.out.push_str(&format!("</{name}>"));
    }
}

/// Bytes that the end of a message takes: an Alert of one number, Final, and what closes the document.
pub(crate) const RESERVE: usize = 100;
/// Bytes of a Status for the header and for an Alert, which go in front of all else.
const LITTLE_ELSE: usize = 250;

/// A message as it goes over the wire.
///
/// # Errors
/// In words, where WBXML cannot hold what the XML says; what this crate composes always fits.
pub fn on_wire(xml: String, wire: Encoding) -> Result<Bytes, String> {
    match wire {
        Encoding::Xml => Ok(xml.into()),
        Encoding::Wbxml => {
            let document = decode(xml.into(), Hint::default(), &Limits::default());
            let document = document.map_err(|error| error.to_string())?;
            let bytes = encode(&document, &WbxmlOptions::default());
            bytes.map(Bytes::from).map_err(|error| error.to_string())
        }
    }
}
