//! Changes of heads by rules.

use http::StatusCode;
use http::header;
use http::response::Parts;
use hyper::ext::ReasonPhrase;

use crate::proxy::body::Body;
use crate::proxy::message::PendingEvent;

/// Gives a response another status. If a response with this status cannot have a body (RFC 9110 §6.4.1), the body and
/// its length are removed.
pub(super) fn restate(
    parts: &mut Parts,
    status: StatusCode,
    pending: &mut PendingEvent,
    body: &mut Body,
) {
    parts.status = status;
    // The reason phrase of the server belongs to the status that it sent.
    parts.extensions.remove::<ReasonPhrase>();
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        parts.headers.remove(header::CONTENT_LENGTH);
        *body = Body::default();
        pending.message.body.sent = bytes::Bytes::new();
        pending.message.body.sent_document = None;
        pending.count = None;
    }
}
