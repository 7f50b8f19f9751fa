//! The input of rules: the facts about a message, and the state that rules keep between messages.

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

/// The stage at which a rule is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema, IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Stage {
    /// A request on its way to the server.
    Request,
    /// A response on its way to the device.
    Response,
    /// A connection of a device, when dmtap receives it.
    Connection,
}

impl Stage {
    /// Returns the stage of the messages that this peer sends.
    pub fn of(speaker: Side) -> Self {
        match speaker {
            Side::Device => Self::Request,
            Side::Server => Self::Response,
        }
    }

    /// Returns the name in rule files.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The facts about a message when rules are evaluated.
#[derive(Clone, Copy, Debug)]
pub struct RuleInput<'a> {
    /// The sender of the message.
    pub speaker: Side,
    /// The device's connection.
    pub connection: &'a Connection,
    /// The exchange of the message.
    pub exchange: ExchangeId,
    /// The head of the request.
    pub request: &'a RequestHead,
    /// The head of the response, at the stage `response`.
    pub response: Option<&'a ResponseHead>,
    /// The DM session.
    pub session: Option<&'a SessionTag>,
    /// The decoded body, if it decodes.
    pub document: Option<&'a Arc<Document>>,
    /// The body as received, with content codings undone and XML in UTF-16 converted to UTF-8; `None` if it was not
    /// read. It may not decode.
    pub body: Option<&'a Bytes>,
    /// The reason why dmtap could not read the body, if it could not.
    pub why_unread: Option<&'static str>,
    /// The command that each Status and Results of the document answers.
    pub links: &'a [AnswerLink],
    /// The obligations of dmtap to the peers of the session, if there is a session.
    pub reconciler: Option<&'a Reconciler>,
    /// The limits for decoding a body that a rule changed.
    pub limits: &'a Limits,
}

impl<'a> RuleInput<'a> {
    /// Returns the header fields of the message.
    pub(super) fn headers(&self) -> &'a HeaderMap {
        match (self.speaker, self.response) {
            (Side::Server, Some(head)) => &head.headers,
            _ => &self.request.headers,
        }
    }
}

/// The facts about a connection when rules decide how to receive it.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionInput<'a> {
    /// The device's address.
    pub peer: SocketAddr,
    /// The address at which dmtap accepted the connection.
    pub listener: SocketAddr,
    /// The host of the server, without port: from CONNECT, or the server behind a reverse proxy. `None` if it is not
    /// known yet.
    pub host: Option<&'a str>,
    /// The server name in the ClientHello.
    pub sni: Option<&'a str>,
    /// Whether the device speaks TLS; `None` if that is not known yet.
    pub tls: Option<bool>,
    /// The unit that dmtap receives.
    pub arrival: ReceivedUnit,
}

/// The unit that connection rules decide about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceivedUnit {
    /// A connection that leads to one server.
    Connection,
    /// A request to a proxy, with the full address of its server; the next request may be for another server.
    Request,
}

/// The reason why a rule did not act on a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldBack {
    /// The rule matched, but its limit excluded every match.
    Limit,
    /// The scenario of the rule was in another state.
    Scenario,
    /// It needs the body, which dmtap could not read for this reason.
    Unread(&'static str),
}

/// The state that rules keep: counts of limits and states of scenarios. The proxy keeps one for a run, behind a lock
/// that is held for one call. A rule is given by its position in the set, from 0; the proxy maps it to a number that the
/// rule keeps when the set changes.
pub trait RuleState {
    /// Counts a match of the rule at `position` under `key`, and returns the count; the first match is 1.
    fn count(&mut self, position: usize, key: &str) -> u64;

    /// Counts that the rule at `position` acted on this many matches of a message: 0 if it could not act on any. It is
    /// complete if every step acted on each of them.
    fn acted(&mut self, position: usize, matches: usize, is_complete: bool) {
        let _ = (position, matches, is_complete);
    }

    /// Counts that the rule at `position` looked at a message, and its limit, its scenario or the body kept it from
    /// acting.
    fn held_back(&mut self, position: usize, by: HeldBack) {
        let _ = (position, by);
    }

    /// Returns the state of a scenario, by its scope and name, under `key`; `None` before any change.
    fn state(&mut self, scenario: (Option<&str>, &str), key: &str) -> Option<Arc<str>>;

    /// Changes the state of a scenario from `from` (`None` is the state before any change) to `to`. Returns `false`,
    /// and changes nothing, if the scenario is not in the state `from` any more.
    fn advance(
        &mut self,
        scenario: (Option<&str>, &str),
        key: &str,
        from: Option<&str>,
        to: &str,
    ) -> bool;
}
