//! DM stories through the real proxy: the simulated device and the reference server stay consistent.
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    dead_code,
    reason = "helpers of tests fail by panicking, and are shared by several files"
)]

#[path = "support/device.rs"]
mod device;
#[path = "support/rig.rs"]
mod rig;
#[path = "support/stage.rs"]
mod stage;

#[path = "stories/headers.rs"]
mod headers;
#[path = "stories/items.rs"]
mod items;
#[path = "stories/large.rs"]
mod large;
#[path = "stories/login.rs"]
mod login;
#[path = "stories/order.rs"]
mod order;
#[path = "stories/refuse.rs"]
mod refuse;
#[path = "stories/soap.rs"]
mod soap;

use std::sync::Arc;

/// The cryptography of both ends.
fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
