//! Interrupts: SIGINT and SIGTERM end the program in good order.

use tokio_util::sync::CancellationToken;

/// Waits for the first signal and cancels `stop`. A second one ends the program at once.
pub async fn cancel_on_signal(stop: CancellationToken) {
    wait().await;
    stop.cancel();
    wait().await;
    std::process::exit(130);
}

#[cfg(unix)]
async fn wait() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn wait() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
