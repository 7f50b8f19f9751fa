//! Writing messages: compact XML as Windows writes it, or the same as WBXML.

use bytes::Bytes;

use super::large::{Chunk, LargeObject, Sizes};
use crate::dm::AlertCode;
use crate::dm::compose::{self, CmdIdAllocator, HeaderBuilder, StatusBuilder};

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

/// A message being written. Commands get their CmdIDs as they come.
#[derive(Debug)]
pub(crate) struct Composer {
    out: String,
    ids: CmdIdAllocator,
    /// Bytes of the header.
    header: usize,
}

/// A place in a message, to come back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    len: usize,
    last_id: u32,
}

impl Composer {
    /// Begins a message with this header, whose sender takes messages and values of these sizes. CmdIDs follow on
    /// `last_id`.
    pub(crate) fn new(mut header: HeaderBuilder<'_>, sizes: Sizes, last_id: u32) -> Self {
        let size =
            |name, size: Option<u32>| size.map(|size| compose::meta(name, &size.to_string()));
        let fields = [
            size("MaxMsgSize", sizes.message),
            size("MaxObjSize", sizes.object),
        ];
        let fields: String = fields.into_iter().flatten().collect();
        if !fields.is_empty() {
            header.rest += &format!("<Meta>{fields}</Meta>");
        }
        let mut out = header.begin("SYNCML:SYNCML1.2");
        out.reserve(1024);
        Self {
            header: out.len(),
            out,
            ids: CmdIdAllocator::after(last_id),
        }
    }

    /// Bytes written so far.
    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    /// Where it is by now.
    pub(crate) fn mark(&self) -> Position {
        Position {
            len: self.out.len(),
            last_id: self.ids.last(),
        }
    }

    /// Takes back what was written since.
    pub(crate) fn back_to(&mut self, mark: Position) {
        self.out.truncate(mark.len);
        self.ids = CmdIdAllocator::after(mark.last_id);
    }

    /// Whether it can be finished within `most` bytes.
    pub(crate) fn fits(&self, most: usize) -> bool {
        self.out.len().saturating_add(RESERVE) <= most
    }

    /// Whether what was written since would fit into `most` bytes in a message with little else.
    pub(crate) fn fits_alone(&self, since: Position, most: usize) -> bool {
        let alone = self.header + STATUS_AND_ALERT_BYTES + (self.out.len() - since.len);
        alone.saturating_add(RESERVE) <= most
    }

    /// Whether there is little else in it yet than in any message.
    pub(crate) fn is_bare(&self) -> bool {
        self.out.len() <= self.header + STATUS_AND_ALERT_BYTES
    }

    /// A command with its CmdID first, which is returned.
    pub(crate) fn command(&mut self, name: &str, inside: impl FnOnce(&mut Self)) -> u32 {
        let text = self.ids.give();
        let id = self.ids.last();
        self.within(name, |m| {
            m.leaf("CmdID", &text);
            inside(m);
        });
        id
    }

    /// A Status.
    pub(crate) fn status(&mut self, status: &StatusBuilder<'_>) {
        self.out += &status.xml(&self.ids.give());
    }

    /// An Alert without items.
    pub(crate) fn alert(&mut self, code: AlertCode) {
        self.out += &compose::alert(&self.ids.give(), code);
    }

    /// Alert 1225: of a large object the end never came (PRO 7).
    pub(crate) fn no_end_of_data(&mut self, lost: &LargeObject) {
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
    pub(crate) fn finish_open(self) -> String {
        self.out + compose::END
    }

    /// The message, closing its package.
    pub(crate) fn finish(self) -> String {
        self.out + "<Final/>" + compose::END
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
        self.out += &compose::leaf(name, text);
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
        self.out += &compose::meta(name, text);
    }
}

/// Bytes that the end of a message takes: an Alert of one number, Final, and what closes the document.
pub(crate) const RESERVE: usize = 100;
/// Bytes of a Status for the header and for an Alert, which go in front of all else.
const STATUS_AND_ALERT_BYTES: usize = 250;

/// A message as it goes over the wire.
///
/// # Errors
/// In words, where WBXML cannot hold what the XML says; what this crate composes always fits.
pub fn on_wire(xml: String, encoding: Encoding) -> Result<Bytes, String> {
    match encoding {
        Encoding::Xml => Ok(xml.into()),
        Encoding::Wbxml => compose::to_wbxml(xml),
    }
}
