//! A connection whose bytes go unchanged to the server and back.

use std::sync::Arc;

use tokio::io::copy_bidirectional;

use super::connection::{CloseEventGuard, IncomingConnection, TLS_HANDSHAKE};
use super::destination::Destination;
use super::state::ProxyState;
use super::upstream;
use super::wire::Wire;
use crate::flow::TlsDetails;

/// Passes all bytes on until one side ends, nothing moves for too long, or dmtap stops.
///
/// # Errors
/// The reason, as text, if the server cannot be reached.
pub(super) async fn run(
    incoming: &IncomingConnection,
    proxy: &Arc<ProxyState>,
    mut wire: Wire,
    server: &Destination,
) -> Result<(), String> {
    let origin = server.origin();
    let mut tcp = upstream::connect(&proxy.settings, proxy.listener, origin)
        .await
        .map_err(|why| format!("no tunnel to {}: {why}", origin.host_and_port()))?;
    let is_tls = wire.first_byte().await.ok().flatten() == Some(TLS_HANDSHAKE);
    let tls = is_tls.then(TlsDetails::default);
    let connection = Arc::new(incoming.connection(origin.host_and_port(), tls));
    let _close_event = CloseEventGuard::new(proxy, &connection);
    let handle = wire.handle();
    // Only bytes count as activity: nothing is parsed as a request here.
    drop(handle.busy());
    let stop = proxy.stop.child_token();
    tokio::select! {
        ended = copy_bidirectional(&mut wire, &mut tcp) => {
            if let Err(error) = ended {
                tracing::debug!("{}: tunnel: {error}", incoming.id);
            }
        }
        () = stop.cancelled() => {}
        why = handle.silence(&proxy.settings.limits) => {
            tracing::info!("{} is closed: {why}", incoming.id);
        }
    }
    Ok(())
}
