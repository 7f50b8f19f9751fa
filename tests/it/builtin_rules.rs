//! The built-in rules: each is in the program, describes its effect, and is played over the real proxy.

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
