//! The proxy over real sockets and real TLS.
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "helpers of tests fail by panicking, and are shared by several files"
)]

#[path = "support/device.rs"]
mod device;
#[expect(dead_code, reason = "shared by several files")]
#[path = "support/peers.rs"]
mod peer_programs;
#[path = "support/rig.rs"]
mod rig;
#[path = "support/server.rs"]
mod server;

#[path = "proxy/asked.rs"]
mod asked;
#[path = "proxy/attack.rs"]
mod attack;
#[path = "proxy/bytes.rs"]
mod bytes_pass;
#[path = "proxy/certificates.rs"]
mod certificates;
#[path = "proxy/connections.rs"]
mod connections;
#[path = "proxy/distrust.rs"]
mod distrust;
#[path = "proxy/edits.rs"]
mod edits;
#[path = "proxy/failures.rs"]
mod failures;
#[path = "proxy/foreign.rs"]
mod foreign;
#[path = "proxy/framing.rs"]
mod framing;
#[path = "proxy/heads.rs"]
mod heads;
#[path = "proxy/limits.rs"]
mod limits;
#[path = "proxy/malformed.rs"]
mod malformed;
#[path = "proxy/mutated.rs"]
mod mutated;
#[path = "proxy/peers.rs"]
mod peers;
#[path = "proxy/regular.rs"]
mod regular;
#[path = "proxy/rules.rs"]
mod rules;
#[path = "proxy/seeds.rs"]
mod seeds;
#[path = "proxy/sessions.rs"]
mod sessions;
#[path = "proxy/shutdown.rs"]
mod shutdown;
#[path = "proxy/stay.rs"]
mod stay;
#[path = "proxy/unread.rs"]
mod unread;
#[path = "proxy/upstream.rs"]
mod upstream;

#[path = "proxy/utf16.rs"]
mod utf16;

use std::sync::Arc;

/// The cryptography of both ends.
fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
