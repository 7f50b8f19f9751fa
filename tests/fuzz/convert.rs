//! A document of either encoding written as XML and as WBXML: what is read back says the same, and what is
//! written again is the same.

#![no_main]

mod tree;

use bytes::Bytes;
use dmtap::markup::convert::{XmlOptions, to_xml};
use dmtap::markup::wbxml::{WbxmlOptions, encode};
use dmtap::markup::{self, DecodeError, Document, Hint, Limits};
use libfuzzer_sys::fuzz_target;
use tree::said;

fuzz_target!(|data: &[u8]| {
    if let Ok(document) = decode(Bytes::copy_from_slice(data)) {
        through_xml(&document);
        through_wbxml(&document);
    }
});

fn decode(source: impl Into<Bytes>) -> Result<Document, DecodeError> {
    // What is written may be a little deeper and longer than what was read.
    let limits = Limits {
        depth: 80,
        ..Limits::default()
    };
    markup::decode(source.into(), Hint::default(), &limits)
}

fn through_xml(document: &Document) {
    let [compact, indented] =
        [XmlOptions::compact(), XmlOptions::indented()].map(|options| to_xml(document, &options));
    assert_eq!(compact.adaptations, indented.adaptations);
    let read = |xml: &str| decode(xml.to_owned()).unwrap_or_else(|error| panic!("{error}: {xml}"));
    if document.elements().any(|e| e.attributes().count() > 99) {
        return; // A declaration more is one too many.
    }
    let again = read(&compact.xml);
    if compact.adaptations.is_empty() {
        assert_eq!(said(&again), said(document), "{}", compact.xml);
    }
    assert_eq!(said(&read(&indented.xml)), said(&again), "{}", indented.xml);
    // Once empty texts and indentation are gone, what is written is what was read.
    let twice = to_xml(&again, &XmlOptions::compact());
    assert_eq!(twice.adaptations, []);
    let again = read(&twice.xml);
    assert_eq!(to_xml(&again, &XmlOptions::compact()).xml, twice.xml);
}

fn through_wbxml(document: &Document) {
    let options = WbxmlOptions::default();
    let Ok(written) = encode(document, &options) else {
        return;
    };
    let again = decode(written.clone()).unwrap_or_else(|error| panic!("{error}: {written:02X?}"));
    assert_eq!(said(&again), said(document), "{written:02X?}");
    assert_eq!(encode(&again, &options).as_ref(), Ok(&written));
    through_xml(&again);
}
