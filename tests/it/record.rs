//! Records: their content, masking, and failures of writing.

mod answers;
mod effects;
mod enrolled;
mod enrollment;
mod file;
mod journal;
mod listed;
use crate::support::literals;
mod masking;
mod message;
mod pcapng;
mod planted;
pub(crate) mod stage;
pub(crate) mod transcript;
