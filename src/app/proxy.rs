//! The proxy with its journal: started, run until a signal, and closed in good order.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use super::signal;
use crate::flow::{Event, Hear};
use crate::proxy::{Authority, Proxy, Settings};
use crate::record::{self, Journal, JsonLines, Masking, Style, Transcript, WhenFull};
use crate::rules::RuleSet;

/// Where a run is told.
#[derive(Clone, Debug)]
pub struct Telling {
    /// On standard output.
    pub live: Live,
    /// In files; the extension says in which form.
    pub files: Vec<String>,
    /// Whether secrets are masked there.
    pub masking: Masking,
}

/// What standard output shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Live {
    /// Nothing.
    Nothing,
    /// The transcript for people.
    Transcript,
    /// JSON lines.
    JsonLines,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not start.
    #[error("{0}")]
    Start(String),
    /// A record is not complete.
    #[error("{0}")]
    Record(String),
}

impl Telling {
    /// Whether nobody is told, so that nothing need be read.
    pub fn is_silent(&self) -> bool {
        self.live == Live::Nothing && self.files.is_empty()
    }

    /// The journal that tells.
    ///
    /// # Errors
    /// A file that cannot be opened, or an extension that names no form.
    pub fn journal(&self) -> Result<Journal, String> {
        let mut journal = Journal::builder();
        journal = match self.live {
            Live::Nothing => journal,
            Live::Transcript => {
                let transcript = Transcript::new(anstream::stdout(), Style::Colour, self.masking);
                journal.sink(STDOUT, Box::new(transcript), WhenFull::DropNewest)
            }
            Live::JsonLines => {
                let lines = JsonLines::new(std::io::stdout(), self.masking);
                journal.sink(STDOUT, Box::new(lines), WhenFull::DropNewest)
            }
        };
        let files = record::open_all(&self.files, self.masking);
        for (file, sink) in files.map_err(|error| error.to_string())? {
            journal = journal.sink(file, sink, WhenFull::Block);
        }
        Ok(journal.start())
    }
}

/// Standard output may be a pipe that nobody reads: there, events are left out before the traffic waits.
const STDOUT: &str = "standard output";

/// Runs the proxy until SIGINT or SIGTERM; `announce` is called when it listens.
///
/// # Errors
/// [`RunError`].
pub async fn run(
    settings: Settings,
    authority: Arc<Authority>,
    rules: RuleSet,
    telling: &Telling,
    announce: impl FnOnce(SocketAddr, &Settings, &Authority),
) -> Result<(), RunError> {
    let (stop, ear) = (CancellationToken::new(), Arc::new(Ear::default()));
    let proxy = Proxy::bind(
        settings.clone(),
        authority.clone(),
        Arc::new(rules),
        ear.clone(),
    )
    .await
    .map_err(|error| RunError::Start(error.to_string()))?;
    let journal = ear.0.get_or_init(|| telling.journal());
    let journal = journal
        .as_ref()
        .map_err(|error| RunError::Start(error.clone()))?;
    announce(proxy.local_addr(), &settings, &authority);
    tokio::spawn(signal::cancel_on_signal(stop.clone()));
    proxy.run(stop).await;
    journal
        .close()
        .map(drop)
        .map_err(|error| RunError::Record(error.to_string()))
}

/// A journal that is opened once the proxy is bound: a start that fails must not empty the record of a run in
/// progress.
#[derive(Default)]
struct Ear(OnceLock<Result<Journal, String>>);

impl Hear for Ear {
    fn hear(&self, event: Event) {
        if let Some(Ok(journal)) = self.0.get() {
            journal.hear(event);
        }
    }
}
