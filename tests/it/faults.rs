//! Faults of connections, seen from outside with curl and openssl.
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    dead_code,
    reason = "helpers of tests fail by panicking, and are shared by several files"
)]

use crate::support::device;
use crate::support::peers;
use crate::support::rig;
use crate::support::server;

mod admissions;
mod curl;
mod deliveries;
