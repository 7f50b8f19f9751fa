//! Responses that dmtap gives in place of the server.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};

use super::{Dropped, Exchange};
use crate::dm::Dialect;
use crate::flow::event::Event;
use crate::flow::{
    CapturedBody, CapturedMessage, CertificateTrust, ClientCertificate, Delivery, Head, NotParsed,
    ParsedBody, ResponseHead, RuleEffect, Side,
};
use crate::proxy::IN_TRANSCRIPT;
use crate::proxy::body::Body;
use crate::proxy::device_certificate::RequestClientCert;
use crate::proxy::failure::Failure;
use crate::proxy::headers;
use crate::proxy::message::PendingEvent;
use crate::proxy::state::FailedEnd;
use crate::rules::SyntheticResponse;

/// Returns the response to a request that does not become an exchange.
pub(in crate::proxy) fn refuse(status: StatusCode, why: &str) -> Response<Body> {
    let body = Bytes::from(format!("dmtap: {why}\n"));
    let mut response = Response::new(Body::whole(body, None));
    *response.status_mut() = status;
    response
}

impl Exchange {
    /// Returns the failure of a request that must not be sent on, if it is one.
    pub(super) fn refusal(&self) -> Option<Failure> {
        let head = &self.head;
        if head.method == Method::CONNECT {
            let why = "CONNECT is for proxies in regular mode; this connection leads to one server";
            let status = StatusCode::METHOD_NOT_ALLOWED;
            return Some(Failure::refused_request(status, why));
        }
        // RFC 9112 §3.2: attacks use the ambiguity of several Host fields.
        if head.headers.get_all(header::HOST).iter().count() > 1 {
            let status = StatusCode::BAD_REQUEST;
            return Some(Failure::refused_request(status, "more than one Host"));
        }
        if let Some(failure) = self.lacks_client_certificate() {
            return Some(failure);
        }
        let comes_back = self.device.proxy.via.is_in(&head.headers);
        comes_back.then(Failure::looped)
    }

    /// Returns a failure if the host of the request requires a client certificate that the connection does not have.
    /// The connection may be in clear text or opened for another name, or the certificate may have expired since.
    fn lacks_client_certificate(&self) -> Option<Failure> {
        let name = self.head.uri.host().unwrap_or_default();
        let demanded = self.device.proxy.client_certs.request(&[name]);
        let tls = self.route.connection.tls.as_ref();
        let presented = tls.and_then(|tls| tls.client.as_ref());
        let is_trusted = |client: &&Arc<ClientCertificate>| {
            !matches!(client.trust, CertificateTrust::Untrusted(_))
        };
        if demanded != RequestClientCert::Require || presented.filter(is_trusted).is_some() {
            return None;
        }
        let (status, why) = match tls {
            // RFC 9110 §15.5.20.
            Some(_) => (
                StatusCode::MISDIRECTED_REQUEST,
                "this name needs a client certificate, which this connection does not have; connect anew, with its name in SNI",
            ),
            None => (
                StatusCode::FORBIDDEN,
                "this name needs a client certificate, which only a TLS connection can have",
            ),
        };
        Some(Failure::refused_request(status, why))
    }

    /// Answers in place of the server, which was not asked.
    pub(super) async fn answer(
        &mut self,
        answer: SyntheticResponse,
        delivery: &Delivery,
    ) -> Result<Response<Body>, Dropped> {
        let response = self.own(answer, Vec::new(), Delivery::default());
        self.send_response(delivery, response).await
    }

    /// Answers in place of the server, whose response is dropped.
    pub(super) async fn answer_late(
        mut self,
        answer: SyntheticResponse,
        pending: PendingEvent,
    ) -> Result<Response<Body>, Dropped> {
        let delivery = pending.message.delivery.clone();
        let response = self.own(answer, pending.message.applied, delivery.clone());
        self.send_response(&delivery, response).await
    }

    /// Reports, to the device and in the record, why there is no response of the server.
    pub(super) fn fail(mut self, mut failure: Failure) -> Response<Body> {
        let waited = failure.status == StatusCode::EXPECTATION_FAILED;
        if let Some(request) = self.pending_request.as_mut().filter(|_| waited) {
            let note = headers::note_expectation(&self.head);
            request.message.notes.extend(note);
        }
        let server = &self.route.connection.server;
        tracing::warn!(target: IN_TRANSCRIPT, "{} to {server} failed: {failure}", self.id);
        let mut answer = SyntheticResponse {
            status: failure.status,
            body: format!("dmtap: {server}: {failure}\n").into(),
            ..SyntheticResponse::default()
        };
        if failure.status == StatusCode::METHOD_NOT_ALLOWED {
            let allowed = HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE, OPTIONS");
            answer.headers.insert(header::ALLOW, allowed);
        }
        let is_elsewhere = *server != self.device.connection.server;
        // The record names the server that the connection was opened for.
        if failure.side == Side::Server && is_elsewhere {
            failure.why = format!("{server}: {}", failure.why);
        }
        self.emit_failed(FailedEnd::Answered, failure);
        self.own(answer, Vec::new(), Delivery::default())
    }

    /// Returns the record of a request of which only the head was received.
    pub(super) fn unreceived(&mut self) -> PendingEvent {
        let head = Head::Request(self.head.clone());
        let body = CapturedBody {
            received: Bytes::new(),
            plain: None,
            sent: Bytes::new(),
            parsed: ParsedBody::Unread(NotParsed::NotAsked { bytes: 0 }),
            sent_document: None,
        };
        let notes = headers::note_expectation(&self.head);
        PendingEvent {
            message: CapturedMessage {
                notes: notes.into_iter().collect(),
                ..self.message(head, body)
            },
            count: None,
        }
    }

    /// Creates a response of dmtap itself, and emits its event.
    fn own(
        &mut self,
        answer: SyntheticResponse,
        applied: Vec<RuleEffect>,
        delivery: Delivery,
    ) -> Response<Body> {
        self.emit_request();
        self.is_over = true;
        let bytes = answer.body;
        // HTTP/2 would send the body of an answer to HEAD.
        let content = match self.head.method == Method::HEAD {
            true => Bytes::new(),
            false => bytes.clone(),
        };
        let mut response = Response::new(Body::whole(content, None));
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        if !bytes.is_empty() {
            let text = HeaderValue::from_static("text/plain; charset=utf-8");
            let headers = response.headers_mut();
            headers.entry(header::CONTENT_TYPE).or_insert(text);
        }
        headers::set_length(response.headers_mut(), bytes.len());
        let document = self.session.answered(&bytes, response.headers());
        // A SyncML answer of dmtap itself is recorded as a message.
        let (received, parsed) = match &document {
            Some(document) => (
                bytes.clone(),
                ParsedBody::Document(document.clone(), Dialect::of(document)),
            ),
            None => (Bytes::new(), ParsedBody::Empty),
        };
        let body = CapturedBody {
            received,
            plain: None,
            sent: bytes,
            parsed,
            sent_document: None,
        };
        let head = Head::Response(ResponseHead {
            status: answer.status,
            version: self.head.version,
            headers: response.headers().clone(),
        });
        let message = CapturedMessage {
            synthesized: true,
            session: self.session.tag(Side::Server, document.as_deref()),
            applied,
            delivery,
            ..self.message(head, body)
        };
        let proxy = &self.device.proxy;
        proxy.emit(Event::Response(Arc::new(message)));
        response
    }
}
