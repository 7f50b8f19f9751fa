//! A document of either encoding written as XML and as WBXML: what is read back says the same, and what is
//! written again is the same.

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
