//! Signals: SIGINT and SIGTERM end the program in good order, and so does SIGHUP if it has no other meaning.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Waits for the first SIGINT or SIGTERM and cancels `stop`; a second one ends the program at once. Signals count from the
/// call on, not only when the future is polled. Must be called within a tokio runtime. GNU `timeout` sends its signal to
/// the program and to its process group: signals within [`ONE_SIGNAL`] count as one.
pub fn cancel_on_signal(stop: CancellationToken) -> impl Future<Output = ()> {
    let first = interrupted();
    async move {
        first.await;
        stop.cancel();
        tokio::time::sleep(ONE_SIGNAL).await;
        interrupted().await;
        std::process::exit(INTERRUPTED.into());
    }
}

/// Returns the result of `work`, or `None` if a signal comes first.
pub async fn unless_interrupted<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        // The signals must be caught before the work begins.
        biased;
        () = interrupted() => None,
        () = async { Hangups::new().next().await } => None,
        done = work => Some(done),
    }
}

/// Waits for the first SIGHUP and cancels `stop`: the terminal was closed, or the connection to it was lost.
pub fn cancel_on_hangup(stop: CancellationToken) -> impl Future<Output = ()> {
    let mut hangups = Hangups::new();
    async move {
        hangups.next().await;
        stop.cancel();
    }
}

/// The stream of SIGHUP, which is ignored if it was at the start (`nohup`); empty on systems without this signal.
pub struct Hangups {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Hangups {
    /// Catches the signal from now on. Must be called within a tokio runtime.
    #[expect(
        clippy::new_without_default,
        reason = "a default value should not catch signals"
    )]
    pub fn new() -> Self {
        #[cfg(unix)]
        use tokio::signal::unix::{SignalKind, signal};
        Self {
            #[cfg(unix)]
            signal: match hangups_are_ignored() {
                true => None,
                false => signal(SignalKind::hangup()).ok(),
            },
        }
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.signal
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}

/// Whether the program was started with SIGHUP ignored; only Linux shows it without unsafe code. Catching the signal
/// changes the answer, so the first one counts.
#[cfg(unix)]
fn hangups_are_ignored() -> bool {
    static AT_START: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *AT_START.get_or_init(|| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status
            .lines()
            .find_map(|line| line.strip_prefix("SigIgn:"))
            .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        // SIGHUP is signal 1, the lowest bit.
        mask.is_some_and(|mask| mask & 1 == 1)
    })
}

/// Makes the limit of file sizes (`ulimit -f`) an error of writing, instead of the end of the program.
pub fn survive_file_limits() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        // The number on Linux and on BSDs. The handler stays installed.
        const SIGXFSZ: i32 = 25;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        if let Ok(runtime) = runtime {
            // Without the handler, the limit ends the program as usual.
            let _ = runtime.block_on(async { signal(SignalKind::from_raw(SIGXFSZ)) });
        }
    }
}

/// The time within which signals count as one.
const ONE_SIGNAL: Duration = Duration::from_millis(100);

/// The exit code after a signal, as shells have it: 128 and the number of SIGINT.
pub const INTERRUPTED: u8 = 130;

/// Waits for SIGINT or SIGTERM; a signal before the first poll counts, too.
#[cfg(unix)]
fn interrupted() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    async move {
        let [Ok(mut interrupt), Ok(mut terminate)] = signals else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
