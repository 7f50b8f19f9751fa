//! All integration tests in one program, so that they are linked once.

mod builtin_rules;
mod cli;
mod codec_wbxml;
mod codec_xml;
mod control;
mod convert;
mod corpus;
mod edits;
mod embedded;
mod endure;
mod enroll;
mod enrollment;
mod faults;
mod identity;
mod interop;
mod peer;
mod protocol_steps;
mod proxy;
mod record;
mod reload;
mod roundtrip;
mod rules;
mod schema;
mod stay;
mod strict;
mod support;
