//! WBXML: what is read, what is refused, what is written, what edits change.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on says so by failing, and one that is skipped prints a note"
)]

#[path = "codec_wbxml/classes.rs"]
mod classes;
#[path = "codec_wbxml/corpus.rs"]
mod corpus;
#[path = "codec_wbxml/documented.rs"]
mod documented;
#[path = "codec_wbxml/edit.rs"]
mod edit;
#[path = "codec_wbxml/golden.rs"]
mod golden;
#[path = "codec_wbxml/kept.rs"]
mod kept;
#[path = "codec_wbxml/malformed.rs"]
mod malformed;
#[path = "codec_wbxml/model.rs"]
mod model;
#[path = "codec_wbxml/property.rs"]
mod property;
#[path = "codec_wbxml/support.rs"]
mod support;
