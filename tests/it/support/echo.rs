//! An HTTP server in clear text that keeps each request and sends it back; nginx is in front of it.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{Notify, Semaphore};

/// The server; its thread ends with it.
pub struct Echo {
    pub address: SocketAddr,
    pub state: Arc<State>,
    _runtime: Runtime,
}

/// What it got, and a gate in front of the answers to `/slow`.
pub struct State {
    pub bodies: Mutex<Vec<Bytes>>,
    arrived: Notify,
    gate: Semaphore,
}

impl Echo {
    pub fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let state = Arc::new(State {
            bodies: Mutex::default(),
            arrived: Notify::new(),
            gate: Semaphore::new(0),
        });
        let listener = runtime
            .block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(serve(listener, state.clone()));
        Self {
            address,
            state,
            _runtime: runtime,
        }
    }

    /// Waits until a request has come that nobody waited for yet.
    pub fn wait_for_request(&self) {
        self._runtime.block_on(self.state.arrived.notified());
    }

    /// Lets one answer to `/slow` go.
    pub fn open_gate(&self) {
        self.state.gate.add_permits(1);
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    while let Ok((socket, _)) = listener.accept().await {
        let state = state.clone();
        let service = service_fn(move |request| answer(request, state.clone()));
        let http = hyper::server::conn::http1::Builder::new();
        tokio::spawn(http.serve_connection(TokioIo::new(socket), service));
    }
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<State>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let slow = request.uri().path() == "/slow";
    let media_type = request.headers().get("content-type").cloned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    state.bodies.lock().unwrap().push(body.clone());
    state.arrived.notify_one();
    if slow {
        state.gate.acquire().await.unwrap().forget();
    }
    let mut response = Response::new(Full::new(body));
    if let Some(media_type) = media_type {
        response.headers_mut().insert("content-type", media_type);
    }
    Ok(response)
}
