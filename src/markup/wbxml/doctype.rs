//! Document types: the names on their code pages, and the identifiers by which a document declares its type.

use crate::markup::vocabulary::{self, NameId, Space};

/// The type of a WBXML document, from its public identifier or its media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "each variant is the document type and version it spells"
)]
pub enum DocType {
    SyncMl10,
    SyncMl11,
    SyncMl12,
    MetInf10,
    MetInf11,
    MetInf12,
    DevInf10,
    DevInf11,
    DevInf12,
    DmDdf12,
    Prov,
}

/// Formal public identifier, numeric identifier (0 where none is assigned), document type; older versions first.
const PUBLIC_IDS: [(&str, u32, DocType); 11] = [
    ("-//SYNCML//DTD SyncML 1.0//EN", 0x0FD1, DocType::SyncMl10),
    ("-//SYNCML//DTD SyncML 1.1//EN", 0x0FD3, DocType::SyncMl11),
    ("-//SYNCML//DTD SyncML 1.2//EN", 0x1201, DocType::SyncMl12),
    ("-//SYNCML//DTD MetInf 1.0//EN", 0, DocType::MetInf10),
    ("-//SYNCML//DTD MetInf 1.1//EN", 0, DocType::MetInf11),
    ("-//SYNCML//DTD MetInf 1.2//EN", 0x1202, DocType::MetInf12),
    ("-//SYNCML//DTD DevInf 1.0//EN", 0x0FD2, DocType::DevInf10),
    ("-//SYNCML//DTD DevInf 1.1//EN", 0x0FD4, DocType::DevInf11),
    ("-//SYNCML//DTD DevInf 1.2//EN", 0x1203, DocType::DevInf12),
    ("-//OMA//DTD-DM-DDF 1.2//EN", 0, DocType::DmDdf12),
    ("-//WAPFORUM//DTD PROV 1.0//EN", 0x0B, DocType::Prov),
];

/// The identifier that some lists give to MetInf 1.2.
const META_INF: &str = "-//SYNCML//DTD MetaInf 1.2//EN";

impl DocType {
    /// Returns the type with this numeric public identifier.
    pub fn of_numeric(id: u32) -> Option<Self> {
        let known = |(_, number, _): &&(_, u32, _)| id != 0 && *number == id;
        PUBLIC_IDS.iter().find(known).map(|row| row.2)
    }

    /// Returns the type with this formal public identifier; case does not matter.
    pub fn of_fpi(fpi: &str) -> Option<Self> {
        if fpi.eq_ignore_ascii_case(META_INF) {
            return Some(Self::MetInf12);
        }
        let known = |(text, ..): &&(&str, _, _)| text.eq_ignore_ascii_case(fpi);
        PUBLIC_IDS.iter().find(known).map(|row| row.2)
    }

    /// Returns the newest document type for a media type.
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        let media_type = media_type.to_ascii_lowercase();
        let names = |word| media_type.contains(word);
        match () {
            () if names("devinf") => Some(Self::DevInf12),
            () if names("dmtnds") || names("dmddf") => Some(Self::DmDdf12),
            () if names("vnd.syncml.dm+") || names("vnd.syncml+") => Some(Self::SyncMl12),
            () if names("wap.connectivity-") => Some(Self::Prov),
            () => None,
        }
    }

    /// Returns the type of a document whose root is in the space `root`, in `version` ("1.0", "1.1", "1.2"); the newest
    /// type for any other version.
    pub fn of_space(root: Space, version: &str) -> Self {
        let mut rows = PUBLIC_IDS.iter().filter(|row| row.2.space() == root);
        let ending = format!(" {version}//EN");
        let named = rows.clone().find(|(fpi, ..)| fpi.ends_with(&ending));
        let found = named.or_else(|| rows.next_back());
        found.expect("every space has a document type").2
    }

    /// Returns the numeric public identifier, if one is assigned.
    pub fn numeric_id(self) -> Option<u32> {
        Some(self.row().1).filter(|id| *id != 0)
    }

    /// Returns the formal public identifier.
    pub fn fpi(self) -> &'static str {
        self.row().0
    }

    /// Returns the space of the root element.
    pub fn space(self) -> Space {
        match self {
            Self::SyncMl10 | Self::SyncMl11 | Self::SyncMl12 => Space::SyncMl,
            Self::MetInf10 | Self::MetInf11 | Self::MetInf12 => Space::MetInf,
            Self::DevInf10 | Self::DevInf11 | Self::DevInf12 => Space::DevInf,
            Self::DmDdf12 => Space::DmDdf,
            Self::Prov => Space::Prov,
        }
    }

    /// Returns the name of the document family, for messages.
    pub fn name(self) -> &'static str {
        match self.space() {
            Space::SyncMl => "SyncML",
            Space::MetInf => "MetInf",
            Space::DevInf => "DevInf",
            Space::DmDdf => "a device description",
            Space::Prov => "a provisioning document",
        }
    }

    /// Returns the name of the root element.
    pub fn root(self) -> NameId {
        match self.space() {
            Space::SyncMl => vocabulary::tag::SYNC_ML,
            Space::MetInf => vocabulary::tag::MET_INF,
            Space::DevInf => vocabulary::tag::DEV_INF,
            Space::DmDdf => vocabulary::tag::MGMT_TREE,
            Space::Prov => vocabulary::tag::WAP_PROVISIONINGDOC,
        }
    }

    /// Returns the space of names on a code page.
    ///
    /// MetInf and DDF documents have their names on page 1 and 2. Some senders omit the switch to that page, so page 0
    /// has the same names.
    pub fn space_of_page(self, page: u8) -> Option<Space> {
        match (self.space(), page) {
            (Space::Prov, 0 | 1) => Some(Space::Prov),
            (Space::DevInf, 0) => Some(Space::DevInf),
            (Space::MetInf, 0) | (Space::SyncMl | Space::MetInf, 1) => Some(Space::MetInf),
            (Space::DmDdf, 0) | (Space::SyncMl | Space::MetInf | Space::DmDdf, 2) => {
                Some(Space::DmDdf)
            }
            (Space::DmDdf, 1) => Some(Space::MetInf),
            (Space::SyncMl, 0) => Some(Space::SyncMl),
            _ => None,
        }
    }

    /// Returns the code page for names of `space` in documents of this type.
    pub fn page_of_space(self, space: Space) -> Option<u8> {
        match (self.space(), space) {
            (Space::Prov, Space::Prov) | (Space::DevInf, Space::DevInf) => Some(0),
            (Space::SyncMl, Space::SyncMl) => Some(0),
            (Space::SyncMl | Space::MetInf | Space::DmDdf, Space::MetInf) => Some(1),
            (Space::SyncMl | Space::MetInf | Space::DmDdf, Space::DmDdf) => Some(2),
            _ => None,
        }
    }

    /// Returns the name of `token` on `page`, if the tables have one there.
    pub fn tag(self, page: u8, token: u8) -> Option<NameId> {
        let space = self.space_of_page(page)?;
        let on_page = space != Space::Prov || page == 0 || token != WAP_PROVISIONINGDOC;
        (on_page && vocabulary::tag_name(space, token).is_some())
            .then(|| NameId::known(space, token))
    }

    /// Returns the XML namespace of `space` in a document of this type; empty if it has none.
    pub fn namespace(self, space: Space) -> &'static str {
        match (space, self) {
            (Space::SyncMl, Self::SyncMl10) => "SYNCML:SYNCML1.0",
            (Space::SyncMl, Self::SyncMl11) => "SYNCML:SYNCML1.1",
            (Space::SyncMl, _) => "SYNCML:SYNCML1.2",
            (Space::MetInf, _) => "syncml:metinf",
            (Space::DmDdf, _) => "syncml:dmddf1.2",
            (Space::DevInf, _) => "syncml:devinf",
            (Space::Prov, _) => "",
        }
    }

    fn row(self) -> &'static (&'static str, u32, Self) {
        let known = PUBLIC_IDS.iter().find(|row| row.2 == self);
        known.expect("every document type has its row")
    }
}

/// The only provisioning tag that page 1 does not repeat.
const WAP_PROVISIONINGDOC: u8 = 0x05;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_and_types_name_each_other() {
        for (fpi, number, doctype) in PUBLIC_IDS {
            assert_eq!(DocType::of_fpi(fpi), Some(doctype));
            assert_eq!(doctype.fpi(), fpi);
            if number != 0 {
                assert_eq!(DocType::of_numeric(number), Some(doctype));
            }
            let (root, page) = (doctype.root(), doctype.page_of_space(doctype.space()));
            let (_, token) = root.token().unwrap();
            assert_eq!(doctype.tag(page.unwrap(), token), Some(root));
        }
        assert_eq!(DocType::of_fpi(META_INF), Some(DocType::MetInf12));
        assert_eq!(DocType::of_numeric(0), None);
    }
}
