//! The control API: rules listed, added, replaced, removed, enabled and disabled while dmtap runs; and what passes,
//! session by session and exchange by exchange.
//!
//! It has a port of its own on loopback. Requests need the token; those of a browser are refused in any case; and the
//! control API is never reachable through the proxy (`proxy::Settings::private`).

mod answer;
mod api;
mod guard;
mod query;
mod token;
mod traffic;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use answer::{Answer, Body};
use guard::Guard;
pub use token::{Token, TokenError};
pub use traffic::Traffic;

use super::rule_sources::RuleSetUpdater;
use super::rule_sources::watch::OnChange;
use crate::proxy::{accept_until, all_ended, cannot_listen};

/// Where the control API listens, and who may use it.
#[derive(Debug)]
pub struct ControlSettings {
    /// Where it listens. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether other machines may reach it.
    pub reach: Reach,
    /// The token that requests need.
    pub token: Token,
}

/// Who may reach the control API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// This machine.
    Loopback,
    /// Every machine that reaches the address it listens at.
    Anybody,
}

/// A control API that is bound to its address and not yet running.
#[derive(Debug)]
pub struct Control {
    listener: TcpListener,
    address: SocketAddr,
    guard: Guard,
}

impl Control {
    /// Binds the listener. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Where the address is taken, or is none of loopback and that was not asked for; the text says which.
    pub async fn bind(settings: ControlSettings) -> io::Result<Self> {
        let listen = settings.listen;
        if settings.reach == Reach::Loopback && !listen.ip().is_loopback() {
            let why = format!(
                "the control API at {listen} would be open to other machines; take 127.0.0.1, or add \
                 --control-anywhere if that is meant"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let listener = TcpListener::bind(listen).await.map_err(|error| {
            let why = format!("the control API: {}", cannot_listen(listen, &error));
            io::Error::new(error.kind(), why)
        })?;
        let address = listener.local_addr()?;
        Ok(Self {
            listener,
            address,
            guard: Guard::new(address, settings.reach, settings.token),
        })
    }

    /// The address it listens at.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The token that requests need.
    pub fn token(&self) -> &Token {
        self.guard.token()
    }

    /// Serves requests until `stop`; `on_change` gets what changes.
    pub async fn run(
        self,
        rules: Arc<RuleSetUpdater>,
        traffic: Traffic,
        on_change: OnChange,
        stop: CancellationToken,
    ) {
        let api = Arc::new(Api {
            guard: self.guard,
            rules,
            traffic,
            on_change,
            stop: stop.clone(),
        });
        let serve = |tcp, _| serve(api.clone(), tcp, stop.clone());
        let mut connections = accept_until(self.listener, CONNECTIONS, &stop, serve).await;
        // An answer on its way arrives; nobody is waited for longer.
        let _ = tokio::time::timeout(GRACE, all_ended(&mut connections)).await;
    }
}

/// What every connection needs.
struct Api {
    guard: Guard,
    rules: Arc<RuleSetUpdater>,
    traffic: Traffic,
    on_change: OnChange,
    stop: CancellationToken,
}

async fn serve(api: Arc<Api>, tcp: TcpStream, stop: CancellationToken) {
    let service = service_fn(|request| answer(&api, request));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(TIMEOUT)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(tcp), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("control: {error}");
    }
}

async fn answer(api: &Api, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    if let Some(refusal) = api.guard.refuses(&head) {
        let (method, path, why) = (&head.method, head.uri.path(), refusal.why());
        tracing::warn!("control: {method} {path} refused: {why}");
        return Ok(refusal.into_response());
    }
    if body.size_hint().lower() > BODY_BYTES as u64 {
        return Ok(Answer::too_large(BODY_BYTES).into_response());
    }
    let body = Limited::new(body, BODY_BYTES).collect();
    let body = match tokio::time::timeout(TIMEOUT, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return Ok(Answer::too_large(BODY_BYTES).into_response());
        }
        Ok(Err(_)) | Err(_) => return Ok(Answer::broken_body().into_response()),
    };
    if let Some(query) = query::waiting(&head) {
        // What ends the wait is looked at again below.
        let wait = api.stop.run_until_cancelled(api.traffic.wait(&query));
        if wait.await == Some(false) {
            return Ok(Answer::too_many_waiting().into_response());
        }
    }
    let (rules, on_change) = (api.rules.clone(), api.on_change.clone());
    let traffic = api.traffic.clone();
    // Reading a thousand rules takes a while, and the traffic is not to wait for it.
    let answered = tokio::task::spawn_blocking(move || {
        api::answer(&rules, &traffic, &on_change, &head, &body)
    });
    let answered = answered.await.unwrap_or_else(|_| Answer::fault());
    Ok(answered.into_response())
}

/// Connections at a time; more wait in the listener's queue.
const CONNECTIONS: usize = 32;
/// The largest body, in bytes.
const BODY_BYTES: usize = 1 << 20;
/// The largest head, in bytes.
const HEAD_BYTES: usize = 16 << 10;
/// For a head, and for a body.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long answers on their way may take when it stops.
const GRACE: Duration = Duration::from_millis(200);
