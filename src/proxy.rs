//! The proxy: sockets, TLS and HTTP between device and server.
//!
//! ```text
//!  device ── listen ─ wire ─ tls ─ connection ─ exchange ─ upstream ── server
//!                                                  │
//!                        read (bodies) · conversation · flow::Event
//! ```

// The device's side: its connections, and TLS.
mod accept;
mod connection;
mod connection_handle;
mod device_certificate;
mod device_connection;
mod device_http;
mod listen;
mod tls;
mod tunnel;
mod wire;

// One exchange, from the request to its event.
mod destination;
mod exchange;
mod failure;
mod message;
mod route;

// Bodies: how they are read, sent, timed and framed.
mod body;
mod body_budget;
mod body_timeout;
mod framing;
mod interruptible_sleep;
mod paced_body;
mod progress;
mod read;
mod stream_watchdog;

// Header fields.
mod forward_client_cert;
mod headers;
mod via;

// The server's side: connections, trust and client certificates.
mod client_certs;
mod client_identity;
mod identity;
mod trust;
mod upstream;

// The state of the whole proxy.
mod ca;
mod clock;
mod live_rules;
mod settings;
mod state;
mod stay;

// Helpers.
mod pem_file;
mod self_wake;

/// The target of log lines about things that the transcript shows, too.
pub const IN_TRANSCRIPT: &str = "dmtap::in_transcript";

pub use accept::{accept_until, all_ended};
pub use ca::{Authority, CaError, warn_if_readable};
pub use client_certs::ClientCertSettings;
pub use client_identity::{ClientIdentity, IdentityError};
pub use clock::now;
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
