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
use std::sync::Arc;

pub use head::{rewrite_cookie, rewrite_location, rewrite_sources, signing_fields};
pub use linked::note_linked_enrollment_urls;
pub use page::{note_undecoded, note_untyped_page, rewrite_page, url_of_refresh};
pub use prefilter::may_contain_urls;

use crate::flow::origin::{LearnedHosts, NamedHost, OriginMap};
use crate::flow::{EffectDetail, Note, RuleEffect, Side};
use crate::markup::{self, Document, Limits};
use crate::patch::Patch;
use places::Place;
use turn::UrlRewriter;
pub use turn::{leads_away_text, sign_in_text, user_text, with_user};

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

/// The facts about an exchange that the rule needs.
#[derive(Clone, Debug)]
pub struct StayContext {
    /// The origin map for this exchange.
    pub map: OriginMap,
    /// The learned hosts: they are in no pair of the map, but have a path under the public origin.
    pub learned: Arc<LearnedHosts>,
    /// The set of URLs to rewrite.
    pub extent: Extent,
    /// The path of the request as the device wrote it.
    pub path: String,
}

/// The properties of a message that the rule needs.
#[derive(Clone, Copy, Debug)]
pub struct StayInput<'a> {
    /// The facts about the exchange.
    pub context: &'a StayContext,
    /// The receiver of the message.
    pub to: Side,
    /// The message as the server sent it, if other rules have changed it. Text from those rules is not rewritten.
    pub received: Option<&'a Document>,
    /// The header field that signs the bytes of the message and that dmtap cannot renew, such as `x-syncml-hmac`.
    pub unrenewable_field: Option<&'static str>,
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
    let received = input.received.map(|received| places::of(received, input));
    let server_keys = received.as_ref();
    let server_keys: Option<HashSet<_>> =
        server_keys.map(|received| received.places.iter().map(key).collect());
    let is_servers = |place: &&Place| {
        server_keys
            .as_ref()
            .is_none_or(|keys| keys.contains(&key(place)))
    };
    let unrenewable_field = input.unrenewable_field.or(places.signature);
    let mut rewriter = UrlRewriter::new(input, unrenewable_field);
    rewriter.turn_all(places.places.iter().filter(is_servers));
    if places.is_cut {
        rewriter.note_cut();
    }
    if let Some(path) = &places.unread {
        rewriter.note_unread(path);
    }
    let (edits, changes, mut outcome) = rewriter.finish();
    if edits.is_empty() {
        return outcome;
    }
    match markup::edit::plan_within(document, &edits, input.limits) {
        Ok(patch) => outcome.effect = Some(effect(changes, patch)),
        Err(error) => {
            outcome.learned.clear();
            let text = format!("the URLs of the message cannot be rewritten: {error}");
            outcome.notes.push(Note::new("STAY-02", text));
        }
    }
    outcome
}

/// Returns the kind and the value of a place, to compare places independently of their position.
fn key(place: &Place) -> (&'static str, &str) {
    (place.kind.map_or("", |kind| kind.name), &place.value)
}

/// Returns the changes as a rule effect of `stay`.
pub fn effect(changes: Vec<EffectDetail>, patch: Patch) -> RuleEffect {
    RuleEffect {
        patch,
        ..RuleEffect::new(NAME, changes)
    }
}
