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
use crate::proxy::connection_handle::{CloseKind, CloseSequence, ConnectionHandle};
use crate::proxy::failure::Failure;
use crate::proxy::interruptible_sleep;
use crate::proxy::paced_body::{ClientProtocol, End, Length, PacedBody};
use crate::proxy::state::FailedEnd;

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
        interruptible_sleep::wait(&self.device.handle.stop(), plan.wait).await;
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
        let run = PacedBody::new(self.client(), plan.paces, bytes, end, Length::Known);
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
        interruptible_sleep::wait(&self.device.handle.stop(), plan.wait).await;
        let (handle, protocol) = self.client();
        let Some(bytes) = plan.sends else {
            if protocol == ClientProtocol::One || plan.noise.is_empty() {
                return Err(self.end(&plan).await);
            }
            // HTTP/2 can send bytes only in a message.
            let end = End::Cut(plan.last(CloseKind::Close));
            let run = PacedBody::new((handle, protocol), Vec::new(), 0, end, Length::Hidden);
            return Ok(Response::new(Body::default().running(run)));
        };
        let mut last = plan.last(plan.ending.unwrap_or(CloseKind::Close));
        let length = announce(&plan, protocol, &mut response, &mut last);
        let end = match (plan.ending, length, bytes) {
            (None, ..) => End::Whole,
            // hyper reports a body that is too short as an error of dmtap.
            (Some(_), Length::Hidden, _) if protocol == ClientProtocol::One => End::Cut(last),
            (Some(_), Length::Hidden, u64::MAX) => End::Whole,
            (Some(_), _, u64::MAX) => End::WholeThen(last),
            (Some(_), ..) => End::Cut(last),
        };
        if matches!(end, End::Whole) && length == Length::Known && response.body().is_end_stream() {
            // There is nothing to send slowly, and hyper takes a body with a delivery for one with content: a 304 may
            // state the length of what it does not have.
            return Ok(response);
        }
        if protocol == ClientProtocol::One {
            if matches!(end, End::WholeThen(_)) {
                // The device may wait for the end of the connection.
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            if let Some(last) = end.closing()
                && asks_for_no_body(&response, length)
            {
                handle.finish(last.clone());
                return Ok(response.map(|_| Body::default()));
            }
        }
        let run = PacedBody::new((handle, protocol), plan.paces, bytes, end, length);
        Ok(response.map(|body| body.running(run)))
    }

    /// Returns the device's connection and its HTTP version.
    fn client(&self) -> (ConnectionHandle, ClientProtocol) {
        let protocol = match self.head.version {
            Version::HTTP_2 => ClientProtocol::Two,
            _ => ClientProtocol::One,
        };
        (self.device.handle.clone(), protocol)
    }

    /// Ends the device's connection, or its stream, without a response.
    async fn end(&mut self, plan: &DeliveryPlan) -> Dropped {
        self.end_with(plan.last(plan.ending.unwrap_or(CloseKind::Close)))
            .await
    }

    async fn end_with(&mut self, last: CloseSequence) -> Dropped {
        if !self.is_over {
            let how = match last.ending {
                CloseKind::Close => "closed by a rule",
                CloseKind::Reset => "reset by a rule",
            };
            self.emit_failed(FailedEnd::ByRule, Failure::of_device(how.into()));
        }
        let (handle, protocol) = self.client();
        match (protocol, last.ending) {
            // In HTTP/2 the error alone resets the stream, and the connection stays.
            (ClientProtocol::Two, _) => {}
            (ClientProtocol::One, CloseKind::Reset) => handle.reset(),
            (ClientProtocol::One, CloseKind::Close) => {
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
    protocol: ClientProtocol,
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
    if let (ClientProtocol::One, Some(excess)) =
        (protocol, truth.and_then(|truth| truth.checked_sub(length)))
    {
        // hyper writes no more bytes than the head states, so `ScriptedClose` writes the rest.
        last.noise = response.body_mut().take_end(excess as usize);
    }
    Length::Hidden
}

/// The time for a connection to end in good order.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
