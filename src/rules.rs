//! The rule book: when, what, how often. It decides on data and never waits.
//!
//! ```text
//! text ──load──► Vec<Rule> ──► RuleSet ──decide──► Verdict
//!                 │  │  │
//!                 │  │  └─ Step     what is done          step.rs   (one enum, one verb each)
//!                 │  └──── Limit    how often             rule.rs, chance.rs
//!                 │        Scenario in which act          scenario.rs
//!                 └─────── Matcher  where: nodes          matcher.rs
//! ```
//!
//! A new verb is a variant in its file of `step/`, an entry in the table of verbs beside it in `load/step/`, and an
//! arm in `act/`. Edits of a rule become one patch; bytes are changed on top of it ([`crate::patch::Patch::then`]).

mod about;
mod act;
mod admit;
mod answers;
pub mod at;
pub mod chance;
mod draw;
pub mod engine;
pub mod error;
mod glimpse;
pub mod glob;
mod index;
pub mod load;
pub mod matcher;
mod passing;
pub mod place;
pub mod rule;
pub mod scenario;
mod settled;
pub mod step;
mod survey;
pub mod template;
mod tree;

pub use admit::{Arrival, ConnectionFacts};
pub use engine::{Answer, DuplicateName, Extent, Facts, RuleSet, Stage, Tally, Verdict};
pub use error::{Look, RuleError, RuleErrors};
pub use matcher::{CommandMatcher, ConnectionMatcher, Matcher, PassageMatcher};
pub use rule::{Limit, Per, Rule};
pub use scenario::Scenario;
pub use step::{Admit, EditStep, HeadEdit, HeadStep, Leave, RawStep, Step, Story};
