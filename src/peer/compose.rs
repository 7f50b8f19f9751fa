//! Writes messages: compact XML as Windows writes it, or the same as WBXML.

use bytes::Bytes;

use super::large::{Chunk, LargeObject, Sizes};
use crate::dm::AlertCode;
use crate::dm::compose::{self, CmdIdAllocator, HeaderBuilder, StatusBuilder};

/// The encoding of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Encoding {
    /// `application/vnd.syncml.dm+xml`.
    #[default]
    Xml,
    /// `application/vnd.syncml.dm+wbxml`.
    Wbxml,
}

impl Encoding {
    /// Returns the media type of messages (DM_RepPro 1.2.1 §6.2.1).
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Xml => "application/vnd.syncml.dm+xml",
            Self::Wbxml => "application/vnd.syncml.dm+wbxml",
        }
    }

    /// Returns the encoding that a media type names.
    pub fn of_media_type(media_type: &str) -> Self {
        if media_type.contains("wbxml") {
            Self::Wbxml
        } else {
            Self::Xml
        }
    }
}

/// A message being written. Commands get their CmdIDs in order.
#[derive(Debug)]
pub(crate) struct Composer {
    out: String,
    ids: CmdIdAllocator,
    /// The length of the header, in bytes.
    header: usize,
}

/// A position in a message to return to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    len: usize,
    last_id: u32,
}

impl Composer {
    /// Begins a message with this header. `sizes` are the limits that the sender announces. CmdIDs continue after
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

    /// Returns the number of bytes written so far.
    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    /// Returns the current position.
    pub(crate) fn mark(&self) -> Position {
        Position {
            len: self.out.len(),
            last_id: self.ids.last(),
        }
    }

    /// Removes everything written after `mark`.
    pub(crate) fn back_to(&mut self, mark: Position) {
        self.out.truncate(mark.len);
        self.ids = CmdIdAllocator::after(mark.last_id);
    }

    /// Returns whether the message can be finished within `most` bytes.
    pub(crate) fn fits(&self, most: usize) -> bool {
        self.out.len().saturating_add(RESERVE) <= most
    }

    /// Returns whether the content since `since` would fit into `most` bytes in a message with little else.
    pub(crate) fn fits_alone(&self, since: Position, most: usize) -> bool {
        let alone = self.header + STATUS_AND_ALERT_BYTES + (self.out.len() - since.len);
        alone.saturating_add(RESERVE) <= most
    }

    /// Returns whether the message has little more so far than every message has.
    pub(crate) fn is_bare(&self) -> bool {
        self.out.len() <= self.header + STATUS_AND_ALERT_BYTES
    }

    /// Writes a command with its CmdID first, and returns the CmdID.
    pub(crate) fn command(&mut self, name: &str, inside: impl FnOnce(&mut Self)) -> u32 {
        let text = self.ids.give();
        let id = self.ids.last();
        self.within(name, |m| {
            m.leaf("CmdID", &text);
            inside(m);
        });
        id
    }

    /// Writes a Status.
    pub(crate) fn status(&mut self, status: &StatusBuilder<'_>) {
        self.out += &status.xml(&self.ids.give());
    }

    /// Writes an Alert without items.
    pub(crate) fn alert(&mut self, code: AlertCode) {
        self.out += &compose::alert(&self.ids.give(), code);
    }

    /// Writes Alert 1225: the end of a large object never came (PRO 7).
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

    /// Finishes the message and leaves its package open.
    pub(crate) fn finish_open(self) -> String {
        self.out + compose::END
    }

    /// Finishes the message and closes its package.
    pub(crate) fn finish(self) -> String {
        self.out + "<Final/>" + compose::END
    }

    /// Writes an element with content.
    pub(crate) fn within(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        self.out.push('<');
        self.out.push_str(name);
        self.out.push('>');
        inside(self);
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    /// Writes an element with text.
    pub(crate) fn leaf(&mut self, name: &str, text: &str) {
        self.out += &compose::leaf(name, text);
    }

    /// Writes Meta, Data and MoreData of an Item.
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

    /// Writes an element of `syncml:metinf` with text.
    pub(crate) fn meta(&mut self, name: &str, text: &str) {
        self.out += &compose::meta(name, text);
    }
}

/// The bytes reserved for the end of a message: an Alert without items, Final, and the end tags of the document.
pub(crate) const RESERVE: usize = 100;
/// The bytes of a Status for the header and for an Alert, which come before everything else.
const STATUS_AND_ALERT_BYTES: usize = 250;

/// Encodes a message for sending.
///
/// # Errors
/// Returns a text if WBXML cannot represent the XML; messages that this crate composes can always be represented.
pub fn on_wire(xml: String, encoding: Encoding) -> Result<Bytes, String> {
    match encoding {
        Encoding::Xml => Ok(xml.into()),
        Encoding::Wbxml => compose::to_wbxml(xml),
    }
}
