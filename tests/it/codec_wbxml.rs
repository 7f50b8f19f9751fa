//! WBXML: reading, errors, writing and edits.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on says so by failing, and one that is skipped prints a note"
)]

mod classes;
mod corpus;
mod documented;
mod edit;
mod golden;
mod kept;
mod malformed;
pub(crate) mod model;
mod property;
mod support;
