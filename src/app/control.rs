//! The control API: it lists, adds, replaces, removes, enables and disables rules while dmtap runs, and returns the
//! sessions and exchanges that pass.
//!
//! It has a port of its own on loopback. Requests need the token; those of a browser are refused in any case; and the
//! control API cannot be reached through the proxy (`proxy::Settings::private`).

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
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use answer::Answer;
use api::Done;
use guard::Guard;
pub use token::{Token, TokenError};
pub use traffic::Traffic;

use super::rule_sources::RuleSetUpdater;
use crate::proxy::{accept_until, all_ended, cannot_listen};

/// The settings of the control API.
#[derive(Debug)]
pub struct ControlSettings {
    /// The address to listen at. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The machines that may reach it.
    pub reach: Reach,
    /// The token that requests need.
    pub token: Token,
}

/// The machines that may reach the control API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// This machine alone.
    Loopback,
    /// Every machine that can connect to its address.
    Anybody,
}

/// A control API that is bound to its address and not yet running.
#[derive(Debug)]
pub struct Control {
    listener: TcpListener,
    guard: Guard,
}

impl Control {
    /// Binds the listener. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The address is taken, or other machines can reach it although `reach` does not allow that; the text says which.
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
            guard: Guard::new(address, settings.reach, settings.token),
        })
    }

    /// Returns the address at which it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.guard.address
    }

    /// Returns the token that requests need.
    pub fn token(&self) -> &Token {
        &self.guard.token
    }

    /// Serves requests until `stop`.
    pub async fn run(self, rules: Arc<RuleSetUpdater>, traffic: Traffic, stop: CancellationToken) {
        let api = Arc::new(Api {
            guard: self.guard,
            rules,
            traffic,
            stop: stop.clone(),
        });
        let serve = |tcp, _| serve(api.clone(), tcp, stop.clone());
        let mut connections = accept_until(self.listener, CONNECTIONS, &stop, serve).await;
        // Answers under way still arrive; nothing else delays the end.
        let _ = tokio::time::timeout(GRACE, all_ended(&mut connections)).await;
    }
}

/// The state that all connections share.
struct Api {
    guard: Guard,
    rules: Arc<RuleSetUpdater>,
    traffic: Traffic,
    stop: CancellationToken,
}

async fn serve(api: Arc<Api>, tcp: TcpStream, stop: CancellationToken) {
    let service = service_fn(async |request| {
        let answered = answer(&api, request).await;
        let answer = answered.unwrap_or_else(|refusal| refusal);
        Ok::<_, Infallible>(answer.into_response())
    });
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

async fn answer(api: &Api, request: Request<Incoming>) -> Done {
    let (head, body) = request.into_parts();
    api.guard.check(&head).inspect_err(|refusal| {
        let (method, path, why) = (&head.method, head.uri.path(), refusal.why());
        tracing::warn!("control: {method} {path} refused: {why}");
    })?;
    if body.size_hint().lower() > BODY_BYTES as u64 {
        return Err(Answer::too_large(BODY_BYTES));
    }
    let body = Limited::new(body, BODY_BYTES).collect();
    let body = match tokio::time::timeout(TIMEOUT, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return Err(Answer::too_large(BODY_BYTES));
        }
        Ok(Err(_)) | Err(_) => {
            let why = "the body did not come whole in time";
            return Err(Answer::error(StatusCode::REQUEST_TIMEOUT, why));
        }
    };
    if let Some(query) = query::waiting(&head) {
        // The exchange that ends the wait is read below.
        let wait = api.stop.run_until_cancelled(api.traffic.wait(&query));
        if wait.await == Some(false) {
            let why = "too many requests wait already";
            let refusal = Answer::error(StatusCode::SERVICE_UNAVAILABLE, why);
            return Err(refusal.help("ask without wait, or later"));
        }
    }
    let (rules, traffic) = (api.rules.clone(), api.traffic.clone());
    // Reading a thousand rules takes a while; the traffic must not wait for it.
    let answered = tokio::task::spawn_blocking(move || api::answer(&rules, &traffic, &head, &body));
    answered.await.unwrap_or_else(|_| {
        let why = "a fault in dmtap; its log says more";
        Err(Answer::error(StatusCode::INTERNAL_SERVER_ERROR, why))
    })
}

/// The limit of connections at a time; more wait in the listener's queue.
const CONNECTIONS: usize = 256;
/// The limit of a body, in bytes.
const BODY_BYTES: usize = 1 << 20;
/// The limit of a head, in bytes.
const HEAD_BYTES: usize = 16 << 10;
/// The time limit for a head, and for a body.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The time limit for answers under way when the API stops.
const GRACE: Duration = Duration::from_millis(200);
