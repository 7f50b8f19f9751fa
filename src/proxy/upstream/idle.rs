//! Connections to servers that no device connection uses at present.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::ServerKey;
use super::dial::ServerConnection;

/// The idle connections, limited in number and in time.
pub(super) struct IdleConnections {
    state: Mutex<State>,
    limit: Duration,
}

#[derive(Default)]
struct State {
    /// The connections with the times at which they became idle, in this order.
    connections: Vec<(Instant, ServerKey, ServerConnection)>,
    /// Whether a task removes the connections that were idle for too long.
    is_swept: bool,
}

impl IdleConnections {
    /// Creates a store that keeps connections for at most `limit`.
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            state: Mutex::default(),
            limit,
        }
    }

    /// Takes the ready connection that was used last.
    pub(super) fn take(&self, key: &ServerKey) -> Option<ServerConnection> {
        let connections = &mut self.state.lock().connections;
        loop {
            let at = connections.iter().rposition(|(_, known, _)| known == key)?;
            let (.., connection) = connections.remove(at);
            if connection.is_ready() {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection for the next device connection that needs it. If too many are kept, the oldest one is closed.
    pub(super) fn put(self: &Arc<Self>, key: ServerKey, connection: ServerConnection) {
        if connection.is_closed() {
            return;
        }
        let mut state = self.state.lock();
        let is_of_server = |(_, known, _): &(_, _, _)| *known == key;
        let connections = &mut state.connections;
        if connections.iter().filter(|it| is_of_server(it)).count() >= MOST_IDLE_PER_SERVER {
            let oldest = connections.iter().position(is_of_server);
            oldest.map(|at| connections.remove(at));
        } else if connections.len() >= MOST_IDLE {
            connections.remove(0);
        }
        state.connections.push((Instant::now(), key, connection));
        // Without a runtime the program is ending, and the connections end with it.
        if !state.is_swept
            && let Ok(runtime) = Handle::try_current()
        {
            state.is_swept = true;
            runtime.spawn(sweep(self.clone()));
        }
    }

    /// Closes the connections that were idle for too long. Returns whether any is left.
    fn close_old(&self) -> bool {
        let mut state = self.state.lock();
        state.connections.retain(|(since, _, connection)| {
            since.elapsed() < self.limit && !connection.is_closed()
        });
        state.is_swept = !state.connections.is_empty();
        state.is_swept
    }
}

async fn sweep(idle: Arc<IdleConnections>) {
    loop {
        tokio::time::sleep(idle.limit.max(MIN_SWEEP_INTERVAL)).await;
        if !idle.close_old() {
            return;
        }
    }
}

/// The most idle connections.
const MOST_IDLE: usize = 1024;
/// The most idle connections to one server with one client identity.
const MOST_IDLE_PER_SERVER: usize = 256;
/// The shortest time between two checks for connections that were idle for too long.
const MIN_SWEEP_INTERVAL: Duration = Duration::from_millis(100);
