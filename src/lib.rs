//! dmtap: an HTTPS intercepting proxy for OMA DM (Windows MDM) traffic.
pub mod dm;
pub mod flow;
pub mod markup;
pub mod patch;
pub mod proxy;
pub mod record;
pub mod rules;
