//! The rules: on which messages dmtap acts, what it does, and how often. They decide on data and never wait.
//!
//! ```text
//! text ──load──► Vec<Rule> ──► RuleSet ──decide──► Verdict
//!                 │  │  │
//!                 │  │  └─ Step     the action                      step.rs   (one enum for each kind)
//!                 │  └──── Limit    how often                       limit.rs, chance.rs
//!                 │        Scenario in which state                  scenario.rs
//!                 └─────── Matcher  on which messages and commands  matcher.rs
//! ```
//!
//! A new step is a variant in its file of `step/`, and an arm in `act/`. The edits of a rule become one patch; changes
//! of bytes follow on top of it ([`crate::patch::Patch::then`]).

mod act;
mod answers;
pub mod chance;
mod connection;
pub mod engine;
pub mod error;
mod evaluation;
pub mod glob;
mod index;
pub mod input;
mod items;
pub mod limit;
pub mod load;
mod locuri_set;
pub mod matcher;
mod mistake;
pub mod place;
pub mod rule;
pub mod scenario;
mod selection;
pub mod step;
mod target_nodes;
pub mod template;
pub mod value;
pub mod verdict;

pub use engine::{DuplicateName, RuleSet};
pub use error::{ErrorStyle, RuleError, RuleErrors};
pub use input::{ConnectionInput, HeldBack, ReceivedUnit, RuleInput, RuleState, Stage};
pub use limit::{Limit, Per};
pub use matcher::{ConnectionMatcher, Matcher};
pub use rule::{Rule, RuleScope, SCOPE_HEADER};
pub use scenario::Scenario;
pub use step::{ConnectionStep, EditStep, FaultStep, HeadStep, ProtocolStep, RawStep, Step};
pub use verdict::{HeadEdit, SyntheticResponse, Verdict, WhichResponse};
