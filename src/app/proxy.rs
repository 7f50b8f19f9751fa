//! The proxy with its journal: started, run until a signal, and closed in good order.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use super::control::{Control, ControlSettings, Token};
use super::pipe::Pipe;
use super::print;
use super::rule_sources::watch::{OnChange, Watch};
use super::rule_sources::{RuleSetUpdater, Sources, report};
use super::signal;
use crate::error_text;
use crate::flow::{Event, EventSink};
use crate::proxy::{Authority, Proxy, Settings};
use crate::record::journal::FAREWELL;
use crate::record::{self, CloseError, Colour, Journal, JsonLines, Masking, Transcript, WhenFull};

/// Where a run is recorded.
#[derive(Clone, Debug)]
pub struct RuleReports {
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

/// The rules of a run, and what can change them.
pub struct Rules {
    /// Where they come from.
    pub sources: Sources,
    /// The control API, if there is to be one.
    pub control: Option<ControlSettings>,
    /// Tells what becomes of them.
    pub tell: OnChange,
}

/// A proxy that is about to run.
pub struct Running<'r> {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its settings.
    pub settings: &'r Settings,
    /// Its CA.
    pub authority: &'r Authority,
    /// Where the control API listens, and its token.
    pub control: Option<(SocketAddr, Token)>,
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

impl RuleReports {
    /// Whether nothing is recorded, so that nothing must be decoded.
    pub fn is_silent(&self) -> bool {
        self.live == Live::Nothing && self.files.is_empty()
    }

    /// A line for each record that is there and will be overwritten.
    fn overwritten(&self) -> Vec<String> {
        let is_full = |file: &&String| {
            // One that is appended to begins with +.
            let there = std::fs::metadata(file);
            !file.starts_with('+') && there.is_ok_and(|there| there.is_file() && there.len() > 0)
        };
        let line = |file: &String| match file.ends_with(".pcapng") {
            true => format!("{file} was there: overwritten"),
            false => format!("{file} was there: overwritten; `-w +{file}` appends"),
        };
        self.files.iter().filter(is_full).map(line).collect()
    }

    /// The journal that tells.
    ///
    /// # Errors
    /// A file that cannot be opened, or an extension that names no form.
    pub fn journal(&self) -> Result<Journal, String> {
        self.builder().map(record::Builder::start)
    }

    /// The same before it starts.
    ///
    /// # Errors
    /// Those of [`Self::journal`].
    pub fn builder(&self) -> Result<record::Builder, String> {
        let mut journal = Journal::builder().masking(self.masking);
        journal = match self.live {
            Live::Nothing => journal,
            Live::Transcript => {
                let transcript = Transcript::new(Pipe::new(anstream::stdout()), Colour::Colour);
                journal.sink(STDOUT, Box::new(transcript), WhenFull::DropNewest)
            }
            Live::JsonLines => {
                let lines = JsonLines::new(Pipe::new(std::io::stdout()));
                journal.sink(STDOUT, Box::new(lines), WhenFull::DropNewest)
            }
        };
        let files = record::open_all(&self.files);
        for (file, sink, renew) in files.map_err(|error| error.to_string())? {
            journal = journal
                .renewal(&file, renew)
                .sink(file, sink, WhenFull::Block);
        }
        Ok(journal)
    }
}

/// Standard output may be a pipe that nobody reads: there, events are left out before the traffic waits.
const STDOUT: &str = "standard output";

/// At SIGHUP opens records that were rotated away again. Where there was none, and `is_reloading` says that no rule
/// files are read again either, it cancels `stop`: the terminal was closed, or a connection to it was lost.
async fn hang_up(ear: Arc<Ear>, is_reloading: bool, tell: OnChange, stop: CancellationToken) {
    let mut hangups = signal::Hangups::new();
    loop {
        hangups.next().await;
        let ear = ear.clone();
        let renewing = tokio::task::spawn_blocking(move || match ear.0.get() {
            Some(Ok(journal)) => journal.renew(),
            _ => Vec::new(),
        });
        let renewed = renewing.await.unwrap_or_default();
        if renewed.is_empty() && !is_reloading {
            return stop.cancel();
        }
        for (file, done) in renewed {
            tell(&match done {
                Ok(()) => format!("record: {file} was moved away, a new one is begun"),
                Err(error) => {
                    let why = error_text::io(&error);
                    format!("record: {file} was moved away and cannot be opened again: {why}")
                }
            });
        }
    }
}

/// Runs the proxy until SIGINT or SIGTERM; `announce` is called when it listens.
///
/// # Errors
/// [`RunError`].
pub async fn run(
    mut settings: Settings,
    authority: Arc<Authority>,
    rules: Rules,
    telling: &RuleReports,
    announce: impl FnOnce(&Running<'_>),
) -> Result<(), RunError> {
    let (stop, ear) = (CancellationToken::new(), Arc::new(Ear::default()));
    let control = open_control(rules.control, &mut settings).await?;
    let proxy = Proxy::bind(
        settings.clone(),
        authority.clone(),
        Arc::default(),
        ear.clone(),
    )
    .await
    .map_err(start)?;
    let arguments = rules.sources.arguments();
    let book = Arc::new(RuleSetUpdater::new(rules.sources, proxy.rules()).map_err(start)?);
    let overwritten = telling.overwritten();
    let journal = ear.0.get_or_init(|| telling.journal());
    let journal = journal
        .as_ref()
        .map_err(|error| RunError::Start(error.clone()))?;
    overwritten.iter().for_each(|line| (rules.tell)(line));
    tokio::spawn(signal::cancel_on_signal(stop.clone()));
    let hang_up = hang_up(
        ear.clone(),
        !arguments.is_empty(),
        rules.tell.clone(),
        stop.clone(),
    );
    tokio::spawn(hang_up);
    if !arguments.is_empty() {
        let watch = Watch::begin(book.clone(), rules.tell.clone());
        tokio::spawn(watch.run(stop.clone()));
    }
    announce(&Running {
        address: proxy.local_addr(),
        settings: &settings,
        authority: &authority,
        control: control
            .as_ref()
            .map(|control| (control.local_addr(), control.token().clone())),
    });
    if let Some(control) = control {
        tokio::spawn(control.run(book.clone(), rules.tell.clone(), stop.clone()));
    }
    proxy.run(stop).await;
    let closed = journal.close();
    let (Ok(summary) | Err(CloseError(summary))) = &closed;
    let mut sinks = summary.sinks.iter();
    let has_output = sinks.all(|sink| sink.name != STDOUT || sink.failure.is_none());
    let summed = match has_output || telling.live != Live::JsonLines {
        true => sum_up(&book, telling.live, &rules.tell),
        false => Ok(()),
    };
    closed
        .map_err(|error| RunError::Record(error.to_string()))
        .and(summed)
}

/// Binds the control API, and closes the way to it through the proxy.
async fn open_control(
    control: Option<ControlSettings>,
    settings: &mut Settings,
) -> Result<Option<Control>, RunError> {
    let Some(control) = control else {
        return Ok(None);
    };
    let (own, other) = (settings.listen, control.listen);
    let everywhere = own.ip().is_unspecified() || other.ip().is_unspecified();
    if own.port() != 0 && own.port() == other.port() && (everywhere || own.ip() == other.ip()) {
        let why = format!("--control {other}: it is the port of the proxy itself; choose another");
        return Err(RunError::Start(why));
    }
    let control = Control::bind(control).await.map_err(start)?;
    settings.private.push(control.local_addr());
    Ok(Some(control))
}

/// Tells what the rules did.
fn sum_up(book: &RuleSetUpdater, live: Live, tell: &OnChange) -> Result<(), RunError> {
    let entries = book.entries_of_run();
    if entries.is_empty() {
        return Ok(());
    }
    if live != Live::JsonLines {
        tell(&report::summary(&entries));
        return Ok(());
    }
    // The journal's thread may be stuck there, and keeps it to itself then.
    print::STDOUT.put(report::summary_line(&entries).into_bytes());
    let written = print::STDOUT.finish(FAREWELL);
    written.map_err(|error| RunError::Record(format!("{STDOUT}: {}", error_text::io(&error))))
}

fn start(error: impl std::fmt::Display) -> RunError {
    RunError::Start(error.to_string())
}

/// A journal that is opened once the proxy is bound: a start that fails must not empty the record of a run in
/// progress.
#[derive(Default)]
struct Ear(OnceLock<Result<Journal, String>>);

impl EventSink for Ear {
    fn on_event(&self, event: Event) {
        if let Some(Ok(journal)) = self.0.get() {
            journal.on_event(event);
        }
    }
}
