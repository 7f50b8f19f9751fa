//! Peers, proxies and messages for several tests.

pub(crate) mod cpu_time;
pub(crate) mod device;
pub(crate) mod echo;
pub(crate) mod literals;
pub(crate) mod peers;
pub(crate) mod proxy_process;
pub(crate) mod record_schema;
pub(crate) mod rig;
pub(crate) mod running;
pub(crate) mod server;
pub(crate) mod shape;
pub(crate) mod stage;

use std::sync::Arc;

/// The cryptography of both ends.
pub(crate) fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
