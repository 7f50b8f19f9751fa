//! The device's socket. Only this code can reset it.

mod scripted_close;

pub(super) use scripted_close::ScriptedClose;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use rustls::server::{Accepted, Acceptor};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::body_timeout::BodyTimeout;
use super::connection_handle::ConnectionHandle;
use super::settings::Limits;

/// A TCP connection with a handle that can reset it, and bytes that were read ahead.
#[derive(Debug)]
pub(super) struct Wire {
    tcp: TcpStream,
    ahead: Bytes,
    handle: ConnectionHandle,
    /// The timeout for a peer that does not take the bytes sent to it.
    patience: BodyTimeout,
}

impl Wire {
    /// Creates a wire. `limits` are the limits for the device to take bytes; waits that rules order end when `stop` is
    /// cancelled.
    pub(super) fn new(tcp: TcpStream, limits: &Limits, stop: CancellationToken) -> Self {
        Self {
            tcp,
            ahead: Bytes::new(),
            handle: ConnectionHandle::new(stop),
            patience: BodyTimeout::new(limits),
        }
    }

    /// Puts bytes back that were read from the wire already.
    pub(super) fn with_ahead(mut self, read: Bytes) -> Self {
        // The bytes that hyper read come before the bytes that it had not yet taken from here.
        self.ahead = match self.ahead.is_empty() {
            true => read,
            false => [&read[..], &self.ahead[..]].concat().into(),
        };
        self
    }

    pub(super) fn handle(&self) -> ConnectionHandle {
        self.handle.clone()
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Returns the first byte of the unread bytes without taking it; `None` at the end.
    pub(super) async fn first_byte(&mut self) -> io::Result<Option<u8>> {
        if self.ahead.is_empty() {
            // A whole ClientHello fits, so this needs no further read.
            let mut buffer = BytesMut::with_capacity(4096);
            self.tcp.read_buf(&mut buffer).await?;
            self.ahead = buffer.freeze();
        }
        Ok(self.ahead.first().copied())
    }

    /// Returns the server name in the next ClientHello without taking it; `None` if it has none.
    ///
    /// # Errors
    /// An error if the next bytes are not a ClientHello, or the device leaves.
    pub(super) async fn server_name(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(hello) = parse_hello(&self.ahead)? {
                return Ok(hello.client_hello().server_name().map(str::to_owned));
            }
            if self.ahead.len() > MAX_CLIENT_HELLO_BYTES {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let mut buffer = BytesMut::from(&self.ahead[..]);
            if self.tcp.read_buf(&mut buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.ahead = buffer.freeze();
        }
    }

    /// Returns when the device ends its side. The bytes that it sends are discarded.
    pub(super) async fn end(&mut self) -> io::Result<()> {
        self.ahead.clear();
        let mut scratch = [0; 1024];
        while self.tcp.read(&mut scratch).await? > 0 {}
        Ok(())
    }

    /// Handles the result of a write. A peer that takes nothing for too long is an error.
    fn written(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_pending() {
            ready!(self.patience.poll_end(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.patience.renew(match &written {
            Poll::Ready(Ok(bytes)) => *bytes,
            _ => 0,
        });
        self.handle.note_activity();
        written
    }

    fn check(&self) -> io::Result<()> {
        match self.handle.is_reset() {
            true => Err(io::ErrorKind::ConnectionReset.into()),
            false => Ok(()),
        }
    }
}

/// Returns a ClientHello, once it is complete.
fn parse_hello(mut bytes: &[u8]) -> io::Result<Option<Accepted>> {
    let mut acceptor = Acceptor::default();
    while !bytes.is_empty() {
        acceptor.read_tls(&mut bytes)?;
        match acceptor.accept() {
            Ok(Some(hello)) => return Ok(Some(hello)),
            Ok(None) => {}
            Err((error, _)) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }
    Ok(None)
}

/// The most bytes of a ClientHello. Post-quantum keys make it longer than one segment.
const MAX_CLIENT_HELLO_BYTES: usize = 64 << 10;

impl Drop for Wire {
    fn drop(&mut self) {
        if self.handle.is_reset() {
            // SO_LINGER of zero seconds makes close() send RST instead of FIN.
            let _ = self.tcp.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check()?;
        if self.ahead.is_empty() {
            let read = Pin::new(&mut self.tcp).poll_read(cx, buffer);
            if read.is_ready() {
                self.handle.note_activity();
            }
            return read;
        }
        let count = buffer.remaining().min(self.ahead.len());
        buffer.put_slice(&self.ahead[..count]);
        self.ahead.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let written = Pin::new(&mut self.tcp).poll_write(cx, bytes);
        self.written(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let written = Pin::new(&mut self.tcp).poll_write_vectored(cx, slices);
        self.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
