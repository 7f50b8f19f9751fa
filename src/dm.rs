//! The meaning of documents: typed views on OMA DM messages. A view borrows its element and copies nothing.
//!
//! Any part of a message may be missing, so accessors return `Option`. Missing or wrong parts are not errors here;
//! [`crate::flow::note`] reports them.

pub mod auth;
pub mod carve;
pub mod certificate;
pub mod code;
pub mod command;
pub mod compose;
pub mod dialect;
pub mod distinguished_name;
mod dump;
pub mod enrollment;
pub mod hresult;
pub mod layout;
mod local_name;
pub mod locuri;
pub mod message;
pub mod notification;
pub mod pasted;
pub mod provisioning;
pub mod refs;
pub mod soap;
pub mod token;
pub mod unescape;

pub use auth::{Chal, Cred};
pub use certificate::{Certificate, CertificateRequest};
pub use code::{AlertCode, StatusCode};
pub use command::{Alert, Command, CommandKind, Item, Meta, Status};
pub use dialect::Dialect;
pub use enrollment::EnrollmentMessage;
pub use hresult::Hresult;
pub(crate) use message::trimmed;
pub use message::{Message, SyncBody, SyncHdr};
pub use provisioning::Provisioning;
pub use refs::{Refs, asked_kind};
pub use soap::Envelope;
