//! Enrollment: views on its messages, and its records.
#![allow(clippy::unwrap_used, reason = "what a test cannot do fails it")]

mod certificate;
mod views;

use std::path::Path;

use dmtap::markup::{Document, Hint, Limits, decode};

/// A file of `tests/data/enrollment`.
pub(crate) fn data(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/enrollment");
    std::fs::read(folder.join(name)).unwrap()
}

/// The same, decoded.
fn document(name: &str) -> Document {
    decode(data(name).into(), Hint::default(), &Limits::default()).unwrap()
}
