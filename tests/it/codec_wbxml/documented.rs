//! `docs/malformed.md` lists the handling of each class of malformed input: it is generated from the actual behaviour.
//!
//! `DMTAP_WRITE_DOCS=1 cargo test --test it codec_wbxml::documented` generates it again.

use dmtap::markup::convert::{XmlLayout, to_xml};
use dmtap::markup::{self, DecodeError, Document, EmbeddedResult, Hint, Limits};

use crate::codec_wbxml::classes::{self, Verdict};
use crate::codec_wbxml::support::bytes;

/// Each class: what comes in, and what there is to say beyond the verdict.
const CLASSES: [(&str, &str, &str); 38] = [
    (
        "F01",
        "nothing, or an end inside a header field or the body",
        "",
    ),
    (
        "F02",
        "a version byte above 0x03, or 1.0 with the charset field of 1.1",
        "",
    ),
    ("F03", "a number of more than 5 bytes or 32 bits", ""),
    ("F04", "a number padded with leading zeros", ""),
    ("F05", "a string table longer than what follows", ""),
    ("F06", "a public identifier outside the string table", ""),
    (
        "F07",
        "an unknown public identifier",
        "the media type may settle it",
    ),
    (
        "F08",
        "public identifier and media type of different documents",
        "",
    ),
    (
        "F09",
        "a charset other than UTF-8, US-ASCII and ISO-8859-1",
        "",
    ),
    (
        "F10",
        "another charset than the transport says",
        "the document's holds",
    ),
    ("F11", "a string without NUL", ""),
    (
        "F12",
        "a reference beyond the string table",
        "LITERAL 0 without a table is `xmlns`",
    ),
    (
        "F13",
        "a reference into a character, or a last string without NUL",
        "",
    ),
    ("F14", "text that is not in its charset", ""),
    (
        "F15",
        "ENTITY of a surrogate, beyond Unicode, or of what XML forbids",
        "",
    ),
    (
        "F16",
        "characters in a string that XML forbids",
        "as XML in base64, beside elements and in attributes as U+FFFD",
    ),
    ("F17", "OPAQUE longer than what follows", ""),
    ("F18", "OPAQUE in WBXML 1.0", ""),
    (
        "F19",
        "unknown tags, pages and attributes",
        "named `unknown_PP_TT` and written back unchanged",
    ),
    ("F20", "reserved tags", ""),
    ("F21", "attributes on a SyncML element", ""),
    (
        "F22",
        "an empty attribute list, or an attribute again",
        "XML gets the first of its name",
    ),
    ("F23", "an attribute value in front of any attribute", ""),
    ("F24", "a processing instruction", ""),
    ("F25", "an extension token", ""),
    ("F26", "END without an open element, or none at the end", ""),
    ("F27", "anything behind the root", ""),
    (
        "F28",
        "text where only elements may stand",
        "outside the root it is refused",
    ),
    (
        "F29",
        "more than 64 levels of elements",
        "levels around embedded documents count",
    ),
    (
        "F30",
        "more than a limit: bytes, nodes, attributes, names, text of the string table",
        "",
    ),
    (
        "F31",
        "documents inside documents, more than two deep",
        "they stay closed",
    ),
    (
        "F32",
        "OPAQUE declared as WBXML that is none",
        "kept as octets; strict mode lets it pass",
    ),
    ("F33", "a page switch in front of no tag", ""),
    ("F34", "a root that is not that of the document type", ""),
    ("F35", "a LITERAL that is no XML name", ""),
    (
        "F36",
        "`]]>` in a text",
        "escaped, or split over two CDATA sections, in XML that dmtap writes",
    ),
    (
        "F37",
        "order of elements, missing children",
        "no matter of the codec: notes of the session",
    ),
    ("F38", "an empty string or OPAQUE", "the same as no text"),
];

/// What has no place in a table of decoding: the class, the input in words, and its bytes.
fn others() -> [(&'static str, &'static str, Vec<u8>); 5] {
    let deep = [bytes("02 A4 01 6A 00"), vec![0x6D; 65]].concat();
    let many = [bytes("02 A4 01 6A 00 ED"), vec![0x05; 101]].concat();
    let type_and_data = "02 A4 01 6A 00 6D 6B 5F 5A 00 01 53 03 'application/vnd.syncml-devinf+wbxml' 00 01 01 \
                         00 00 54 4F C3 05 'hello' 01 01 01 01 01";
    [
        ("F29", "65 levels", deep),
        ("F30", "101 attributes", many),
        ("F31", "a document in the third", nested()),
        ("F32", "`hello` as `+wbxml`", bytes(type_and_data)),
        (
            "F36",
            "`a]]>b`",
            bytes("02 A4 01 6A 00 6D 6B 54 4F 03 'a]]>b' 00 01 01 01 01"),
        ),
    ]
}

/// XML that holds XML that holds XML that holds XML.
fn nested() -> Vec<u8> {
    let inside = |inner: &str| inner.replace('&', "&amp;").replace('<', "&lt;");
    let third = format!("<b>{}</b>", inside("<c>&lt;d/></c>"));
    format!("<a>{}</a>", inside(&third)).into_bytes()
}

/// The same severity for XML.
const XML: [(&str, &str); 16] = [
    (
        "a DOCTYPE with declarations of its own",
        "<!DOCTYPE a [<!ENTITY b 'c'>]><a/>",
    ),
    (
        "a DOCTYPE that names a file",
        "<!DOCTYPE Data SYSTEM 'x.dtd'><Data/>",
    ),
    (
        "an entity that XML does not predefine",
        "<Data>&nbsp;</Data>",
    ),
    ("a reference to what XML forbids", "<Data>&#0;</Data>"),
    ("NUL and other controls", "<Data>\u{1}</Data>"),
    (
        "another charset than UTF-8, US-ASCII, ISO-8859-1",
        "<?xml version='1.0' encoding='Shift_JIS'?><a/>",
    ),
    ("a prefix that nothing declares", "<p:Data/>"),
    ("an attribute again", "<Data a='1' a='2'/>"),
    ("an attribute without quotes", "<Data a=1/>"),
    ("`<` in an attribute", "<Data a='<'/>"),
    ("a tag that does not close", "<Data>"),
    ("a tag that closes another", "<a><b></a>"),
    ("a second root", "<Data/><Data/>"),
    ("text behind the root", "<Data/>x"),
    ("`]]>` in text", "<Data>]]></Data>"),
    (
        "an XML declaration that is not at the beginning",
        "\n<?xml version='1.0'?><Data/>",
    ),
];

#[derive(Default)]
struct Seen {
    refused: Option<String>,
    flagged: Option<String>,
    fine: Option<String>,
}

#[test]
fn malformed_input_is_documented_as_it_is_treated() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/malformed.md");
    let expected = document();
    if std::env::var_os("DMTAP_WRITE_DOCS").is_some() {
        std::fs::write(path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(found, expected, "write it anew with DMTAP_WRITE_DOCS=1");
}

fn document() -> String {
    let mut out = String::from(HEAD);
    for (id, input, note) in CLASSES {
        let seen = seen(id);
        let (verdict, examples) = seen.words();
        let note = if note.is_empty() {
            String::new()
        } else {
            format!("; {note}")
        };
        out.push_str(&format!(
            "| {id} | {input} | {verdict}{note} | {examples} |\n"
        ));
    }
    out.push_str(XML_HEAD);
    for (input, source) in XML {
        let verdict = match decode(source.as_bytes()) {
            Err(error) => format!("refused at {}: {}", error.at, error.kind),
            Ok(document) => {
                let flag = document
                    .flags()
                    .first()
                    .expect("the table is of what is malformed");
                format!("flag at {}: {}", flag.at, flag.kind)
            }
        };
        let source = source.replace('\n', "␊").replace('\u{1}', "␁");
        out.push_str(&format!("| {input} | `{source}` | {verdict} |\n"));
    }
    out
}

/// What became of the inputs of a class.
fn seen(id: &str) -> Seen {
    let mut seen = Seen::default();
    for (written, verdict) in classes::ALL {
        seen.add(id, verdict, written, "");
    }
    for (written, media_type, charset, verdict) in classes::HINTED {
        let charset = charset.map_or(String::new(), |charset| format!("; charset={charset}"));
        seen.add(
            id,
            verdict,
            written,
            &format!(" as `{media_type}{charset}`"),
        );
    }
    for (_, words, source) in others().into_iter().filter(|(other, ..)| *other == id) {
        match decode(&source) {
            Err(error) => {
                assert_eq!(error.kind.id(), Some(id));
                seen.refused = Some(format!("{words}: at {}", error.at));
            }
            Ok(document) if id == "F36" => {
                let xml = to_xml(&document, XmlLayout::Compact).xml;
                assert!(xml.contains("<Data>a]]&gt;b</Data>"), "{xml}");
                seen.fine = Some(words.into());
            }
            Ok(document) => {
                let flag = inside(&document, &Limits::default()).expect("it is told");
                assert_eq!(flag.kind.id(), Some(id));
                seen.flagged = Some(format!("{words}: at {}", flag.at));
            }
        }
    }
    // A text that XML forbids, and an empty one, are read without a word.
    if let "F16" | "F38" = id {
        let token = if id == "F16" { "03 07 00" } else { "03 00" };
        let written = format!("02 A4 01 6A 00 6D 6B 54 4F {token} 01 01 01 01");
        assert_eq!(decode(&bytes(&written)).unwrap().flags(), []);
        seen.fine = Some(format!("`{written}`"));
    }
    seen
}

/// The first flag of the documents inside.
fn inside(document: &Document, limits: &Limits) -> Option<markup::Flag> {
    document
        .elements()
        .find_map(|element| match element.open(limits) {
            EmbeddedResult::Plain => None,
            EmbeddedResult::Unopened(flag) => Some(flag),
            EmbeddedResult::Document(embedded) => inside(embedded.document(), embedded.limits()),
        })
}

fn decode(source: &[u8]) -> Result<Document, DecodeError> {
    markup::decode(source.to_vec().into(), Hint::default(), &Limits::default())
}

impl Seen {
    /// Takes the first example of each verdict on the class.
    fn add(&mut self, id: &str, verdict: &Verdict, written: &str, reported: &str) {
        match verdict {
            Verdict::Refused(class, at) if *class == id => {
                let example = || format!("`{written}`{reported}: at {at}");
                self.refused.get_or_insert_with(example);
            }
            Verdict::Flagged(flags) => {
                if let Some((at, _)) = flags.iter().find(|(_, class)| *class == id) {
                    let example = || format!("`{written}`{reported}: at {at}");
                    self.flagged.get_or_insert_with(example);
                }
            }
            Verdict::Refused(..) => {}
        }
    }

    fn words(self) -> (&'static str, String) {
        match (self.refused, self.flagged, self.fine) {
            (Some(refused), None, _) => ("**refused**", refused),
            (None, Some(flagged), _) => ("read, with a flag", flagged),
            (Some(refused), Some(flagged), _) => (
                "**refused**, or read with a flag",
                format!("refused {refused}<br>flag {flagged}"),
            ),
            (None, None, Some(fine)) => ("read", fine),
            (None, None, None) => ("read", "–".into()),
        }
    }
}

const HEAD: &str = "# Malformed input

What dmtap does with messages that break the rules. Nothing that is refused stops a message: it passes as it came, and
the record says what is wrong at which offset. What is read *with a flag* shows the flag under `dmtap decode
--annotate`; `dmtap decode --strict` refuses it. Flags and errors name the class.

This file is written by a test (`tests/it/codec_wbxml/documented.rs`) from what the decoder does; offsets are bytes.

## WBXML

| class | input | dmtap | example: offset |
|---|---|---|---|
";

const XML_HEAD: &str = "
## XML

| input | example | dmtap |
|---|---|---|
";
