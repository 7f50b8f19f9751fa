//! Connections to servers that no device connection uses at present.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::ServerKey;
use super::dial::Connection;

/// The idle connections, limited in number and in time.
pub(super) struct IdleConnections {
    state: Mutex<State>,
    limit: Duration,
}

#[derive(Default)]
struct State {
    by_server: HashMap<ServerKey, Vec<(Instant, Connection)>>,
    total: usize,
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
    pub(super) fn take(&self, key: &ServerKey) -> Option<Connection> {
        let mut state = self.state.lock();
        let of_server = state.by_server.get_mut(key)?;
        let before = of_server.len();
        let found = std::iter::from_fn(|| of_server.pop())
            .map(|(_, connection)| connection)
            .find(Connection::is_ready);
        let gone = before - of_server.len();
        if of_server.is_empty() {
            state.by_server.remove(key);
        }
        state.total -= gone;
        found
    }

    /// Keeps a connection for the next device connection that needs it. Closes it if too many are kept.
    pub(super) fn put(self: &Arc<Self>, key: ServerKey, connection: Connection) {
        let mut state = self.state.lock();
        if connection.is_closed() || state.total >= MOST_IDLE {
            return;
        }
        let of_server = state.by_server.entry(key).or_default();
        if of_server.len() >= MOST_IDLE_PER_SERVER {
            return;
        }
        of_server.push((Instant::now(), connection));
        state.total += 1;
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
        let limit = self.limit;
        state.by_server.retain(|_, of_server| {
            of_server
                .retain(|(since, connection)| since.elapsed() < limit && !connection.is_closed());
            !of_server.is_empty()
        });
        state.total = state.by_server.values().map(Vec::len).sum();
        state.is_swept = state.total > 0;
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

/// The most idle connections to one server.
const MOST_IDLE_PER_SERVER: usize = 256;
/// The most idle connections to all servers.
const MOST_IDLE: usize = 1024;
/// The shortest time between two checks for connections that were idle for too long.
const MIN_SWEEP_INTERVAL: Duration = Duration::from_millis(100);
