//! Events on a connection to a server, observed below HTTP: the libraries above keep only the text of an error.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

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

/// A stream whose errors and bytes are observed.
pub(super) struct ObservedStream<S> {
    pub(super) stream: S,
    pub(super) observed: Arc<Observed>,
}

impl<S> ObservedStream<S> {
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
            self.observed.received.store(true, Ordering::Relaxed);
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
