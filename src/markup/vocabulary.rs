//! The element names of the standards, each with a number.
//!
//! A known name is one `u16`: its space and its WBXML token. XML and WBXML documents share these numbers, so code can
//! compare a name with [`tag::CMD_ID`] without comparing texts. The 1.2 tables are supersets of 1.1 and 1.0 (except for
//! one renamed DevInf token), so one table serves every version.

/// A family of names: one WBXML code page of one document type, one XML namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Space {
    /// `SYNCML:SYNCML1.0`, `1.1`, `1.2`: code page 0 of a SyncML document.
    SyncMl = 0,
    /// `syncml:metinf`: code page 1 of a SyncML document.
    MetInf = 1,
    /// `syncml:dmddf1.2`: code page 2, a DDF or TNDS document.
    DmDdf = 2,
    /// `syncml:devinf`: page 0 of a DevInf document.
    DevInf = 3,
    /// `wap-provisioningdoc`, which has no namespace: pages 0 and 1 of a provisioning document.
    Prov = 4,
}

impl Space {
    /// Every space, in the order in which a name without a namespace is looked up.
    pub const ALL: [Self; 5] = [
        Self::SyncMl,
        Self::MetInf,
        Self::DmDdf,
        Self::DevInf,
        Self::Prov,
    ];

    /// Returns the space of an XML namespace of any version; `None` for an unknown namespace.
    pub fn of_namespace(uri: &str) -> Option<Self> {
        let starts = |prefix: &str| {
            uri.get(..prefix.len())
                .is_some_and(|s| s.eq_ignore_ascii_case(prefix))
        };
        match () {
            () if starts("syncml:syncml") => Some(Self::SyncMl),
            () if starts("syncml:metinf") => Some(Self::MetInf),
            () if starts("syncml:dmddf") => Some(Self::DmDdf),
            () if starts("syncml:devinf") => Some(Self::DevInf),
            () => None,
        }
    }
}

/// The number of a name: space and token of a known one, or the index of an unknown one in its document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NameId(pub(crate) u16);

/// The first number of the names that are specific to a document.
pub(crate) const FIRST_OWN: u16 = 0x4000;

impl NameId {
    /// Returns the name of `token` (0x05 to 0x3F) in `space`.
    pub const fn known(space: Space, token: u8) -> Self {
        Self((space as u16) << 6 | (token & 0x3f) as u16)
    }

    /// Returns space and token of a known name.
    pub fn token(self) -> Option<(Space, u8)> {
        let space = *Space::ALL.get(usize::from(self.0 >> 6))?;
        Some((space, (self.0 & 0x3f) as u8))
    }

    /// Returns the text of a known name.
    pub fn text(self) -> Option<&'static str> {
        let (space, token) = self.token()?;
        tag_name(space, token)
    }
}

/// Returns the name of `token` in `space`, if one is assigned.
pub fn tag_name(space: Space, token: u8) -> Option<&'static str> {
    let name = TABLES[space as usize][usize::from(token & 0x3f)];
    (!name.is_empty()).then_some(name)
}

/// Returns the number of `local` in `space`, if that space has the name.
#[inline]
pub fn find(space: Space, local: &str) -> Option<NameId> {
    let ends = Ends::of(local.as_bytes());
    let entry = &INDEX[ends.slot(space)];
    let found = entry.length as usize == local.len()
        && entry.ends == ends
        && entry.name.0 >> 6 == space as u16
        && (local.len() <= Ends::TELL || entry.name.text() == Some(local));
    found.then_some(entry.name)
}

/// Whether two names are equal. For short names this avoids the function call of a slice comparison.
#[inline]
pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && Ends::of(one) == Ends::of(other)
        && (one.len() <= Ends::TELL || one == other)
}

/// Known names that the code compares with.
#[expect(missing_docs, reason = "each constant is the name it spells")]
pub mod tag {
    use super::{NameId, Space};

    macro_rules! names {
        ($($space:ident { $($name:ident = $token:literal,)* })*) => {
            $($(pub const $name: NameId = NameId::known(Space::$space, $token);)*)*
        };
    }

    names! {
        SyncMl {
            ADD = 0x05,
            ALERT = 0x06,
            ATOMIC = 0x08,
            CHAL = 0x09,
            CMD = 0x0A,
            CMD_ID = 0x0B,
            CMD_REF = 0x0C,
            COPY = 0x0D,
            CORRELATOR = 0x3C,
            CRED = 0x0E,
            DATA = 0x0F,
            DELETE = 0x10,
            EXEC = 0x11,
            FINAL = 0x12,
            GET = 0x13,
            ITEM = 0x14,
            LOC_NAME = 0x16,
            LOC_URI = 0x17,
            MAP = 0x18,
            MAP_ITEM = 0x19,
            META = 0x1A,
            MORE_DATA = 0x34,
            MSG_ID = 0x1B,
            MSG_REF = 0x1C,
            NO_RESP = 0x1D,
            NUMBER_OF_CHANGES = 0x33,
            PUT = 0x1F,
            REPLACE = 0x20,
            RESP_URI = 0x21,
            RESULTS = 0x22,
            SEARCH = 0x23,
            SEQUENCE = 0x24,
            SESSION_ID = 0x25,
            SOURCE = 0x27,
            SOURCE_REF = 0x28,
            STATUS = 0x29,
            SYNC = 0x2A,
            SYNC_BODY = 0x2B,
            SYNC_HDR = 0x2C,
            SYNC_ML = 0x2D,
            TARGET = 0x2E,
            TARGET_REF = 0x2F,
            VER_DTD = 0x31,
            VER_PROTO = 0x32,
        }
        MetInf {
            FORMAT = 0x07,
            MARK = 0x0B,
            MAX_MSG_SIZE = 0x0C,
            MAX_OBJ_SIZE = 0x15,
            MET_INF = 0x0E,
            NEXT_NONCE = 0x10,
            SIZE = 0x12,
            TYPE = 0x13,
            VERSION = 0x14,
        }
        DmDdf {
            MGMT_TREE = 0x20,
        }
        DevInf {
            DEV_INF = 0x0A,
        }
        Prov {
            WAP_PROVISIONINGDOC = 0x05,
            CHARACTERISTIC = 0x06,
            PARM = 0x07,
        }
    }
}

/// Code page 0 of SyncML 1.2, a superset of 1.1 and 1.0 (SyncML Representation Protocol 1.2.2 §8).
const SYNCML: &str = "\
    Add Alert Archive Atomic Chal Cmd CmdID CmdRef Copy Cred Data Delete Exec Final Get Item \
    Lang LocName LocURI Map MapItem Meta MsgID MsgRef NoResp NoResults Put Replace RespURI \
    Results Search Sequence SessionID SftDel Source SourceRef Status Sync SyncBody SyncHdr \
    SyncML Target TargetRef - VerDTD VerProto NumberOfChanges MoreData Field Filter Record \
    FilterType SourceParent TargetParent Move Correlator";

/// Code page 1: MetInf 1.2. 0x17 to 0x1A are extensions of some devices; they are read, but never required.
const METINF: &str = "\
    Anchor EMI Format FreeID FreeMem Last Mark MaxMsgSize Mem MetInf Next NextNonce SharedMem \
    Size Type Version MaxObjSize FieldLevel FP ID IDContainer IDPair";

/// Code page 2: the DM Device Description Framework (OMA-TS-DM_TND-V1_2_1 §10).
const DMDDF: &str = "\
    AccessType ACL Add b64 bin bool chr CaseSense CIS Copy CS date DDFName DefaultValue Delete \
    Description DFFormat DFProperties DFTitle DFType Dynamic Exec float Format Get int Man \
    MgmtTree MIME Mod Name Node node NodeName null Occurrence One OneOrMore OneOrN Path \
    Permanent Replace RTProperties Scope Size time Title TStamp Type Value VerDTD VerNo xml \
    ZeroOrMore ZeroOrN ZeroOrOne";

/// DevInf 1.2, page 0 of DevInf documents; 0x1C was called Size before 1.2.
const DEVINF: &str = "\
    CTCap CTType DataStore DataType DevID DevInf DevTyp DisplayName DSMem Ext FwV HwV Man \
    MaxGUIDSize MaxID MaxMem Mod OEM ParamName PropName Rx Rx-Pref SharedMem MaxSize SourceRef \
    SwV SyncCap SyncType Tx Tx-Pref ValEnum VerCT VerDTD XNam XVal UTC SupportNumberOfChanges \
    SupportLargeObjs Property PropParam MaxOccur NoTruncate - Filter-Rx FilterCap FilterKeyword \
    FieldLevel SupportHierarchicalSync";

/// Client Provisioning 1.1; page 1 repeats the last two names.
const PROV: &str = "\
    wap-provisioningdoc characteristic parm";

static TABLES: [[&str; 64]; 5] = [
    table(SYNCML),
    table(METINF),
    table(DMDDF),
    table(DEVINF),
    table(PROV),
];

/// Every known name in its slot. Built at compile time, since decoding looks up every tag.
static INDEX: [Entry; 1 << SLOT_BITS] = index();

/// A known name with the values that identify it; the `name` of a vacant slot belongs to no space.
#[derive(Clone, Copy)]
struct Entry {
    ends: Ends,
    length: u8,
    name: NameId,
}

const fn index() -> [Entry; 1 << SLOT_BITS] {
    let mut index = [Entry {
        ends: Ends(0, 0),
        length: 0,
        name: VACANT,
    }; 1 << SLOT_BITS];
    let mut number = 0;
    while number < Space::ALL.len() << 6 {
        let (space, token) = (Space::ALL[number >> 6], number & 0x3f);
        let local = TABLES[space as usize][token].as_bytes();
        if !local.is_empty() {
            let ends = Ends::of(local);
            let entry = &mut index[ends.slot(space)];
            assert!(entry.name.0 == VACANT.0, "two names have one slot");
            *entry = Entry {
                ends,
                length: local.len() as u8,
                name: NameId::known(space, token as u8),
            };
        }
        number += 1;
    }
    index
}

/// The first and last bytes of a name as numbers; in a short name they overlap. Together with the length they identify
/// a name of up to 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Ends(u64, u64);

impl Ends {
    /// The greatest length of names that the two numbers and the length identify.
    const TELL: usize = 16;

    #[inline]
    const fn of(name: &[u8]) -> Self {
        if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
            return Self(u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        }
        if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
            let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
            return Self(first as u64, last as u64);
        }
        match name {
            [] => Self(0, 0),
            [only] => Self(*only as u64, 0),
            [first, .., last] => {
                let middle = name[name.len() / 2];
                Self(*first as u64 | (middle as u64) << 8, *last as u64)
            }
        }
    }

    /// Returns the slot of a name of `space` in the index.
    #[inline]
    const fn slot(self, space: Space) -> usize {
        let space = (space as u64) << 56 | (space as u64) << 3;
        let mixed = (self.0 ^ self.1.rotate_left(29)).wrapping_add(space);
        (mixed.wrapping_mul(SPREAD) >> (u64::BITS - SLOT_BITS)) as usize
    }
}

/// Found by trial: it gives every known name a separate slot, which the compiler checks.
const SPREAD: u64 = 0x959C_5792_21D3_B0A3;
const SLOT_BITS: u32 = 10;
const VACANT: NameId = NameId(u16::MAX);

/// Returns a page built from its names in token order, beginning at 0x05; `-` is a token without a name.
const fn table(words: &'static str) -> [&'static str; 64] {
    let mut page = [""; 64];
    let (mut rest, mut token) = (words, 0x05);
    while !rest.is_empty() {
        let mut length = 0;
        while length < rest.len() && rest.as_bytes()[length] != b' ' {
            length += 1;
        }
        let (word, behind) = rest.split_at(length);
        page[token] = if matches!(word.as_bytes(), b"-") {
            ""
        } else {
            word
        };
        token += 1;
        rest = if behind.is_empty() {
            behind
        } else {
            behind.split_at(1).1
        };
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_found_by_its_text() {
        for space in Space::ALL {
            for token in 0x05..0x40 {
                if let Some(name) = tag_name(space, token) {
                    assert_eq!(
                        find(space, name),
                        Some(NameId::known(space, token)),
                        "{space:?} {name}"
                    );
                }
            }
        }
        for other in [
            "",
            "N",
            "No",
            "Nonesuch",
            "SupportHierarchicalSinc",
            "SupportHierarchicaXSync",
        ] {
            for space in Space::ALL {
                assert_eq!(find(space, other), None);
            }
        }
    }

    #[test]
    fn names_are_the_same_where_every_byte_is() {
        let long = "abcdefghijklmnopqrstuvwxyz";
        for length in 0..long.len() {
            let one = &long.as_bytes()[..length];
            let copy = one.to_vec();
            assert!(same(one, &copy));
            assert!(!same(one, &long.as_bytes()[..length + 1]));
            for at in 0..length {
                let mut other = one.to_vec();
                other[at] = b'-';
                assert!(!same(one, &other), "{length} {at}");
            }
        }
    }

    #[test]
    fn reserved_tokens_have_no_name() {
        assert_eq!(tag_name(Space::SyncMl, 0x30), None);
        assert_eq!(tag_name(Space::DevInf, 0x2f), None);
        assert_eq!(tag_name(Space::SyncMl, 0x3c), Some("Correlator"));
    }
}
