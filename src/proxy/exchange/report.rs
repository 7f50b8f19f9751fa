//! The events of an exchange: its request, and that it got no response.

use std::sync::Arc;

use super::Exchange;
use crate::flow::event::Event;
use crate::proxy::failure::Failure;
use crate::proxy::state::FailedEnd;

impl Exchange {
    /// Reports the request, unless it was reported already.
    pub(super) fn emit_request(&mut self) {
        if let Some(pending) = self.pending_request.take() {
            self.is_request_reported = true;
            let message = pending.counted();
            self.device.proxy.emit(Event::Request(Arc::new(message)));
        }
    }

    /// Reports that the server gives no response: a peer failed, or a rule broke the connection to it.
    pub(super) fn emit_failed(&mut self, end: FailedEnd, failure: Failure) {
        if !self.is_request_reported && self.pending_request.is_none() {
            self.pending_request = Some(self.unreceived());
        }
        self.emit_request();
        self.is_over = true;
        let connection = self.device.connection.id;
        let proxy = &self.device.proxy;
        proxy.emit_failed(self.id, connection, end, failure);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.device.handle.end();
        if !self.is_over {
            let why = "the device left before the response";
            self.emit_failed(FailedEnd::NoResponse, Failure::of_device(why.into()));
        }
    }
}
