//! Two peers of our own, to try things with: a device simulator and a reference DM server.
//!
//! Both are pure: a message in, a message out. Sockets are the business of [`crate::app`]. They keep the rules
//! of OMA DM 1.2 as Windows does, so that what a fault does to them says something about real peers.

mod auth;
pub mod compose;
pub mod device;
pub mod enroll;
pub mod large;
pub mod plan;
pub mod server;
pub mod tree;

pub use compose::Encoding;
pub use device::{Device, Profile};
pub use large::Sizes;
pub use plan::{Plan, PlannedCommand};
pub use server::Server;
pub use tree::Tree;
