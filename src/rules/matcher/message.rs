//! Keys about a message as a whole.

use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{MatchContext, Matcher, any_code};
use crate::dm::Dialect;
use crate::dm::soap::{Envelope, action_name, local_code};
use crate::flow::{Connection, media};
use crate::markup::Document;
use crate::rules::glob::Glob;
use crate::rules::value::{AnyFieldName, NumberRange, OneOf};
use crate::rules::{Facts, Stage};

/// An encoding of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each variant is the encoding it names")]
pub enum Encoding {
    Xml,
    Wbxml,
}

/// A header field.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(
    rename = "a header",
    deny_unknown_fields,
    expecting = "header = { name = \"User-Agent\", value = \"MSFT*\" }"
)]
#[schemars(rename = "header")]
pub struct HeaderMatcher {
    /// Its name; case is ignored.
    #[schemars(extend("examples" = ["User-Agent"]))]
    pub name: AnyFieldName,
    /// A pattern for its value, in which `*` matches any characters; without it, the field must be present.
    #[serde(default)]
    #[schemars(extend("examples" = ["MSFT*"]))]
    pub value: Vec<Glob>,
}

impl Matcher {
    /// Whether its own keys ask something of the message as a whole.
    pub(super) fn asks_of_message(&self) -> bool {
        self.asks_of_connection()
            || self.asks_of_heads()
            || self.asks_of_session()
            || self.asks_of_document()
    }

    fn asks_of_connection(&self) -> bool {
        !self.peer.is_empty() || !self.sni.is_empty() || !self.client_cert.is_empty()
    }

    fn asks_of_heads(&self) -> bool {
        !self.host.is_empty()
            || !self.path.is_empty()
            || !self.query.is_empty()
            || !self.method.is_empty()
            || !self.media_type.is_empty()
            || !self.header.is_empty()
            || !self.request_header.is_empty()
            || !self.http_status.is_empty()
    }

    /// Whether its own keys ask what only the bodies of requests tell.
    pub(super) fn asks_of_session(&self) -> bool {
        let numbers = [&self.message, &self.exchange, &self.device_session];
        let texts = [&self.device, &self.user, &self.session];
        numbers.iter().any(|numbers| !numbers.is_empty())
            || !self.package.is_empty()
            || texts.iter().any(|texts| !texts.is_empty())
    }

    /// Whether its own keys ask what only the body at hand tells.
    pub(super) fn asks_of_document(&self) -> bool {
        !self.body_size.is_empty()
            || !self.encoding.is_empty()
            || !self.dialect.is_empty()
            || self.asks_of_soap()
            || !self.message.is_empty()
    }

    fn asks_of_soap(&self) -> bool {
        !self.soap_action.is_empty() || !self.soap_fault.is_empty()
    }

    /// Whether all of its own keys about the message hold.
    pub(in crate::rules) fn holds_of_message(&self, context: &MatchContext<'_>) -> bool {
        (!self.asks_of_connection() || self.holds_of_connection(context.facts.connection))
            && (!self.asks_of_heads() || self.holds_of_heads(context.facts))
            && (!self.asks_of_session() || self.holds_of_session(context.facts))
            && (!self.asks_of_document() || self.holds_of_body(context))
    }

    /// Whether that of it holds which is known before the first request: `peer`, `sni` and `client-cert`.
    pub fn holds_of_connection(&self, connection: &Connection) -> bool {
        let address = connection.device.ip();
        let sni = || connection.tls.as_ref()?.sni.as_deref();
        (self.peer.is_empty() || self.peer.iter().any(|net| net.has(address)))
            && any_glob(&self.sni, sni)
            && (self.client_cert.is_empty() || self.client_cert.iter().any(|c| c.holds(connection)))
    }

    fn holds_of_heads(&self, facts: &Facts<'_>) -> bool {
        let request = facts.request;
        let status = facts.response.map(|head| head.status.as_u16());
        any_glob(&self.host, || request.uri.host())
            && any_glob(&self.path, || Some(request.uri.path()))
            && any_glob(&self.query, || request.uri.query())
            && any_glob(&self.method, || Some(request.method.as_str()))
            && any_code(&self.http_status, status)
            && any_glob(&self.media_type, || media::hint(headers(facts)).media_type)
            && any_header(&self.header, headers(facts))
            && any_header(&self.request_header, &request.headers)
    }

    fn holds_of_session(&self, facts: &Facts<'_>) -> bool {
        let tag = facts.session;
        let message = tag.and_then(|tag| tag.message).map(u64::from);
        let exchange = tag.map(|tag| u64::from(tag.exchange));
        any_glob(&self.device, || tag.map(|tag| &*tag.key.device))
            && any_glob(&self.session, || tag.map(|tag| &*tag.key.id))
            && any_glob(&self.user, || tag?.user.as_deref())
            && any_number(&self.message, message)
            && any_number(&self.exchange, exchange)
            && any_number(&self.device_session, tag.map(|tag| tag.of_device))
            && any_number(&self.package, package(facts))
    }

    fn holds_of_body(&self, context: &MatchContext<'_>) -> bool {
        let document = context.document;
        let encoding = document.map(|document| match document.is_wbxml() {
            true => Encoding::Wbxml,
            false => Encoding::Xml,
        });
        let dialect = document.map(|document| OneOf(Dialect::of(document)));
        any_number(&self.body_size, body_size(context))
            && (self.encoding.is_empty() || encoding.is_some_and(|e| self.encoding.contains(&e)))
            && (self.dialect.is_empty() || dialect.is_some_and(|d| self.dialect.contains(&d)))
            && (!self.asks_of_soap() || document.is_some_and(|d| self.holds_of_soap(d)))
    }

    fn holds_of_soap(&self, document: &Document) -> bool {
        let Some(envelope) = Envelope::of(document) else {
            return false;
        };
        let is_asked = |action: &str| self.soap_action.iter().any(|glob| is_action(glob, action));
        let action_fits =
            self.soap_action.is_empty() || envelope.action().is_some_and(|a| is_asked(&a));
        action_fits && (self.soap_fault.is_empty() || self.has_fault(envelope))
    }

    fn has_fault(&self, envelope: Envelope<'_>) -> bool {
        let Some(fault) = envelope.fault() else {
            return false;
        };
        let codes = fault.codes().map(|code| code.text());
        let mut words = codes.chain(fault.error_type());
        words.any(|word| any_glob(&self.soap_fault, || Some(local_code(&word))))
    }
}

pub(super) fn headers<'a>(facts: &Facts<'a>) -> &'a HeaderMap {
    match (facts.stage, facts.response) {
        (Stage::Response, Some(head)) => &head.headers,
        _ => &facts.request.headers,
    }
}

/// The length of the body, as far as it is known.
pub(super) fn body_size(context: &MatchContext<'_>) -> Option<u64> {
    let document = context.document.map(|document| document.source().len());
    let read = || context.facts.body.map(|body| body.len());
    let size = document.or_else(read).map(|size| size as u64);
    size.or_else(|| announced(context.facts))
}

/// The length a header announces of a body that is no document.
fn announced(facts: &Facts<'_>) -> Option<u64> {
    let length = headers(facts).get(CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// The server's package follows the device's: 2 answers 1, and 4 answers 3.
pub(super) fn package(facts: &Facts<'_>) -> Option<u64> {
    let device = u64::from(facts.session?.package);
    Some(match facts.stage {
        Stage::Response => device + 1,
        _ => device,
    })
}

fn any_header(fields: &[HeaderMatcher], headers: &HeaderMap) -> bool {
    let is_there = |field: &HeaderMatcher| {
        let mut values = headers.get_all(&field.name.0).iter();
        values.any(|value| any_glob(&field.value, || std::str::from_utf8(value.as_bytes()).ok()))
    };
    fields.is_empty() || fields.iter().any(is_there)
}

/// Whether one of the patterns matches; an empty list asks nothing.
pub(super) fn any_glob<'t, G: AsRef<Glob>>(
    patterns: &[G],
    text: impl FnOnce() -> Option<&'t str>,
) -> bool {
    let matches = |text: &str| patterns.iter().any(|p| p.as_ref().matches(text));
    patterns.is_empty() || text().is_some_and(matches)
}

/// Whether one of the ranges holds this number; an empty list asks nothing.
fn any_number<const LEAST: u64>(numbers: &[NumberRange<LEAST>], number: Option<u64>) -> bool {
    numbers.is_empty() || number.is_some_and(|n| numbers.iter().any(|range| range.0.contains(&n)))
}

/// Whether a pattern matches the Action of a SOAP envelope, or its name.
pub(in crate::rules) fn is_action(glob: &Glob, action: &str) -> bool {
    glob.matches(action) || glob.matches(action_name(action))
}
