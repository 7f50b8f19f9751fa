//! The HTTPS listener of both simulated servers, around a function from request to response.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{Acceptor, WebPkiClientVerifier};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::LazyConfigAcceptor;
use tokio_util::sync::CancellationToken;

use crate::markup::Limits;
use crate::peer::enroll::PresentedCertificate;
use crate::proxy::{Authority, accept_until, all_ended};

/// A function that returns the TLS settings for the name that a device connects to.
pub trait ServerTls:
    Fn(Option<&str>) -> Arc<rustls::ServerConfig> + Clone + Send + Sync + 'static
{
}

impl<T> ServerTls for T where
    T: Fn(Option<&str>) -> Arc<rustls::ServerConfig> + Clone + Send + Sync + 'static
{
}

/// Serves until `stop`, then lets running exchanges end.
pub(super) async fn serve<R, F>(
    listener: TcpListener,
    tls: impl ServerTls,
    respond: R,
    stop: CancellationToken,
) where
    R: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let serve = |socket, _| serve_one(socket, tls.clone(), respond.clone(), stop.clone());
    let mut connections = accept_until(listener, CONNECTIONS, &stop, serve).await;
    let _ = tokio::time::timeout(GRACE, all_ended(&mut connections)).await;
}

/// Serves one connection.
async fn serve_one<R, F>(
    socket: TcpStream,
    tls: impl Fn(Option<&str>) -> Arc<rustls::ServerConfig>,
    respond: R,
    stop: CancellationToken,
) where
    R: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let handshake = async {
        let start = LazyConfigAcceptor::new(Acceptor::default(), socket).await;
        let start = start.ok()?;
        let config = tls(start.client_hello().server_name());
        let refused = match start.into_stream(config).into_fallible().await {
            Ok(stream) => return Some(stream),
            Err((_, socket)) => socket,
        };
        read_to_end(refused).await;
        None
    };
    let handshake = tokio::time::timeout(HANDSHAKE, handshake).await;
    let Ok(Some(stream)) = handshake else { return };
    let shown = stream.get_ref().1.peer_certificates();
    let shown = shown.and_then(|chain| Some(PresentedCertificate(chain.first()?.to_vec())));
    let service = service_fn(move |mut request: Request<Incoming>| {
        if let Some(shown) = &shown {
            request.extensions_mut().insert(shown.clone());
        }
        let response = respond(request);
        async move { Ok::<_, Infallible>(response.await) }
    });
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(IDLE);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Ends a connection that was refused with an alert. It reads the rest of the device's data: otherwise TCP resets the
/// connection, and the alert may be lost.
async fn read_to_end(mut socket: TcpStream) {
    if socket.shutdown().await.is_ok() {
        // The length does not matter, and an error is the end, too.
        let _ = tokio::io::copy(&mut socket, &mut tokio::io::sink()).await;
    }
}

/// Reads a whole body.
///
/// # Errors
/// The body is late, incomplete, or longer than a message may be; in words.
pub(super) async fn body(body: Incoming) -> Result<Bytes, String> {
    let body = Limited::new(body, Limits::default().bytes).collect();
    let body = tokio::time::timeout(BODY, body).await;
    let body = body.map_err(|_| format!("the body did not come within {} s", BODY.as_secs()))?;
    let body = body.map_err(|_| "the body is too long, or does not come whole")?;
    Ok(body.to_bytes())
}

/// Creates TLS settings with a leaf of `authority` for these names, and with both versions of HTTP. `clients` verifies
/// client certificates; without it the server does not ask for them.
///
/// # Errors
/// A certificate cannot be created.
pub fn tls(
    authority: &Authority,
    names: &[&str],
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<Arc<rustls::ServerConfig>, String> {
    let leaf = authority.leaf(names).map_err(|error| error.to_string())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| "TLS cannot be used with this key")?
        .with_client_cert_verifier(clients.unwrap_or_else(WebPkiClientVerifier::no_client_auth))
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(leaf)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The time limit for a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The time limit for an idle connection.
const IDLE: Duration = Duration::from_secs(60);
/// The time limit for a body.
const BODY: Duration = Duration::from_secs(60);
/// The limit of connections; more wait.
const CONNECTIONS: usize = 1024;
/// The time limit for running exchanges after `stop`.
const GRACE: Duration = Duration::from_secs(5);
