//! The rule book: when, what, how often. It decides on data and never waits.

pub mod engine;

pub use engine::{Answer, Facts, RuleSet, Stage, Tally, Verdict};
