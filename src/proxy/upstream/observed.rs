//! Events on a connection to a server, observed below HTTP: the libraries above keep only the text of an error.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use memchr::memchr;
use rustls::AlertDescription;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::client_configs::KnownServer;
use super::refused::Reason;

/// How a connection to a server began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Handshake {
    /// The connection has no TLS.
    Clear,
    /// The server asked for no client certificate.
    NotAsked,
    /// The server asked for a client certificate, and got one or none.
    Asked { shown: bool },
}

/// The observations on a connection.
#[derive(Debug)]
pub(super) struct Observed {
    pub(super) handshake: Handshake,
    /// Whether the server sent a byte since the last request.
    pub(super) received: AtomicBool,
    /// The bytes behind the head of the answer to the last request, in HTTP/1.1.
    behind_head: AtomicU64,
    /// Whether the server answered a request on the connection.
    pub(super) answered: AtomicBool,
    /// Whether the server answered a request on any connection with this identity, or without one.
    pub(super) answered_before: Arc<AtomicBool>,
    /// Whether the server reset the connection, or sent a message after the handshake that TLS forbids.
    pub(super) reset: AtomicBool,
    /// The fatal alert that ended the connection.
    pub(super) alert: OnceLock<AlertDescription>,
}

impl Observed {
    pub(super) fn new(server: KnownServer) -> Self {
        Self {
            handshake: server.handshake,
            answered_before: server.answered,
            received: AtomicBool::new(false),
            behind_head: AtomicU64::new(0),
            answered: AtomicBool::new(false),
            reset: AtomicBool::new(false),
            alert: OnceLock::new(),
        }
    }

    /// Returns how the server refused the connection, if a client certificate may help. `is_unsent` says that no byte
    /// of the request was sent. A server that has answered without another certificate does not close without a word for
    /// the lack of one.
    pub(super) fn refusal(&self, is_unsent: bool) -> Option<Reason> {
        if self.answered.load(Ordering::Relaxed) {
            return None;
        }
        let alert = self.alert.get().copied();
        let is_reset = self.reset.load(Ordering::Relaxed);
        let is_silent = !is_unsent
            && !self.received.load(Ordering::Relaxed)
            && !self.answered_before.load(Ordering::Relaxed);
        match self.handshake {
            Handshake::Asked { .. } if alert.is_some() || is_silent => Some(Reason::Asked(alert)),
            Handshake::NotAsked if is_reset && !is_unsent => Some(Reason::ResetAtRequest),
            _ => None,
        }
    }

    /// Takes note that the server answered a request.
    pub(super) fn note_answer(&self) {
        self.answered.store(true, Ordering::Relaxed);
        self.answered_before.store(true, Ordering::Relaxed);
    }

    fn note(&self, error: &io::Error) {
        if error.kind() == io::ErrorKind::ConnectionReset {
            self.reset.store(true, Ordering::Relaxed);
        }
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref());
        match tls {
            Some(rustls::Error::AlertReceived(alert)) => drop(self.alert.set(*alert)),
            // The message is a CertificateRequest after the handshake, which only TLS 1.3 has.
            Some(rustls::Error::InappropriateHandshakeMessage { .. }) => {
                self.reset.store(true, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

/// The bytes that the server sent behind the head of an answer. hyper shows only the body that the head announces.
#[derive(Clone, Debug)]
pub(in crate::proxy) struct BehindHead(pub(super) Arc<Observed>);

impl BehindHead {
    /// Returns how many bytes were read so far.
    pub(in crate::proxy) fn bytes(&self) -> u64 {
        self.0.behind_head.load(Ordering::Relaxed)
    }
}

/// Finds the end of the head of an answer.
#[derive(Default)]
struct HeadEnd {
    /// The bytes of the current line so far.
    line: usize,
    /// Whether the first line has ended; line breaks may stand in front of it.
    is_begun: bool,
    /// Whether the head is that of an interim answer (1xx), which another one follows.
    is_interim: bool,
    is_found: bool,
}

impl HeadEnd {
    /// Takes in bytes. Returns how many of them stand behind the head.
    fn pass(&mut self, mut bytes: &[u8]) -> usize {
        while let Some(end) = memchr(b'\n', bytes).filter(|_| !self.is_found) {
            self.pass_in_line(&bytes[..end]);
            bytes = &bytes[end + 1..];
            match (self.line, self.is_begun) {
                (0, false) => {}
                (0, true) if self.is_interim => *self = Self::default(),
                (0, true) => self.is_found = true,
                _ => (self.line, self.is_begun) = (0, true),
            }
        }
        if self.is_found {
            return bytes.len();
        }
        self.pass_in_line(bytes);
        0
    }

    fn pass_in_line(&mut self, bytes: &[u8]) {
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let digit = STATUS_AT.checked_sub(self.line).filter(|_| !self.is_begun);
        self.is_interim |= digit.is_some_and(|at| bytes.get(at) == Some(&b'1'));
        self.line += bytes.len();
    }
}

/// The offset of the status in `HTTP/1.1 100`.
const STATUS_AT: usize = 9;

/// A stream whose errors and bytes are observed.
pub(super) struct ObservedStream<S> {
    stream: S,
    observed: Arc<Observed>,
    /// The head of the answer that comes, in HTTP/1.1.
    head: Option<HeadEnd>,
}

impl<S> ObservedStream<S> {
    pub(super) fn new(stream: S, observed: Arc<Observed>, is_http2: bool) -> Self {
        Self {
            stream,
            observed,
            head: (!is_http2).then(HeadEnd::default),
        }
    }

    /// Takes in bytes of the server.
    fn note_received(&mut self, bytes: &[u8]) {
        let is_first = !self.observed.received.swap(true, Ordering::Relaxed);
        let Some(head) = &mut self.head else {
            return;
        };
        let behind = &self.observed.behind_head;
        if is_first {
            *head = HeadEnd::default();
            behind.store(0, Ordering::Relaxed);
        }
        behind.fetch_add(head.pass(bytes) as u64, Ordering::Relaxed);
    }

    fn noting<T>(&self, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &done {
            self.observed.note(error);
        }
        done
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ObservedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.note_received(&buffer.filled()[before..]);
        }
        self.noting(read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ObservedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.noting(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.noting(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.noting(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_behind_the_head_are_counted_in_pieces_of_any_length() {
        for head in [
            "HTTP/1.1 200 OK\r\nA: 1\r\n\r\n",
            "HTTP/1.1 200 OK\nA: 1\n\n",
            "\r\nHTTP/1.0 200\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 P\r\nA: 1\r\n\r\nHTTP/1.1 201 \r\n\r\n",
        ] {
            let answer = format!("{head}\r\nbody\n\n");
            for length in 1..=answer.len() {
                let mut end = HeadEnd::default();
                let pieces = answer.as_bytes().chunks(length);
                let behind: usize = pieces.map(|piece| end.pass(piece)).sum();
                assert_eq!(behind, 8, "{head:?} in pieces of {length}");
            }
        }
    }
}
