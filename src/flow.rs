//! What happened and what is to happen, as plain data.
//!
//! The proxy fills these in, the rule book decides on them, records tell them. Nothing here waits, reads a
//! clock or draws a random number.

pub mod account;
pub mod admission;
pub mod connection;
pub mod delivery;
pub mod event;
pub mod exchange;
pub mod media;
pub mod note;
pub mod own;
pub mod session;

pub use account::{Account, Promise, Promised};
pub use admission::{Admission, Alert, Flaw, Reception, TlsTerms, TlsVersion};
pub use connection::{Connection, ConnectionId, Timestamp, TlsFacts};
pub use delivery::{Announced, Delivery, Noise, Op, Pace};
pub use event::{Event, Hear};
pub use exchange::{
    Applied, Change, ExchangeId, Head, Passage, Payload, Reading, RequestHead, ResponseHead, Side,
    Unread,
};
pub use note::{Note, Severity};
pub use session::{Answered, KeyTooLong, Link, Session, SessionKey, SessionTag};
