//! Faults of connections, seen from outside with curl and openssl.
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    dead_code,
    reason = "helpers of tests fail by panicking, and are shared by several files"
)]

#[path = "support/device.rs"]
mod device;
#[path = "support/peers.rs"]
mod peers;
#[path = "support/rig.rs"]
mod rig;
#[path = "support/server.rs"]
mod server;

#[path = "faults/admissions.rs"]
mod admissions;
#[path = "faults/curl.rs"]
mod curl;
#[path = "faults/deliveries.rs"]
mod deliveries;

use std::sync::Arc;

/// The cryptography of both ends.
fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
