//! Decodes any bytes: the result is an error with an offset, or a sound tree that can be read, shown and written, in
//! bounded memory.

#![no_main]

mod heap;
mod look;

use bytes::Bytes;
use dmtap::markup::convert::{XmlLayout, to_xml};
use dmtap::markup::wbxml::{WbxmlOptions, encode};
use dmtap::markup::{self, DecodeError, Document, Hint, Limits};
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static HEAP: heap::Counting = heap::Counting;

const LIMITS: Limits = Limits {
    bytes: 1 << 20,
    depth: 64,
    nodes: 10_000,
    expansion: 64 << 10,
    embedded: 2,
};

/// What the transport may say, so that what only it can settle is read too.
const HINTS: [(Option<&str>, Option<&str>); 4] = [
    (None, None),
    (Some("application/vnd.syncml.dm+wbxml"), Some("utf-8")),
    (Some("application/vnd.syncml.dmtnds+wbxml"), None),
    (Some("text/xml"), Some("iso-8859-1")),
];

fuzz_target!(|data: &[u8]| {
    let source = Bytes::copy_from_slice(data);
    for (media_type, charset) in HINTS {
        let hint = Hint {
            media_type,
            charset,
        };
        let (decoded, peak) = heap::peak_of(|| markup::decode(source.clone(), hint, &LIMITS));
        assert!(
            peak <= (256 << 10) + 100 * data.len(),
            "{peak} bytes of memory for {} of input",
            data.len()
        );
        match decoded {
            Ok(document) => check(&document),
            Err(error) => check_error(&error, data),
        }
    }
});

fn check(document: &Document) {
    look::at_spans(document);
    look::at_nodes(document);
    look::at_meaning(document);
    look::inside(document, &LIMITS);
    for layout in [XmlLayout::Compact, XmlLayout::Indented] {
        assert!(!to_xml(document, layout).xml.is_empty());
    }
    if let Ok(written) = encode(document, &WbxmlOptions::default()) {
        assert!(!written.is_empty());
    }
}

fn check_error(error: &DecodeError, data: &[u8]) {
    assert!(error.at as usize <= data.len(), "{error}");
    assert!(!error.to_string().is_empty());
}
