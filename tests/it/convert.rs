//! A document of either encoding as XML.

use crate::codec_wbxml::model;
mod random;
mod same;

use bytes::Bytes;
use dmtap::markup::convert::{XmlLayout, to_xml};
use dmtap::markup::wbxml::encode::{WbxmlOptions, encode};
use dmtap::markup::{Document, Element, Hint, Limits, decode};

fn parse(source: impl Into<Vec<u8>>) -> Document {
    decode(
        Bytes::from(source.into()),
        Hint::default(),
        &Limits::default(),
    )
    .unwrap()
}

fn compact(document: &Document) -> String {
    to_xml(document, XmlLayout::Compact).xml
}

/// WBXML of a SyncML 1.2 message: its header, and `body` in tokens.
fn wbxml(body: &[u8]) -> Document {
    parse([b"\x02\xA4\x01\x6A\x00".as_slice(), body].concat())
}

#[test]
fn xml_stays_what_it_was_but_for_white_space() {
    #[track_caller]
    fn check(source: &str, expected: &str) {
        assert_eq!(compact(&parse(source)), expected);
    }
    check(
        "<?xml version='1.0'?>\n<Item>\n <p:Data a='\"' />\n</Item>",
        "<Item><p:Data a=\"&quot;\"/></Item>",
    );
    check(
        "<Data>a &amp; <![CDATA[<b>]]>&#13;\n</Data>",
        "<Data>a &amp; <![CDATA[<b>]]>&#13;\n</Data>",
    );
    check(
        "<Data xmlns='x' xmlns:y=\"y\"><y:A/></Data>",
        "<Data xmlns=\"x\" xmlns:y=\"y\"><y:A/></Data>",
    );
}

#[test]
fn lines_are_for_elements_without_text() {
    let source = "<Item><Data> x <b>y</b></Data><Meta><Type>t</Type></Meta><Final/></Item>";
    let expected = "<Item>\n  <Data> x <b>y</b></Data>\n  <Meta>\n    <Type>t</Type>\n  </Meta>\n  <Final/>\n</Item>\n";
    assert_eq!(to_xml(&parse(source), XmlLayout::Indented).xml, expected);
}

#[test]
fn wbxml_gets_its_namespaces_where_they_change() {
    let source = "<SyncML xmlns=\"SYNCML:SYNCML1.1\"><SyncBody><Add><Item><Meta>\
        <Type xmlns=\"syncml:metinf\">t</Type><Size xmlns=\"syncml:metinf\">1</Size></Meta>\
        <Data>a<b xmlns=\"urn:b\" c=\"&lt;\">1<d/></b></Data></Item></Add></SyncBody></SyncML>";
    let binary = encode(&parse(source), &WbxmlOptions::default()).unwrap();
    assert_eq!(compact(&parse(binary)), source);
}

#[test]
fn octets_that_xml_cannot_hold_become_base64_and_format_says_so() {
    /// Meta of the command in front of the items: page 1, Format, back to page 0.
    fn common(format: &[u8], items: &[u8]) -> String {
        let meta = [b"\x5A\x00\x01\x47\x03", format, b"\x00\x01\x01\x00\x00"].concat();
        let document = wbxml(&[b"\x6D\x6B\x60", &*meta, items, b"\x01\x01\x01"].concat());
        let xml = compact(&document).replace(" xmlns=\"syncml:metinf\"", "");
        let (_, inner) = xml.split_once("<Replace>").unwrap();
        inner.split_once("</Replace>").unwrap().0.to_owned()
    }
    #[track_caller]
    fn check(item: &[u8], expected: &str, adaptations: usize) {
        let document = wbxml(&[b"\x6D\x6B\x60\x54", item, b"\x01\x01\x01\x01"].concat());
        let converted = to_xml(&document, XmlLayout::Compact);
        let start = "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncBody><Replace><Item>";
        let inner = converted.xml.strip_prefix(start).unwrap();
        let inner = inner
            .strip_suffix("</Item></Replace></SyncBody></SyncML>")
            .unwrap();
        assert_eq!(inner.replace(" xmlns=\"syncml:metinf\"", ""), expected);
        assert_eq!(
            converted.adaptations.len(),
            adaptations,
            "{:?}",
            converted.adaptations
        );
    }
    check(b"\x4F\xC3\x02hi\x01", "<Data>hi</Data>", 0);
    let meta = "<Meta><Format>b64</Format></Meta>";
    check(
        b"\x4F\xC3\x02\xFF\x00\x01",
        &format!("{meta}<Data>/wA=</Data>"),
        2,
    );
    let bin = b"\x5A\x00\x01\x47\x03bin\x00\x01\x52\x03\x32\x00\x01\x01\x00\x00\x4F\xC3\x02hi\x01";
    check(
        bin,
        "<Meta><Format>b64</Format><Size>4</Size></Meta><Data>aGk=</Data>",
        3,
    );
    let typed = b"\x5A\x00\x01\x53\x03t\x00\x01\x01\x00\x00\x4F\xC3\x01\x01\x01";
    check(
        typed,
        "<Meta><Format>b64</Format><Type>t</Type></Meta><Data>AQ==</Data>",
        2,
    );
    let items = b"\x54\x4F\xC3\x02hi\x01\x01\x54\x4F\xC3\x01\xFF\x01\x01";
    let (bin, chr) = (common(b"bin", items), common(b"chr", items));
    let one = "<Item><Data>aGk=</Data></Item>";
    let other = "<Item><Data>/w==</Data></Item>";
    assert_eq!(bin, format!("{meta}{one}{other}"));
    let kept = "<Meta><Format>chr</Format></Meta><Item><Data>hi</Data></Item>";
    assert_eq!(chr, format!("{kept}<Item>{meta}<Data>/w==</Data></Item>"));
}

#[test]
fn an_attribute_that_stands_twice_is_written_once() {
    let document = parse(*b"\x03\x0B\x6A\x00\xC5\x46\x45\x032\x00\x01\x01");
    let converted = to_xml(&document, XmlLayout::Compact);
    assert_eq!(converted.xml, "<wap-provisioningdoc version=\"1.0\"/>");
    assert_eq!(
        converted.adaptations[0].text,
        "the second attribute version is left out"
    );
}

#[test]
fn octets_beside_elements_that_are_no_text_are_reported() {
    let document = wbxml(b"\x6D\x6B\x54\x4F\xC3\x02a\xCC\x0F\x01\x01\x01\x01");
    let converted = to_xml(&document, XmlLayout::Compact);
    assert!(converted.xml.contains("<Data>a\u{FFFD}<Data/></Data>"));
    assert_eq!(
        converted.adaptations[0].text,
        "what is no text is shown as U+FFFD"
    );
}

#[test]
fn time_is_linear_in_what_stands_side_by_side() {
    // Each Data looking at all the others would take minutes.
    let many = |one: &[u8]| {
        let items = one.repeat(40_000);
        wbxml(&[b"\x6D\x6B\x60\x54", &*items, b"\x01\x01\x01\x01"].concat())
    };
    for one in [
        &b"\x4F\xC3\x01\xFF\x01"[..],
        b"\x4F\x03x\x00\x01",
        b"\x12\x4F\x03<a/>\x00\x01",
    ] {
        let document = many(one);
        let xml = to_xml(&document, XmlLayout::Compact);
        assert!(xml.xml.len() > 400_000 && xml.adaptations.len() < 300);
        let opened = |e: &Element<'_>| e.embedded(&Limits::default()).is_some();
        let count = document.elements().filter(opened).count();
        assert!(count == 0 || count == 40_000);
    }
}

#[test]
fn a_document_in_data_is_written_as_markup_but_not_one_inside_that() {
    let source = "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncBody><Put><Meta>\
        <Type xmlns=\"syncml:metinf\">application/vnd.syncml-devinf+wbxml</Type></Meta><Item>\
        <Data><DevInf xmlns=\"syncml:devinf\"><Man>x</Man></DevInf></Data></Item></Put></SyncBody></SyncML>";
    let document = parse(encode(&parse(source), &WbxmlOptions::default()).unwrap());
    assert!(
        document
            .elements()
            .all(|element| element.local() != "DevInf")
    );
    let converted = to_xml(&document, XmlLayout::Compact);
    assert_eq!(converted.xml, source);
    assert_eq!(
        converted.adaptations[0].path.as_str(),
        "/SyncML/SyncBody/Put/Item/Data"
    );
}

/// The public corpus, XML and WBXML: what is written reads as the same tree.
#[test]
fn what_is_written_says_what_the_source_says() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus");
    let mut folders = vec![std::path::PathBuf::from(root)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else {
            continue;
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let is_message = path
                .extension()
                .is_some_and(|e| e == "xml" || e == "wbxml" || e == "ddf");
            if path.is_dir() {
                folders.push(path);
            } else if is_message {
                let source = Bytes::from(std::fs::read(&path).unwrap());
                let Ok(document) = decode(source, Hint::default(), &Limits::default()) else {
                    continue;
                };
                for layout in [XmlLayout::Compact, XmlLayout::Indented] {
                    let converted = to_xml(&document, layout);
                    let again = decode(converted.xml.into(), Hint::default(), &Limits::default());
                    let again = again.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                    if converted.adaptations.is_empty() {
                        same(document.root(), again.root(), &path);
                    }
                }
            }
        }
    }
}

fn same(one: Element<'_>, other: Element<'_>, path: &std::path::Path) {
    let shown = || format!("{} {}", path.display(), one.path());
    assert_eq!(one.local(), other.local(), "{}", shown());
    assert_eq!(one.space(), other.space(), "{}", shown());
    let has_elements = one.elements().next().is_some();
    let text = |e: Element<'_>| {
        if has_elements {
            e.text().trim().to_owned()
        } else {
            e.text().into_owned()
        }
    };
    if !one
        .document()
        .flags()
        .iter()
        .any(|f| f.kind.to_string().contains("entity"))
    {
        assert_eq!(text(one), text(other), "{}", shown());
    }
    let (mut ones, mut others) = (one.elements(), other.elements());
    loop {
        match (ones.next(), others.next()) {
            (Some(one), Some(other)) => same(one, other, path),
            (None, None) => return,
            _ => panic!("{}", shown()),
        }
    }
}
