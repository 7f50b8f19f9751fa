//! Keys about a message as a whole.

use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{MatchContext, Matcher};
use crate::dm::Dialect;
use crate::dm::soap::{Envelope, action_name, local_code};
use crate::flow::{Connection, Side, media};
use crate::markup::Document;
use crate::rules::RuleInput;
use crate::rules::glob::Glob;
use crate::rules::value::{AnyFieldName, CodeRange, NumberRange};

/// An encoding of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each variant is the encoding it names")]
pub enum Encoding {
    Xml,
    Wbxml,
}

/// The conditions on a header field.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(
    rename = "a header",
    deny_unknown_fields,
    expecting = "header = { name = \"User-Agent\", value = \"MSFT*\" }"
)]
#[schemars(rename = "header")]
pub struct HeaderMatcher {
    /// The name of the header field; case is ignored.
    #[schemars(extend("examples" = ["User-Agent"]))]
    pub name: AnyFieldName,
    /// A pattern for the value, in which `*` matches any characters; without it, the field only has to be present.
    #[serde(default)]
    #[schemars(extend("examples" = ["MSFT*"]))]
    pub value: Vec<Glob>,
}

impl Matcher {
    /// Whether the matcher's own keys need the session, which only the bodies of requests name.
    pub(super) fn own_keys_need_session(&self) -> bool {
        let numbers = [&self.message, &self.exchange, &self.device_session];
        let texts = [&self.device, &self.user, &self.session];
        numbers.iter().any(|numbers| !numbers.is_empty())
            || !self.package.is_empty()
            || texts.iter().any(|texts| !texts.is_empty())
    }

    /// Whether the matcher's own keys need the body of this message.
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

    /// Whether all of the matcher's own keys about the message match.
    pub(in crate::rules) fn holds_of_message(&self, context: &MatchContext<'_>) -> bool {
        self.holds_of_connection(context.input.connection)
            && self.holds_of_heads(context.input)
            && (!self.own_keys_need_session() || self.holds_of_session(context.input))
            && (!self.asks_of_document() || self.holds_of_body(context))
    }

    /// Whether the keys match that are known before the first request: `peer`, `sni` and `client-cert`.
    pub fn holds_of_connection(&self, connection: &Connection) -> bool {
        let tls = || connection.tls.as_ref();
        let certificate = || tls()?.client.as_deref();
        any(
            &self.peer,
            || Some(connection.device.ip()),
            |net, ip| net.has(*ip),
        ) && any_glob(&self.sni, || tls()?.sni.as_deref())
            && any(&self.client_cert, certificate, |asked, found| {
                asked.holds(found)
            })
    }

    fn holds_of_heads(&self, input: &RuleInput<'_>) -> bool {
        let request = input.request;
        let status = input.response.map(|head| head.status.as_u16());
        any_glob(&self.host, || request.uri.host())
            && any_glob(&self.path, || Some(request.uri.path()))
            && any_glob(&self.query, || request.uri.query())
            && any_glob(&self.method, || Some(request.method.as_str()))
            && any_code(&self.http_status, status)
            && any_glob(&self.media_type, || media::hint(input.headers()).media_type)
            && any(&self.header, || Some(input.headers()), HeaderMatcher::holds)
            && any(
                &self.request_header,
                || Some(&request.headers),
                HeaderMatcher::holds,
            )
    }

    fn holds_of_session(&self, input: &RuleInput<'_>) -> bool {
        let tag = input.session;
        let message = tag.and_then(|tag| tag.message).map(u64::from);
        let exchange = tag.map(|tag| u64::from(tag.exchange));
        any_glob(&self.device, || tag.map(|tag| &*tag.key.device))
            && any_glob(&self.session, || tag.map(|tag| &*tag.key.id))
            && any_glob(&self.user, || tag?.user.as_deref())
            && any_number(&self.message, message)
            && any_number(&self.exchange, exchange)
            && any_number(&self.device_session, tag.map(|tag| tag.of_device))
            && any_number(&self.package, package(input))
    }

    fn holds_of_body(&self, context: &MatchContext<'_>) -> bool {
        let document = context.document;
        let encoding = || match document?.is_wbxml() {
            true => Some(Encoding::Wbxml),
            false => Some(Encoding::Xml),
        };
        let dialect = || Some(Dialect::of(document?));
        any_number(&self.body_size, body_size(context))
            && any(&self.encoding, encoding, PartialEq::eq)
            && any(&self.dialect, dialect, PartialEq::eq)
            && (!self.asks_of_soap() || document.is_some_and(|d| self.holds_of_soap(d)))
    }

    fn holds_of_soap(&self, document: &Document) -> bool {
        let Some(envelope) = Envelope::of(document) else {
            return false;
        };
        any(
            &self.soap_action,
            || envelope.action(),
            |glob, action| is_action(glob, action),
        ) && (self.soap_fault.is_empty() || self.has_fault(envelope))
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

/// Returns the length of the body, if it is known.
pub(super) fn body_size(context: &MatchContext<'_>) -> Option<u64> {
    let document = context.document.map(|document| document.source().len());
    let read = || context.input.body.map(|body| body.len());
    let size = document.or_else(read).map(|size| size as u64);
    size.or_else(|| announced(context.input))
}

/// Returns the Content-Length, for a body that was not read.
fn announced(input: &RuleInput<'_>) -> Option<u64> {
    let length = input.headers().get(CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// Returns the package of the message. The server's package follows the device's: 2 answers 1, and 4 answers 3.
pub(super) fn package(input: &RuleInput<'_>) -> Option<u64> {
    let device = u64::from(input.session?.package);
    Some(match input.speaker {
        Side::Device => device,
        Side::Server => device + 1,
    })
}

impl HeaderMatcher {
    fn holds(&self, headers: &&HeaderMap) -> bool {
        let mut values = headers.get_all(&self.name.0).iter();
        values.any(|value| any_glob(&self.value, || std::str::from_utf8(value.as_bytes()).ok()))
    }
}

/// Whether one of the conditions in a list holds for a value; an empty list always holds.
pub(super) fn any<T, V>(
    asked: &[T],
    value: impl FnOnce() -> Option<V>,
    holds: impl Fn(&T, &V) -> bool,
) -> bool {
    asked.is_empty() || value().is_some_and(|value| asked.iter().any(|asked| holds(asked, &value)))
}

/// Whether one of the patterns matches a text; an empty list always matches.
pub(super) fn any_glob<T: AsRef<str>>(
    patterns: &[impl AsRef<Glob>],
    text: impl FnOnce() -> Option<T>,
) -> bool {
    any(patterns, text, |glob, text| {
        glob.as_ref().matches(text.as_ref())
    })
}

fn any_number<const LEAST: u64>(numbers: &[NumberRange<LEAST>], number: Option<u64>) -> bool {
    any(numbers, || number, |range, number| range.0.contains(number))
}

pub(in crate::rules) fn any_code<F>(codes: &[CodeRange<F>], code: Option<u16>) -> bool {
    any(codes, || code, |range, code| range.0.contains(code))
}

/// Whether a pattern matches the Action of a SOAP envelope, or its short name.
pub(in crate::rules) fn is_action(glob: &Glob, action: &str) -> bool {
    glob.matches(action) || glob.matches(action_name(action))
}
