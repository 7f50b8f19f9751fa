//! The built-in rules: every one is in the program, says what it shows, and is played over the real proxy.

mod agreeable;
mod closing;
mod demo;
mod docs;
mod enrollment;
mod files;
mod lines;
mod played;
mod stage;
pub(crate) mod tried;
