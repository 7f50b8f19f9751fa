//! Interrupts: SIGINT and SIGTERM end the program in good order, and SIGHUP where it asks for nothing else.

use tokio_util::sync::CancellationToken;

/// Listens from now on, and when polled waits for the first signal and cancels `stop`. A second one ends the program at
/// once. Must be called within a tokio runtime.
pub fn cancel_on_signal(stop: CancellationToken) -> impl Future<Output = ()> {
    let first = interrupted();
    async move {
        first.await;
        stop.cancel();
        interrupted().await;
        std::process::exit(INTERRUPTED.into());
    }
}

/// What comes of `work`, or `None` where a signal ends the program first.
pub async fn unless_interrupted<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        // The signal is listened for before the work begins to show.
        biased;
        () = interrupted() => None,
        () = hung_up() => None,
        done = work => Some(done),
    }
}

/// The same for the first SIGHUP: the terminal was closed, or a connection to it was lost.
pub fn cancel_on_hangup(stop: CancellationToken) -> impl Future<Output = ()> {
    let mut hangups = Hangups::new();
    async move {
        hangups.next().await;
        stop.cancel();
    }
}

async fn hung_up() {
    Hangups::new().next().await;
}

/// SIGHUP, where there is such a thing. Where it was ignored at the start (`nohup`) it stays so.
pub struct Hangups {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Hangups {
    /// Listens from now on. Must be called within a tokio runtime.
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

    /// Waits for the next.
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

/// Whether the program was started with SIGHUP ignored; only Linux tells without unsafe code. Listening changes the
/// answer, so it is the first one that counts.
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

/// Lets a file that reaches the limit of its size (`ulimit -f`) be an error of writing instead of the end.
pub fn survive_file_limits() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        // The number on Linux and on BSDs. What listens once stays installed.
        const SIGXFSZ: i32 = 25;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        if let Ok(runtime) = runtime {
            // Where it cannot be listened for, the limit ends the program as it does others.
            let _ = runtime.block_on(async { signal(SignalKind::from_raw(SIGXFSZ)) });
        }
    }
}

/// The exit code of a program that a signal ended, as shells have it: 128 and the number of SIGINT.
pub const INTERRUPTED: u8 = 130;

/// A signal that comes before this is polled counts, too.
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
