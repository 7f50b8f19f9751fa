//! Wiring: the rooms put together, with sockets and files.

pub mod demo;
pub mod device;
pub mod server;
