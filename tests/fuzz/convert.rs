//! Writes a document of either encoding as XML and as WBXML: reading it back gives the same content, and writing that
//! again gives the same bytes.

#![no_main]

#[path = "../it/convert/same.rs"]
mod same;

use bytes::Bytes;
use dmtap::markup::{self, Hint, Limits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let source = Bytes::copy_from_slice(data);
    if let Ok(document) = markup::decode(source, Hint::default(), &Limits::default()) {
        same::check(&document);
    }
});
