//! Other servers: one on hyper, one that writes fixed bytes.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio_rustls::TlsAcceptor;

use super::provider;

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub path: String,
    /// What stands in `:authority`.
    pub authority: Option<String>,
    pub version: Version,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// A TLS server on loopback that ends with its runtime.
pub struct Server {
    pub address: SocketAddr,
    /// The PEM file of the CA that signed its certificate.
    pub ca: PathBuf,
    pub seen: Arc<Mutex<Vec<Seen>>>,
    pub accepted: Arc<AtomicUsize>,
    /// Reported when a request for `/held` came.
    pub holding: Arc<Notify>,
    /// Each permit lets one request for `/held` go on.
    pub release: Arc<Semaphore>,
}

impl Server {
    /// A hyper server with these ALPN protocols. Paths: `/gzip` sends the body as if it were coded, `/held` waits
    /// for [`Server::release`], `/empty` says nothing, `/busy` neither, with 503, all others send the body back with its content type; `x-location` makes a redirect of it.
    pub async fn start(directory: &Path, alpn: &[&str]) -> Self {
        let (acceptor, ca) = tls(directory, alpn);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            ca,
            seen: Arc::default(),
            accepted: Arc::default(),
            holding: Arc::default(),
            release: Arc::new(Semaphore::new(0)),
        };
        let state = server.state();
        tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                tcp.set_nodelay(true).unwrap();
                let (acceptor, state) = (acceptor.clone(), state.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(tcp).await else {
                        return;
                    };
                    state.accepted.fetch_add(1, Ordering::Relaxed);
                    let service = service_fn(move |request| answer(state.clone(), request));
                    let mut builder = auto::Builder::new(TokioExecutor::new());
                    builder.http2().max_header_list_size(1 << 20);
                    let _ = builder
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        server
    }

    /// A server that reads one request of HTTP/1.1 per connection, answers with these bytes and closes. Gives what
    /// it read.
    pub async fn fixed(directory: &Path, response: Vec<u8>) -> (Self, Arc<Mutex<Vec<u8>>>) {
        Self::answering(directory, response, Then::Close).await
    }

    /// The same, but it neither closes nor says anything more.
    pub async fn stalling(directory: &Path, response: Vec<u8>) -> Self {
        Self::answering(directory, response, Then::Stay).await.0
    }

    async fn answering(
        directory: &Path,
        response: Vec<u8>,
        then: Then,
    ) -> (Self, Arc<Mutex<Vec<u8>>>) {
        let (acceptor, ca) = tls(directory, &["http/1.1"]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let read: Arc<Mutex<Vec<u8>>> = Arc::default();
        let kept = read.clone();
        tokio::spawn(async move {
            let mut open = Vec::new();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let Ok(mut stream) = acceptor.accept(tcp).await else {
                    continue;
                };
                let request = read_request(&mut stream).await;
                *kept.lock().unwrap() = request;
                let _ = stream.write_all(&response).await;
                match then {
                    Then::Close => stream.shutdown().await.unwrap_or_default(),
                    Then::Stay => open.push(stream),
                }
            }
        });
        let server = Self {
            address,
            ca,
            seen: Arc::default(),
            accepted: Arc::default(),
            holding: Arc::default(),
            release: Arc::new(Semaphore::new(0)),
        };
        (server, read)
    }

    pub fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().cloned().unwrap()
    }

    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    fn state(&self) -> State {
        State {
            seen: self.seen.clone(),
            accepted: self.accepted.clone(),
            holding: self.holding.clone(),
            release: self.release.clone(),
        }
    }
}

/// What a server does after its answer.
#[derive(Clone, Copy)]
enum Then {
    Close,
    Stay,
}

#[derive(Clone)]
struct State {
    seen: Arc<Mutex<Vec<Seen>>>,
    accepted: Arc<AtomicUsize>,
    holding: Arc<Notify>,
    release: Arc<Semaphore>,
}

async fn answer(
    state: State,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => Bytes::from_static(b"broken off"),
    };
    let path = parts.uri.path_and_query().unwrap().to_string();
    state.seen.lock().unwrap().push(Seen {
        method: parts.method.clone(),
        path: path.clone(),
        authority: parts.uri.authority().map(ToString::to_string),
        version: parts.version,
        headers: parts.headers.clone(),
        body: body.clone(),
    });
    if path == "/held" {
        state.holding.notify_one();
        state.release.acquire().await.unwrap().forget();
    }
    let mut response = Response::builder();
    if let Some(content_type) = parts.headers.get("content-type") {
        response = response.header("content-type", content_type);
    }
    if let Some(echo) = parts.headers.get("x-echo") {
        response = response.header("x-echo", echo);
    }
    if let Some(location) = parts.headers.get("x-location") {
        response = response.status(302).header("location", location);
    }
    if path == "/gzip" {
        response = response.header("content-encoding", "gzip");
    }
    if path == "/304" {
        response = response.status(304).header("etag", "\"e\"");
    }
    if path == "/busy" {
        response = response.status(503).header("retry-after", "1");
    }
    if parts.method == Method::HEAD {
        response = response.header("content-length", "1234");
    }
    let body = match &*path {
        "/empty" | "/busy" => Bytes::new(),
        _ => body,
    };
    Ok(response.body(Full::new(body)).unwrap())
}

/// Reads a head and the body that its Content-Length announces, or that its last chunk ends.
async fn read_request(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Vec<u8> {
    let mut read = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.unwrap_or(0);
        read.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&read);
        let length = |head: &str| -> usize {
            let lines = head.lines();
            let fields = lines.filter_map(|line| line.split_once(':'));
            let mut lengths =
                fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
            lengths.next().map_or(0, |(_, v)| v.trim().parse().unwrap())
        };
        let chunked = |head: &str| head.to_lowercase().contains("transfer-encoding: chunked");
        let whole = text
            .split_once("\r\n\r\n")
            .is_some_and(|(head, body)| match chunked(head) {
                true => format!("\r\n{body}").contains("\r\n0\r\n") && body.ends_with("\r\n\r\n"),
                false => read.len() >= head.len() + 4 + length(head),
            });
        if whole || count == 0 {
            return read;
        }
    }
}

/// TLS with a CA of the server's own, for `localhost`, 127.0.0.1 and names below example.com.
pub fn tls(directory: &Path, alpn: &[&str]) -> (TlsAcceptor, PathBuf) {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let name = &mut params.distinguished_name;
    name.push(rcgen::DnType::CommonName, "CA of the test server");
    let ca = rcgen::CertifiedIssuer::self_signed(params, ca_key).unwrap();
    let file = directory.join("server-ca.pem");
    std::fs::write(&file, ca.pem()).unwrap();

    let key = rcgen::KeyPair::generate().unwrap();
    let names = ["localhost", "127.0.0.1", "*.example.com"].map(str::to_owned);
    let names = names.to_vec();
    let params = rcgen::CertificateParams::new(names).unwrap();
    let leaf = params.signed_by(&key, &ca).unwrap();
    let chain: Vec<CertificateDer<'static>> = vec![leaf.der().clone()];
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|alpn| alpn.as_bytes().to_vec()).collect();
    (TlsAcceptor::from(Arc::new(config)), file)
}
