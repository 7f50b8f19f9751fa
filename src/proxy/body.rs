//! Bodies on their way out: bytes at hand, a stream of the other peer, or the one before the other.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::patience::Patience;
use super::progress::{Progress, State};
use super::room::Hold;

/// A body to send. Bytes pass as they are; nothing is copied.
#[derive(Default)]
pub(super) struct Body {
    first: VecDeque<Bytes>,
    rest: Option<Incoming>,
    trailers: Option<Box<HeaderMap>>,
    passed: u64,
    watch: Watch,
    /// With the sender of the rest.
    patience: Patience,
    progress: Option<Arc<Progress>>,
    _hold: Option<Hold>,
}

/// Why a body does not come whole.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// Its sender broke off.
    #[error(transparent)]
    Peer(#[from] hyper::Error),
    /// Its sender stopped sending.
    #[error("nothing came for {0:?}")]
    Stalled(Duration),
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
    /// Its sender stopped sending.
    Stalled,
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

    /// What was read already, and what follows, with the longest wait for more of it.
    pub(super) fn stream(first: VecDeque<Bytes>, rest: Incoming, limit: Duration) -> Self {
        let mut body = Self::default();
        body.first = first;
        body.rest = Some(rest);
        body.patience = Patience::new(limit);
        body
    }

    /// The same body, which keeps its place in memory until it has left.
    pub(super) fn holding(mut self, hold: Option<Hold>) -> Self {
        self._hold = hold;
        self
    }

    /// Puts other bytes in the place of all of it.
    pub(super) fn replace(&mut self, bytes: Bytes) {
        let hold = self._hold.take();
        *self = Self::whole(bytes, None).holding(hold);
    }

    /// A look at how the sending of it goes on.
    pub(super) fn progress(&mut self) -> Arc<Progress> {
        let progress = Arc::new(Progress::new());
        self.progress = Some(progress.clone());
        progress
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
        } else if let Some(progress) = &self.progress {
            progress.note(State::Flowing);
        }
    }

    fn end(&mut self, end: End) {
        if let Some(progress) = self.progress.take() {
            progress.note(match end {
                End::Whole | End::Dropped => State::Sent,
                End::Stalled => State::Stalled,
                End::Broken => State::Broken,
            });
        }
        let bytes = self.passed;
        if let Watch::End(on_end) = std::mem::take(&mut self.watch) {
            on_end(Passed { bytes, end });
        }
    }

    /// The next piece of what is at hand. Pieces are small enough that what was not yet taken stays here, where it
    /// is counted, and not with hyper.
    fn next_piece(&mut self) -> Option<Bytes> {
        let first = self.first.front_mut()?;
        match first.len() > PIECE {
            true => Some(first.split_to(PIECE)),
            false => self.first.pop_front(),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Some(bytes) = self.next_piece() {
            self.pass(bytes.len());
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        let Some(rest) = &mut self.rest else {
            let trailers = self.trailers.take();
            self.end(End::Whole);
            return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(*trailers))));
        };
        let Poll::Ready(frame) = Pin::new(rest).poll_frame(cx) else {
            ready!(self.patience.poll_end(cx));
            self.end(End::Stalled);
            return Poll::Ready(Some(Err(Broken::Stalled(self.patience.limit()))));
        };
        self.patience.renew();
        match &frame {
            Some(Ok(frame)) => self.pass(frame.data_ref().map_or(0, Bytes::len)),
            Some(Err(_)) => self.end(End::Broken),
            None => self.end(End::Whole),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Broken::Peer)))
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

/// The largest piece handed on of what is at hand, in bytes.
const PIECE: usize = 64 << 10;
