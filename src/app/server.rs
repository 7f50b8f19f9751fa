//! The reference server on the network: HTTPS, one session table.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::dm::{Message, StatusCode as Outcome};
use crate::markup::{Document, Hint, Limits, decode};
use crate::peer::compose::on_wire;
use crate::peer::{Encoding, Server};

/// The server's state, shared by its connections.
pub type Shared = Arc<Mutex<Server>>;

/// What a message of a device told the server.
#[derive(Debug)]
pub struct ServerLine<'a> {
    /// The device.
    pub device: &'a str,
    /// The SessionID.
    pub session: &'a str,
    /// What it answered to commands: the command and the code.
    pub outcomes: &'a [(String, Outcome)],
}

/// Is told what the server was told.
pub type OnLine = fn(&ServerLine<'_>);

/// Serves until `stop`, then lets running exchanges end.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    server: Shared,
    stop: CancellationToken,
) {
    serve_and_tell(listener, tls, server, |_| {}, stop).await;
}

/// The same; `tell` is told what devices answer to commands, as it comes in.
pub async fn serve_and_tell(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    server: Shared,
    tell: OnLine,
    stop: CancellationToken,
) {
    let acceptor = TlsAcceptor::from(tls);
    let tasks = TaskTracker::new();
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = async {
            let permit = permits.clone().acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accepted => accepted,
        };
        let Ok((socket, _)) = accepted else {
            // No descriptors are left, as a rule: some come back when a connection ends.
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let (acceptor, server, stop) = (acceptor.clone(), server.clone(), stop.clone());
        tasks.spawn(async move {
            talk(socket, acceptor, (server, tell), stop).await;
            drop(permit);
        });
    }
    tasks.close();
    let _ = tokio::time::timeout(GRACE, tasks.wait()).await;
}

/// Serves one connection.
async fn talk(
    socket: TcpStream,
    acceptor: TlsAcceptor,
    server: (Shared, OnLine),
    stop: CancellationToken,
) {
    // Small answers must not wait for the device's acknowledgements.
    let _ = socket.set_nodelay(true);
    let handshake = tokio::time::timeout(HANDSHAKE, acceptor.accept(socket)).await;
    let Ok(Ok(stream)) = handshake else { return };
    let service = service_fn(move |request| respond(request, server.clone()));
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

async fn respond(
    request: Request<Incoming>,
    server: (Shared, OnLine),
) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(answer(request, &server)
        .await
        .unwrap_or_else(|(status, why)| {
            let mut response = Response::new(Full::from(why));
            *response.status_mut() = status;
            response
        }))
}

async fn answer(
    request: Request<Incoming>,
    (server, tell): &(Shared, OnLine),
) -> Result<Response<Full<Bytes>>, (StatusCode, String)> {
    if request.method() != Method::POST {
        let why = "OMA DM is spoken in POST requests\n";
        return Err((StatusCode::METHOD_NOT_ALLOWED, why.into()));
    }
    let media_type = request.headers().get(CONTENT_TYPE);
    let media_type = media_type
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let bad = |why: String| (StatusCode::BAD_REQUEST, format!("{why}\n"));
    let body = Limited::new(request.into_body(), Limits::default().bytes).collect();
    let body = tokio::time::timeout(BODY, body).await;
    let body = body.map_err(|_| bad(format!("the body did not come within {BODY:?}")))?;
    let body = body.map_err(|error| bad(error.to_string()))?.to_bytes();
    let document = decode(body, Hint::default(), &Limits::default());
    let document = document.map_err(|error| bad(error.to_string()))?;
    let wire = match document.is_wbxml() {
        true => Encoding::Wbxml,
        false => Encoding::of_media_type(&media_type),
    };
    let reply = reply(server, &document, *tell);
    let reply = reply.ok_or_else(|| bad("no SyncML message with a header".into()))?;
    let reply = on_wire(reply, wire).map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error))?;
    let response = Response::builder()
        .header(CONTENT_TYPE, wire.media_type())
        .body(Full::new(reply));
    Ok(response.expect("a known media type is a valid header"))
}

/// The server's answer, after it was told of what the device's message tells.
fn reply(server: &Shared, document: &Document, tell: OnLine) -> Option<String> {
    let header = Message::of(document)?.header()?;
    let (device, session) = (header.source()?, header.session_id()?);
    let mut server = server.lock().unwrap_or_else(PoisonError::into_inner);
    let heard = server.session(&device, &session);
    let before = heard.map_or(0, |talk| talk.heard.len());
    let reply = server.answer(document);
    let heard = server.session(&device, &session);
    let outcomes = heard.and_then(|talk| talk.heard.get(before..));
    let outcomes = outcomes.unwrap_or_default().to_vec();
    drop(server);
    tell(&ServerLine {
        device: &device,
        session: &session,
        outcomes: &outcomes,
    });
    reply
}

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a kept connection may be silent.
const IDLE: Duration = Duration::from_secs(60);
/// How long a body may take.
const BODY: Duration = Duration::from_secs(60);
/// Connections at a time; more wait.
const CONNECTIONS: usize = 1024;
/// How long to wait after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);
/// How long running exchanges have to end.
const GRACE: Duration = Duration::from_secs(5);

/// TLS for the server, with a leaf of `authority` for this machine's names.
///
/// # Errors
/// In words, where no certificate can be made.
pub fn tls(authority: &crate::proxy::Authority) -> Result<Arc<rustls::ServerConfig>, String> {
    let leaf = authority
        .leaf(&["localhost", "127.0.0.1", "::1"])
        .map_err(|error| error.to_string())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(leaf)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
