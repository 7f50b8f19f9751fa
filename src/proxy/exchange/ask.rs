//! The request to the server, and its repetition if that does no harm.

use http::{Request, Response, request};
use hyper::body::Incoming;

use super::Exchange;
use crate::proxy::body::Body;
use crate::proxy::failure::Failure;
use crate::proxy::upstream::SendError;

impl Exchange {
    /// Sends the request and waits for the head of the response. A request whose body is in memory is sent once more if
    /// a connection died without an answer, and a few times if the server says that it did not process it.
    pub(super) async fn ask(
        &self,
        parts: request::Parts,
        mut body: Body,
    ) -> Result<Response<Incoming>, Failure> {
        let mut repeated = 0;
        loop {
            let Some(copy) = body.copy() else {
                return self.ask_once(parts, body).await.map_err(|not| not.failure);
            };
            match self.ask_once(parts.clone(), body).await {
                Err(not) if repeated < not.repeats => (body, repeated) = (copy, repeated + 1),
                asked => return asked.map_err(|not| not.failure),
            }
        }
    }

    async fn ask_once(
        &self,
        parts: request::Parts,
        mut body: Body,
    ) -> Result<Response<Incoming>, NotAnswered> {
        let shared = &self.context.shared;
        let limits = &shared.settings.limits;
        let progress = body.progress();
        let request = Request::from_parts(parts, body);
        let link = &self.context.link;
        let identity = self.identity.as_ref();
        let asking = link.send(&shared.upstreams, self.head.version, identity, request);
        tokio::select! {
            biased;
            asked = asking => asked.map_err(|error| {
                let of_device = progress.failure(limits);
                let repeats = match error {
                    SendError::NotProcessed(_) => MOST_REPEATS,
                    SendError::Silent(_) => 1,
                    SendError::Connect(_) | SendError::Http(_) => 0,
                };
                NotAnswered {
                    repeats: if of_device.is_some() { 0 } else { repeats },
                    failure: of_device.unwrap_or_else(|| Failure::of(error.cause())),
                }
            }),
            failure = progress.overdue(limits) => Err(NotAnswered {
                failure,
                repeats: 0,
            }),
        }
    }
}

/// A request without a response.
struct NotAnswered {
    failure: Failure,
    /// How often the request may be repeated, counted from the first attempt.
    repeats: usize,
}

/// The most repetitions of a request that the server did not process.
const MOST_REPEATS: usize = 4;
