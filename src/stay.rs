//! The built-in rule `stay`: URLs that would lead the device away from the proxy lead to it instead, and what the
//! device repeats of them leads back to the server.
//!
//! ```text
//! document ──places──► Vec<Place> ──turn──► edits ──plan──► one patch, shown as a rule effect
//!                      where URLs stand      by the OriginMap
//! ```
//!
//! Where URLs stand is a list ([`kind`]); nothing else is looked at, but for what is noted as left over.

mod head;
pub mod kind;
mod linked;
mod page;
mod places;
mod prefilter;
mod turn;
mod value;

use std::collections::HashSet;

pub use head::{location, seals};
pub use linked::linked_enrollment;
pub use page::page;
pub use prefilter::may_hold;

use crate::flow::origin::{LearnedHosts, NamedHost, OriginMap};
use crate::flow::{EffectDetail, Note, RuleEffect, Severity, Side};
use crate::markup::{self, Document, Limits};
use crate::patch::Patch;
use places::Place;
use turn::UrlRewriter;
pub use turn::{leads_away, signs_in};

/// The name of the rule in records.
pub const NAME: &str = "stay";

/// How much the rule does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// URLs that the peers follow.
    #[default]
    Followed,
    /// Target and Source of SyncHdr, too.
    Full,
}

/// What the rule needs to know of a message.
#[derive(Clone, Copy, Debug)]
pub struct StayInput<'a> {
    /// Who receives it.
    pub to: Side,
    /// The map, as this exchange sees it.
    pub map: &'a OriginMap,
    /// The hosts in no pair that have a path.
    pub learned: &'a LearnedHosts,
    /// How much is mapped.
    pub extent: Extent,
    /// The message as the server sent it, where rules changed it since: what they wrote is left alone.
    pub received: Option<&'a Document>,
    /// What vouches for the bytes of the message and cannot be made anew, such as `x-syncml-hmac`.
    pub sealed: Option<&'static str>,
    /// What bounds the message.
    pub limits: &'a Limits,
}

/// What the rule comes to in one message.
#[derive(Clone, Debug, Default)]
pub struct StayOutcome {
    /// What it changes; `None` where it changes nothing.
    pub effect: Option<RuleEffect>,
    /// What leads away all the same.
    pub notes: Vec<Note>,
    /// Hosts in no pair that the message names and that get a path.
    pub learned: Vec<NamedHost>,
}

/// What the rule does to a message.
pub fn stay(document: &Document, input: &StayInput<'_>) -> StayOutcome {
    let places = places::of(document, input);
    let own = input.received.map(|received| {
        let places = places::of(received, input).places;
        places.into_iter().map(key).collect::<HashSet<_>>()
    });
    let is_servers = |place: &Place| {
        own.as_ref()
            .is_none_or(|own| own.contains(&key(place.clone())))
    };
    let sealed = input.sealed.or(places.signature);
    let mut rewriter = UrlRewriter::new(input, sealed);
    rewriter.turn_all(places.places.iter().filter(|place| is_servers(place)));
    if places.is_cut {
        rewriter.note_cut();
    }
    let (edits, changes, mut outcome) = rewriter.finish();
    if edits.is_empty() {
        return outcome;
    }
    match markup::edit::plan_within(document, &edits, input.limits) {
        Ok(patch) => outcome.effect = Some(effect(changes, patch)),
        Err(error) => {
            outcome.learned.clear();
            outcome.notes.push(Note {
                id: "STAY-02",
                severity: Severity::Warning,
                at: None,
                text: format!("the URLs of the message cannot be rewritten: {error}"),
            });
        }
    }
    outcome
}

/// What a place holds, wherever in the message it stands.
fn key(place: Place) -> (&'static str, String) {
    (place.kind.map_or("", |kind| kind.name), place.value)
}

/// The effect that records show.
pub fn effect(changes: Vec<EffectDetail>, patch: Patch) -> RuleEffect {
    RuleEffect {
        patch,
        ..RuleEffect::new(NAME, changes)
    }
}
