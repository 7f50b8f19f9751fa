//! The run of a proxy with its journal, from the start to a signal and the end of the records.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use super::beginning;
use super::control::{Control, ControlSettings, Token, Traffic};
use super::pipe::Pipe;
use super::print;
use super::rule_sources::watch::Watch;
use super::rule_sources::{KeysMet, RuleSetUpdater, Sources, report, require_hits};
use super::signal;
use crate::error_text;
use crate::filter::Filter;
use crate::flow::{Event, EventSink};
use crate::proxy::{Authority, Mode, Proxy, Settings};
use crate::record::journal::{FAREWELL, Renewed};
use crate::record::model::{ListenerRecord, RunRecord, StartRecord};
use crate::record::{
    self, CloseError, Colour, Journal, JsonLines, Layout, Masking, Sink, Transcript, WhenFull,
    jsonl, select,
};

/// The outputs of a run.
#[derive(Clone, Debug)]
pub struct RecordOutputs {
    /// The content of standard output.
    pub live: Live,
    /// The record files; the extension is that of the form.
    pub files: Vec<String>,
    /// Whether the outputs mask secrets.
    pub masking: Masking,
    /// The filter of the exchanges on standard output; without it all are shown.
    pub view: Option<Filter>,
    /// The filter of the exchanges in files.
    pub save: Option<Filter>,
}

/// The content of standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Live {
    /// Nothing.
    Nothing,
    /// The transcript for people.
    Transcript,
    /// JSON lines.
    JsonLines,
}

/// The rules of a run, with the ways to change them.
pub struct Rules {
    /// The sources of the rules.
    pub sources: Sources,
    /// The control API, if it is enabled.
    pub control: Option<ControlSettings>,
    /// Whether a rule that never acts makes the run fail.
    pub require_hits: bool,
}

/// A proxy that is about to run.
pub struct Running<'r> {
    /// The address at which it listens.
    pub address: SocketAddr,
    /// Its settings.
    pub settings: &'r Settings,
    /// Its CA.
    pub authority: &'r Authority,
    /// The address of the control API, and its token.
    pub control: Option<(SocketAddr, Token)>,
}

/// The reason why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not start.
    #[error("{0}")]
    Start(String),
    /// A record is not complete.
    #[error("{0}")]
    Record(String),
    /// A rule never acted, although `--require-hits` demands it.
    #[error("{0}")]
    Hits(String),
}

impl RecordOutputs {
    /// Whether there is no output, so that nothing must be decoded.
    pub fn is_silent(&self) -> bool {
        self.live == Live::Nothing && self.files.is_empty()
    }

    /// Returns a line for each existing record that will be overwritten.
    fn overwritten(&self) -> Vec<String> {
        let is_full = |file: &&String| {
            // A leading + means that the record is appended to.
            let there = std::fs::metadata(file);
            !file.starts_with('+') && there.is_ok_and(|there| there.is_file() && there.len() > 0)
        };
        let line = |file: &String| match file.ends_with(".pcapng") {
            true => format!("{file} was there: overwritten"),
            false => format!("{file} was there: overwritten; `-w +{file}` appends"),
        };
        self.files.iter().filter(is_full).map(line).collect()
    }

    /// Returns the journal of this run, not yet started; standard output begins with `start`.
    ///
    /// # Errors
    /// A file cannot be opened, or its extension names no form.
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
        for (name, sink, file) in files.map_err(|error| error.to_string())? {
            let save = self.save.as_ref();
            journal = journal.file(&name, select::sink_file(file, save)).sink(
                name,
                select::sink(sink, save),
                WhenFull::Block,
            );
        }
        Ok(journal)
    }
}

/// The sink for standard output, which may be a pipe that nobody reads: it drops events, so that the traffic never waits.
const STDOUT: &str = "standard output";

/// The sink that collects the values of the messages for `--require-hits`.
const HITS: &str = "--require-hits";

/// The sink with the traffic for the control API.
const CONTROL: &str = "control API";

/// Opens records again that were moved away, at each SIGHUP. If there was none, and no rule files are read again either
/// (`is_reloading`), it cancels `stop`: the terminal was closed, or the connection to it was lost.
async fn hang_up(
    mut hangups: signal::Hangups,
    events: Arc<LateJournal>,
    is_reloading: bool,
    stop: CancellationToken,
) {
    loop {
        hangups.next().await;
        let events = events.clone();
        let renewing = tokio::task::spawn_blocking(move || {
            let journal = events.0.get();
            journal.map_or_else(Vec::new, Journal::renew)
        });
        let renewed = renewing.await.unwrap_or_default();
        let mut done = renewed.iter().map(|(_, done)| done);
        if done.all(|done| matches!(done, Renewed::Failed { is_away: false })) && !is_reloading {
            return stop.cancel();
        }
        for (file, done) in renewed {
            print::coloured(&match done {
                Renewed::Begun => format!("record: {file} was moved away, a new one is begun"),
                Renewed::Unopened(error) => {
                    let why = error_text::io(&error);
                    format!("record: {file} was moved away and cannot be opened again: {why}")
                }
                Renewed::Failed { .. } => {
                    format!(
                        "record: writing {file} failed before; only a new start of dmtap begins it again"
                    )
                }
            });
        }
    }
}

/// Runs the proxy until SIGINT or SIGTERM; `announce` is called when it listens.
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
    let run = beginning::run_record(&settings, Some(&rules.sources));
    let listening = StartRecord {
        mode: Some(run.mode.clone()),
        control: control
            .as_ref()
            .map(|control| ListenerRecord::new("http", control.local_addr())),
        ..beginning::start_record(scheme(&settings.mode), proxy.local_addr(), &authority)
    };
    let updater = Arc::new(RuleSetUpdater::new(rules.sources, proxy.rules()).map_err(start)?);
    let overwritten = reports.overwritten();
    let traffic = Traffic::default();
    let met = KeysMet::default();
    let mut builder = reports.builder(&run, Some(listening)).map_err(start)?;
    if control.is_some() {
        builder = builder.sessions(traffic.sessions.clone());
        builder = builder.sink(CONTROL, Box::new(traffic.clone()), WhenFull::Block);
    }
    if rules.require_hits {
        builder = builder.sink(HITS, Box::new(met.clone()), WhenFull::Block);
    }
    let journal = events.0.get_or_init(|| builder.start());
    overwritten.iter().for_each(|line| print::coloured(line));
    tokio::spawn(signal::cancel_on_signal(stop.clone()));
    let hang_up = hang_up(
        signal::Hangups::new(),
        events.clone(),
        !arguments.is_empty(),
        stop.clone(),
    );
    tokio::spawn(hang_up);
    if !arguments.is_empty() {
        let watch = Watch::begin(updater.clone());
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
        tokio::spawn(control.run(updater.clone(), traffic, stop.clone()));
    }
    proxy.run(stop).await;
    let closed = journal.close();
    let (Ok(summary) | Err(CloseError(summary))) = &closed;
    let mut sinks = summary.sinks.iter();
    let has_output = sinks.all(|sink| sink.name != STDOUT || sink.failure.is_none());
    let summed = match has_output || reports.live != Live::JsonLines {
        true => sum_up(&updater, reports.live),
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

/// Binds the control API, and makes the proxy refuse connections to it.
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

/// Prints what the rules did.
fn sum_up(updater: &RuleSetUpdater, live: Live) -> Result<(), RunError> {
    let entries = updater.entries_of_run();
    if entries.is_empty() {
        return Ok(());
    }
    if live != Live::JsonLines {
        print::coloured(&report::summary(&entries));
        return Ok(());
    }
    // The journal's thread may hang in a write to standard output, so another thread writes this line.
    print::STDOUT.put(report::summary_line(&entries).into_bytes());
    let written = print::STDOUT.finish(FAREWELL);
    written.map_err(|error| RunError::Record(format!("{STDOUT}: {}", error_text::io(&error))))
}

/// Returns the URL scheme of the proxy's own address.
pub fn scheme(mode: &Mode) -> &'static str {
    match mode {
        Mode::Reverse { .. } => "https",
        Mode::Regular => "http",
    }
}

fn start(error: impl std::fmt::Display) -> RunError {
    RunError::Start(error.to_string())
}

/// A journal that is opened after the proxy is bound: a start that fails must not empty the record of a run in progress.
#[derive(Default)]
struct LateJournal(OnceLock<Journal>);

impl EventSink for LateJournal {
    fn on_event(&self, event: Event) {
        if let Some(journal) = self.0.get() {
            journal.on_event(event);
        }
    }
}
