//! What must hold of a message as a whole.

use crate::rules::value::schema_of_table;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName};
use serde::Deserialize;

use super::{
    ClientCertMatcher, Codes, MatchContext, Net, Numbers, SoapMatcher, any_code, any_number,
};
use crate::dm::Dialect;
use crate::flow::{Connection, media};
use crate::rules::glob::Glob;
use crate::rules::load::HeaderTable;
use crate::rules::{Facts, Stage};

/// What must hold of a message. An empty list asks nothing; of a list one entry must match.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MessageMatcher {
    /// Address of the device.
    pub peer: Vec<Net>,
    /// The name the device asked for in TLS.
    pub sni: Vec<Glob>,
    /// The client certificate that the device presented.
    pub client_cert: Vec<ClientCertMatcher>,
    /// Host of the server, without port.
    pub host: Vec<Glob>,
    /// Path of the request, without query.
    pub path: Vec<Glob>,
    /// Query of the request, without the question mark.
    pub query: Vec<Glob>,
    /// HTTP method.
    pub method: Vec<Glob>,
    /// Header fields of the message at hand.
    pub header: Vec<HeaderMatcher>,
    /// Header fields of the request.
    pub request_header: Vec<HeaderMatcher>,
    /// Media type of the message at hand, without its parameters.
    pub media_type: Vec<Glob>,
    /// HTTP status of the response.
    pub http_status: Codes,
    /// Length of the body in bytes, without content coding.
    pub body_size: Numbers,
    /// Whether the body is WBXML (`true`) or XML.
    pub wbxml: Vec<bool>,
    /// The language of the body.
    pub dialect: Vec<Dialect>,
    /// What must hold of the SOAP envelope in the body.
    pub soap: SoapMatcher,
    /// Device id: the Source of the device's messages.
    pub device: Vec<Glob>,
    /// The user the device speaks for.
    pub user: Vec<Glob>,
    /// SessionID.
    pub session: Vec<Glob>,
    /// MsgID.
    pub message: Numbers,
    /// The package of the session, from 1.
    pub package: Numbers,
    /// The exchange of the session, from 1.
    pub exchange: Numbers,
    /// The number of the session among those of its device.
    pub device_session: Numbers,
}

/// A header field.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "HeaderTable")]
pub struct HeaderMatcher {
    /// Its name.
    pub name: HeaderName,
    /// Its value; empty: any. Of several fields of the name one must match.
    pub value: Vec<Glob>,
}

impl MessageMatcher {
    /// Whether it holds of every message.
    pub fn asks_nothing(&self) -> bool {
        !self.asks_connection()
            && !self.asks_heads()
            && !self.asks_session()
            && !self.reads_document()
    }

    fn asks_connection(&self) -> bool {
        !self.peer.is_empty() || !self.sni.is_empty() || !self.client_cert.is_empty()
    }

    fn asks_heads(&self) -> bool {
        let texts = [&self.host, &self.path, &self.query, &self.method];
        texts.iter().any(|texts| !texts.is_empty())
            || !self.media_type.is_empty()
            || !self.header.is_empty()
            || !self.request_header.is_empty()
            || !self.http_status.is_empty()
    }

    /// Whether it asks what only the bodies of requests tell.
    pub(in crate::rules) fn asks_session(&self) -> bool {
        let numbers = [
            &self.message,
            &self.package,
            &self.exchange,
            &self.device_session,
        ];
        let texts = [&self.device, &self.user, &self.session];
        numbers.iter().any(|numbers| !numbers.is_empty())
            || texts.iter().any(|texts| !texts.is_empty())
    }

    /// Whether it asks what only the body at hand tells.
    pub(in crate::rules) fn reads_document(&self) -> bool {
        !self.body_size.is_empty()
            || !self.wbxml.is_empty()
            || !self.dialect.is_empty()
            || !self.soap.asks_nothing()
            || !self.message.is_empty()
    }

    /// Whether all of it holds.
    pub(in crate::rules) fn holds(&self, look: &MatchContext<'_>) -> bool {
        (!self.asks_connection() || self.holds_of_connection(look.facts.connection))
            && (!self.asks_heads() || self.holds_of_heads(look.facts))
            && (!self.asks_session() || self.holds_of_session(look.facts))
            && (!self.reads_document() || self.holds_of_body(look))
    }

    /// Whether that of it holds which is known before the first request: `peer`, `sni` and `client-cert`.
    pub fn holds_of_connection(&self, connection: &Connection) -> bool {
        let address = connection.device.ip();
        let sni = || connection.tls.as_ref()?.sni.as_deref();
        (self.peer.is_empty() || self.peer.iter().any(|net| net.has(address)))
            && any_wild(&self.sni, sni)
            && (self.client_cert.is_empty() || self.client_cert.iter().any(|c| c.holds(connection)))
    }

    fn holds_of_heads(&self, facts: &Facts<'_>) -> bool {
        let request = facts.request;
        let status = facts.response.map(|head| head.status.as_u16());
        any_wild(&self.host, || request.uri.host())
            && any_wild(&self.path, || Some(request.uri.path()))
            && any_wild(&self.query, || request.uri.query())
            && any_wild(&self.method, || Some(request.method.as_str()))
            && any_code(&self.http_status, status)
            && any_wild(&self.media_type, || media::hint(headers(facts)).media_type)
            && any_header(&self.header, headers(facts))
            && any_header(&self.request_header, &request.headers)
    }

    fn holds_of_session(&self, facts: &Facts<'_>) -> bool {
        let tag = facts.session;
        let message = tag.and_then(|tag| tag.message).map(u64::from);
        let exchange = tag.map(|tag| u64::from(tag.exchange));
        any_wild(&self.device, || tag.map(|tag| &*tag.key.device))
            && any_wild(&self.session, || tag.map(|tag| &*tag.key.id))
            && any_wild(&self.user, || tag?.user.as_deref())
            && any_number(&self.message, message)
            && any_number(&self.exchange, exchange)
            && any_number(&self.device_session, tag.map(|tag| tag.of_device))
            && any_number(&self.package, package(facts))
    }

    fn holds_of_body(&self, look: &MatchContext<'_>) -> bool {
        let document = look.document;
        let size = document.map(|document| document.source().len() as u64);
        let has_form = |wbxml: &bool| document.is_some_and(|d| d.is_wbxml() == *wbxml);
        let has_dialect = |dialect| document.map(Dialect::of) == Some(dialect);
        let read = || look.facts.body.map(|body| body.len() as u64);
        let size = size.or_else(read).or_else(|| announced(look.facts));
        any_number(&self.body_size, size)
            && (self.wbxml.is_empty() || self.wbxml.iter().any(has_form))
            && (self.dialect.is_empty() || self.dialect.iter().copied().any(has_dialect))
            && self.soap.holds(document)
    }
}

/// The header fields of the message at hand.
fn headers<'a>(facts: &Facts<'a>) -> &'a HeaderMap {
    match (facts.stage, facts.response) {
        (Stage::Response, Some(head)) => &head.headers,
        _ => &facts.request.headers,
    }
}

/// The length a header announces of a body that is no document.
fn announced(facts: &Facts<'_>) -> Option<u64> {
    let length = headers(facts).get(CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// The server's package follows the device's: 2 answers 1, and 4 answers 3.
fn package(facts: &Facts<'_>) -> Option<u64> {
    let device = u64::from(facts.session?.package);
    Some(match facts.stage {
        Stage::Response => device + 1,
        _ => device,
    })
}

fn any_header(fields: &[HeaderMatcher], headers: &HeaderMap) -> bool {
    let is_there = |field: &HeaderMatcher| {
        let mut values = headers.get_all(&field.name).iter();
        values.any(|value| any_wild(&field.value, || std::str::from_utf8(value.as_bytes()).ok()))
    };
    fields.is_empty() || fields.iter().any(is_there)
}

fn any_wild<'t>(patterns: &[Glob], text: impl FnOnce() -> Option<&'t str>) -> bool {
    patterns.is_empty() || text().is_some_and(|text| patterns.iter().any(|p| p.matches(text)))
}

schema_of_table!(HeaderMatcher, HeaderTable);
