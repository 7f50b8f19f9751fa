//! Bytes as a document and edits of it: what is read back is the tree that is meant, and no other byte changed.
//!
//! Behind the last `FF FF` stands the tape that chooses the edits; without one the bytes themselves choose.

#![no_main]

#[path = "../edits/meant.rs"]
#[allow(dead_code, reason = "shared with tests, which use more of it")]
mod meant;
#[path = "../codec_wbxml/model.rs"]
#[allow(dead_code, reason = "shared with tests, which use more of it")]
mod model;
mod wish;

use bytes::Bytes;
use dmtap::markup::wbxml::{WbxmlOptions, encode};
use dmtap::markup::{self, Hint, Limits};
use libfuzzer_sys::fuzz_target;
use model::Tape;

fuzz_target!(|data: &[u8]| {
    let (source, tape) = wish::parted(data);
    let decode = |source| markup::decode(source, Hint::default(), &Limits::default());
    let Ok(document) = decode(Bytes::copy_from_slice(source)) else {
        return;
    };
    meant::check(&document, &wish::edits(&document, &mut Tape::new(&tape)));
    if document.is_wbxml() {
        return;
    }
    // The same in the other encoding, where it can be written in it.
    if let Ok(written) = encode(&document, &WbxmlOptions::default()) {
        let document = decode(written.into()).expect("what is written can be read");
        meant::check(&document, &wish::edits(&document, &mut Tape::new(&tape)));
    }
});
