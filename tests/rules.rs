//! The rule book: what files say, what rules find, what they do.

#[path = "rules/bounded.rs"]
mod bounded;
#[path = "rules/conversations.rs"]
mod conversations;
#[path = "rules/corpus.rs"]
mod corpus;
#[path = "rules/edits.rs"]
mod edits;
#[path = "rules/edits_of_heads.rs"]
mod edits_of_heads;
#[path = "rules/edits_random.rs"]
mod edits_random;
#[path = "rules/edits_raw.rs"]
mod edits_raw;
#[path = "rules/keys.rs"]
mod keys;
#[path = "rules/limits.rs"]
mod limits;
#[path = "rules/matching.rs"]
mod matching;
#[path = "rules/mistakes_in_combination.rs"]
mod mistakes_in_combination;
#[path = "rules/mistakes_in_edits.rs"]
mod mistakes_in_edits;
#[path = "rules/mistakes_in_match.rs"]
mod mistakes_in_match;
#[path = "rules/mistakes_in_rules.rs"]
mod mistakes_in_rules;
#[path = "rules/mistakes_in_steps.rs"]
mod mistakes_in_steps;
#[path = "rules/mistakes_in_stories.rs"]
mod mistakes_in_stories;
#[path = "rules/mistakes_in_wire.rs"]
mod mistakes_in_wire;
#[path = "rules/passages.rs"]
mod passages;
#[path = "rules/remedies.rs"]
mod remedies;
#[path = "rules/reviewed.rs"]
mod reviewed;
#[path = "rules/scenarios.rs"]
mod scenarios;
#[path = "rules/some_items.rs"]
mod some_items;
#[path = "rules/stories.rs"]
mod stories;
#[path = "rules/support.rs"]
mod support;
#[path = "rules/wire.rs"]
mod wire;
