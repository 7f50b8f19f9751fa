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
//! `filter`, on the layer of `flow`, reads the filters of `show` and `proxy`; it uses `dm` and `facts`. `builtin_rules`
//! has the files of the folder `rules/` as text and imports nothing. `facts` has the tables of `facts/`. `printable`
//! escapes characters that a terminal would obey or hide. `nearest` suggests the word that was meant. `error_text` puts
//! errors of libraries into plain words. `json_schema` has the parts that the JSON Schemas share.
//!
//! `patch`, `markup`, `dm`, `flow`, `filter`, `rules`, `stay`, `identity`, `conversation` and `peer` are pure: no sockets,
//! files, clock or randomness. `tests/tidy.rs` checks these layers. Its tables `LAYERS` and `EXCEPTIONS` are the whole
//! list of what may not import what: the picture leaves out, for example, that `record` may not import `rules`.
//!
//! # Glossary
//!
//! | word | means |
//! |---|---|
//! | device, server | the two ends: the DM client and its management server |
//! | message, command, Item, Status, Results, package, session | as in OMA DM |
//! | exchange | one HTTP request and its response |
//! | captured message | one half of an exchange as received and as sent, with its decoded content and notes |
//! | rule, matcher, scenario | as in WireMock; a rule is one of dmtap's, a rule of the standard is a requirement |
//! | step | one action of a rule, such as an edit, a delay or a refusal (`docs/rules.md`) |
//! | limit | how often a rule acts on its matches: how many times, after how many, on every n-th, by chance |
//! | rule set | the rules in force at one time |
//! | scope | the rules of one test and the exchanges that they act on (`docs/control.md`) |
//! | built-in rule | a rule file inside the program (`dmtap rules list`) |
//! | stay | the built-in rule that rewrites URLs, so that the device stays on the proxy (`docs/enrollment.md`) |
//! | public origin | the scheme, host and port that devices use in place of a server's (`--public`, `--map`) |
//! | client identity, swap | a certificate with its key that dmtap presents to servers; the swap: dmtap gets one by enrolling in the device's place |
//! | protocol step | a step that keeps both peers consistent, such as `refuse` and `inject-command` |
//! | reconcile | repair a peer's view after a rule hid a message part from it or invented one |
//! | obligation | a step that dmtap still has to take to reconcile a peer |
//! | verdict | the decision of the rules about one message; in the control API, how a session ended (`ok`, `failed`, …) |
//! | rule effect | the changes of one rule to a message, as data |
//! | delivery | the way in which bytes are sent: delays, pieces, cuts, resets |
//! | connection decision | the way in which a connection is accepted: certificate, TLS versions, refused, tunnelled |
//! | filter | an expression in mitmproxy's language that selects exchanges (`docs/filters.md`) |
//! | fact | the meaning of a code, an element, a node or an id (`facts/`) |
//! | note | a remark about a message, with an id (`docs/notes.md`) |
//! | finding | a conclusion about a session, with an id and the next step (`docs/why.md`) |
//! | event | a report from the proxy to the record, such as a request or a closed connection |
//! | record, sink | an event as it is written, and the writer of one output |
//! | redact, mask | hide secrets: in a body each byte becomes a `*`; in other text the mask has a fixed length |
//!
//! # The life of one message
//!
//! 1. [`proxy`] accepts a connection, finds its destination, asks the rules how to accept it, and terminates TLS with
//!    a certificate for the name that the device requested.
//! 2. hyper reads the request. If a rule or a record needs the body, it is collected (bounded); otherwise it streams.
//! 3. The proxy removes content codings and decodes the body into a [`markup::Document`]. A body that does not decode
//!    passes, with a note and the offset of the error.
//! 4. [`conversation::Conversations`] finds the session, and the command for each Status and Results.
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
//! 9. *Secrets fail closed*: dmtap does not show content that it cannot examine for secrets: `tests/it/record.rs`.

// These lints hold for the program; tests may unwrap and print.
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
mod json_schema;
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
