//! dmtap: an HTTPS intercepting proxy for OMA DM (Windows MDM) traffic.
//!
//! One idea: **bytes first**. A message *is* the bytes that arrived. The decoded tree is a view with spans into them, an
//! edit is a patch of a few splices, and without a rule there is no patch: the bytes that came in go out.
//!
//! # Layers: who may import whom
//!
//! ```text
//!   main, cli, app          wire everything together; may use all
//!   ─────────────────────────────────────────────────────────────────
//!   proxy                   sockets, TLS, HTTP
//!     │      record         events → records: redaction, annotation, sinks
//!     │
//!  conversation             one message decided: sessions, rules, reconciliation
//!     │
//!     │             peer   the simulated device and server
//!     │              │
//!   rules  stay  identity  decide / rewrite URLs / swap client certificates
//!     └──┬───┴───────┘
//!       flow                what happened and what is to happen, as plain data
//!        │
//!        dm                 meaning: typed views on SyncML, SOAP, provisioning; codes; the SyncML writer
//!        │
//!      markup               documents: one tree for XML and WBXML, knows no meaning
//!        │
//!      patch                spans and splices
//! ```
//!
//! `filter`, beside `flow`, reads the filters of `show` and `proxy`; it uses `dm` and `facts`.
//! `builtin_rules` has the files of the folder `rules/` as text and imports nothing; `facts` has the tables of `facts/`;
//! `printable` escapes what a terminal would obey or hide.
//!
//! `patch`, `markup`, `dm`, `flow`, `filter`, `rules`, `stay`, `identity`, `conversation` and `peer` are pure: no sockets,
//! files, clock or randomness.
//! `tests/tidy.rs` holds this table.
//!
//! # Glossary
//!
//! | word | means |
//! |---|---|
//! | device, server | the two ends: the DM client and its management server |
//! | message, command, Item, Status, Results, package, session | as in OMA DM |
//! | exchange | one HTTP request and its response |
//! | captured message | one half of an exchange as received and as sent, with what was found in it |
//! | rule, matcher, step, limit, scenario | as in WireMock |
//! | rule set | the rules in force at one time |
//! | scope | the rules of one test and the exchanges that they act on (`docs/control.md`) |
//! | built-in rule | a rule file inside the program (`dmtap rules list`) |
//! | stay | the built-in rule that rewrites URLs, so that the device stays on the proxy (`docs/enrollment.md`) |
//! | public origin | scheme, host and port that devices use in the place of a server's (`--public`, `--map`) |
//! | client identity, swap | a certificate with its key that dmtap presents to servers; it gets one by enrolling in the device's place |
//! | protocol step | a step that keeps both peers consistent, such as `refuse` and `inject-command` |
//! | reconcile | make up for what a rule hid from a peer or invented for it |
//! | obligation | what dmtap still has to do to reconcile a peer |
//! | verdict | what the rules decided about one message |
//! | rule effect | what one rule did to a message, as data |
//! | delivery | how bytes are sent: delays, pieces, cuts, resets |
//! | connection decision | how a connection is received: certificate, TLS versions, refused, tunnelled |
//! | filter | which exchanges somebody wants to see, in mitmproxy's language (`docs/filters.md`) |
//! | fact | what a code, an element, a node or an id means (`facts/`) |
//! | note | a remark about a message, with an id (`docs/notes.md`) |
//! | finding | a conclusion about a session, with an id and the next step (`docs/why.md`) |
//! | event | something that happened, from the proxy to the record |
//! | record, sink | what is written, and who writes it |
//! | redact, mask | hide secrets: `*` stands for each byte |
//!
//! # The life of one message
//!
//! 1. [`proxy`] accepts a connection, learns where it wants to go, asks the rules how to receive it, and ends TLS with a
//!    certificate for the name that the device asked for.
//! 2. hyper reads the request. If a rule or a record needs the body, it is collected (bounded); otherwise it streams.
//! 3. Content codings are undone and the body becomes a [`markup::Document`]. A body that does not decode passes, with a
//!    note and the offset.
//! 4. [`conversation::Conversations`] finds the session, and the command that each Status and Results answers.
//! 5. [`rules::RuleSet::decide`] returns a [`rules::Verdict`]: patched bytes, an answer of dmtap's own, a delivery. The
//!    [`flow::Reconciler`] then makes both peers consistent.
//! 6. Without a rule effect the received bytes go to the server, otherwise the patched ones with fitting headers.
//! 7. The response takes the same way back.
//! 8. Each half becomes a [`flow::Event`]; [`record::Journal`] numbers it and passes it to the sinks.
//!
//! # The laws, and the tests that hold them
//!
//! 1. *Untouched means identical*: `tests/it/proxy.rs`, `tests/it/interop.rs`.
//! 2. *A rule changes only what it names*: `tests/it/edits.rs`, `tests/it/rules.rs`.
//! 3. *Broken input is data*: `tests/it/codec_xml.rs`, `tests/it/codec_wbxml.rs`, `tests/it/proxy.rs`.
//! 4. *Deciding never waits*: `tests/tidy.rs`.
//! 5. *Same seed, same conversation, same faults*: `tests/it/rules.rs`.
//! 6. *Recording never changes the traffic*, framing included: `tests/it/record.rs`, `tests/it/proxy.rs`.
//! 7. *One exchange, one rule set*: `tests/it/proxy.rs`, `tests/it/reload.rs`.
//! 8. *Nothing unbounded*: `tests/it/codec_xml.rs`, `tests/it/codec_wbxml.rs`, `tests/it/proxy.rs`, `tests/it/endure.rs`.
//! 9. *Secrets fail closed*: what dmtap cannot examine for secrets it does not show: `tests/it/record.rs`.

// These hold for the program; tests may unwrap, print and share.
#![warn(missing_docs, unreachable_pub)]
#![warn(clippy::unwrap_used, clippy::print_stdout)]

pub mod app;
pub mod cli;
pub mod conversation;
pub mod dm;
mod error_text;
pub mod facts;
pub mod filter;
pub mod flow;
pub mod identity;
pub mod markup;
mod nearest;
pub mod patch;
pub mod peer;

pub mod builtin_rules;
pub mod printable;
pub mod proxy;
pub mod record;
pub mod rules;
pub mod stay;
