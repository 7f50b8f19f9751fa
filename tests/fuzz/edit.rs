//! Decodes bytes and edits the document: reading the result gives the intended tree, and no other byte changes.
//!
//! The bytes after the last `FF FF` are the tape that chooses the edits; without one, the document's bytes choose.

#![no_main]

#[path = "../it/edits/meant.rs"]
#[allow(dead_code, reason = "shared with tests, which use more of it")]
mod meant;
#[path = "../it/codec_wbxml/model.rs"]
#[allow(dead_code, reason = "shared with tests, which use more of it")]
mod model;
mod wish;

use bytes::Bytes;
use dmtap::markup::edit::{self, Edit, EditError, NestedEdit};
use dmtap::markup::wbxml::{WbxmlOptions, encode};
use dmtap::markup::{self, DecodeErrorKind, Document, Embedded, Hint, Limits, Wrapping};
use libfuzzer_sys::fuzz_target;
use model::Tape;

fuzz_target!(|data: &[u8]| {
    let (source, tape) = wish::parted(data);
    let Ok(document) = decode(Bytes::copy_from_slice(source)) else {
        return;
    };
    check(&document, &tape);
    if document.is_wbxml() {
        return;
    }
    // The same in the other encoding, where it can be written in it.
    if let Ok(written) = encode(&document, &WbxmlOptions::default()) {
        check(
            &decode(written.into()).expect("what is written can be read"),
            &tape,
        );
    }
});

fn decode(source: Bytes) -> Result<Document, markup::DecodeError> {
    markup::decode(source, Hint::default(), &Limits::default())
}

fn check(document: &Document, tape: &[u8]) {
    meant::check(document, &wish::edits(document, &mut Tape::new(tape)));
    let embedded = |e: markup::Element<'_>| e.embedded(&Limits::default());
    if let Some(embedded) = document.elements().find_map(embedded) {
        check_inside(document, &embedded, tape);
    }
}

/// Edits of a document inside: those inside it, seen from outside, give what they give on their own.
fn check_inside(document: &Document, embedded: &Embedded, tape: &[u8]) {
    let inner = embedded.document();
    let edits = wish::edits(inner, &mut Tape::new(tape));
    // Without the media type around it, it may not be known what it is.
    if decode(inner.source().clone()).is_ok() {
        meant::check(inner, &edits);
    }
    let lifted = |edit: &Edit| NestedEdit {
        holders: vec![embedded.holder()],
        edit: edit.clone(),
    };
    let within: Vec<_> = edits.iter().map(lifted).collect();
    let patch = match edit::plan_within(document, &within, &Limits::default()) {
        Ok(patch) => patch,
        Err(EditError::Overlap { .. } | EditError::Unwritable(_)) => return,
        Err(error) => panic!("{error}: {edits:?}"),
    };
    let source = patch.apply(document.source());
    let written = match decode(source.clone()) {
        Err(error) if matches!(error.kind, DecodeErrorKind::TooLarge { .. }) => return,
        decoded => decoded.unwrap_or_else(|error| panic!("{error}: {source:?}")),
    };
    let holder = written
        .element(embedded.holder())
        .expect("it stays where it was");
    let expected = edit::plan(inner, &edits).expect("it went into the plan");
    let expected = expected.apply(inner.source());
    match holder.embedded(&Limits::default()) {
        Some(found) => assert_eq!(found.document().source(), &expected, "{source:?}"),
        // It may have become too deep, or too short to be taken for base64.
        None if embedded.wrapping() == Wrapping::Base64 => {}
        None => {
            let octets = holder.octets();
            let has = expected.is_empty() || octets.windows(expected.len()).any(|w| w == expected);
            assert!(has, "{source:?}");
        }
    }
}
