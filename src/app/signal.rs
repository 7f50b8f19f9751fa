//! Interrupts: SIGINT and SIGTERM end the program in good order.

use tokio_util::sync::CancellationToken;

/// Waits for the first signal and cancels `stop`. A second one ends the program at once.
pub async fn cancel_on_signal(stop: CancellationToken) {
    wait().await;
    stop.cancel();
    wait().await;
    std::process::exit(INTERRUPTED.into());
}

/// What comes of `work`, or `None` where a signal ends the program first.
pub async fn unless_interrupted<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        // The signal is listened for before the work begins to show.
        biased;
        () = wait() => None,
        done = work => Some(done),
    }
}

/// The exit code of a program that a signal ended, as shells have it: 128 and the number of SIGINT.
pub const INTERRUPTED: u8 = 130;

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
