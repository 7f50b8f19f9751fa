//! dmtap: an HTTPS intercepting proxy for OMA DM (Windows MDM) traffic.
//!
//! One idea: **bytes first**. A message *is* the bytes that arrived; the decoded tree is a view with spans
//! into them; an edit is a patch of a few splices; with no rule there is no patch, and the very bytes that
//! came in go out.
//!
//! # The floors: who may import whom
//!
//! ```text
//!   main, cli, app          wire everything together; may use all
//!   ───────────────────────────────────────────────────────────────
//!   proxy                   acts: sockets, TLS, HTTP
//!     │
//!   record  rules  peer     tell / decide / talk; never import each other
//!     └───────┬──────┘
//!           flow            what happened and what is to happen, as data
//!             │
//!            dm             meaning: typed views on SyncML, status and alert codes
//!             │
//!          markup           documents: one tree for XML and WBXML, knows no meaning
//!             │
//!           patch           spans and splices
//! ```
//!
//! `shelf` stands beside them: the rule files of the folder `rules/` as text, which imports nothing.
//!
//! `patch`, `markup`, `dm`, `flow`, `rules` and `peer` are pure: no sockets, files, clock or randomness.
//! `tests/tidy.rs` holds this table.
//!
//! # The life of one message
//!
//! 1. [`proxy`] accepts a connection, learns where it wants to go, and ends TLS with a leaf made for the name
//!    the device asked for.
//! 2. hyper reads the request. Where a rule or a record looks into bodies, the body is collected (bounded);
//!    elsewhere it streams through.
//! 3. Content codings are undone and the body becomes a [`markup::Document`]; failing that it is
//!    [`flow::Reading::Opaque`], and the journey goes on.
//! 4. The [`flow::Session`] finds the command that each Status and Results answers.
//! 5. [`rules::RuleSet::decide`] gives a [`rules::Verdict`]: patched bytes, an answer of our own, a delivery.
//! 6. With no rule applied the very bytes received go to the server, else the patched ones with fitting headers.
//! 7. The response takes the same way back.
//! 8. Each half is told as a [`flow::Event`]; [`record::Journal`] numbers it and fans it out to its sinks.
//!
//! # The laws, and the tests that hold them
//!
//! 1. *Untouched means identical*: `tests/proxy.rs`, `tests/interop.rs`.
//! 2. *A rule changes only what it names*: `tests/edits.rs`, `tests/rules.rs`.
//! 3. *Broken input is data*: `tests/codec_xml.rs`, `tests/codec_wbxml.rs`, `tests/proxy.rs`.
//! 4. *Deciding never waits*: `tests/tidy.rs`.
//! 5. *Same conversation, same faults*: `tests/rules.rs`.
//! 6. *Telling never changes the traffic*: `tests/record.rs`.
//! 7. *One exchange, one rule book*: `tests/proxy.rs`, `tests/reload.rs`.
//! 8. *Nothing unbounded*: `tests/codec_xml.rs`, `tests/codec_wbxml.rs`, `tests/proxy.rs`.

// These hold for the program; tests may unwrap, print and share.
#![warn(missing_docs, unreachable_pub)]
#![warn(clippy::unwrap_used, clippy::print_stdout)]

pub mod app;
pub mod cli;
pub mod dm;
pub mod flow;
pub mod markup;
pub mod patch;
pub mod peer;

pub mod builtin_rules;
pub mod proxy;
pub mod record;
pub mod rules;
