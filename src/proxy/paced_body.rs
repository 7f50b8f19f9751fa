//! A body that is sent as a delivery says: slowly, in pieces, or incompletely.
//!
//! ```text
//! Body ──pieces──► PacedBody ──► hyper ──► ScriptedClose ──► TLS ──► Wire
//!                      │                     ▲
//!                      └ ConnectionHandle::finish   HTTP/1.1: ScriptedClose writes the bytes that are not HTTP,
//!                                                          and ends the connection
//! ```
//!
//! In HTTP/2, where a connection has many streams, the body breaks off, and hyper resets the stream.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, Frame};
use tokio::time::Instant;

use super::body::{Body, Broken, MAX_PIECE_BYTES};
use super::connection_handle::{ActivityGuard, CloseSequence, ConnectionHandle};
use super::interruptible_sleep::InterruptibleSleep;
use crate::flow::Pace;

/// How one body is sent.
#[derive(Debug)]
pub(super) struct PacedBody {
    /// The device's connection.
    handle: ConnectionHandle,
    protocol: ClientProtocol,
    paces: Vec<Pace>,
    /// The bytes that may still be sent.
    left: u64,
    end: End,
    length: Length,
    state: State,
    /// The trailers, which come with the end.
    trailers: Option<Frame<Bytes>>,
    /// The time at which the last piece was due.
    due: Option<Instant>,
    /// The time at which the next piece is due, once it is known.
    next: Option<Instant>,
    /// Whether the next piece may be sent.
    granted: bool,
    pause: InterruptibleSleep,
    _busy: Option<ActivityGuard>,
}

/// The end after the body.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// Nothing follows: the message is complete.
    Whole,
    /// The message is complete, and the connection ends.
    WholeThen(CloseSequence),
    /// The message breaks off, and the connection ends.
    Cut(CloseSequence),
    /// The request breaks off towards the server.
    CutToServer,
}

/// The HTTP version of the device's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientProtocol {
    /// HTTP/1.0 or HTTP/1.1: the connection belongs to this exchange.
    One,
    /// HTTP/2: exchanges share the connection.
    Two,
}

/// Whether hyper knows the length of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// hyper knows the length, if it is known.
    Known,
    /// hyper does not know the length: the head states another one.
    Hidden,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Passing,
    Leaving,
    /// The bytes that are not HTTP were sent.
    Waiting,
}

impl End {
    /// Returns the end of the device's connection, if the connection ends.
    pub(super) fn closing(&self) -> Option<&CloseSequence> {
        match self {
            Self::WholeThen(last) | Self::Cut(last) => Some(last),
            Self::Whole | Self::CutToServer => None,
        }
    }
}

impl PacedBody {
    /// Creates a paced body for this connection. When dmtap stops, the body is sent without waiting.
    pub(super) fn new(
        (handle, protocol): (ConnectionHandle, ClientProtocol),
        paces: Vec<Pace>,
        left: u64,
        end: End,
        length: Length,
    ) -> Self {
        Self {
            _busy: end.closing().map(|_| handle.busy()),
            pause: InterruptibleSleep::new(handle.stop()),
            handle,
            protocol,
            paces,
            left,
            end,
            length,
            state: State::Passing,
            trailers: None,
            due: None,
            next: None,
            granted: false,
        }
    }

    pub(super) fn hides_length(&self) -> bool {
        self.length == Length::Hidden
    }

    /// Polls the next frame of a body.
    pub(super) fn poll(
        &mut self,
        body: &mut Body,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if self.state == State::Passing && self.left > 0 {
            if !self.paces.is_empty() && self.pause.is_stopped() {
                self.paces.clear();
            }
            let most = self.next_size(body);
            ready!(self.poll_due(most, cx));
            let has_length = body.size_hint().exact().is_some();
            let frame = ready!(body.poll_piece(cx, most));
            match &frame {
                Some(Ok(frame)) if frame.is_data() => {
                    self.granted = false;
                    self.left -= frame.data_ref().map_or(0, |data| data.len() as u64);
                    // hyper does not poll again once a body is as long as its head says, in HTTP/1.1 not even for
                    // trailers.
                    let is_last = match (self.end.closing(), self.protocol) {
                        (Some(_), ClientProtocol::One) => body.size_hint().exact() == Some(0),
                        _ => body.is_end_stream(),
                    };
                    if self.left == 0 || (has_length && is_last) {
                        self.leave();
                    }
                }
                Some(Err(_)) => {}
                Some(Ok(_)) | None => {
                    self.trailers = frame.and_then(Result::ok);
                    self.leave();
                    return self.poll_end(cx);
                }
            }
            return Poll::Ready(frame);
        }
        self.leave();
        self.poll_end(cx)
    }

    /// Returns the size of the largest next piece, in bytes.
    fn next_size(&self, body: &Body) -> usize {
        let paced = self.paces.iter().map(|pace| match pace {
            Pace::Rate(rate) => (rate.get() / PIECES_A_SECOND).max(1),
            Pace::Slices { size, .. } => size.get(),
        });
        let rest = body.size_hint().upper().filter(|rest| *rest > 0);
        let most = paced.chain(rest).chain([self.left]).min();
        // The number is at most MAX_PIECE_BYTES, so it fits into a usize.
        most.map_or(MAX_PIECE_BYTES, |most| {
            most.min(MAX_PIECE_BYTES as u64) as usize
        })
    }

    /// Returns `Ready` when a piece of this size may be sent.
    fn poll_due(&mut self, size: usize, cx: &mut Context<'_>) -> Poll<()> {
        if self.granted || self.paces.is_empty() {
            return Poll::Ready(());
        }
        if self.next.is_none() {
            let now = Instant::now();
            let times = self.paces.iter().map(|pace| match pace {
                Pace::Rate(rate) => Duration::from_secs_f64(size as f64 / rate.get() as f64),
                Pace::Slices { .. } if self.due.is_none() => Duration::ZERO,
                Pace::Slices { pause, .. } => *pause,
            });
            // The time lost to a slow peer is not made up for.
            let due = self.due.unwrap_or(now).max(now - CATCH_UP) + times.sum::<Duration>();
            self.due = Some(due);
            self.next = Some(due);
        }
        let next = self.next.unwrap_or_else(Instant::now);
        let wait = next.saturating_duration_since(Instant::now());
        ready!(self.pause.poll(wait, cx));
        self.next = None;
        self.granted = true;
        Poll::Ready(())
    }

    /// Notes that hyper has the last piece. In HTTP/1.1 `ScriptedClose` closes the connection after the write.
    fn leave(&mut self) {
        if self.state != State::Passing {
            return;
        }
        self.state = State::Leaving;
        if let (ClientProtocol::One, Some(last)) = (self.protocol, self.end.closing()) {
            self.handle.finish(last.clone());
        }
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let wait = match (&self.end, self.protocol) {
            (End::Whole, _) | (End::WholeThen(_), ClientProtocol::One) => {
                return Poll::Ready(self.trailers.take().map(Ok));
            }
            // hyper flushes next, and `ScriptedClose` ends the connection.
            (End::Cut(_), ClientProtocol::One) => return Poll::Pending,
            (End::WholeThen(last), ClientProtocol::Two) => {
                ready!(self.pause.poll(last.wait, cx));
                self.handle.go_away();
                return Poll::Ready(self.trailers.take().map(Ok));
            }
            (End::Cut(last), ClientProtocol::Two) => {
                if self.state == State::Leaving && !last.noise.is_empty() {
                    self.state = State::Waiting;
                    return Poll::Ready(Some(Ok(Frame::data(last.noise.clone()))));
                }
                last.wait
            }
            (End::CutToServer, _) => Duration::ZERO,
        };
        ready!(self.pause.poll_then(wait, FLUSH_DELAY, cx));
        Poll::Ready(Some(Err(Broken::ByRule)))
    }
}

/// The pieces a second in which a body with a rate is sent.
const PIECES_A_SECOND: u64 = 20;
/// The part of a delay that is made up for.
const CATCH_UP: Duration = Duration::from_millis(100);
/// The time for the last bytes to leave before a stream is reset, which discards bytes that were not yet written.
const FLUSH_DELAY: Duration = Duration::from_millis(100);
