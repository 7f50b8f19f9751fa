//! Wiring: the rooms put together, with sockets and files.

pub mod beside;
pub mod book;
pub mod change;
pub mod control;
pub mod demo;
pub mod device;
pub mod mistakes;
pub mod pipe;
pub mod print;
pub mod proxy;
pub mod server;
pub mod signal;
pub mod trial;
