//! One exchange: a request on its way to the server, and the response on its way back.

mod ask;
mod deliver;
mod head;
mod receive;
mod repeat;
mod report;
mod swap;
mod synthetic_response;

pub(super) use synthetic_response::refuse;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, Response, StatusCode, Uri, Version, header, request};
use http_body::Body as _;
use hyper::body::Incoming;

use super::body::{Body, Broken};
use super::body_budget::BudgetPermit;
use super::body_timeout::BodyTimeout;
use super::client_identity::ClientIdentity;
use super::clock::{now, steady_now};
use super::connection_handle::CloseSequence;
use super::device_connection::DeviceConnection;
use super::failure::Failure;
use super::framing::{self, Framing};
use super::headers;
use super::identity::Swap;
use super::live_rules::RuleSnapshot;
use super::message::{IncomingMessage, PendingEvent};
use super::read::{self, heavy};
use super::route::{self, Route};
use super::state::FailedEnd;
use super::upstream::BehindHead;
use crate::conversation::{Decision, MessageInput, SessionHandle};
use crate::flow::{
    CapturedBody, CapturedMessage, ClientAuth, Delivery, ExchangeId, Head, RequestHead,
    ResponseHead, Side, Timestamp,
};
use crate::identity::certificate_pairs::CertificatePairs;
use crate::markup::Limits;
use crate::rules::{SCOPE_HEADER, Stage, SyntheticResponse, WhichResponse};

/// The error of an exchange that ends without a response: hyper closes the connection, or resets the stream.
#[derive(Debug, thiserror::Error)]
pub(super) enum Dropped {
    /// A rule reset the exchange.
    #[error("reset by a rule")]
    ByRule,
    /// A peer left.
    #[error("{0}")]
    Broken(#[from] Broken),
    /// The request has no target that can be requested.
    #[error("no address can be made of the request's target")]
    NoTarget,
}

/// Serves one request.
///
/// # Errors
/// [`Dropped`] if the device gets no response.
pub(super) async fn serve(
    device: Arc<DeviceConnection>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Dropped> {
    let response = respond(device, request).await?;
    Ok(response.map(Body::with_watchdog))
}

async fn respond(
    device: Arc<DeviceConnection>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Dropped> {
    // Devices take dmtap for the server, so dmtap serves `/.dmtap/` on the server's address.
    if device.server.is_reverse_target()
        && let Some(own) = route::own_path(&device.proxy, &request)
    {
        return Ok(own);
    }
    let (mut parts, body) = request.into_parts();
    let mut exchange = Exchange::begin(device, &mut parts)?;
    exchange.find_identity().await;
    if let Some(refusal) = exchange.refusal() {
        let limits = &exchange.device.proxy.settings.limits;
        drop(
            IncomingMessage::unread(body, BodyTimeout::new(limits))
                .body
                .drain_on_drop(),
        );
        return Ok(exchange.fail(refusal));
    }
    let headers = &exchange.head.headers;
    let incoming = match exchange
        .receive(Side::Device, body, headers, Framing::AsReceived)
        .await
    {
        Ok(incoming) => incoming,
        Err(broken) => match Failure::answerable(&broken) {
            Some(failure) => return Ok(exchange.fail(failure)),
            None => {
                let failure = Failure::unanswerable(&broken);
                exchange.emit_failed(FailedEnd::NoResponse, failure);
                return Err(broken.into());
            }
        },
    };
    let body = match exchange.pass_request(incoming, &mut parts).await? {
        RequestFate::Forward(body) => body,
        RequestFate::Answered(response) => return Ok(*response),
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
            exchange.emit_request();
            exchange.session.delivered(Side::Server);
            // The response must not wait for memory while the request holds some.
            exchange.permit = None;
            exchange.pass_response(response).await
        }
        Err(failure) => Ok(exchange.fail(failure)),
    }
}

/// An exchange in progress. If it is dropped before its end, it reports that it failed.
struct Exchange {
    device: Arc<DeviceConnection>,
    id: ExchangeId,
    rules: Arc<RuleSnapshot>,
    head: Arc<RequestHead>,
    route: Route,
    /// The full URL at the server.
    address: Uri,
    /// The time at which the request was received completely.
    received: Timestamp,
    /// The same by a clock that nobody sets.
    received_at: Instant,
    session: SessionHandle,
    /// The request, if its event is still to be emitted.
    pending_request: Option<PendingEvent>,
    is_request_reported: bool,
    /// How dmtap closes the device's connection after a rule cuts the request.
    cut: Option<CloseSequence>,
    /// The response that the device gets, if the request is to be sent twice.
    keep_response: Option<WhichResponse>,
    /// Whether the request was sent again although the server may have processed it.
    is_retried: bool,
    /// The memory permit of the request's body.
    permit: Option<Arc<BudgetPermit>>,
    /// The enrollment that this request begins, if dmtap enrolls in place of the device.
    swap: Option<Swap>,
    /// The pairs of device and server certificates that stand for each other.
    pairs: Arc<CertificatePairs>,
    /// The identity that the server gets if it asks for a client certificate.
    identity: Option<ClientIdentity>,
    /// The client authentication on the connection to the server, once the response has come.
    client_auth: Option<ClientAuth>,
    /// Whether its last event was emitted. Otherwise dropping the exchange reports that it failed.
    is_over: bool,
}

/// The fate of a decided request.
enum RequestFate {
    /// The request goes to the server, with this body.
    Forward(Body),
    /// The device gets this answer.
    Answered(Box<Response<Body>>),
}

impl Exchange {
    fn begin(device: Arc<DeviceConnection>, parts: &mut request::Parts) -> Result<Self, Dropped> {
        let mut route = device.route(parts);
        let address = route.uri.take().ok_or(Dropped::NoTarget)?;
        // If the URL leads to a path of dmtap, the record shows the server's URL.
        let is_plain = |asked: &Uri| asked.path().is_empty() || asked.path() == address.path();
        let asked = device.asked(parts).filter(is_plain);
        let head = RequestHead {
            method: parts.method.clone(),
            uri: asked.unwrap_or_else(|| address.clone()),
            version: parts.version,
            headers: std::mem::take(&mut parts.headers),
        };
        device.handle.begin();
        Ok(Self {
            identity: None,
            client_auth: None,
            id: device.proxy.next_exchange(),
            rules: device.proxy.rules.current(),
            head: Arc::new(head),
            route,
            address,
            received: now(),
            received_at: Instant::now(),
            session: SessionHandle::default(),
            pending_request: None,
            is_request_reported: false,
            cut: None,
            keep_response: None,
            is_retried: false,
            permit: None,
            swap: None,
            pairs: device.proxy.identities.pairs(),
            is_over: false,
            device,
        })
    }

    /// Decides on the request and reports it. Returns the body to send, or the answer to give instead.
    async fn pass_request(
        &mut self,
        incoming: IncomingMessage,
        parts: &mut request::Parts,
    ) -> Result<RequestFate, Dropped> {
        self.received = now();
        self.received_at = Instant::now();
        let mut decided = self.decide_request(&incoming);
        let leaving = decided.verdict.leaving(incoming.document()).cloned();
        self.swap_request(leaving, &mut decided).await;
        // The HTTP client writes the server's name: Host in HTTP/1.1, :authority in HTTP/2. An additional Host in
        // HTTP/2 makes nginx refuse the request.
        let server = &self.route.server;
        let settings = &self.device.proxy.settings;
        let forward = settings.client_certs.forward.as_ref();
        parts.headers = headers::forwarded(&self.head.headers, |name, value| {
            *name == header::HOST && server.replaces_host(value)
                || forward.is_some_and(|forward| forward.removes(name))
                || settings.scopes && *name == SCOPE_HEADER
        });
        let tls = self.device.connection.tls.as_ref();
        let presented = tls.and_then(|tls| tls.client.as_ref());
        match (forward, self.stored_identity(), presented) {
            // The server issued `own` and knows no other certificate of this device.
            (Some(forward), Some(own), _) => forward.add(&own.key.cert, &mut parts.headers),
            (Some(forward), None, Some(presented)) => {
                forward.add(&presented.chain, &mut parts.headers);
            }
            _ => {}
        }
        server.keep_authority(&self.head.uri, &mut parts.headers);
        parts.uri = self.address.clone();
        // The connection to the server decides the version that is used there.
        parts.version = Version::HTTP_11;
        let head = Head::Request(self.head.clone());
        let Outcome {
            pending,
            body,
            answer,
            ..
        } = self.apply(head, incoming, decided, &mut parts.headers);
        let via = &self.device.proxy.via;
        via.put(&mut parts.headers, self.head.version);
        // A request that is answered without the server is drained, too: a device may read no answer before it has sent
        // everything.
        let body = body.drain_on_drop();
        self.permit = body.permit();
        let delivery = pending.message.delivery.clone();
        // If the length is unknown, the event waits until the body has passed.
        let is_complete = pending.count.is_none();
        self.pending_request = Some(pending);
        if is_complete {
            self.emit_request();
        }
        if let Some(answer) = answer {
            let response = self.answer(answer, &delivery).await?;
            return Ok(RequestFate::Answered(Box::new(response)));
        }
        let body = self.send_request(&delivery, body).await?;
        Ok(RequestFate::Forward(body))
    }

    /// Decides on the response and sends it.
    async fn pass_response(
        mut self,
        response: Response<Incoming>,
    ) -> Result<Response<Body>, Dropped> {
        let (mut parts, body) = response.into_parts();
        self.client_auth = self.client_auth(parts.extensions.remove());
        let behind_head: Option<BehindHead> = parts.extensions.remove();
        let stated = body.size_hint().exact();
        let head = ResponseHead {
            status: parts.status,
            version: parts.version,
            headers: std::mem::take(&mut parts.headers),
        };
        let framing = Framing::of_response(&head, &body);
        let incoming = self.receive(Side::Server, body, &head.headers, framing);
        let mut incoming = match incoming.await {
            Ok(incoming) => incoming,
            Err(broken) => return Ok(self.fail(Failure::of_response(&broken))),
        };
        incoming.notes.extend(self.note_sent_again());
        let came = behind_head.map(|behind| behind.bytes());
        incoming.note_excess(stated, came);
        let framing = framing.settle(&mut incoming, &head.headers);
        let mut decided = self.decide_response(&incoming, &head);
        self.swap_response(incoming.document(), &head, &mut decided)
            .await;
        let learned = std::mem::take(&mut decided.learned);
        self.device.proxy.stay.learn(learned);
        parts.headers = headers::forwarded(&head.headers, |_, _| false);
        framing.apply(&mut incoming, &mut parts.headers);
        let head = Head::Response(head);
        let Outcome {
            mut pending,
            mut body,
            status,
            answer,
        } = self.apply(head, incoming, decided, &mut parts.headers);
        if let Some(status) = status {
            head::restate(&mut parts, status, &mut pending, &mut body);
        }
        let delivery = pending.message.delivery.clone();
        if let Some(answer) = answer {
            return Box::pin(self.answer_late(answer, pending)).await;
        }
        self.is_over = true;
        let body = pending.emit_response(&self.device.proxy, body, self.received_at);
        // Each device has its own HTTP version, which hyper writes.
        parts.version = Version::HTTP_11;
        let response = Response::from_parts(parts, body);
        let response = self.send_response(&delivery, response).await?;
        self.session.delivered(Side::Device);
        Ok(response)
    }

    fn decide_request(&mut self, incoming: &IncomingMessage) -> Decision {
        let limits = read::decode_limits(self.device.proxy.settings.max_body);
        let input = self.input(incoming, None, &limits);
        let conversations = &self.device.proxy.conversations;
        self.rules.count_arrival(Stage::Request);
        let (rules, mut state) = (&self.rules.rules, self.rules.tally());
        let (session, decided) = heavy(weight(incoming), || {
            conversations.decide_request(&input, rules, &mut state, steady_now())
        });
        drop(state);
        self.session = session;
        decided
    }

    fn decide_response(&mut self, incoming: &IncomingMessage, head: &ResponseHead) -> Decision {
        let mut session = std::mem::take(&mut self.session);
        let limits = read::decode_limits(self.device.proxy.settings.max_body);
        let input = self.input(incoming, Some(head), &limits);
        self.rules.count_arrival(Stage::Response);
        let (rules, mut state) = (&self.rules.rules, self.rules.tally());
        let decided = heavy(weight(incoming), || {
            session.decide_response(&input, rules, &mut state)
        });
        drop(state);
        self.session = session;
        decided
    }

    fn input<'a>(
        &'a self,
        incoming: &'a IncomingMessage,
        response: Option<&'a ResponseHead>,
        limits: &'a Limits,
    ) -> MessageInput<'a> {
        MessageInput {
            connection: &self.route.connection,
            exchange: self.id,
            request: &self.head,
            response,
            document: incoming.document(),
            body: incoming.plain.as_ref(),
            why_unread: incoming.why_unread(),
            utf16: incoming.utf16,
            limits,
            stay: self.route.stay.as_ref(),
            pairs: Some(&*self.pairs),
            identity: self.identity().filter(|_| response.is_none()),
        }
    }

    /// Applies a verdict to a message: to its body, its header fields and its record.
    fn apply(
        &mut self,
        head: Head,
        mut incoming: IncomingMessage,
        decided: Decision,
        headers: &mut http::HeaderMap,
    ) -> Outcome {
        let mut verdict = decided.verdict;
        let is_changed = verdict.body.is_some();
        if let Some(bytes) = verdict.body.take() {
            framing::drop_trailers(&mut incoming, headers);
            let bytes = incoming.encoded(bytes);
            headers::fit_changed_body(headers, bytes.len());
            incoming.change(bytes, verdict.document.take());
        }
        // Senders sign the body before content coding.
        let is_unchanged_and_signed = !decided.renewable_seals.is_empty() && !is_changed;
        let sent = match is_unchanged_and_signed.then(|| incoming.signed()).flatten() {
            Some(body) => body,
            None => Cow::Borrowed(&*incoming.captured.sent),
        };
        let notes = self.seal(&decided.renewable_seals, headers, (&sent, is_changed));
        incoming.notes.extend(notes);
        verdict.edit_headers(headers);
        let status = verdict.status();
        self.keep_response = verdict.duplicate;
        incoming.notes.extend(decided.notes);
        let message = CapturedMessage {
            session: decided.session,
            links: decided.links,
            notes: incoming.notes,
            applied: verdict.applied,
            delivery: verdict.delivery,
            ..self.message(head, incoming.captured)
        };
        Outcome {
            pending: PendingEvent {
                message,
                count: incoming.count,
            },
            body: incoming.body,
            status,
            answer: verdict.answer,
        }
    }

    /// Creates a message of which only the head and the body are known.
    fn message(&self, head: Head, body: CapturedBody) -> CapturedMessage {
        let (from, at, took) = match head {
            Head::Request(_) => (Side::Device, self.received, Duration::ZERO),
            Head::Response(_) => (Side::Server, now(), self.received_at.elapsed()),
        };
        CapturedMessage {
            exchange: self.id,
            connection: self.route.connection.clone(),
            from,
            synthesized: false,
            at,
            took,
            head,
            body,
            client_auth: self.client_auth.clone(),
            session: None,
            links: Vec::new(),
            notes: Vec::new(),
            applied: Vec::new(),
            delivery: Delivery::default(),
        }
    }
}

/// Returns the amount of work for a message, in bytes.
fn weight(incoming: &IncomingMessage) -> usize {
    let text = incoming
        .document()
        .map_or(0, |document| document.source().len());
    incoming.captured.received.len().max(text)
}

/// The result of applying a verdict.
struct Outcome {
    pending: PendingEvent,
    body: Body,
    /// The HTTP status to send in place of the received one.
    status: Option<StatusCode>,
    answer: Option<SyntheticResponse>,
}
