//! The proxy: sockets, TLS and HTTP between device and server.
//!
//! ```text
//!  device ── listen ─ wire ─ tls ─ connection ─ exchange ─ upstream ── server
//!                                                  │
//!                        read (bodies) · conversation · flow::Event
//! ```

mod accept;
mod body;
mod body_budget;
mod body_timeout;
mod ca;
mod client_certs;
mod client_identity;
mod connection;
mod connection_handle;
mod context;
mod device_certificate;
mod exchange;
mod failure;
mod forward_client_cert;
mod framing;
mod headers;
mod identity;
mod interruptible_sleep;
mod listen;
mod live_rules;
mod message;
mod paced_body;
mod pem_file;
mod progress;
mod read;
mod route;
mod self_wake;
mod settings;
mod stay;
mod stream_watchdog;
mod tls;
mod trust;
mod tunnel;
mod upstream;
mod via;
mod wire;

/// The target of log lines about things that the transcript shows, too.
pub const IN_TRANSCRIPT: &str = "dmtap::in_transcript";

pub use accept::{accept_until, all_ended};
pub use ca::{Authority, CaError, warn_if_readable};
pub use client_certs::ClientCertSettings;
pub use client_identity::{ClientIdentity, IdentityError};
pub use context::now;
pub use device_certificate::RequestClientCert;
pub use failure::{PlainError, ServerError};
pub use forward_client_cert::ForwardClientCert;
pub use identity::{
    CertificateDetails, IdentityId, IdentityStore, KeyError, MOST_IDENTITIES, OwnKey, StoreError,
    StoredIdentity, identity_pem, write_private,
};
pub use listen::{Proxy, cannot_listen};
pub use live_rules::{Hits, LiveRules};
pub(crate) use read::coding::without_codings;
pub use settings::{
    Account, BodyCapture, Limits, Mode, Origin, OwnCertificate, Resolve, Scheme, Settings,
    StaySettings, SwapSettings, Trust, UpstreamHttp,
};
pub use trust::client_config;
