//! What kind of document a body holds: decided by its root element, with the media type as a second opinion.

use crate::markup::{Document, tag};

/// The language a body is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// A SyncML message.
    SyncMl,
    /// A SOAP envelope of enrollment (MS-MDE2).
    Soap,
    /// An OMA Client Provisioning document.
    Provisioning,
    /// Markup of another kind, fragments of SyncML included.
    Other,
}

impl Dialect {
    /// The dialect of a decoded document.
    pub fn of(document: &Document) -> Self {
        let root = document.root();
        match () {
            () if root.is(tag::SYNC_ML) => Self::SyncMl,
            () if root.is(tag::WAP_PROVISIONINGDOC) => Self::Provisioning,
            () if root.local() == "Envelope" => Self::Soap,
            () => Self::Other,
        }
    }

    /// Its name in records and rules.
    pub fn name(self) -> &'static str {
        match self {
            Self::SyncMl => "syncml",
            Self::Soap => "soap",
            Self::Provisioning => "provisioning",
            Self::Other => "other",
        }
    }
}

/// Whether a media type announces a body that is worth decoding; anything unnamed or vague is sniffed.
pub fn may_be_markup(media_type: Option<&str>) -> bool {
    let Some(media_type) = media_type else {
        return true;
    };
    let known = ["xml", "wbxml", "vnd.syncml", "octet-stream", "text/plain"];
    known
        .iter()
        .any(|part| media_type.to_ascii_lowercase().contains(part))
}
