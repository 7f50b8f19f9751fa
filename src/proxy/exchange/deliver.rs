//! How a message is sent: carries out the steps of a delivery.
//!
//! In HTTP/1.1 the steps act on the connection exactly. In HTTP/2, where a connection has many streams, dmtap resets
//! the stream instead.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, Version, header};
use http_body::Body as _;

use super::{Dropped, Exchange};
use crate::flow::{Delivery, DeliveryStep, Pace, StatedLength};
use crate::proxy::body::Body;
use crate::proxy::connection_handle::{CloseKind, CloseSequence};
use crate::proxy::context::FailedEnd;
use crate::proxy::failure::Failure;
use crate::proxy::interruptible_sleep;
use crate::proxy::paced_body::{ClientProtocol, End, Length, PacedBody};

/// A delivery in the order in which it is carried out.
#[derive(Debug, Default)]
struct DeliveryPlan {
    /// The wait before the head.
    wait: Duration,
    paces: Vec<Pace>,
    announced: Option<StatedLength>,
    /// The bytes of the body that are sent; `None` if not even the head is sent.
    sends: Option<u64>,
    noise: Bytes,
    /// The wait before the end.
    pause: Duration,
    ending: Option<CloseKind>,
}

impl DeliveryPlan {
    fn of(delivery: &Delivery) -> Self {
        let mut plan = Self::default();
        for op in &delivery.ops {
            match op {
                DeliveryStep::Wait(time) if plan.sends.is_none() => plan.wait += *time,
                DeliveryStep::Wait(time) => plan.pause += *time,
                DeliveryStep::Pace(pace) => plan.paces.push(*pace),
                DeliveryStep::Announce(announced) => plan.announced = Some(*announced),
                DeliveryStep::Send(bytes) => plan.sends = Some(*bytes),
                DeliveryStep::Noise(noise) => plan.noise = noise.bytes(),
                DeliveryStep::Close => plan.ending = Some(CloseKind::Close),
                DeliveryStep::Reset => plan.ending = Some(CloseKind::Reset),
            }
            if plan.ending.is_some() {
                return plan;
            }
        }
        plan.sends = plan.sends.or(Some(u64::MAX));
        plan
    }

    fn last(&self, ending: CloseKind) -> CloseSequence {
        CloseSequence {
            noise: self.noise.clone(),
            wait: self.pause,
            ending,
        }
    }
}

impl Exchange {
    /// Applies a delivery to a request. Returns the body for the server, or an error if the device's connection ends
    /// instead.
    pub(super) async fn send_request(
        &mut self,
        delivery: &Delivery,
        body: Body,
    ) -> Result<Body, Dropped> {
        if delivery.is_plain() {
            return Ok(body);
        }
        let plan = DeliveryPlan::of(delivery);
        interruptible_sleep::wait(&self.context.handle.stop(), plan.wait).await;
        let (Some(bytes), ending) = (plan.sends, plan.ending) else {
            return Err(self.end(&plan).await);
        };
        let end = match ending {
            Some(ending) => {
                self.cut = Some(plan.last(ending));
                End::CutToServer
            }
            None => End::Whole,
        };
        let handle = &self.context.handle;
        let run = PacedBody::new(handle, plan.paces, bytes, end, Length::Known);
        Ok(body.running(run))
    }

    /// Ends the device's connection if a rule cut the request on its way to the server.
    pub(super) async fn end_cut_request(&mut self) -> Option<Dropped> {
        let last = self.cut.take()?;
        Some(self.end_with(last).await)
    }

    /// Applies a delivery to a response.
    pub(super) async fn send_response(
        &mut self,
        delivery: &Delivery,
        mut response: Response<Body>,
    ) -> Result<Response<Body>, Dropped> {
        if delivery.is_plain() {
            return Ok(response);
        }
        let plan = DeliveryPlan::of(delivery);
        interruptible_sleep::wait(&self.context.handle.stop(), plan.wait).await;
        let protocol = self.protocol();
        let Some(bytes) = plan.sends else {
            let noisy = matches!(protocol, ClientProtocol::Two(_)) && !plan.noise.is_empty();
            if !noisy {
                return Err(self.end(&plan).await);
            }
            // HTTP/2 can send bytes only in a message.
            response = Response::new(Body::default());
            let last = plan.last(CloseKind::Close);
            let end = End::Cut(protocol, last);
            let run = PacedBody::new(&self.context.handle, Vec::new(), 0, end, Length::Hidden);
            return Ok(response.map(|body| body.running(run)));
        };
        let mut last = plan.last(plan.ending.unwrap_or(CloseKind::Close));
        let length = announce(&plan, &protocol, &mut response, &mut last);
        let end = match (plan.ending, length, bytes) {
            (None, ..) => End::Whole,
            // hyper reports a body that is too short as an error of dmtap.
            (Some(_), Length::Hidden, _) if matches!(protocol, ClientProtocol::One(_)) => {
                End::Cut(protocol, last)
            }
            (Some(_), Length::Hidden, u64::MAX) => End::Whole,
            (Some(_), _, u64::MAX) => End::WholeThen(protocol, last),
            (Some(_), ..) => End::Cut(protocol, last),
        };
        self.say_close(&end, &mut response);
        if let End::WholeThen(ClientProtocol::One(handle), last)
        | End::Cut(ClientProtocol::One(handle), last) = &end
            && asks_for_no_body(&response, length)
        {
            handle.finish(last.clone());
            return Ok(response.map(|_| Body::default()));
        }
        let run = PacedBody::new(&self.context.handle, plan.paces, bytes, end, length);
        Ok(response.map(|body| body.running(run)))
    }

    /// Announces the end of the connection to a device that waits for it.
    fn say_close<B>(&self, end: &End, response: &mut Response<B>) {
        if matches!(end, End::WholeThen(ClientProtocol::One(_), _)) {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
    }

    fn protocol(&self) -> ClientProtocol {
        let handle = self.context.handle.clone();
        match self.head.version {
            Version::HTTP_2 => ClientProtocol::Two(handle),
            _ => ClientProtocol::One(handle),
        }
    }

    /// Ends the device's connection, or its stream, without a response.
    async fn end(&mut self, plan: &DeliveryPlan) -> Dropped {
        self.end_with(plan.last(plan.ending.unwrap_or(CloseKind::Close)))
            .await
    }

    async fn end_with(&mut self, last: CloseSequence) -> Dropped {
        if !self.over {
            let how = match last.ending {
                CloseKind::Close => "closed by a rule",
                CloseKind::Reset => "reset by a rule",
            };
            self.emit_failed(FailedEnd::ByRule, Failure::of_device(how.into()));
        }
        match (self.protocol(), last.ending) {
            // In HTTP/2 the error alone resets the stream, and the connection stays.
            (ClientProtocol::Two(_), _) => {}
            (ClientProtocol::One(handle), CloseKind::Reset) => handle.reset(),
            (ClientProtocol::One(handle), CloseKind::Close) => {
                let longest = last.wait + CLOSE_TIMEOUT;
                handle.finish(last);
                // `ScriptedClose` ends the connection, and with it this task.
                tokio::time::sleep(longest).await;
            }
        }
        Dropped::ByRule
    }
}

/// Whether hyper sends the head without polling the body.
fn asks_for_no_body(response: &Response<Body>, length: Length) -> bool {
    let stated = response.headers().get(header::CONTENT_LENGTH);
    match length {
        Length::Known => response.body().is_end_stream(),
        Length::Hidden => stated.is_some_and(|stated| stated == "0"),
    }
}

/// Makes the head state another length than that of the body.
fn announce(
    plan: &DeliveryPlan,
    protocol: &ClientProtocol,
    response: &mut Response<Body>,
    last: &mut CloseSequence,
) -> Length {
    let body = response.body();
    let truth = body.length_at_hand().or(body.size_hint().exact());
    if plan.announced.is_some() {
        response.body_mut().state_length();
    }
    let length = match (plan.announced, truth) {
        (None, _) => return Length::Known,
        (Some(StatedLength::Chunks), _) => {
            response.headers_mut().remove(header::CONTENT_LENGTH);
            return Length::Hidden;
        }
        // Without a length there are chunks, which end when they end.
        (Some(_), None) => return Length::Known,
        (Some(StatedLength::Exactly(length)), Some(_)) => length,
        (Some(StatedLength::More(more)), Some(truth)) => truth.saturating_add(more),
        (Some(StatedLength::Fewer(fewer)), Some(truth)) => truth.saturating_sub(fewer),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if let (ClientProtocol::One(_), Some(excess)) =
        (protocol, truth.and_then(|truth| truth.checked_sub(length)))
    {
        // hyper writes no more bytes than the head states, so `ScriptedClose` writes the rest.
        last.noise = response.body_mut().take_end(excess as usize);
    }
    Length::Hidden
}

/// The time for a connection to end in good order.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
