//! The built-in rule `stay`: it rewrites URLs that would lead the device away from the proxy, so that they lead to the
//! proxy, and restores them where the device sends them back to the server.
//!
//! ```text
//! document ──places──► Vec<Place> ──turn──► edits ──plan──► one patch, shown as a rule effect
//!                      where URLs stand      by the OriginMap
//! ```
//!
//! [`kind`] lists the places of URLs; the rule ignores all other places, except for notes on URLs left over there.

mod address;
mod head;
pub mod kind;
mod linked;
mod page;
mod places;
mod prefilter;
mod turn;
mod value;

use std::collections::HashSet;

pub use head::{cookie, location, seals, sources};
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

/// The set of URLs that the rule rewrites.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// Only URLs that the peers follow.
    #[default]
    Followed,
    /// Also Target and Source of SyncHdr.
    Full,
}

/// The properties of a message that the rule needs.
#[derive(Clone, Copy, Debug)]
pub struct StayInput<'a> {
    /// The receiver of the message.
    pub to: Side,
    /// The origin map for this exchange.
    pub map: &'a OriginMap,
    /// The learned hosts: they are in no pair of the map, but have a path under the public origin.
    pub learned: &'a LearnedHosts,
    /// The set of URLs to rewrite.
    pub extent: Extent,
    /// The message as the server sent it, if other rules have changed it. Text from those rules is not rewritten.
    pub received: Option<&'a Document>,
    /// The header field that signs the bytes of the message and that dmtap cannot renew, such as `x-syncml-hmac`.
    pub sealed: Option<&'static str>,
    /// The decoding limits of the message.
    pub limits: &'a Limits,
}

/// The result of the rule for one message.
#[derive(Clone, Debug, Default)]
pub struct StayOutcome {
    /// The changes; `None` if there are none.
    pub effect: Option<RuleEffect>,
    /// The notes on URLs that still lead away.
    pub notes: Vec<Note>,
    /// New hosts to learn: the message names them, and they are in no pair.
    pub learned: Vec<NamedHost>,
}

/// Applies the rule to a message.
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

/// Returns the kind and the value of a place, to compare places independently of their position.
fn key(place: Place) -> (&'static str, String) {
    (place.kind.map_or("", |kind| kind.name), place.value)
}

/// Returns the rule effect for records.
pub fn effect(changes: Vec<EffectDetail>, patch: Patch) -> RuleEffect {
    RuleEffect {
        patch,
        ..RuleEffect::new(NAME, changes)
    }
}
