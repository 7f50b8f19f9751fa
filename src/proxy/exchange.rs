//! One exchange: a request on its way to the server, and the response on its way back.

mod account;
mod ask;
mod deliver;
mod head;
mod own;
mod repeat;

use repeat::Repeat;

pub(super) use own::refuse;

use std::sync::Arc;

use http::{Request, Response, StatusCode, Version, header, request};
use hyper::body::Incoming;

use super::body::{Body, Broken};
use super::book::Edition;
use super::context::{Context, now};
use super::failure::Failure;
use super::headers;
use super::line::Last;
use super::message::{Heard, Told};
use super::read::{self, Bounds, heavy};
use super::room::Hold;
use super::sessions::{Known, Place};
use super::settings::Look;
use crate::flow::event::Event;
use crate::flow::{
    Delivery, ExchangeId, Head, KeyTooLong, Note, Passage, Payload, RequestHead, ResponseHead,
    SessionTag, Severity, Side, Timestamp,
};
use crate::markup::Document;
use crate::rules::engine::{Answer, Facts, Stage, Verdict};

/// The exchange ends without a response: hyper closes the connection, or resets the stream.
#[derive(Debug, thiserror::Error)]
pub(super) enum Dropped {
    /// A rule said so.
    #[error("reset by a rule")]
    ByRule,
    /// A peer left.
    #[error("{0}")]
    Broken(#[from] Broken),
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
    let response = respond(context, request).await?;
    Ok(response.map(Body::taken))
}

async fn respond(
    context: Arc<Context>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Dropped> {
    if let Some(refusal) = own::refused(&request) {
        return Ok(refusal);
    }
    let (mut parts, body) = request.into_parts();
    let mut exchange = Exchange::begin(context, &mut parts)?;
    let headers = &exchange.head.headers;
    if let Some(looped) = exchange.looped() {
        drop(
            Heard::unread(body, &exchange.context.shared.settings.limits)
                .body
                .drained(),
        );
        return Ok(exchange.fail_unheard(looped));
    }
    let heard = match exchange.hear(Stage::Request, body, headers).await {
        Ok(heard) => heard,
        Err(broken) => match Failure::of_request(&broken) {
            Some(failure) => return Ok(exchange.fail_unheard(failure)),
            None => return Err(broken.into()),
        },
    };
    let body = match exchange.pass_request(heard, &mut parts).await? {
        Passed::On(body) => body,
        Passed::Answered(response) => return Ok(*response),
    };
    let asked = exchange.ask_once_or_twice(parts, body).await;
    if asked.is_err()
        && let Some(cut) = exchange.end_cut_request().await
    {
        return Err(cut);
    }
    match asked {
        Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            Ok(exchange.fail(Failure::unasked_upgrade()))
        }
        Ok(response) => {
            exchange.tell_request();
            exchange.delivered(Side::Server);
            // The response must not wait for memory while the request holds some.
            exchange.hold = None;
            exchange.pass_response(response).await
        }
        Err(failure) => Ok(exchange.fail(failure)),
    }
}

/// An exchange under way. Dropped before its end, it tells that it failed.
struct Exchange {
    context: Arc<Context>,
    id: ExchangeId,
    book: Arc<Edition>,
    head: RequestHead,
    /// When the request was received whole.
    received: Timestamp,
    place: Option<Place>,
    /// A message on its way out, for the ledger of its receiver.
    leaving: Option<Arc<Document>>,
    /// The request, if it is still to be told of.
    request: Option<Told>,
    /// What the device's connection comes to, where a rule cuts the request on its way to the server.
    cut: Option<Last>,
    /// The request as it is sent, where it is to be sent twice.
    repeat: Option<Repeat>,
    /// The request's place in memory.
    hold: Option<Arc<Hold>>,
    over: bool,
}

/// What a request came to.
enum Passed {
    /// It goes on to the server, with this body.
    On(Body),
    /// The device has its answer.
    Answered(Box<Response<Body>>),
}

impl Exchange {
    fn begin(context: Arc<Context>, parts: &mut request::Parts) -> Result<Self, Dropped> {
        let uri = context.server.address(&parts.uri);
        context
            .server
            .keep_authority(&parts.uri, &mut parts.headers);
        let head = RequestHead {
            method: parts.method.clone(),
            uri: uri.ok_or(Dropped::Target)?,
            version: parts.version,
            headers: std::mem::take(&mut parts.headers),
        };
        context.line.begin();
        Ok(Self {
            id: context.shared.next_exchange(),
            book: context.shared.book.current(),
            head,
            received: now(),
            place: None,
            leaving: None,
            request: None,
            cut: None,
            repeat: None,
            hold: None,
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
    ) -> Result<Heard, Broken> {
        let shared = &self.context.shared;
        let settings = &shared.settings;
        let needed = self.book.rules.reads_bodies(stage)
            || shared.sessions.owe()
            || read::has_transfer_codings(headers);
        if settings.look == Look::Pass && !needed {
            return Ok(Heard::unread(body, &settings.limits));
        }
        let bounds = Bounds {
            length: settings.max_body,
            limits: &settings.limits,
            room: &shared.room,
        };
        Heard::read(body, headers, bounds).await
    }

    /// Decides on the request and tells of it; gives what to send, or the answer to give instead.
    async fn pass_request(
        &mut self,
        mut heard: Heard,
        parts: &mut request::Parts,
    ) -> Result<Passed, Dropped> {
        self.received = now();
        if let Some(document) = heard.document() {
            let server = &self.context.connection.server;
            match self.context.shared.sessions.enter(server, document) {
                Ok(place) => self.place = place,
                Err(error) => heard.notes.push(note_no_session(error)),
            }
        }
        let known = self.known(Side::Device, &heard);
        let verdict = self.decide(Stage::Request, &heard, None, &known);
        // The client states the server it goes to: Host in HTTP/1.1, :authority in HTTP/2, where a Host beside
        // it makes nginx refuse the request.
        let server = &self.context.server;
        parts.headers = headers::forwarded(&self.head.headers, |name, value| {
            *name == header::HOST && server.replaces_host(value)
        });
        parts.uri = self.head.uri.clone();
        // The version towards the server is agreed with the server.
        parts.version = Version::HTTP_11;
        let head = Head::Request(self.take_head());
        let Outcome {
            told, body, answer, ..
        } = self.settle(head, heard, known, verdict, &mut parts.headers);
        let mark = &self.context.shared.mark;
        mark.put(&mut parts.headers, self.head.version);
        // Also of a request that is answered without the server: a device may read no answer before it has sent all.
        let body = body.drained();
        self.hold = body.hold();
        let delivery = told.passage.delivery.clone();
        self.request = Some(told);
        if self.request.as_ref().is_some_and(Told::is_complete) {
            self.tell_request();
        }
        if let Some(answer) = answer {
            let response = self.answer(answer, &delivery).await?;
            return Ok(Passed::Answered(Box::new(response)));
        }
        let body = self.send_request(&delivery, body).await?;
        Ok(Passed::On(body))
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
            headers: std::mem::take(&mut parts.headers),
        };
        let heard = match self.hear(Stage::Response, body, &head.headers).await {
            Ok(heard) => heard,
            Err(broken) => return Ok(self.fail(Failure::of_response(&broken))),
        };
        let known = self.known(Side::Server, &heard);
        let verdict = self.decide(Stage::Response, &heard, Some(&head), &known);
        parts.headers = headers::forwarded(&head.headers, |_, _| false);
        let head = Head::Response(head);
        let Outcome {
            mut told,
            mut body,
            status,
            answer,
        } = self.settle(head, heard, known, verdict, &mut parts.headers);
        if let Some(status) = status {
            head::restate(&mut parts, status, &mut told, &mut body);
        }
        let says_nothing = head::says_nothing(parts.status, &body);
        let delivery = told.passage.delivery.clone();
        if let Some(answer) = answer {
            return self.answer_late(answer, told).await;
        }
        self.over = true;
        let body = told.tell_response(&self.context.shared, body, self.received);
        // Devices speak their own version; hyper writes it.
        parts.version = Version::HTTP_11;
        let response = Response::from_parts(parts, body);
        let response = self.send_response(&delivery, response).await?;
        if delivery.is_whole() {
            if says_nothing && self.leaving.is_none() {
                self.end_session(response.headers());
            } else if let (Some(place), None) = (&self.place, &self.leaving) {
                place.missed(Side::Device);
            }
            self.delivered(Side::Device);
        }
        Ok(response)
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
        if self.book.rules.is_empty() {
            return Verdict::default();
        }
        let tag = self.tag(
            match stage {
                Stage::Request | Stage::Connection => Side::Device,
                Stage::Response => Side::Server,
            },
            heard.document().map(|document| &**document),
        );
        let limits = read::limits(self.context.shared.settings.max_body);
        let facts = Facts {
            stage,
            connection: &self.context.connection,
            exchange: self.id,
            request: &self.head,
            response,
            session: tag.as_ref(),
            document: heard.document(),
            body: heard.plain.as_ref(),
            links: &known.links,
            account: known.account.as_ref(),
            limits: &limits,
        };
        let weight = heard.payload.received.len();
        heavy(weight, || {
            self.book.rules.decide(&facts, &mut self.book.tally())
        })
    }

    /// Carries a verdict out on a message: its body, its header fields, its session, the telling of it.
    fn settle(
        &mut self,
        head: Head,
        mut heard: Heard,
        known: Known,
        mut verdict: Verdict,
        headers: &mut http::HeaderMap,
    ) -> Outcome {
        let from = speaker(&head);
        let received = heard.document().cloned();
        let session = self.tag(from, received.as_deref());
        // The rules have decided: a copy that is still held would be copied in earnest when the account changes.
        drop(known.account);
        self.settle_account(&head, received.as_ref(), &mut verdict);
        let mut sent = received;
        if let Some(bytes) = verdict.body {
            heard.notes.extend(headers::note_signature(headers));
            headers::fit_changed_body(headers, bytes.len());
            heard.change(bytes, verdict.document.clone());
            sent = verdict.document;
        }
        let status = head::edit(&verdict.head, headers);
        self.repeat = verdict
            .duplicate
            .map(|keep| Repeat::new(keep, &heard.payload));
        self.leaving = sent.filter(|_| verdict.answer.is_none());
        heard.notes.extend(known.notes);
        let passage = Passage {
            session,
            links: known.links,
            notes: heard.notes,
            applied: verdict.applied,
            delivery: verdict.delivery,
            ..self.passage(head, heard.payload)
        };
        Outcome {
            told: Told {
                passage,
                count: heard.count,
            },
            body: heard.body,
            status,
            answer: verdict.answer,
        }
    }

    /// The message on its way out has arrived at a peer, or is about to.
    fn delivered(&mut self, to: Side) {
        if let (Some(place), Some(document)) = (&self.place, self.leaving.take()) {
            place.delivered(to, document);
        }
    }

    fn tag(&self, from: Side, document: Option<&Document>) -> Option<SessionTag> {
        let place = self.place.as_ref()?;
        Some(match from {
            Side::Device => place.tag.clone(),
            Side::Server => place.tag_response(document),
        })
    }

    /// A passage of which only head and body are known.
    fn passage(&self, head: Head, payload: Payload) -> Passage {
        let from = speaker(&head);
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
            head,
            payload,
            session: None,
            links: Vec::new(),
            notes: Vec::new(),
            applied: Vec::new(),
            delivery: Delivery::default(),
        }
    }

    /// Tells of the request, once.
    fn tell_request(&mut self) {
        if let Some(told) = self.request.take() {
            let passage = told.counted();
            self.context.shared.tell(Event::Request(Arc::new(passage)));
        }
    }

    fn tell_failed(&mut self, side: Side, why: String) {
        self.tell_request();
        self.over = true;
        let connection = self.context.connection.id;
        let shared = &self.context.shared;
        shared.tell_failed(self.id, connection, side, why);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.context.line.end();
        if !self.over {
            self.tell_failed(Side::Device, "the device left before the response".into());
        }
    }
}

fn note_no_session(error: KeyTooLong) -> Note {
    Note {
        id: "SES-01",
        severity: Severity::Warning,
        at: None,
        text: error.to_string(),
    }
}

fn speaker(head: &Head) -> Side {
    match head {
        Head::Request(_) => Side::Device,
        Head::Response(_) => Side::Server,
    }
}

/// What a verdict came to.
struct Outcome {
    told: Told,
    body: Body,
    /// The HTTP status to send in place of the one received.
    status: Option<StatusCode>,
    answer: Option<Answer>,
}
