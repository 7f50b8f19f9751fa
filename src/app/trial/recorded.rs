//! The messages of a record of JSON lines, as they were received.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header};
use smol_str::SmolStr;

use super::PastMessage;
use crate::flow::{
    CertificateTrust, ClientCertificate, Connection, ConnectionId, ExchangeId, RequestHead,
    ResponseHead, Side, Timestamp, TlsDetails,
};
use crate::identity::enrollment;
use crate::markup::{Document, Limits};
use crate::patch::{Patch, Span, Splice};
use crate::record::EventRecord;
use crate::record::model::{
    BodyRecord, ConnectionRecord, EventKind, HeadRecord, ParsedBodyRecord, RuleEffectRecord,
};
use crate::stay;

/// The reader of the messages in the events of a record.
#[derive(Debug)]
pub struct Recorded {
    /// The limits of bodies.
    limits: Limits,
    /// The heads of requests, until the exchange ends.
    requests: HashMap<u64, RequestHead>,
}

impl Recorded {
    /// Creates a reader. Bodies beyond these limits are not read, as in the proxy.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            requests: HashMap::new(),
        }
    }

    /// Returns the message of an event, if it has one. Masked values stay masked.
    pub fn next(&mut self, event: &EventRecord) -> Option<PastMessage> {
        let (Some(exchange), Some(head)) = (event.exchange, &event.head) else {
            if let (EventKind::Failed, Some(exchange)) = (event.event, event.exchange) {
                self.requests.remove(&exchange);
            }
            return None;
        };
        let (request, response) = match event.event {
            EventKind::Request => {
                let request = request(head, &event.connection);
                self.requests.insert(exchange, request.clone());
                (request, None)
            }
            EventKind::Response => {
                let request = self.requests.remove(&exchange);
                let unknown = || request_to(&event.connection);
                (request.unwrap_or_else(unknown), Some(response(head)))
            }
            _ => return None,
        };
        let headers = response.as_ref().map_or(&request.headers, |r| &r.headers);
        let (mut body, mut document) = self.body(event, headers);
        let mut is_as_received = false;
        if response.is_none() && !event.own {
            match self.rewritten(event, body.as_ref()) {
                Some(Some((rewritten, seen))) => (body, document) = (Some(rewritten), Some(seen)),
                Some(None) => {}
                None => is_as_received = true,
            }
        }
        Some(PastMessage {
            speaker: match response {
                Some(_) => Side::Server,
                None => Side::Device,
            },
            at: Timestamp(event.at_us),
            exchange: ExchangeId(exchange),
            connection: connection(&event.connection),
            sent: event
                .sent
                .as_ref()
                .and_then(|sent| sent.document(event.head.as_ref(), &self.limits))
                .map(Arc::new),
            request,
            response,
            body,
            document,
            is_broken: false,
            is_as_received,
            is_own: event.own,
        })
    }

    /// Returns a request after dmtap's own rules, as the user's rules see it; `Some(None)` if they did not change it, `None`
    /// if the record does not have the change.
    fn rewritten(
        &self,
        event: &EventRecord,
        body: Option<&Bytes>,
    ) -> Option<Option<(Bytes, Arc<Document>)>> {
        let applied = event.applied.iter();
        let mut own = applied
            .take_while(|effect| OWN_RULES.contains(&&*effect.rule))
            .peekable();
        if own.peek().is_none() {
            return Some(None);
        }
        let body = own.try_fold(body?.clone(), patched)?;
        let rewritten = BodyRecord(body);
        let document = rewritten.document(event.head.as_ref(), &self.limits)?;
        Some(Some((rewritten.0, Arc::new(document))))
    }

    /// Returns the body without content coding, as far as the record has it, and its document.
    fn body(
        &self,
        event: &EventRecord,
        headers: &HeaderMap,
    ) -> (Option<Bytes>, Option<Arc<Document>>) {
        let body = event.body.as_ref();
        let body = body.filter(|body| body.0.len() <= self.limits.bytes);
        let bytes = || body.map(|body| body.0.clone());
        match &event.reading {
            Some(ParsedBodyRecord::Document { .. }) => {
                let document =
                    body.and_then(|body| body.document(event.head.as_ref(), &self.limits));
                (bytes(), document.map(Arc::new))
            }
            Some(
                ParsedBodyRecord::Broken { without_coding, .. }
                | ParsedBodyRecord::OtherType { without_coding, .. },
            ) if *without_coding || !headers.contains_key(header::CONTENT_ENCODING) => {
                (bytes(), None)
            }
            Some(ParsedBodyRecord::Empty) => (Some(Bytes::new()), None),
            _ => (None, None),
        }
    }
}

/// Returns a body after an effect; `None` if a mask hides the new bytes.
fn patched(body: Bytes, effect: &RuleEffectRecord) -> Option<Bytes> {
    let length = body.len() as u32;
    let splices = effect.splices.iter().map(|splice| {
        let span = Span::new(splice.start, splice.end);
        let fits = splice.bytes.is_none()
            && Span::new(0, length).covers(span)
            && splice.start <= splice.end;
        fits.then(|| Splice {
            span,
            with: splice.with.0.to_vec(),
        })
    });
    let patch = Patch::new(splices.collect::<Option<_>>()?).ok()?;
    Some(patch.apply(&body))
}

/// The rules of dmtap that change a request before the user's rules see it.
const OWN_RULES: [&str; 2] = [stay::NAME, enrollment::NAME];

fn request(head: &HeadRecord, connection: &ConnectionRecord) -> RequestHead {
    let method = head.method.as_ref().and_then(|method| method.parse().ok());
    let uri = head.uri.as_ref().and_then(|uri| uri.parse().ok());
    let unknown = request_to(connection);
    RequestHead {
        method: method.unwrap_or(unknown.method),
        uri: uri.unwrap_or(unknown.uri),
        version: version(&head.version),
        headers: fields(head),
    }
}

/// Returns the head of a request of which only the connection is known.
fn request_to(connection: &ConnectionRecord) -> RequestHead {
    let server = connection.server.as_deref().unwrap_or("localhost");
    RequestHead {
        method: Method::POST,
        uri: format!("https://{server}/")
            .parse()
            .unwrap_or(Uri::default()),
        version: Version::HTTP_11,
        headers: HeaderMap::new(),
    }
}

fn response(head: &HeadRecord) -> ResponseHead {
    let status = head.status.and_then(|code| StatusCode::from_u16(code).ok());
    ResponseHead {
        status: status.unwrap_or_default(),
        version: version(&head.version),
        headers: fields(head),
    }
}

fn fields(head: &HeadRecord) -> HeaderMap {
    header_map(head.headers.iter().map(|(name, value)| (&**name, &**value)))
}

/// Creates header fields from texts, and leaves out invalid ones.
pub fn header_map<'f>(fields: impl Iterator<Item = (&'f str, &'f str)>) -> HeaderMap {
    let fields = fields.filter_map(|(name, value)| {
        Some((
            name.parse::<HeaderName>().ok()?,
            HeaderValue::try_from(value.trim()).ok()?,
        ))
    });
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(name, value);
    }
    map
}

fn version(text: &str) -> Version {
    match text {
        "HTTP/1.0" => Version::HTTP_10,
        "HTTP/2.0" => Version::HTTP_2,
        _ => Version::HTTP_11,
    }
}

fn connection(record: &ConnectionRecord) -> Connection {
    let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
    let text = |text: &Option<SmolStr>| text.as_deref().map(str::to_owned);
    Connection {
        id: ConnectionId(record.id),
        opened: Timestamp::default(),
        device: record.device.unwrap_or(unknown),
        listener: record.listener.unwrap_or(unknown),
        server: text(&record.server).unwrap_or_default(),
        tls: record.tls.as_ref().map(|tls| TlsDetails {
            sni: text(&tls.sni),
            alpn: text(&tls.alpn),
            version: text(&tls.version),
            client: tls.client_certificate.as_ref().map(|presented| {
                let why = presented.why.as_deref().unwrap_or_default();
                Arc::new(ClientCertificate {
                    subject: presented.subject.to_string(),
                    issuer: presented.issuer.to_string(),
                    serial: presented.serial.to_string(),
                    sha1: presented.sha1.to_string(),
                    sha256: presented.sha256.to_string(),
                    trust: CertificateTrust::named(&presented.verdict, why),
                    chain: Vec::new(),
                })
            }),
        }),
    }
}
