//! One exchange: a request on its way to the server, and the response on its way back.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Version, header, request};
use hyper::body::Incoming;

use super::body::Body;
use super::context::{Context, now};
use super::failure::Failure;
use super::headers;
use super::message::{Heard, Told};
use super::sessions::{Known, Place};
use super::settings::Look;
use crate::flow::event::Event;
use crate::flow::{
    Applied, Delivery, ExchangeId, Head, Op, Passage, Payload, Reading, RequestHead, ResponseHead,
    SessionTag, Side, Timestamp,
};
use crate::rules::engine::{Answer, Facts, RuleSet, Stage, Verdict};

/// The exchange ends without a response: hyper closes the connection, or resets the stream.
#[derive(Debug, thiserror::Error)]
pub(super) enum Dropped {
    /// A rule said so.
    #[error("reset by a rule")]
    ByRule,
    /// A peer left.
    #[error("{0}")]
    Broken(#[from] hyper::Error),
    /// The request names nothing that can be asked for.
    #[error("no address can be made of the request's target")]
    Target,
}

/// Serves one request.
///
/// # Errors
/// [`Dropped`] where the device gets no response.
pub(super) async fn serve(
    context: Arc<Context>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Dropped> {
    let (mut parts, body) = request.into_parts();
    let mut exchange = Exchange::begin(context, &parts)?;
    let heard = exchange.hear(Stage::Request, body, &parts.headers).await?;
    let (body, answer) = exchange.pass_request(heard, &mut parts).await?;
    if let Some(answer) = answer {
        return Ok(exchange.answer(answer));
    }
    match exchange.ask(parts, body).await {
        Ok(response) => {
            exchange.tell_request();
            exchange.pass_response(response).await
        }
        Err(failure) => Ok(exchange.fail(failure)),
    }
}

/// An exchange under way. Dropped before its end, it tells that it failed.
struct Exchange {
    context: Arc<Context>,
    id: ExchangeId,
    rules: Arc<RuleSet>,
    head: RequestHead,
    /// When the request was received whole.
    received: Timestamp,
    place: Option<Place>,
    /// The request, if it is still to be told of.
    request: Option<Told>,
    over: bool,
}

impl Exchange {
    fn begin(context: Arc<Context>, parts: &request::Parts) -> Result<Self, Dropped> {
        let uri = context.server.address(parts.uri.path_and_query());
        let head = RequestHead {
            method: parts.method.clone(),
            uri: uri.ok_or(Dropped::Target)?,
            version: parts.version,
            headers: parts.headers.clone(),
        };
        Ok(Self {
            id: context.shared.next_exchange(),
            rules: context.shared.book.current(),
            head,
            received: now(),
            place: None,
            request: None,
            over: false,
            context,
        })
    }

    /// Takes a body in: read where somebody looks, else as a stream.
    async fn hear(
        &self,
        stage: Stage,
        body: Incoming,
        headers: &http::HeaderMap,
    ) -> Result<Heard, hyper::Error> {
        let settings = &self.context.shared.settings;
        if settings.look == Look::Pass && !self.rules.reads_bodies(stage) {
            return Ok(Heard::unread(body));
        }
        Heard::read(body, headers, settings.max_body).await
    }

    /// Decides on the request and tells of it; gives what to send, or the answer to give instead.
    async fn pass_request(
        &mut self,
        heard: Heard,
        parts: &mut request::Parts,
    ) -> Result<(Body, Option<Answer>), Dropped> {
        self.received = now();
        let document = heard.document();
        self.place = document.and_then(|document| self.context.shared.sessions.enter(document));
        let known = self.known(Side::Device, &heard);
        let verdict = self.decide(Stage::Request, &heard, None, &known);
        headers::strip_hop_by_hop(&mut parts.headers);
        // The client states the server it goes to: Host in HTTP/1.1, :authority in HTTP/2, where a Host beside
        // it makes nginx refuse the request.
        let host = parts.headers.get(header::HOST);
        if host.is_some_and(|host| self.context.server.replaces_host(host)) {
            parts.headers.remove(header::HOST);
        }
        let Outcome {
            mut told,
            body,
            answer,
        } = self.settle(Side::Device, heard, known, verdict, &mut parts.headers);
        told.passage.head = Head::Request(self.head.clone());
        let delivery = told.passage.delivery.clone();
        self.request = Some(told);
        if self.request.as_ref().is_some_and(Told::is_complete) {
            self.tell_request();
        }
        self.deliver(&delivery).await?;
        Ok((body, answer))
    }

    /// Sends the request on and waits for the head of the response.
    async fn ask(
        &self,
        mut parts: request::Parts,
        body: Body,
    ) -> Result<Response<Incoming>, Failure> {
        parts.uri = self.head.uri.clone();
        // The version towards the server is agreed with the server.
        parts.version = Version::HTTP_11;
        let shared = &self.context.shared;
        let asking = shared.client.request(Request::from_parts(parts, body));
        let limit = shared.settings.limits.response;
        match tokio::time::timeout(limit, asking).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(Failure::of(&error)),
            Err(_) => Err(Failure {
                status: StatusCode::GATEWAY_TIMEOUT,
                why: format!("no response within {limit:?}"),
            }),
        }
    }

    /// Decides on the response, and sends it.
    async fn pass_response(
        mut self,
        response: Response<Incoming>,
    ) -> Result<Response<Body>, Dropped> {
        let (mut parts, body) = response.into_parts();
        let head = ResponseHead {
            status: parts.status,
            version: parts.version,
            headers: parts.headers.clone(),
        };
        let heard = match self.hear(Stage::Response, body, &parts.headers).await {
            Ok(heard) => heard,
            Err(error) => {
                let mut failure = Failure::of(&error);
                failure.why = format!("the response broke off: {}", failure.why);
                return Ok(self.fail(failure));
            }
        };
        let known = self.known(Side::Server, &heard);
        let verdict = self.decide(Stage::Response, &heard, Some(&head), &known);
        headers::strip_hop_by_hop(&mut parts.headers);
        let Outcome {
            mut told,
            body,
            answer,
        } = self.settle(Side::Server, heard, known, verdict, &mut parts.headers);
        let delivery = told.passage.delivery.clone();
        if let Some(answer) = answer {
            self.request = None;
            return self.answer_late(answer, told).await;
        }
        told.passage.head = Head::Response(head);
        self.over = true;
        let body = told.tell_response(&self.context.shared, body, self.received);
        self.deliver(&delivery).await?;
        // Devices speak their own version; hyper writes it.
        parts.version = Version::HTTP_11;
        Ok(Response::from_parts(parts, body))
    }

    fn known(&self, speaker: Side, heard: &Heard) -> Known {
        match (&self.place, heard.document()) {
            (Some(place), Some(document)) => place.look(speaker, document),
            _ => Known::default(),
        }
    }

    fn decide(
        &self,
        stage: Stage,
        heard: &Heard,
        response: Option<&ResponseHead>,
        known: &Known,
    ) -> Verdict {
        if self.rules.is_empty() {
            return Verdict::default();
        }
        let facts = Facts {
            stage,
            connection: &self.context.connection,
            exchange: self.id,
            request: &self.head,
            response,
            session: self.place.as_ref().map(|place| &place.tag),
            document: heard.document(),
            links: &known.links,
        };
        self.rules
            .decide(&facts, &mut self.context.shared.book.tally())
    }

    /// Carries a verdict out on a message: its body, its header fields, its session, the telling of it.
    fn settle(
        &self,
        from: Side,
        heard: Heard,
        known: Known,
        verdict: Verdict,
        headers: &mut http::HeaderMap,
    ) -> Outcome {
        let mut notes = heard.notes;
        notes.extend(known.notes);
        let received_document = heard.payload.reading.document().cloned();
        let mut payload = heard.payload;
        let mut body = heard.body;
        let leaves = verdict.answer.is_none() && !verdict.delivery.ops.contains(&Op::Reset);
        let changed = verdict.body.is_some();
        if let Some(bytes) = verdict.body {
            notes.extend(headers::note_signature(headers));
            headers::fit_changed_body(headers, bytes.len());
            payload.sent = bytes.clone();
            payload.sent_document = verdict.document.clone();
            body = Body::whole(bytes, None);
        }
        let session = self.tag(from, received_document.as_deref());
        let sent = if changed {
            verdict.document
        } else {
            received_document
        };
        if let (Some(place), Some(document), true) = (&self.place, sent, leaves) {
            place.delivered(from.other(), document);
        }
        let passage = self.passage(from, payload, session, verdict.applied, verdict.delivery);
        let passage = Passage {
            links: known.links,
            notes,
            ..passage
        };
        Outcome {
            told: Told {
                passage,
                count: heard.count.filter(|_| !changed),
            },
            body,
            answer: verdict.answer,
        }
    }

    fn tag(&self, from: Side, document: Option<&crate::markup::Document>) -> Option<SessionTag> {
        let place = self.place.as_ref()?;
        Some(match from {
            Side::Device => place.tag.clone(),
            Side::Server => place.tag_response(document),
        })
    }

    fn passage(
        &self,
        from: Side,
        payload: Payload,
        session: Option<SessionTag>,
        applied: Vec<Applied>,
        delivery: Delivery,
    ) -> Passage {
        let at = match from {
            Side::Device => self.received,
            Side::Server => now(),
        };
        Passage {
            exchange: self.id,
            connection: self.context.connection.clone(),
            from,
            own: false,
            at,
            took: at.since(self.received),
            // Filled in by who has the head.
            head: Head::Response(ResponseHead {
                status: StatusCode::OK,
                version: Version::HTTP_11,
                headers: http::HeaderMap::new(),
            }),
            payload,
            session,
            links: Vec::new(),
            notes: Vec::new(),
            applied,
            delivery,
        }
    }

    /// Carries out how a message leaves.
    async fn deliver(&mut self, delivery: &Delivery) -> Result<(), Dropped> {
        for op in &delivery.ops {
            match op {
                Op::Wait(time) => tokio::time::sleep(*time).await,
                Op::Reset => {
                    // On HTTP/2 the error alone resets the stream, and the connection lives.
                    if self.head.version != Version::HTTP_2 {
                        self.context.cut.reset();
                    }
                    if !self.over {
                        self.tell_failed(Side::Device, "reset by a rule".into());
                    }
                    return Err(Dropped::ByRule);
                }
            }
        }
        Ok(())
    }

    /// Tells of the request, once.
    fn tell_request(&mut self) {
        if let Some(told) = self.request.take() {
            let passage = told.counted();
            self.context.shared.tell(Event::Request(Arc::new(passage)));
        }
    }

    /// Answers in place of the server, which was not asked.
    fn answer(mut self, answer: Answer) -> Response<Body> {
        self.own(answer, Vec::new(), Delivery::default())
    }

    /// Answers in place of the server, whose response is dropped.
    async fn answer_late(mut self, answer: Answer, told: Told) -> Result<Response<Body>, Dropped> {
        let delivery = told.passage.delivery.clone();
        let response = self.own(answer, told.passage.applied, delivery.clone());
        self.deliver(&delivery).await?;
        Ok(response)
    }

    /// Tells the device and everybody else why there is no response of the server.
    fn fail(mut self, failure: Failure) -> Response<Body> {
        let server = &self.context.connection.server;
        tracing::warn!("{} to {server} failed: {}", self.id, failure.why);
        let answer = Answer {
            status: failure.status,
            body: format!("dmtap: {server}: {}\n", failure.why),
        };
        self.tell_failed(Side::Server, failure.why);
        self.own(answer, Vec::new(), Delivery::default())
    }

    /// A response of dmtap's own, told of.
    fn own(&mut self, answer: Answer, applied: Vec<Applied>, delivery: Delivery) -> Response<Body> {
        self.tell_request();
        self.over = true;
        let bytes = Bytes::from(answer.body);
        let mut response = Response::new(Body::whole(bytes.clone(), None));
        *response.status_mut() = answer.status;
        if !bytes.is_empty() {
            let text = HeaderValue::from_static("text/plain; charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, text);
        }
        headers::set_length(response.headers_mut(), bytes.len());
        let payload = Payload {
            received: Bytes::new(),
            sent: bytes,
            reading: Reading::Empty,
            sent_document: None,
        };
        let session = self.tag(Side::Server, None);
        let mut passage = self.passage(Side::Server, payload, session, applied, delivery);
        passage.own = true;
        passage.head = Head::Response(ResponseHead {
            status: answer.status,
            version: self.head.version,
            headers: response.headers().clone(),
        });
        let shared = &self.context.shared;
        shared.tell(Event::Response(Arc::new(passage)));
        response
    }

    fn tell_failed(&mut self, side: Side, why: String) {
        self.tell_request();
        self.over = true;
        self.context.shared.tell(Event::Failed {
            exchange: self.id,
            connection: self.context.connection.id,
            at: now(),
            side,
            why,
        });
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.over {
            self.tell_failed(Side::Device, "the device left before the response".into());
        }
    }
}

/// What a verdict came to.
struct Outcome {
    told: Told,
    body: Body,
    answer: Option<Answer>,
}
