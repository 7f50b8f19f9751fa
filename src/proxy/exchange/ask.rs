//! The request to the server, and its repetition if that does no harm.

use http::{Request, Response, request};
use hyper::body::Incoming;

use super::Exchange;
use crate::flow::Note;
use crate::proxy::body::Body;
use crate::proxy::failure::Failure;
use crate::proxy::upstream::{NotAnswered, Repeat};

impl Exchange {
    /// Sends the request and waits for the head of the response. A request whose body is in memory is sent once more if
    /// a connection died without an answer, which a note or the failure reports, and a few times if the server says
    /// that it did not process it.
    pub(super) async fn ask(
        &mut self,
        parts: request::Parts,
        mut body: Body,
    ) -> Result<Response<Incoming>, Failure> {
        let mut repeated = 0;
        loop {
            let Some(copy) = body.copy() else {
                return self.ask_once(parts, body).await.map_err(|not| not.failure);
            };
            match self.ask_once(parts.clone(), body).await {
                Err(not) if repeated < most_repeats(not.repeat) => {
                    (body, repeated) = (copy, repeated + 1);
                    self.is_retried |= not.repeat == Repeat::Once;
                }
                Err(mut not) if self.is_retried => {
                    not.failure.why.push_str(SENT_AGAIN);
                    return Err(not.failure);
                }
                asked => return asked.map_err(|not| not.failure),
            }
        }
    }

    /// HTTP-08, for the response.
    pub(super) fn note_sent_again(&self) -> Option<Note> {
        let text = "the server closed the connection without an answer, and dmtap sent the request once more";
        self.is_retried.then(|| Note::new("HTTP-08", text))
    }

    async fn ask_once(
        &self,
        parts: request::Parts,
        mut body: Body,
    ) -> Result<Response<Incoming>, NotAnswered> {
        let proxy = &self.device.proxy;
        let limits = &proxy.settings.limits;
        let progress = body.progress();
        let request = Request::from_parts(parts, body);
        let link = &self.device.link;
        let identity = self.identity.as_ref();
        let asking = link.send(&proxy.upstreams, self.head.version, identity, request);
        tokio::select! {
            biased;
            asked = asking => asked.map_err(|not| match progress.failure() {
                // The device is to blame.
                Some(failure) => NotAnswered {
                    failure,
                    repeat: Repeat::Never,
                },
                None => not,
            }),
            failure = progress.overdue(limits) => Err(NotAnswered {
                failure,
                repeat: Repeat::Never,
            }),
        }
    }
}

/// Returns how often a request may be repeated, counted from the first attempt.
fn most_repeats(repeat: Repeat) -> usize {
    match repeat {
        Repeat::Never => 0,
        Repeat::Once => 1,
        Repeat::Often => 4,
    }
}

/// The end of the reason why there is no response to a request that was sent again.
const SENT_AGAIN: &str =
    ", and dmtap had sent the request before, on a connection that the server closed";
