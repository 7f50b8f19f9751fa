//! The proxy over real sockets and real TLS.
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "helpers of tests fail by panicking, and are shared by several files"
)]

use crate::support::device;
use crate::support::peers as peer_programs;
use crate::support::rig;
use crate::support::server;

mod asked;
mod attack;
#[path = "proxy/bytes.rs"]
mod bytes_pass;
mod certificates;
mod connections;
mod distrust;
mod edits;
mod events;
mod failures;
mod foreign;
mod framing;
mod heads;
mod limits;
mod malformed;
mod mutated;
mod peers;
mod regular;
mod rules;
mod seals;
mod seeds;
mod sessions;
mod shutdown;
mod stay;
mod unread;
mod upstream;

mod utf16;
