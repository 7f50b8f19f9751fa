//! A layer between HTTP and TLS. It sends bytes that are not HTTP, and ends an HTTP/1.1 connection in good order at an
//! exact byte.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Buf;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::proxy::connection_handle::{ActivityGuard, CloseKind, CloseSequence, ConnectionHandle};
use crate::proxy::interruptible_sleep::InterruptibleSleep;

/// A connection that hyper writes to until a delivery ends it.
#[derive(Debug)]
pub(in crate::proxy) struct ScriptedClose<I> {
    io: I,
    handle: ConnectionHandle,
    closing: Option<CloseInProgress>,
}

/// A connection end in progress.
#[derive(Debug)]
struct CloseInProgress {
    last: CloseSequence,
    state: State,
    wait: InterruptibleSleep,
    drain: Option<Pin<Box<Sleep>>>,
    _busy: ActivityGuard,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Writing,
    Waiting,
    Closing,
    /// Reads the bytes that the device still sends: closing a socket with unread bytes sends RST.
    Draining,
}

impl<I> ScriptedClose<I> {
    pub(in crate::proxy) fn new(io: I, handle: ConnectionHandle) -> Self {
        Self {
            io,
            handle,
            closing: None,
        }
    }

    pub(in crate::proxy) fn into_inner(self) -> I {
        self.io
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> ScriptedClose<I> {
    /// Continues the end of the connection. Returns `Pending` until it has ended, and then the error for hyper.
    fn poll_leave(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let Some(closing) = &mut self.closing else {
            return Poll::Pending;
        };
        let io = &mut self.io;
        match ready!(closing.poll(io, cx)) {
            Ok(()) => {}
            Err(error) => return Poll::Ready(error),
        }
        if closing.last.ending == CloseKind::Reset {
            self.handle.reset();
        }
        Poll::Ready(io::Error::new(
            io::ErrorKind::ConnectionAborted,
            "ended by a rule",
        ))
    }

    /// Whether the end has begun. It is called when hyper has nothing more to write.
    fn leaves(&mut self) -> bool {
        if self.closing.is_none() {
            self.closing = self.handle.take_last().map(|last| CloseInProgress {
                last,
                state: State::Writing,
                wait: InterruptibleSleep::new(self.handle.stop()),
                drain: None,
                _busy: self.handle.busy(),
            });
        }
        self.closing.is_some()
    }
}

impl CloseInProgress {
    fn poll<I>(&mut self, io: &mut I, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            match self.state {
                State::Writing => {
                    while !self.last.noise.is_empty() {
                        let sent = ready!(Pin::new(&mut *io).poll_write(cx, &self.last.noise))?;
                        self.last.noise.advance(sent);
                    }
                    ready!(Pin::new(&mut *io).poll_flush(cx))?;
                    self.state = State::Waiting;
                }
                State::Waiting => {
                    if !self.last.wait.is_zero() {
                        ready!(self.wait.poll(self.last.wait, cx));
                    }
                    if self.last.ending == CloseKind::Reset {
                        return Poll::Ready(Ok(()));
                    }
                    self.state = State::Closing;
                }
                State::Closing => {
                    ready!(Pin::new(&mut *io).poll_shutdown(cx))?;
                    self.state = State::Draining;
                }
                State::Draining => {
                    if self.poll_drain(cx).is_ready() {
                        return Poll::Ready(Ok(()));
                    }
                    let mut scratch = [0; 1024];
                    let mut buffer = ReadBuf::new(&mut scratch);
                    let read = ready!(Pin::new(&mut *io).poll_read(cx, &mut buffer));
                    if read.is_err() || buffer.filled().is_empty() {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timer = &mut self.drain;
        let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(CLOSE_TIMEOUT)));
        timer.as_mut().poll(cx)
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for ScriptedClose<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.handle.note_heard(&buffer.filled()[before..]);
        }
        read
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ScriptedClose<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.closing {
            Some(_) => self.poll_leave(cx).map(Err),
            None => Pin::new(&mut self.io).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.closing {
            Some(_) => self.poll_leave(cx).map(Err),
            None => Pin::new(&mut self.io).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.leaves() {
            true => self.poll_leave(cx).map(Err),
            false => Pin::new(&mut self.io).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.leaves() {
            true => self.poll_leave(cx).map(Err),
            false => Pin::new(&mut self.io).poll_shutdown(cx),
        }
    }
}

/// The time for the device to close its side.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);
