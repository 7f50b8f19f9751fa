//! The rule book: what files say, what rules find, what they do.

#[path = "rules/conversations.rs"]
mod conversations;
#[path = "rules/corpus.rs"]
mod corpus;
#[path = "rules/limits.rs"]
mod limits;
#[path = "rules/mistakes_in_match.rs"]
mod mistakes_in_match;
#[path = "rules/mistakes_in_rules.rs"]
mod mistakes_in_rules;
#[path = "rules/mistakes_in_steps.rs"]
mod mistakes_in_steps;
#[path = "rules/shelf.rs"]
mod shelf;
#[path = "rules/stories.rs"]
mod stories;
#[path = "rules/support.rs"]
mod support;
