//! Bodies on their way out: bytes at hand, a stream of the other peer, or the one before the other.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

/// A body to send. Bytes pass as they are; nothing is copied.
#[derive(Default)]
pub(super) struct Body {
    first: VecDeque<Bytes>,
    rest: Option<Incoming>,
    trailers: Option<Box<HeaderMap>>,
    passed: u64,
    watch: Watch,
}

/// Who wants to know how much passed.
#[derive(Default)]
enum Watch {
    #[default]
    Nobody,
    Count(Arc<Count>),
    End(OnEnd),
}

/// Called once: when the last byte was handed on, or when the body is dropped before.
pub(super) type OnEnd = Box<dyn FnOnce(Passed) + Send>;

/// What passed of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passed {
    /// Bytes handed on.
    pub(super) bytes: u64,
    /// How it ended.
    pub(super) end: End,
}

/// How the passing of a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// All of it passed.
    Whole,
    /// Its sender broke off.
    Broken,
    /// Its receiver left.
    Dropped,
}

/// A running count of what passed.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    /// Bytes so far.
    pub(super) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Body {
    /// Bytes at hand, and the trailers that came with them.
    pub(super) fn whole(bytes: Bytes, trailers: Option<Box<HeaderMap>>) -> Self {
        let mut body = Self::default();
        body.trailers = trailers;
        if !bytes.is_empty() {
            body.first.push_back(bytes);
        }
        body
    }

    /// What was read already, and what follows.
    pub(super) fn stream(first: VecDeque<Bytes>, rest: Incoming) -> Self {
        let mut body = Self::default();
        body.first = first;
        body.rest = Some(rest);
        body
    }

    /// The same body, counted while it passes.
    pub(super) fn counted(mut self, count: Arc<Count>) -> Self {
        self.watch = Watch::Count(count);
        self
    }

    /// The same body, whose end is told.
    pub(super) fn told(mut self, on_end: OnEnd) -> Self {
        self.watch = Watch::End(on_end);
        self
    }

    /// Whether some of it is still with its sender.
    pub(super) fn is_streaming(&self) -> bool {
        self.rest.is_some() && !self.is_end_stream()
    }

    fn pass(&mut self, bytes: usize) {
        self.passed += bytes as u64;
        if let Watch::Count(count) = &self.watch {
            count.0.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        if self.is_end_stream() {
            self.end(End::Whole);
        }
    }

    fn end(&mut self, end: End) {
        let bytes = self.passed;
        if let Watch::End(on_end) = std::mem::take(&mut self.watch) {
            on_end(Passed { bytes, end });
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(bytes) = self.first.pop_front() {
            self.pass(bytes.len());
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        let Some(rest) = &mut self.rest else {
            let trailers = self.trailers.take();
            self.end(End::Whole);
            return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(*trailers))));
        };
        let frame = ready!(Pin::new(rest).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => self.pass(frame.data_ref().map_or(0, Bytes::len)),
            Some(Err(_)) => self.end(End::Broken),
            None => self.end(End::Whole),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let rest = self.rest.as_ref();
        self.first.is_empty()
            && self.trailers.is_none()
            && rest.is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let first: usize = self.first.iter().map(Bytes::len).sum();
        let Some(rest) = &self.rest else {
            return SizeHint::with_exact(first as u64);
        };
        let rest = rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + first as u64);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + first as u64);
        }
        hint
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let whole = self.is_end_stream();
        self.end(if whole { End::Whole } else { End::Dropped });
    }
}
