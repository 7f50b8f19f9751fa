//! The pure modules of dmtap as a separate crate, so that fuzzing builds neither TLS nor HTTP.

/// Their sources. A module with a path of its own finds its submodules where dmtap has them; it is one module
/// deeper, so the floors may say `crate::markup` in imports, but not in `pub(in …)`.
#[path = "../../src"]
#[allow(dead_code, reason = "the floors above use more of it")]
mod src {
    pub mod dm;
    pub mod facts;
    pub mod filter;
    pub mod markup;
    pub mod nearest;
    pub mod patch;
    pub mod printable;
}

use src::{nearest, printable};
pub use src::{dm, facts, filter, markup, patch};
