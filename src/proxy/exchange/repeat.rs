//! Requests that are sent to the server twice, as after a transport retry.

use http::{Response, request};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use super::Exchange;
use crate::proxy::body::Body;
use crate::proxy::failure::Failure;
use crate::rules::WhichResponse;

impl Exchange {
    /// Sends the request, twice if a rule says so, and waits for the response to pass on.
    pub(super) async fn ask_once_or_twice(
        &mut self,
        parts: request::Parts,
        body: Body,
    ) -> Result<Response<Incoming>, Failure> {
        // A message that a rule repeats was decoded, so it is in memory.
        let (Some(keep), Some(again)) = (self.keep_response.take(), body.same_again()) else {
            return self.ask(parts, body).await;
        };
        let first = self.ask(parts.clone(), body).await?;
        match keep {
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

    /// Reads a response that nobody gets to its end, so that the connection can be used again.
    async fn drain(&self, response: Response<Incoming>) {
        let settings = &self.device.proxy.settings;
        let body = Limited::new(response.into_body(), settings.max_body);
        // Errors of this response do not matter.
        let _ = tokio::time::timeout(settings.limits.body, body.collect()).await;
    }
}
