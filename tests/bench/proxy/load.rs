//! Devices that send each request as soon as the last one is answered.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dmtap::proxy::{Trust, client_config};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

use super::message::Form;

/// How a device uses connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    KeepAlive,
    NewConnection,
}

/// What a slice of time came to.
pub(crate) struct Slice {
    pub(crate) took: Duration,
    /// One for each request.
    pub(crate) latencies: Vec<Duration>,
}

/// Devices, and the runtime they run in.
pub(crate) struct Load {
    runtime: Runtime,
    tls: Arc<ClientConfig>,
    is_h2: bool,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Load {
    pub(crate) fn new(directory: &Path, alpn: &str) -> Self {
        let ca = directory.join("dmtap-ca-cert.pem");
        let mut tls = client_config(&Trust::PlatformAnd(ca)).unwrap();
        tls.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        // Every new connection is a full handshake.
        tls.resumption = rustls::client::Resumption::disabled();
        Self {
            runtime: Runtime::new().unwrap(),
            tls: Arc::new(tls),
            is_h2: alpn == "h2",
        }
    }

    /// Sends to an address for a while, over several connections at a time.
    pub(crate) fn run(
        &self,
        address: SocketAddr,
        form: Form,
        habit: Habit,
        slice: Duration,
    ) -> Slice {
        self.runtime.block_on(async {
            let mut senders = Vec::new();
            for _ in 0..DEVICES {
                senders.push(connect(self.tls.clone(), address, self.is_h2).await);
            }
            let start = Instant::now();
            let end = start + slice;
            let devices = senders.into_iter().enumerate().map(|(number, sender)| {
                let device = Device {
                    tls: self.tls.clone(),
                    address,
                    form,
                    body: form.request(number + 1),
                    is_h2: self.is_h2,
                };
                tokio::spawn(device.run(sender, habit, end))
            });
            let devices: Vec<_> = devices.collect();
            let mut latencies = Vec::new();
            for device in devices {
                latencies.extend(device.await.unwrap());
            }
            Slice {
                took: start.elapsed(),
                latencies,
            }
        })
    }
}

struct Device {
    tls: Arc<ClientConfig>,
    address: SocketAddr,
    form: Form,
    body: Bytes,
    is_h2: bool,
}

impl Device {
    async fn run(self, mut sender: Sender, habit: Habit, end: Instant) -> Vec<Duration> {
        let mut latencies = Vec::new();
        loop {
            let before = Instant::now();
            if before >= end {
                return latencies;
            }
            if habit == Habit::NewConnection {
                sender = connect(self.tls.clone(), self.address, self.is_h2).await;
            }
            let answer = sender.send(self.request()).await;
            assert!(answer.len() >= 4096, "the response arrived whole");
            latencies.push(before.elapsed());
        }
    }

    /// A request with the header fields Windows sends.
    fn request(&self) -> Request<Full<Bytes>> {
        let uri = match self.is_h2 {
            true => "https://localhost/omadm?mode=Machine&Platform=WoA",
            false => "/omadm?mode=Machine&Platform=WoA",
        };
        let mut request = Request::post(uri)
            .header("Content-Type", self.form.media_type())
            .header("User-Agent", "MSFT OMA DM Client/1.2.0.1")
            .header("Accept", "application/vnd.syncml.dm+xml, application/vnd.syncml.dm+wbxml, application/octet-stream")
            .header("Accept-Charset", "UTF-8")
            .header("Client-Request-Id", "0")
            .header("MS-CV", "QOcy9fjbYUCFBgmm.0");
        if !self.is_h2 {
            request = request.header("Host", "localhost");
        }
        request.body(Full::new(self.body.clone())).unwrap()
    }
}

impl Sender {
    async fn send(&mut self, request: Request<Full<Bytes>>) -> Bytes {
        let response = match self {
            Self::Http1(sender) => {
                sender.ready().await.unwrap();
                sender.send_request(request).await
            }
            Self::Http2(sender) => {
                sender.ready().await.unwrap();
                sender.send_request(request).await
            }
        };
        let response = response.unwrap();
        assert_eq!(response.status(), 200);
        response.into_body().collect().await.unwrap().to_bytes()
    }
}

async fn connect(tls: Arc<ClientConfig>, address: SocketAddr, is_h2: bool) -> Sender {
    let tcp = TcpStream::connect(address).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(tls).connect(name, tcp).await.unwrap();
    let io = TokioIo::new(stream);
    if is_h2 {
        let builder = http2::Builder::new(TokioExecutor::new());
        let (sender, connection) = builder.handshake(io).await.unwrap();
        tokio::spawn(connection);
        return Sender::Http2(sender);
    }
    let (sender, connection) = http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    Sender::Http1(sender)
}

const DEVICES: usize = 16;
