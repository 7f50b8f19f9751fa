//! Plain data about the events on the traffic path, and about the actions to take.
//!
//! The proxy fills these types in, rules decide on them, and records show them. Nothing here waits, reads a clock or
//! draws a random number.

// What passed: connections, exchanges and their events.
pub mod client_certificate;
pub mod connection;
pub mod event;
pub mod exchange;
pub mod media;
pub mod note;

// What is to happen: decisions and their effects.
pub mod connection_decision;
pub mod delivery;
pub mod effect;
pub mod origin;

// The understanding of a session: its messages, answers, credentials and obligations.
pub mod credentials;
pub mod lint;
pub mod provider;
pub mod reconciler;
pub mod session;
pub mod transaction;

pub use client_certificate::{CertificateTrust, ClientAuth, ClientCertificate, ShownCertificate};
pub use connection::{Connection, ConnectionId, Timestamp, TlsDetails};
pub use connection_decision::{
    CertificateDefect, ConnectionAction, ConnectionDecision, TlsAlert, TlsTerms, TlsVersion,
};
pub use delivery::{Delivery, DeliveryStep, Noise, Pace, StatedLength, split_mix};
pub use effect::{EffectDetail, EffectKind, RuleEffect};
pub use event::{Event, EventSink, FailureCause};
pub use exchange::{
    BySide, CapturedBody, CapturedMessage, ExchangeId, Head, NotParsed, ParsedBody, RequestHead,
    ResponseHead, Side,
};
pub use note::{Note, Severity};
pub use reconciler::{Obligation, OwedByRule, Reconciler, SessionChange, SessionEffects};
pub use session::{
    AnswerLink, AnswerTarget, KeyTooLong, Session, SessionKey, SessionTag, begins_escaped,
};
pub use transaction::{
    Arrival, CommandAnswer, CommandPlace, SessionEnd, Transaction, TransactionItem,
    TransactionOutcome,
};
