//! The kind of document in a body: the root element decides, with the media type as a second opinion.

use crate::markup::{Document, tag};

/// The language of a body.
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
    /// Returns the dialect of a decoded document.
    pub fn of(document: &Document) -> Self {
        let root = document.root();
        match () {
            () if root.is(tag::SYNC_ML) => Self::SyncMl,
            () if root.is(tag::WAP_PROVISIONINGDOC) => Self::Provisioning,
            () if root.local().eq_ignore_ascii_case("Envelope") => Self::Soap,
            () => Self::Other,
        }
    }

    /// Returns the name in records and rules.
    pub fn name(self) -> &'static str {
        match self {
            Self::SyncMl => "syncml",
            Self::Soap => "soap",
            Self::Provisioning => "provisioning",
            Self::Other => "other",
        }
    }
}

/// The kind of content that a media type declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaKind {
    /// XML or WBXML.
    Markup,
    /// Unknown: there is no media type, or one that devices and gateways use for anything.
    Vague,
    /// Another media type.
    Other,
}

impl MediaKind {
    /// Classifies a media type.
    pub fn by(media_type: Option<&str>) -> Self {
        let media_type = media_type.unwrap_or_default().to_ascii_lowercase();
        let names = |parts: &[&str]| parts.iter().any(|part| media_type.contains(part));
        match () {
            () if names(&["xml", "vnd.syncml"]) => Self::Markup,
            () if media_type.is_empty() || names(&["octet-stream", "text/plain"]) => Self::Vague,
            () => Self::Other,
        }
    }
}
