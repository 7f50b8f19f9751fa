//! Bodies to send: bytes in memory, a stream from the other peer, or bytes followed by a stream.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::runtime::Handle;

use super::body_budget::BudgetPermit;
use super::body_timeout::{BodyTimeout, Stall};
use super::failure::is_malformed;
use super::paced_body::PacedBody;
use super::progress::Progress;
use super::stream_watchdog::StreamWatchdog;

/// A body to send. Bytes pass unchanged and are not copied.
#[derive(Default)]
pub(super) struct Body {
    first: VecDeque<Bytes>,
    rest: Option<Incoming>,
    trailers: Option<Box<HeaderMap>>,
    passed: u64,
    watch: Watch,
    /// The timeout for the sender of the rest.
    timeout: Option<Box<BodyTimeout>>,
    progress: Option<Arc<Progress>>,
    leftover: Leftover,
    run: Option<Box<PacedBody>>,
    permit: Option<Arc<BudgetPermit>>,
    watchdog: Option<Arc<StreamWatchdog>>,
    end: BodyEnd,
}

/// How the receiver learns where a body in memory ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum BodyEnd {
    /// The head states the length.
    #[default]
    Stated,
    /// The end is marked when it comes: by the last chunk in HTTP/1.1.
    Open,
    /// The end has come.
    Ended,
}

/// The treatment of bytes that the receiver does not want any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Leftover {
    /// The sender gets a signal to stop.
    #[default]
    Refused,
    /// The bytes are read and discarded, within limits.
    Drained,
}

/// The reason why a body is incomplete.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The sender broke off.
    #[error(transparent)]
    Peer(#[from] hyper::Error),
    /// The sender stopped sending.
    #[error("{0}")]
    Stalled(Stall),
    /// The transfer coding cannot be undone. The text says why.
    #[error("{0}")]
    Coding(String),
    /// A rule cuts the body.
    #[error("cut by a rule")]
    ByRule,
}

/// The observer of the bytes that pass.
#[derive(Default)]
enum Watch {
    #[default]
    Nobody,
    /// A running count of the bytes.
    Count(Arc<AtomicU64>),
    /// A callback that gets the end, and the number of bytes that were passed on before.
    End(Box<dyn FnOnce(End, u64) + Send>),
}

/// How the passing of a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The whole body passed.
    Whole,
    /// The sender broke off.
    Broken,
    /// The sender wrote bytes that are not a body.
    Malformed,
    /// The sender stopped sending, or sends too slowly.
    Stalled(Stall),
    /// The receiver left.
    Dropped,
}

impl Body {
    /// Creates a body from bytes in memory and the trailers that came with them.
    pub(super) fn whole(bytes: Bytes, trailers: Option<Box<HeaderMap>>) -> Self {
        let mut body = Self::default();
        body.trailers = trailers;
        if !bytes.is_empty() {
            body.first.push_back(bytes);
        }
        body
    }

    /// Creates a body from the bytes that were read already and the stream that follows, with a timeout for the stream.
    pub(super) fn stream(first: VecDeque<Bytes>, rest: Incoming, timeout: BodyTimeout) -> Self {
        let mut body = Self::default();
        body.first = first;
        body.rest = Some(rest);
        body.timeout = Some(Box::new(timeout));
        body
    }

    /// Marks the body as one whose head does not state the length: in HTTP/1.1 it is sent in chunks.
    pub(super) fn open_ended(mut self) -> Self {
        self.end = BodyEnd::Open;
        self
    }

    /// Marks the body as one whose head states the length.
    pub(super) fn state_length(&mut self) {
        self.end = BodyEnd::Stated;
    }

    /// Returns the length of the body if all of it is in memory.
    pub(super) fn length_at_hand(&self) -> Option<u64> {
        let length: usize = self.first.iter().map(Bytes::len).sum();
        (!self.is_streaming()).then_some(length as u64)
    }

    /// Takes the trailers that came with the bytes in memory.
    pub(super) fn take_trailers(&mut self) -> Option<Box<HeaderMap>> {
        self.trailers.take()
    }

    /// Keeps the memory permit of the body until it was sent.
    pub(super) fn holding(mut self, permit: Arc<BudgetPermit>) -> Self {
        self.permit = Some(permit);
        self
    }

    /// Attaches the watchdog of the current stream: a device must take the body in time.
    pub(super) fn with_watchdog(mut self) -> Self {
        self.watchdog = StreamWatchdog::current();
        if let Some(watchdog) = &self.watchdog {
            watchdog.wait(!self.is_end_stream());
        }
        self
    }

    /// Returns the memory permit of the body.
    pub(super) fn permit(&self) -> Option<Arc<BudgetPermit>> {
        self.permit.clone()
    }

    /// Copies the body if all of it is in memory and no delivery changes how it is sent.
    pub(super) fn copy(&self) -> Option<Self> {
        self.run.is_none().then(|| self.same_again())?
    }

    /// Copies the body if all of it is in memory. The copy is sent in the usual way, whatever the delivery of the
    /// original.
    pub(super) fn same_again(&self) -> Option<Self> {
        if self.is_streaming() {
            return None;
        }
        let mut copy = Self::default();
        copy.first = self.first.clone();
        copy.trailers = self.trailers.clone();
        copy.end = self.end;
        Some(copy)
    }

    /// Replaces the whole body by other bytes.
    pub(super) fn replace(&mut self, bytes: Bytes) {
        let permit = self.permit.take();
        *self = Self::whole(bytes, None);
        self.permit = permit;
    }

    /// Lets the body be read to its end even if nobody wants it: if a device is answered early and asked to stop
    /// sending, it may take its stream as broken and never read the answer (curl 7.88 over HTTP/2).
    pub(super) fn drain_on_drop(mut self) -> Self {
        self.leftover = Leftover::Drained;
        self
    }

    /// Returns an observer of how the sending goes on.
    pub(super) fn progress(&mut self) -> Arc<Progress> {
        let progress = Arc::new(Progress::new());
        self.progress = Some(progress.clone());
        progress
    }

    /// Counts the bytes of the body while they pass.
    pub(super) fn counted(mut self, count: Arc<AtomicU64>) -> Self {
        self.watch = Watch::Count(count);
        self
    }

    /// Sends the body as a delivery says.
    pub(super) fn running(mut self, run: PacedBody) -> Self {
        self.run = Some(Box::new(run));
        self
    }

    /// Takes this many bytes from the end of the body, if all of it is in memory.
    pub(super) fn take_end(&mut self, bytes: usize) -> Bytes {
        match self.first.back_mut() {
            Some(last) if self.rest.is_none() => last.split_off(last.len().saturating_sub(bytes)),
            _ => Bytes::new(),
        }
    }

    /// Calls a callback once: when the last byte was passed on, or when the body is dropped before that.
    pub(super) fn on_end(mut self, on_end: impl FnOnce(End, u64) + Send + 'static) -> Self {
        self.watch = Watch::End(Box::new(on_end));
        self
    }

    /// Whether the sender still has a part of the body.
    pub(super) fn is_streaming(&self) -> bool {
        self.rest.is_some() && !self.is_end_stream()
    }

    /// Whether the last byte was passed on. hyper does not poll beyond the length that a head states, even if HTTP/2
    /// trailers follow.
    fn has_passed(&self) -> bool {
        let nothing_more = |rest: &Incoming| rest.size_hint().exact() == Some(0);
        let is_last = self.first.is_empty() && self.rest.as_ref().is_none_or(nothing_more);
        is_last || self.is_end_stream()
    }

    fn pass(&mut self, bytes: usize) {
        self.passed += bytes as u64;
        if let Watch::Count(count) = &self.watch {
            count.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        if self.has_passed() {
            self.end(End::Whole);
        } else if let Some(progress) = &self.progress {
            progress.note_moved();
        }
    }

    fn end(&mut self, end: End) {
        if let Some(progress) = self.progress.take() {
            progress.note_end(end);
        }
        if let Watch::End(on_end) = std::mem::take(&mut self.watch) {
            on_end(end, self.passed);
        }
    }

    /// Returns the next piece of the bytes in memory. Pieces are small: bytes that the receiver has not taken stay
    /// here, where they are counted, and do not wait in hyper.
    fn next_piece(&mut self, most: usize) -> Option<Bytes> {
        let first = self.first.front_mut()?;
        match first.len() > most {
            true => Some(first.split_to(most)),
            false => self.first.pop_front(),
        }
    }

    /// Polls the next frame, of at most `most` bytes.
    pub(super) fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Some(bytes) = self.next_piece(most) {
            self.pass(bytes.len());
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        let (Some(rest), Some(timeout)) = (&mut self.rest, &mut self.timeout) else {
            let trailers = self.trailers.take();
            self.end = match self.end {
                BodyEnd::Stated => BodyEnd::Stated,
                BodyEnd::Open | BodyEnd::Ended => BodyEnd::Ended,
            };
            self.end(End::Whole);
            return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(*trailers))));
        };
        let Poll::Ready(frame) = Pin::new(rest).poll_frame(cx) else {
            ready!(timeout.poll_end(cx));
            let stall = timeout.stall();
            self.end(End::Stalled(stall));
            self.leftover = Leftover::Refused;
            return Poll::Ready(Some(Err(Broken::Stalled(stall))));
        };
        let data = |frame: &Frame<Bytes>| frame.data_ref().map_or(0, Bytes::len);
        timeout.renew(match &frame {
            Some(Ok(frame)) => data(frame),
            _ => 0,
        });
        let frame = match frame.map(|frame| frame.map(Frame::into_data)) {
            Some(Ok(Ok(mut data))) => {
                if data.len() > most {
                    self.first.push_back(data.split_off(most));
                }
                self.pass(data.len());
                Some(Ok(Frame::data(data)))
            }
            Some(Ok(Err(trailers))) => {
                // Nothing follows the trailers, and the stream must not be polled again.
                self.end(End::Whole);
                self.rest = None;
                Some(Ok(trailers))
            }
            Some(Err(error)) => {
                self.end(match is_malformed(&error) {
                    true => End::Malformed,
                    false => End::Broken,
                });
                self.leftover = Leftover::Refused;
                Some(Err(Broken::Peer(error)))
            }
            None => {
                self.end(End::Whole);
                None
            }
        };
        Poll::Ready(frame)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let polled = match self.run.take() {
            None => self.poll_piece(cx, MAX_PIECE_BYTES),
            Some(mut run) => {
                let polled = run.poll(&mut self, cx);
                self.run = Some(run);
                polled
            }
        };
        if let Some(watchdog) = &self.watchdog {
            watchdog.note_poll();
            watchdog.wait(matches!(polled, Poll::Ready(Some(_))));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        let rest = self.rest.as_ref();
        self.run.is_none()
            && self.first.is_empty()
            && self.trailers.is_none()
            && self.end != BodyEnd::Open
            && rest.is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        if self.run.as_ref().is_some_and(|run| run.hides_length()) {
            return SizeHint::default();
        }
        let first: usize = self.first.iter().map(Bytes::len).sum();
        let Some(rest) = &self.rest else {
            return match self.end {
                BodyEnd::Stated => SizeHint::with_exact(first as u64),
                BodyEnd::Open | BodyEnd::Ended => SizeHint::default(),
            };
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
        self.run = None;
        let whole = self.has_passed();
        self.end(if whole { End::Whole } else { End::Dropped });
        let wanted = self.leftover == Leftover::Drained && !whole;
        let rest = self.rest.take().filter(|_| wanted);
        // Without a runtime nobody can read the rest.
        if let (Some(rest), Ok(runtime)) = (rest, Handle::try_current()) {
            runtime.spawn(tokio::time::timeout(DRAIN_TIME, drain(rest)));
        }
    }
}

async fn drain(mut rest: Incoming) {
    let mut left = DRAIN_BYTES;
    while let Some(Ok(frame)) = rest.frame().await {
        let Some(less) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else {
            return;
        };
        left = less;
    }
}

/// The most bytes that are read of a body that nobody wants.
const DRAIN_BYTES: usize = 1 << 20;
/// The longest time spent on reading them.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// The largest piece of bytes in memory that is passed on at once, in bytes.
pub(super) const MAX_PIECE_BYTES: usize = 64 << 10;
