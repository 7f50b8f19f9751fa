//! The loop that accepts connections, for the proxy, the control API and the simulated servers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::self_wake::repolled;
use crate::error_text;

/// Accepts connections until `stop`, at most `most` at a time, and serves each in a task of its own. Returns the
/// connections that are still open then; nothing listens any more.
pub async fn accept_until<F>(
    listener: TcpListener,
    most: usize,
    stop: &CancellationToken,
    serve: impl Fn(TcpStream, SocketAddr) -> F,
) -> JoinSet<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(most.max(1)));
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            let permit = permits.clone().acquire_owned().await;
            (permit, listener.accept().await)
        };
        tokio::select! {
            () = stop.cancelled() => return connections,
            Some(ended) = connections.join_next() => report_panic(ended),
            (permit, accepted) = accepted => match accepted {
                Ok((tcp, peer)) => {
                    if let Err(error) = tcp.set_nodelay(true) {
                        tracing::debug!("{peer}: TCP_NODELAY: {error}");
                    }
                    let served = serve(tcp, peer);
                    connections.spawn(async move {
                        repolled(served).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!("accepting a connection failed: {}", error_text::io(&error));
                    // If the machine has no free file descriptors, the loop must not spin.
                    tokio::time::sleep(RETRY_DELAY).await;
                }
            }
        }
    }
}

/// Waits until all connections have ended.
pub async fn all_ended(connections: &mut JoinSet<()>) {
    while let Some(ended) = connections.join_next().await {
        report_panic(ended);
    }
}

fn report_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a connection ended by a fault in dmtap: {error}");
    }
}

/// The pause after a connection could not be accepted.
const RETRY_DELAY: Duration = Duration::from_millis(100);
