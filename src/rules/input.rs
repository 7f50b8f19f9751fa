//! What is known about a message when rules are evaluated, and what they remember of others.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use schemars::JsonSchema;
use serde::Deserialize;
use strum::IntoStaticStr;

use crate::flow::{
    AnswerLink, Connection, ExchangeId, Reconciler, RequestHead, ResponseHead, SessionTag, Side,
};
use crate::markup::{Document, Limits};

/// When a rule is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema, IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Stage {
    /// A request on its way to the server.
    Request,
    /// A response on its way to the device.
    Response,
    /// A connection of a device that is being received.
    Connection,
}

impl Stage {
    /// The stage at which rules see what a peer says.
    pub fn of(speaker: Side) -> Self {
        match speaker {
            Side::Device => Self::Request,
            Side::Server => Self::Response,
        }
    }

    /// Its name in rule files.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// What is known about a message when rules are evaluated.
#[derive(Clone, Copy, Debug)]
pub struct RuleInput<'a> {
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
    /// The body as received, without content coding and in UTF-8 where it is XML in UTF-16, where it was read; it need
    /// not decode.
    pub body: Option<&'a Bytes>,
    /// Why dmtap could not read the body, where it could not.
    pub why_unread: Option<&'static str>,
    /// For each Status and Results of the document, the command it answers.
    pub links: &'a [AnswerLink],
    /// What dmtap owes the peers of the session, where there is one.
    pub reconciler: Option<&'a Reconciler>,
    /// What bounds the decoding of a body that a rule changed.
    pub limits: &'a Limits,
}

impl<'a> RuleInput<'a> {
    /// The header fields of the message.
    pub(super) fn headers(&self) -> &'a HeaderMap {
        match (self.stage, self.response) {
            (Stage::Response, Some(head)) => &head.headers,
            _ => &self.request.headers,
        }
    }
}

/// What is known of a connection when rules are asked how to receive it.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionInput<'a> {
    /// The device's address.
    pub peer: SocketAddr,
    /// The address it was accepted at.
    pub listener: SocketAddr,
    /// The server it is for, without port: that of CONNECT, or the one behind this proxy. `None`: not known yet.
    pub host: Option<&'a str>,
    /// The name in its ClientHello.
    pub sni: Option<&'a str>,
    /// Whether it speaks TLS; `None`: not known yet.
    pub tls: Option<bool>,
    /// What is received.
    pub arrival: ReceivedUnit,
}

/// What rules are asked to receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceivedUnit {
    /// A connection that leads to one server.
    Connection,
    /// A request to a proxy, with the full address of its server: the next one may be for another.
    Request,
}

/// What kept a rule from acting on a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldBack {
    /// It matched, and its limit excluded every match.
    Limit,
    /// Its scenario was in another state.
    Scenario,
    /// It needs the body, which dmtap could not read for this reason.
    Unread(&'static str),
}

/// What rules remember: counts of limits, states of scenarios. The proxy keeps one for a run behind a lock that
/// is held for one call.
pub trait RuleState {
    /// Counts a match of rule `rule` of the set under `key`; the first one is 1.
    fn count(&mut self, rule: usize, key: &str) -> u64;

    /// Counts that rule `rule` of the set acted on this many matches of a message: 0 if it could not act on any. It is
    /// complete if every step acted on each of them.
    fn acted(&mut self, rule: usize, matches: usize, is_complete: bool) {
        let _ = (rule, matches, is_complete);
    }

    /// Counts that rule `rule` of the set looked at a message, and its limit, its scenario or the body kept it from
    /// acting.
    fn held_back(&mut self, rule: usize, by: HeldBack) {
        let _ = (rule, by);
    }

    /// The state of a scenario, by its scope and name, under `key`; `None` before any change.
    fn state(&mut self, scenario: (Option<&str>, &str), key: &str) -> Option<Arc<str>>;

    /// Brings a scenario from one state (`None`: that before any change) to another; `false`, and no change,
    /// if it is not in the first one any more.
    fn advance(
        &mut self,
        scenario: (Option<&str>, &str),
        key: &str,
        from: Option<&str>,
        to: &str,
    ) -> bool;
}
