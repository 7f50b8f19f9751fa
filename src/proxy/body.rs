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
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::runtime::Handle;

use super::body_budget::BudgetPermit;
use super::body_timeout::{BodyTimeout, Stall};
use super::failure::is_malformed;
use super::paced_body::PacedBody;
use super::progress::{Progress, State};
use super::stream_watchdog::StreamWatchdog;

/// A body to send. Bytes pass as they are; nothing is copied.
#[derive(Default)]
pub(super) struct Body {
    first: VecDeque<Bytes>,
    rest: Option<Incoming>,
    trailers: Option<Box<HeaderMap>>,
    passed: u64,
    watch: Watch,
    /// With the sender of the rest.
    timeout: Option<Box<BodyTimeout>>,
    progress: Option<Arc<Progress>>,
    leftover: Leftover,
    run: Option<Box<PacedBody>>,
    permit: Option<Arc<BudgetPermit>>,
    watchdog: Option<Arc<StreamWatchdog>>,
    end: BodyEnd,
}

/// How the receiver of what is at hand learns where it ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum BodyEnd {
    /// The head states its length.
    #[default]
    Stated,
    /// It sees the end when it comes: in HTTP/1.1 the last chunk.
    Open,
    /// That end has come.
    Ended,
}

/// What becomes of bytes that nobody wants any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Leftover {
    /// Their sender gets a signal to stop.
    #[default]
    Refused,
    /// They are read and thrown away, within limits.
    Drained,
}

/// Why a body does not come whole.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// Its sender broke off.
    #[error(transparent)]
    Peer(#[from] hyper::Error),
    /// Its sender stopped sending.
    #[error("{0}")]
    Stalled(Stall),
    /// Its transfer coding cannot be undone, in words.
    #[error("{0}")]
    Coding(String),
    /// A rule cuts it.
    #[error("cut by a rule")]
    ByRule,
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
    /// Its sender wrote what is no body.
    Malformed,
    /// Its sender stopped sending, or sends too slowly.
    Stalled(Stall),
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

    /// What was read already, and what follows, with patience for more of it.
    pub(super) fn stream(first: VecDeque<Bytes>, rest: Incoming, timeout: BodyTimeout) -> Self {
        let mut body = Self::default();
        body.first = first;
        body.rest = Some(rest);
        body.timeout = Some(Box::new(timeout));
        body
    }

    /// The same body, whose length its head does not state: in HTTP/1.1 it leaves in chunks.
    pub(super) fn open_ended(mut self) -> Self {
        self.end = BodyEnd::Open;
        self
    }

    /// The head states the length of what is at hand.
    pub(super) fn state_length(&mut self) {
        self.end = BodyEnd::Stated;
    }

    /// The length of it, where all of it is at hand.
    pub(super) fn length_at_hand(&self) -> Option<u64> {
        let length: usize = self.first.iter().map(Bytes::len).sum();
        (!self.is_streaming()).then_some(length as u64)
    }

    /// Takes the trailers that came with what is at hand.
    pub(super) fn take_trailers(&mut self) -> Option<Box<HeaderMap>> {
        self.trailers.take()
    }

    /// The same body, which keeps its place in memory until it has left.
    pub(super) fn holding(mut self, permit: Arc<BudgetPermit>) -> Self {
        self.permit = Some(permit);
        self
    }

    /// The same body, which a device is to take.
    pub(super) fn taken(mut self) -> Self {
        self.watchdog = StreamWatchdog::current();
        if let Some(watchdog) = &self.watchdog {
            watchdog.wait(!self.is_end_stream());
        }
        self
    }

    /// Its place in memory.
    pub(super) fn permit(&self) -> Option<Arc<BudgetPermit>> {
        self.permit.clone()
    }

    /// The same bytes once more, where all of them are at hand and leave in the usual way.
    pub(super) fn copy(&self) -> Option<Self> {
        self.run.is_none().then(|| self.same_again())?
    }

    /// The same bytes once more, where all of them are at hand; however these leave, those leave in the usual way.
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

    /// Puts other bytes in the place of all of it.
    pub(super) fn replace(&mut self, bytes: Bytes) {
        let permit = self.permit.take();
        *self = Self::whole(bytes, None);
        self.permit = permit;
    }

    /// The same body, read to its end even if nobody wants it: a device that is answered early and asked to stop
    /// sending may take its stream for broken and never read the answer (curl 7.88 over HTTP/2).
    pub(super) fn drained(mut self) -> Self {
        self.leftover = Leftover::Drained;
        self
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

    /// The same body, which leaves as a delivery says.
    pub(super) fn running(mut self, run: PacedBody) -> Self {
        self.run = Some(Box::new(run));
        self
    }

    /// Takes so many bytes away from its end, where all of it is at hand.
    pub(super) fn take_end(&mut self, bytes: usize) -> Bytes {
        match self.first.back_mut() {
            Some(last) if self.rest.is_none() => last.split_off(last.len().saturating_sub(bytes)),
            _ => Bytes::new(),
        }
    }

    /// The same body, with a callback at its end.
    pub(super) fn on_end(mut self, on_end: OnEnd) -> Self {
        self.watch = Watch::End(on_end);
        self
    }

    /// Whether some of it is still with its sender.
    pub(super) fn is_streaming(&self) -> bool {
        self.rest.is_some() && !self.is_end_stream()
    }

    /// Whether its last byte was handed on. hyper asks for nothing behind the length that a head states, though
    /// trailers may stand there in HTTP/2.
    fn has_passed(&self) -> bool {
        let nothing_more = |rest: &Incoming| rest.size_hint().exact() == Some(0);
        let is_last = self.first.is_empty() && self.rest.as_ref().is_some_and(nothing_more);
        is_last || self.is_end_stream()
    }

    fn pass(&mut self, bytes: usize) {
        self.passed += bytes as u64;
        if let Watch::Count(count) = &self.watch {
            count.0.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        if self.has_passed() {
            self.end(End::Whole);
        } else if let Some(progress) = &self.progress {
            progress.note(State::Flowing);
        }
    }

    fn end(&mut self, end: End) {
        if let Some(progress) = self.progress.take() {
            progress.note(match end {
                End::Whole | End::Dropped => State::Sent,
                End::Stalled(Stall::Silent(_)) => State::Stalled,
                End::Stalled(Stall::Slow(_)) => State::Slow,
                End::Broken => State::Broken,
                End::Malformed => State::Malformed,
            });
        }
        let bytes = self.passed;
        if let Watch::End(on_end) = std::mem::take(&mut self.watch) {
            on_end(Passed { bytes, end });
        }
    }

    /// The next piece of what is at hand. Pieces are small enough that what was not yet taken stays here, where it
    /// is counted, and not with hyper.
    fn next_piece(&mut self, most: usize) -> Option<Bytes> {
        let first = self.first.front_mut()?;
        match first.len() > most {
            true => Some(first.split_to(most)),
            false => self.first.pop_front(),
        }
    }

    /// The next frame, of so many bytes at most.
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
                // Nothing follows, and nobody may ask whether something does.
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
        let whole = self.is_end_stream();
        self.end(if whole { End::Whole } else { End::Dropped });
        let wanted = self.leftover == Leftover::Drained && !whole;
        let rest = self.rest.take().filter(|_| wanted);
        // Without a runtime there is nobody to read it.
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

/// Most bytes that are read of a body nobody wants.
const DRAIN_BYTES: usize = 1 << 20;
/// Longest time spent on it.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// The largest piece handed on of what is at hand, in bytes.
pub(super) const MAX_PIECE_BYTES: usize = 64 << 10;
