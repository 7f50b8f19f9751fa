//! Two simulated peers to test with: a device and a reference DM server.
//!
//! Both are pure: a message in, a message out. [`crate::app`] has the sockets. They follow the rules of OMA DM 1.2 as
//! Windows does, so that their reaction to a fault shows how real peers react.

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
