//! The proxy: sockets, TLS and HTTP between device and server.
//!
//! ```text
//!  device ── listen ─ wire ─ tls ─ connection ─ exchange ─ upstream ── server
//!                                                  │
//!                        read (bodies) · sessions · rules · flow::Event
//! ```

mod body;
mod book;
mod ca;
mod connection;
mod context;
mod exchange;
mod failure;
mod headers;
mod line;
mod listen;
mod mark;
mod message;
mod patience;
mod pause;
mod progress;
mod pulse;
mod read;
mod room;
mod run;
mod sessions;
mod settings;
mod tls;
mod trust;
mod tunnel;
mod upstream;
mod wire;

pub use book::{Hits, RuleBook};
pub use ca::{Authority, CaError};
pub use listen::Proxy;
pub use settings::{
    Limits, Look, Mode, OwnCertificate, Scheme, Settings, Trust, Upstream, UpstreamHttp,
};
pub use trust::client_config;
