//! A device and a server that send given bytes, and keep the bytes that they get.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};

use super::super::device::tls;
use super::super::server;
use super::messages::{Exchange, Half};

/// A message as it arrived.
pub struct Arrived {
    /// Which exchange it belongs to.
    pub number: usize,
    /// Of a response.
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// The field of a head that says which exchange a message belongs to.
pub const NUMBER: &str = "x-number";

/// A body that comes in the frames of its message.
pub struct Frames {
    frames: VecDeque<Frame<Bytes>>,
    /// Its length, where it is known beforehand.
    length: Option<u64>,
}

impl Frames {
    fn of(half: &Half) -> Self {
        if half.frames.is_empty() {
            let body = half.body.clone();
            return Self {
                length: Some(body.len() as u64),
                frames: Some(body)
                    .filter(|b| !b.is_empty())
                    .map(Frame::data)
                    .into_iter()
                    .collect(),
            };
        }
        let mut rest = half.body.clone();
        let data = half.frames.iter().map(|length| rest.split_to(*length));
        let mut frames: VecDeque<_> = data.map(Frame::data).collect();
        frames.extend(half.trailers.clone().map(Frame::trailers));
        Self {
            frames,
            length: None,
        }
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.frames.pop_front().map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.length
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Which exchange a message belongs to.
pub fn number(headers: &HeaderMap) -> usize {
    headers[NUMBER].to_str().unwrap().parse().unwrap()
}

fn head(half: &Half, number: usize) -> HeaderMap {
    let mut headers = half.headers.clone();
    headers.insert(NUMBER, number.into());
    headers
}

/// A server that speaks both versions.
pub struct Server {
    pub address: SocketAddr,
    pub ca: PathBuf,
    pub arrived: Arc<Mutex<Vec<Arrived>>>,
}

impl Server {
    pub async fn start(directory: &Path, exchanges: Arc<Vec<Exchange>>) -> Self {
        let (acceptor, ca) = server::tls(directory, &["h2", "http/1.1"]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            ca,
            arrived: Arc::default(),
        };
        let arrived = server.arrived.clone();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, arrived) = (acceptor.clone(), arrived.clone());
                let exchanges = exchanges.clone();
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(tcp).await else {
                        return;
                    };
                    let service = service_fn(move |request| {
                        answer(request, exchanges.clone(), arrived.clone())
                    });
                    let http = auto::Builder::new(TokioExecutor::new());
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        server
    }
}

async fn answer(
    request: Request<Incoming>,
    exchanges: Arc<Vec<Exchange>>,
    arrived: Arc<Mutex<Vec<Arrived>>>,
) -> Result<Response<Frames>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let number = number(&parts.headers);
    arrived.lock().unwrap().push(Arrived {
        number,
        status: StatusCode::OK,
        headers: parts.headers,
        body,
    });
    let exchange = &exchanges[number];
    let mut response = Response::new(Frames::of(&exchange.response));
    *response.status_mut() = exchange.status;
    *response.headers_mut() = head(&exchange.response, number);
    Ok(response)
}

/// A device with one connection.
pub enum Device {
    Http1(http1::SendRequest<Frames>),
    Http2(http2::SendRequest<Frames>),
}

impl Device {
    pub async fn connect(address: SocketAddr, ca: &Path, alpn: &str) -> Self {
        let tcp = TcpStream::connect(address).await.unwrap();
        let stream = tls(tcp, ca, alpn, "localhost").await.unwrap();
        let io = TokioIo::new(stream);
        if alpn == "h2" {
            let builder = http2::Builder::new(TokioExecutor::new());
            let (sender, connection) = builder.handshake(io).await.unwrap();
            tokio::spawn(connection);
            return Self::Http2(sender);
        }
        let (sender, connection) = http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        Self::Http1(sender)
    }

    /// Sends the request of an exchange, and gives what arrives.
    pub async fn exchange(&mut self, exchange: &Exchange, number: usize) -> hyper::Result<Arrived> {
        let mut request = Request::new(Frames::of(&exchange.request));
        *request.method_mut() = http::Method::POST;
        *request.headers_mut() = head(&exchange.request, number);
        let path = "/dm?mode=Machine";
        let response = match self {
            Self::Http1(sender) => {
                *request.uri_mut() = path.parse().unwrap();
                request
                    .headers_mut()
                    .insert("host", "localhost".parse().unwrap());
                sender.ready().await?;
                sender.send_request(request).await?
            }
            Self::Http2(sender) => {
                *request.uri_mut() = format!("https://localhost{path}").parse().unwrap();
                sender.ready().await?;
                sender.send_request(request).await?
            }
        };
        let (parts, body) = response.into_parts();
        Ok(Arrived {
            number,
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await?.to_bytes(),
        })
    }
}
