//! The proxy with its journal: started, run until a signal, and closed in good order.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use super::beginning;
use super::control::{Control, ControlSettings, Token, Traffic};
use super::pipe::Pipe;
use super::print;
use super::rule_sources::watch::{OnChange, Watch};
use super::rule_sources::{KeysMet, RuleSetUpdater, Sources, report, require_hits};
use super::signal;
use crate::error_text;
use crate::filter::Filter;
use crate::flow::{Event, EventSink};
use crate::proxy::{Authority, Mode, Proxy, Settings};
use crate::record::journal::FAREWELL;
use crate::record::model::{ListenerRecord, RunRecord, StartRecord};
use crate::record::{
    self, CloseError, Colour, Journal, JsonLines, Layout, Masking, Sink, Transcript, WhenFull,
    jsonl, select,
};

/// Where a run is recorded.
#[derive(Clone, Debug)]
pub struct RecordOutputs {
    /// On standard output.
    pub live: Live,
    /// In files; the extension says in which form.
    pub files: Vec<String>,
    /// Whether secrets are masked there.
    pub masking: Masking,
    /// Which exchanges standard output shows; all without one.
    pub view: Option<Filter>,
    /// Which exchanges files get.
    pub save: Option<Filter>,
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
    /// Receives a line about each change.
    pub on_change: OnChange,
    /// Whether a rule that never acts makes the run fail.
    pub require_hits: bool,
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
    /// A rule never acted that had to.
    #[error("{0}")]
    Hits(String),
}

impl RecordOutputs {
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

    /// The journal of this run, before it starts; standard output begins with `start`.
    ///
    /// # Errors
    /// A file that cannot be opened, or an extension that names no form.
    pub(super) fn builder(
        &self,
        run: &RunRecord,
        start: Option<StartRecord>,
    ) -> Result<record::Builder, String> {
        let mut journal = Journal::builder().masking(self.masking);
        let shown: Option<Box<dyn Sink>> = match self.live {
            Live::Nothing => None,
            Live::Transcript => {
                let out = Pipe::new(anstream::stdout());
                let layout = Layout {
                    width: print::columns(),
                    ..Layout::default()
                };
                let transcript = Transcript::new(out, Colour::Colour);
                Some(Box::new(transcript.with_layout(layout)))
            }
            Live::JsonLines => {
                let lines = JsonLines::new(Pipe::new(std::io::stdout()));
                let start = start.map(|start| jsonl::line(jsonl::START, &start));
                let beginning = start.unwrap_or_default() + &jsonl::line(jsonl::RUN, run);
                Some(Box::new(lines.beginning_with(&beginning)))
            }
        };
        if let Some(shown) = shown {
            let shown = select::sink(shown, self.view.as_ref());
            journal = journal.sink(STDOUT, shown, WhenFull::DropNewest);
        }
        let files = record::open_all(&self.files, run);
        for (file, sink, renew) in files.map_err(|error| error.to_string())? {
            let save = self.save.as_ref();
            journal = journal.renewal(&file, select::renewal(renew, save)).sink(
                file,
                select::sink(sink, save),
                WhenFull::Block,
            );
        }
        Ok(journal)
    }
}

/// Standard output may be a pipe that nobody reads: there, events are left out before the traffic waits.
const STDOUT: &str = "standard output";

/// What `--require-hits` knows of the messages.
const HITS: &str = "--require-hits";

/// What the control API shows.
const CONTROL: &str = "control API";

/// At SIGHUP opens records that were rotated away again. Where there was none, and `is_reloading` says that no rule
/// files are read again either, it cancels `stop`: the terminal was closed, or a connection to it was lost.
async fn hang_up(
    mut hangups: signal::Hangups,
    events: Arc<LateJournal>,
    is_reloading: bool,
    on_change: OnChange,
    stop: CancellationToken,
) {
    loop {
        hangups.next().await;
        let events = events.clone();
        let renewing = tokio::task::spawn_blocking(move || match events.0.get() {
            Some(Ok(journal)) => journal.renew(),
            _ => Vec::new(),
        });
        let renewed = renewing.await.unwrap_or_default();
        if renewed.is_empty() && !is_reloading {
            return stop.cancel();
        }
        for (file, done) in renewed {
            on_change(&match done {
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
    reports: &RecordOutputs,
    announce: impl FnOnce(&Running<'_>),
) -> Result<(), RunError> {
    let (stop, events) = (CancellationToken::new(), Arc::new(LateJournal::default()));
    let control = open_control(rules.control, &mut settings).await?;
    let proxy = Proxy::bind(
        settings.clone(),
        authority.clone(),
        Arc::default(),
        events.clone(),
    )
    .await
    .map_err(start)?;
    let arguments = rules.sources.arguments();
    let run = beginning::run(&settings, Some(&rules.sources));
    let listening = StartRecord {
        mode: Some(run.mode.clone()),
        control: control
            .as_ref()
            .map(|control| ListenerRecord::new("http", control.local_addr())),
        ..beginning::start(scheme(&settings.mode), proxy.local_addr(), &authority)
    };
    let updater = Arc::new(RuleSetUpdater::new(rules.sources, proxy.rules()).map_err(start)?);
    let overwritten = reports.overwritten();
    let traffic = Traffic::default();
    let met = KeysMet::default();
    let journal = events.0.get_or_init(|| {
        let mut builder = reports.builder(&run, Some(listening))?;
        if control.is_some() {
            builder = builder.sessions(traffic.sessions.clone());
            builder = builder.sink(CONTROL, Box::new(traffic.clone()), WhenFull::Block);
        }
        if rules.require_hits {
            builder = builder.sink(HITS, Box::new(met.clone()), WhenFull::Block);
        }
        Ok(builder.start())
    });
    let journal = journal
        .as_ref()
        .map_err(|error| RunError::Start(error.clone()))?;
    overwritten.iter().for_each(|line| (rules.on_change)(line));
    tokio::spawn(signal::cancel_on_signal(stop.clone()));
    let hang_up = hang_up(
        signal::Hangups::new(),
        events.clone(),
        !arguments.is_empty(),
        rules.on_change.clone(),
        stop.clone(),
    );
    tokio::spawn(hang_up);
    if !arguments.is_empty() {
        let watch = Watch::begin(updater.clone(), rules.on_change.clone());
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
        let (rules, on_change) = (updater.clone(), rules.on_change.clone());
        tokio::spawn(control.run(rules, traffic, on_change, stop.clone()));
    }
    proxy.run(stop).await;
    let closed = journal.close();
    let (Ok(summary) | Err(CloseError(summary))) = &closed;
    let mut sinks = summary.sinks.iter();
    let has_output = sinks.all(|sink| sink.name != STDOUT || sink.failure.is_none());
    let summed = match has_output || reports.live != Live::JsonLines {
        true => sum_up(&updater, reports.live, &rules.on_change),
        false => Ok(()),
    };
    let acted = match rules.require_hits {
        true => require_hits(&updater.entries_of_run(), Some(&met)).map_err(RunError::Hits),
        false => Ok(()),
    };
    closed
        .map_err(|error| RunError::Record(error.to_string()))
        .and(summed)
        .and(acted)
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
    settings.scopes = true;
    Ok(Some(control))
}

/// Reports what the rules did.
fn sum_up(updater: &RuleSetUpdater, live: Live, on_change: &OnChange) -> Result<(), RunError> {
    let entries = updater.entries_of_run();
    if entries.is_empty() {
        return Ok(());
    }
    if live != Live::JsonLines {
        on_change(&report::summary(&entries));
        return Ok(());
    }
    // The journal's thread may be stuck there, and keeps it to itself then.
    print::STDOUT.put(report::summary_line(&entries).into_bytes());
    let written = print::STDOUT.finish(FAREWELL);
    written.map_err(|error| RunError::Record(format!("{STDOUT}: {}", error_text::io(&error))))
}

/// What devices speak to the proxy.
pub fn scheme(mode: &Mode) -> &'static str {
    match mode {
        Mode::Reverse { .. } => "https",
        Mode::Regular => "http",
    }
}

fn start(error: impl std::fmt::Display) -> RunError {
    RunError::Start(error.to_string())
}

/// A journal that is opened once the proxy is bound: a start that fails must not empty the record of a run in
/// progress.
#[derive(Default)]
struct LateJournal(OnceLock<Result<Journal, String>>);

impl EventSink for LateJournal {
    fn on_event(&self, event: Event) {
        if let Some(Ok(journal)) = self.0.get() {
            journal.on_event(event);
        }
    }
}
