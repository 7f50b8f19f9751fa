//! Wiring: the layers put together, with sockets and files.

// The proxy while it runs: its rules, its control API, its end.
pub mod beginning;
pub mod control;
pub mod proxy;
pub mod rule_sources;
pub mod signal;

// The simulated peers on the network.
pub mod device;
pub mod dial;
pub mod enroll_device;
pub mod enroll_server;
pub mod https;
pub mod server;

// Commands that run both, or check what a device would meet.
pub mod demo;
pub mod doctor;

// Commands over records and other files.
pub mod lint;
pub mod message_log;
pub mod trial;
pub mod why;

// Output, and what rule files need.
pub mod pipe;
pub mod print;
pub mod record_schema;
pub mod rule_errors_json;
pub mod rule_includes;
