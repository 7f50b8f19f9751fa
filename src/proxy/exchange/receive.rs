//! Receiving bodies: they are read if something needs them, and streamed otherwise.

use hyper::body::Incoming;

use super::Exchange;
use crate::flow::{Side, media};
use crate::proxy::body::Broken;
use crate::proxy::body_timeout::BodyTimeout;
use crate::proxy::clock::steady_now;
use crate::proxy::framing::Framing;
use crate::proxy::headers;
use crate::proxy::message::IncomingMessage;
use crate::proxy::read::{self, Bounds};
use crate::proxy::settings::BodyCapture;
use crate::stay;

impl Exchange {
    /// Receives a body.
    pub(super) async fn receive(
        &self,
        speaker: Side,
        body: Incoming,
        headers: &http::HeaderMap,
        framing: Framing,
    ) -> Result<IncomingMessage, Broken> {
        let proxy = &self.device.proxy;
        let settings = &proxy.settings;
        let needed = self.rules.rules.reads_bodies(speaker)
            || proxy.conversations.have_obligations(steady_now())
            || read::has_transfer_codings(headers);
        let limits = &settings.limits;
        let waits = speaker == Side::Device && headers::may_wait_for_continue(&self.head);
        let bounds = Bounds {
            length: settings.max_body,
            limits,
            waits,
            budget: &proxy.budget,
        };
        let needed = needed || settings.body_capture != BodyCapture::Pass || self.swap.is_some();
        let may_hold = self.route.stay.is_some() || self.may_be_swapped() || !self.pairs.is_empty();
        let may_concern = || {
            media::is_message(headers)
                || media::is_provisioning(headers)
                || (speaker == Side::Server && media::is_page(headers))
        };
        // The end of a stream of events may never come, and nothing in it is a message.
        let passes_as_it_comes = speaker == Side::Server
            && self.swap.is_none()
            && media::is_event_stream(headers)
            && !read::has_transfer_codings(headers);
        match framing {
            _ if passes_as_it_comes => Ok(IncomingMessage::unread(
                body,
                BodyTimeout::of_events(limits),
            )),
            _ if needed || (may_hold && may_concern()) => {
                let decodes = |body: &[u8]| needed || self.is_for_dmtap(speaker, body);
                let may_be_short = speaker == Side::Server;
                IncomingMessage::read(body, headers, bounds, &decodes, may_be_short).await
            }
            Framing::Length => IncomingMessage::collected(body, bounds).await,
            Framing::AsReceived => Ok(IncomingMessage::unread(body, bounds.timeout())),
        }
    }

    /// Whether a body may have something for `stay`, or for the swap of client identities.
    fn is_for_dmtap(&self, speaker: Side, body: &[u8]) -> bool {
        let to = speaker.other();
        let context = self.route.stay.as_ref();
        context.is_some_and(|context| stay::may_contain_urls(body, to, context.extent))
            || self.may_be_swapped()
            || self.pairs.may_be_in(body)
    }

    fn may_be_swapped(&self) -> bool {
        let identities = &self.device.proxy.identities;
        identities.swaps(&self.route.server.origin().host)
    }
}
