//! The rule book: what files say, what rules find, what they do.

mod bounded;
mod conversations;
mod corpus;
mod edits;
mod edits_of_heads;
mod edits_random;
mod edits_raw;
mod keys;
mod limits;
mod matching;
mod messages;
mod mistakes_in_combination;
mod mistakes_in_edits;
mod mistakes_in_match;
mod mistakes_in_rules;
mod mistakes_in_scenarios;
mod mistakes_in_steps;
mod mistakes_in_wire;
mod predicates;
mod protocol_steps;
mod remedies;
mod reviewed;
mod scenarios;
mod some_items;
mod support;
mod wire;
