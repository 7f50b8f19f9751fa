//! The engine: one passage, one rule book, one verdict.

use std::sync::Arc;

use bytes::Bytes;

use crate::flow::{
    Applied, Connection, Delivery, ExchangeId, Link, RequestHead, ResponseHead, SessionTag,
};
use crate::markup::Document;

/// When a rule looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// A request on its way to the server.
    Request,
    /// A response on its way to the device.
    Response,
}

/// What is known of a passage when rules are asked.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Which way it goes.
    pub stage: Stage,
    /// The device's connection.
    pub connection: &'a Connection,
    /// Its exchange.
    pub exchange: ExchangeId,
    /// The head of the request.
    pub request: &'a RequestHead,
    /// The head of the response, at that stage.
    pub response: Option<&'a ResponseHead>,
    /// The DM session.
    pub session: Option<&'a SessionTag>,
    /// The body decoded, where it decodes.
    pub document: Option<&'a Arc<Document>>,
    /// For each Status and Results of the document, the command it answers.
    pub links: &'a [Link],
}

/// What is to happen to a passage. The default changes nothing.
#[derive(Debug, Default)]
pub struct Verdict {
    /// The body to send instead, without content coding; `None`: the very bytes received.
    pub body: Option<Bytes>,
    /// That body decoded, where it decodes.
    pub document: Option<Arc<Document>>,
    /// At the request stage: answer the device with this and ask no server. At the response stage: in place
    /// of the server's response.
    pub answer: Option<Answer>,
    /// How it leaves.
    pub delivery: Delivery,
    /// What the rules did, in order.
    pub applied: Vec<Applied>,
}

/// A response of dmtap's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: http::StatusCode,
    /// Its body, as plain text; empty for none.
    pub body: String,
}

/// Counts what limits count. The proxy keeps one for a run behind a lock that is held for one call.
pub trait Tally {
    /// The `n`th time (from 1) that rule `rule` of the book found something within `scope`.
    fn count(&mut self, rule: usize, scope: &str) -> u64;
}

/// Rules in file order. A set that exists is valid.
#[derive(Debug, Default)]
pub struct RuleSet {}

impl RuleSet {
    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        true
    }

    /// Whether some rule of this stage looks into bodies, so that the body must be collected and decoded.
    pub fn reads_bodies(&self, stage: Stage) -> bool {
        let _ = stage;
        false
    }

    /// Decides. Rules act in file order; each sees what the ones before it left.
    pub fn decide(&self, facts: &Facts<'_>, tally: &mut dyn Tally) -> Verdict {
        let _ = (facts, tally);
        Verdict::default()
    }
}
