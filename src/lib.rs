//! dmtap: an intercepting proxy for OMA DM.
pub mod dm;
pub mod flow;
pub mod markup;
pub mod patch;
