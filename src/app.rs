//! Wiring: the rooms put together, with sockets and files.

pub mod beginning;
pub mod control;
pub mod demo;
pub mod device;
pub mod dial;
pub mod doctor;
pub mod dry_run;
pub mod enroll_device;
pub mod enroll_server;
pub mod https;
pub mod lint;
pub mod message_log;
pub mod pipe;
pub mod print;
pub mod proxy;
pub mod record_schema;
pub mod rule_errors_json;
pub mod rule_includes;
pub mod rule_sources;
pub mod server;
pub mod signal;
pub mod why;
