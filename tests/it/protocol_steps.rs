//! Protocol steps through the real proxy: the simulated device and the reference server stay consistent.
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    dead_code,
    reason = "helpers of tests fail by panicking, and are shared by several files"
)]

use crate::support::rig;
use crate::support::stage;

mod headers;
mod items;
mod large;
mod login;
mod order;
mod refuse;
mod soap;
