//! A device: HTTP over real TLS that trusts one CA.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::provider;

/// A device with one connection.
pub enum Device {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Device {
    /// Connects to `address` as if it were `localhost`, and speaks what ALPN agrees on.
    pub async fn connect(address: SocketAddr, ca: &Path, alpn: &str) -> Self {
        let tcp = TcpStream::connect(address).await.unwrap();
        let stream = tls(tcp, ca, alpn, "localhost").await.unwrap();
        Self::over(stream, alpn).await
    }

    pub async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        alpn: &str,
    ) -> Self {
        let io = TokioIo::new(stream);
        if alpn == "h2" {
            let builder = http2::Builder::new(TokioExecutor::new());
            let (sender, connection) = builder.handshake(io).await.unwrap();
            tokio::spawn(connection);
            return Self::Http2(sender);
        }
        let mut builder = http1::Builder::new();
        builder.preserve_header_case(true);
        let (sender, connection) = builder.handshake(io).await.unwrap();
        tokio::spawn(connection);
        Self::Http1(sender)
    }

    /// Posts a body to a path of `localhost`.
    pub async fn post(&mut self, path: &str, body: impl Into<Bytes>) -> Response<Bytes> {
        let request = self.request("POST", path, body);
        self.send(request).await.unwrap()
    }

    pub fn request(
        &self,
        method: &str,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Request<Full<Bytes>> {
        let request = Request::builder().method(method);
        let request = match self {
            Self::Http1(_) => request.uri(path).header("Host", "localhost"),
            Self::Http2(_) => request.uri(format!("https://localhost{path}")),
        };
        request.body(Full::new(body.into())).unwrap()
    }

    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Response<Bytes>> {
        let response = match self {
            Self::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
            Self::Http2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
        };
        let (parts, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Response::from_parts(parts, body))
    }
}

/// A TLS connection that trusts the CAs of a PEM file.
pub async fn tls<S>(stream: S, ca: &Path, alpn: &str, name: &str) -> std::io::Result<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let mut config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    if !alpn.is_empty() {
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    }
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await
}
