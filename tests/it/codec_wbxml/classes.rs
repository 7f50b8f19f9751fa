//! The classes of malformed input, each with its verdict: shared by tests, `docs/malformed.md` and fuzz seeds.

/// What becomes of an input.
pub(crate) enum Verdict {
    /// Refused: class and offset.
    Refused(&'static str, u32),
    /// Read, with these flags: class and offset.
    Flagged(&'static [(u32, &'static str)]),
}
use Verdict::{Flagged, Refused};

/// Inputs, as `support::bytes` reads them, without a word from the transport.
/// `02 A4 01 6A 00` is SyncML 1.2 in UTF-8 without a table; the body begins at 5.
pub(crate) const ALL: &[(&str, Verdict)] = &[
    // F01: truncated in any header field.
    ("02", Refused("F01", 1)),
    ("02 A4", Refused("F01", 2)),
    ("02 00", Refused("F01", 2)),
    ("02 A4 01", Refused("F01", 3)),
    ("02 A4 01 6A", Refused("F01", 4)),
    ("02 A4 01 6A 00", Refused("F01", 5)),
    // F02: a version with another header.
    ("00 A4 01 6A 00 6D 01", Flagged(&[(0, "F02")])),
    (
        "00 A4 01 03 00 6D 4F 03 'x' 00 01 01",
        Flagged(&[(0, "F02")]),
    ),
    ("00 A4 01 04 'abc' 00 6D 01", Flagged(&[])),
    ("07 A4 01 6A 00 6D 01", Flagged(&[(0, "F02")])),
    // F03, F04: numbers.
    ("02 81 81 81 81 81 01 6A 00 6D 01", Refused("F03", 1)),
    ("02 9F FF FF FF 7F 6A 00 6D 01", Refused("F03", 1)),
    ("02 80 A4 01 6A 00 6D 01", Flagged(&[(1, "F04")])),
    ("02 A4 01 6A 80 00 6D 01", Flagged(&[(4, "F04")])),
    (
        "02 A4 01 6A 00 6D 6B 54 4F C3 80 01 'x' 01 01 01 01",
        Flagged(&[(10, "F04")]),
    ),
    // F05, F06: string table and public identifier.
    ("02 A4 01 6A 03 6D 01", Refused("F05", 4)),
    ("02 A4 01 6A FF FF FF 7F 6D 01", Refused("F05", 4)),
    ("02 00 05 6A 02 'x' 00 6D 01", Refused("F06", 1)),
    // F07: what the document is.
    ("02 01 6A 00 6D 01", Refused("F07", 1)),
    ("02 33 6A 00 6D 01", Refused("F07", 1)),
    ("02 00 00 6A 02 'x' 00 6D 01", Refused("F07", 1)),
    // F09: charset.
    ("02 A4 01 87 77 00 6D 01", Refused("F09", 3)),
    ("02 A4 01 11 00 6D 01", Refused("F09", 3)),
    // F11: a string without NUL.
    ("02 A4 01 6A 00 6D 6B 54 4F 03 'abc'", Refused("F11", 10)),
    // F12: beyond the table.
    (
        "02 A4 01 6A 00 6D 6B 54 4F 83 00 01 01 01 01",
        Refused("F12", 9),
    ),
    (
        "02 A4 01 6A 02 'x' 00 6D 6B 54 4F 83 02 01 01 01 01",
        Refused("F12", 11),
    ),
    ("02 A4 01 6A 00 44 00 01", Refused("F12", 5)),
    (
        "02 A4 01 6A 00 ED 04 00 03 'u' 00 01 01",
        Flagged(&[(5, "F21"), (6, "F12")]),
    ),
    // F13: into a character, or up to the end of the table.
    (
        "02 A4 01 6A 03 C3 A9 00 6D 6B 54 4F 83 01 01 01 01 01",
        Flagged(&[(12, "F13")]),
    ),
    (
        "02 A4 01 6A 02 'xy' 6D 6B 54 4F 83 00 01 01 01 01",
        Flagged(&[(11, "F13")]),
    ),
    // F14: text that is not UTF-8.
    (
        "02 A4 01 6A 00 6D 6B 54 4F 03 C0 80 00 01 01 01 01",
        Refused("F14", 9),
    ),
    (
        "02 A4 01 6A 00 6D 6B 54 4F 03 ED A0 80 00 01 01 01 01",
        Refused("F14", 9),
    ),
    (
        "02 A4 01 6A 00 6D 6B 54 4F 03 F4 90 80 80 00 01 01 01 01",
        Refused("F14", 9),
    ),
    (
        "02 A4 01 6A 02 FF 00 6D 6B 54 4F 83 00 01 01 01 01",
        Refused("F14", 11),
    ),
    (
        "02 A4 01 03 00 6D 6B 54 4F 03 C3 A9 00 01 01 01 01",
        Refused("F14", 9),
    ),
    ("03 0B 6A 00 C5 45 03 FF 00 01 01", Refused("F14", 6)),
    // F15: entities that are no characters.
    (
        "02 A4 01 6A 00 6D 6B 54 4F 02 00 01 01 01 01",
        Refused("F15", 9),
    ),
    (
        "02 A4 01 6A 00 6D 6B 54 4F 02 01 01 01 01 01",
        Refused("F15", 9),
    ),
    (
        "02 A4 01 6A 00 6D 6B 54 4F 02 83 B0 00 01 01 01 01",
        Refused("F15", 9),
    ),
    (
        "02 A4 01 6A 00 6D 6B 54 4F 02 C4 80 00 01 01 01 01",
        Refused("F15", 9),
    ),
    // F16: controls in a string are read; showing them as XML is the writer's matter.
    (
        "02 A4 01 6A 00 6D 6B 54 4F 03 07 00 01 01 01 01",
        Flagged(&[]),
    ),
    // F17, F18: OPAQUE.
    (
        "02 A4 01 6A 00 6D 6B 54 4F C3 05 'abc' 01",
        Refused("F17", 9),
    ),
    (
        "02 A4 01 6A 00 6D 6B 54 4F C3 8F FF FF FF 7F 01",
        Refused("F17", 9),
    ),
    (
        "00 A4 01 00 6D 6B 54 4F C3 01 'x' 01 01 01 01",
        Flagged(&[(8, "F18")]),
    ),
    // F19: unknown tags and pages.
    ("02 A4 01 6A 00 6D 6B 3F 01 01", Flagged(&[(7, "F19")])),
    (
        "02 A4 01 6A 00 6D 6B 00 FF 05 01 01",
        Flagged(&[(9, "F19")]),
    ),
    (
        "02 A4 01 6A 00 6D 6B 00 01 17 01 01",
        Flagged(&[(9, "F19")]),
    ),
    ("03 0B 6A 00 C5 46 01 00 01 05 01", Flagged(&[(9, "F19")])),
    // F20: reserved tokens.
    ("02 A4 01 6A 00 6D 6B 30 01 01", Refused("F20", 7)),
    ("03 0B 6A 00 C5 44 00 01 01", Refused("F20", 5)),
    // F21, F22: attributes.
    (
        "02 A4 01 6A 02 'a' 00 ED 04 00 03 'v' 00 01 01",
        Flagged(&[(7, "F21")]),
    ),
    (
        "02 A4 01 6A 00 ED 05 03 'v' 00 01 01",
        Flagged(&[(5, "F21"), (6, "F19")]),
    ),
    ("03 0B 6A 00 C5 01 01", Flagged(&[(5, "F22")])),
    (
        "03 0B 6A 00 C5 46 45 03 '2' 00 01 01",
        Flagged(&[(6, "F22")]),
    ),
    // F23: a value without an attribute.
    ("03 0B 6A 00 C5 85 01 01", Refused("F23", 5)),
    ("03 0B 6A 00 C5 03 'x' 00 01 01", Refused("F23", 5)),
    // F24, F25: what nothing here defines.
    ("02 A4 01 6A 00 43 05 01 6D 01", Refused("F24", 5)),
    ("02 A4 01 6A 00 6D 43 05 01 01", Refused("F24", 6)),
    ("02 A4 01 6A 00 6D C0 01", Refused("F25", 6)),
    ("02 A4 01 6A 00 6D 40 'x' 00 01", Refused("F25", 6)),
    ("02 A4 01 6A 00 6D 80 00 01", Refused("F25", 6)),
    ("03 0B 6A 00 C5 46 C1 01 01", Refused("F25", 6)),
    // F26, F27: the end.
    ("02 A4 01 6A 00 01", Refused("F26", 5)),
    ("02 A4 01 6A 00 6D 6B 01", Refused("F26", 8)),
    ("02 A4 01 6A 00 6D 01 01", Refused("F26", 7)),
    ("02 A4 01 6A 00 6D 01 6D 01", Flagged(&[(7, "F27")])),
    ("02 A4 01 6A 00 2D 'junk'", Flagged(&[(6, "F27")])),
    // F28: text among elements.
    (
        "02 A4 01 6A 00 6D 6B 03 'x' 00 01 01",
        Flagged(&[(7, "F28")]),
    ),
    ("02 A4 01 6A 00 03 'x' 00 6D 01", Refused("F28", 5)),
    // F33: switches in front of no tag.
    ("02 A4 01 6A 00 6D 01 00 01", Flagged(&[(7, "F33")])),
    (
        "02 A4 01 6A 00 6D 00 01 00 00 2B 01",
        Flagged(&[(6, "F33")]),
    ),
    ("02 A4 01 6A 00 6D 6B 00 01 01 01", Flagged(&[(7, "F33")])),
    ("02 A4 01 6A 00 6D 00 00 2B 00 00 2C 01", Flagged(&[])),
    ("02 A4 01 6A 00 6D 00", Refused("F01", 7)),
    // F34: the root.
    ("02 A4 01 6A 00 6B 01", Flagged(&[(5, "F34")])),
    ("02 A4 01 6A 00 00 01 4E 01", Flagged(&[(7, "F34")])),
    // F35: LITERAL names.
    ("02 A4 01 6A 04 'a b' 00 6D 04 00 01", Refused("F35", 10)),
    ("02 A4 01 6A 02 '<' 00 6D 04 00 01", Refused("F35", 8)),
    ("02 A4 01 6A 01 00 6D 04 00 01", Refused("F35", 7)),
    ("02 A4 01 6A 06 'a:b:c' 00 6D 04 00 01", Refused("F35", 12)),
    // F38: empty texts are legal.
    (
        "02 A4 01 6A 00 6D 6B 54 4F 03 00 C3 00 01 01 01 01",
        Flagged(&[]),
    ),
];

const DM: &str = "application/vnd.syncml.dm+wbxml";

/// Inputs with the media type and the charset that the transport says.
pub(crate) const HINTED: &[(&str, &str, Option<&str>, Verdict)] = &[
    ("02 A4 01 6A 00 6D 01", DM, None, Flagged(&[])),
    ("02 33 6A 00 6D 01", DM, None, Flagged(&[(1, "F07")])),
    ("03 0B 6A 00 C5 46 01 01", DM, None, Flagged(&[(1, "F08")])),
    (
        "02 A4 01 6A 00 6D 01",
        "application/vnd.syncml.dm+xml",
        None,
        Flagged(&[(1, "F08")]),
    ),
    (
        "02 A4 01 6A 00 6D 01",
        DM,
        Some("ISO-8859-1"),
        Flagged(&[(3, "F10")]),
    ),
    ("02 A4 01 00 00 6D 01", DM, Some("ISO-8859-1"), Flagged(&[])),
    (
        "02 A4 01 00 00 6D 01",
        DM,
        Some("koi8-r"),
        Refused("F09", 3),
    ),
];
