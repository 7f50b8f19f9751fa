//! The rule book: what files say, what rules find, what they do.

#[path = "rules/conversations.rs"]
mod conversations;
#[path = "rules/limits.rs"]
mod limits;
#[path = "rules/mistakes.rs"]
mod mistakes;
#[path = "rules/shelf.rs"]
mod shelf;
#[path = "rules/support.rs"]
mod support;
