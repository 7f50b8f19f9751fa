//! A request that goes to the server twice, as after a transport retry.

use bytes::Bytes;
use http::{Response, request};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use super::Exchange;
use crate::flow::CapturedBody;
use crate::proxy::body::Body;
use crate::proxy::failure::Failure;
use crate::rules::step::WhichResponse;

/// What is sent twice.
pub(super) struct Repeat {
    keep: WhichResponse,
    body: Bytes,
}

impl Repeat {
    pub(super) fn new(keep: WhichResponse, payload: &CapturedBody) -> Self {
        Self {
            keep,
            body: payload.sent.clone(),
        }
    }
}

impl Exchange {
    /// Sends the request on, twice where a rule says so, and waits for the response to pass on.
    pub(super) async fn ask_once_or_twice(
        &mut self,
        parts: request::Parts,
        body: Body,
    ) -> Result<Response<Incoming>, Failure> {
        let Some(repeat) = self.repeat.take() else {
            return self.ask(parts, body).await;
        };
        let first = self.ask(parts.clone(), body).await?;
        let again = Body::whole(repeat.body, None);
        match repeat.keep {
            WhichResponse::Second => {
                self.drain(first).await;
                self.ask(parts, again).await
            }
            WhichResponse::First => {
                let second = self.ask(parts, again).await?;
                self.drain(second).await;
                Ok(first)
            }
        }
    }

    /// Reads a response nobody gets to its end, so that the connection can be used again.
    async fn drain(&self, response: Response<Incoming>) {
        let settings = &self.context.shared.settings;
        let body = Limited::new(response.into_body(), settings.max_body);
        // What goes wrong with it is nobody's loss.
        let _ = tokio::time::timeout(settings.limits.body, body.collect()).await;
    }
}
