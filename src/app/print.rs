//! Standard error and standard output, which may have no reader: text waits in a bounded queue, and a thread writes it.
//!
//! A full pipe stops only that thread. Text for a full queue is dropped and counted, and a write error is no reason to
//! end. Standard output may be a record, so the log writer of a library does not fit.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IsTerminal as _, Write};
#[cfg(unix)]
use std::os::{fd::AsFd as _, unix::fs::MetadataExt as _};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use tracing::callsite::Identifier;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use crate::printable;

/// Standard error: the log, and everything else for the person who runs dmtap.
pub static STDERR: Printer = Printer::new(|| Box::new(anstream::stderr()));

/// Standard output of verbs that serve others.
pub static STDOUT: Printer = Printer::new(|| Box::new(anstream::stdout()));

/// Prints lines on standard error; characters that a terminal would obey or hide are escaped.
pub fn line(words: &str) {
    STDERR.put(format!("{}\n", printable::lines(words)).into_bytes());
}

/// Like [`line`], for lines with colours of dmtap's own.
pub fn coloured(words: &str) {
    STDERR.put(format!("{}\n", printable::coloured_lines(words)).into_bytes());
}

/// Whether standard output and standard error lead to the same terminal, pipe or file.
pub fn is_stdout_stderr() -> bool {
    #[cfg(unix)]
    {
        let [out, err] = [
            io::stdout().as_fd().try_clone_to_owned(),
            io::stderr().as_fd().try_clone_to_owned(),
        ];
        let place = |stream: io::Result<std::os::fd::OwnedFd>| {
            let there = std::fs::File::from(stream.ok()?).metadata().ok()?;
            Some((there.dev(), there.ino()))
        };
        place(out).is_some_and(|out| Some(out) == place(err))
    }
    #[cfg(not(unix))]
    {
        io::stdout().is_terminal() && io::stderr().is_terminal()
    }
}

/// Returns the choice of colours that is not the user's. `CLICOLOR_FORCE=0` does not force colours, but the libraries
/// take any value.
pub fn automatic_colours() -> anstream::ColorChoice {
    let is_zero = std::env::var_os("CLICOLOR_FORCE").is_some_and(|value| value == "0");
    match is_zero && !(io::stdout().is_terminal() && io::stderr().is_terminal()) {
        true => anstream::ColorChoice::Never,
        false => anstream::ColorChoice::Auto,
    }
}

/// Returns the width of the terminal at standard output; `None` for a file or a pipe.
pub fn columns() -> Option<usize> {
    let is_terminal = io::stdout().is_terminal();
    // Consoles of CI and `script` do not tell a width.
    let size = || terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
    is_terminal.then(size)
}

/// Prints panics through the queue, too: the standard hook waits for a reader.
pub fn print_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = std::backtrace::Backtrace::capture();
        let thread = thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        let trace = match backtrace.status() {
            std::backtrace::BacktraceStatus::Captured => format!("\n{backtrace}"),
            _ => String::new(),
        };
        line(&format!("thread {thread} {panic}{trace}"));
    }));
}

/// The behaviour of a full queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// Text is dropped and counted: for verbs that serve others.
    Drop,
    /// The caller waits: for verbs that have nothing else to do.
    Wait,
}

/// A bounded queue in front of a stream, and the thread that writes it.
pub struct Printer {
    open: fn() -> Box<dyn Write>,
    state: Mutex<State>,
    filled: Condvar,
    written: Condvar,
}

struct State {
    full: Full,
    waiting: VecDeque<Vec<u8>>,
    /// The size of the waiting texts, in bytes.
    bytes: usize,
    dropped: u64,
    /// The number of texts that were written, or failed to be.
    done: u64,
    started: bool,
    writing: bool,
    failure: Option<ErrorKind>,
    repeats: Vec<Repeat>,
}

/// The warnings of one kind in one span of time.
struct Repeat {
    kind: Identifier,
    since: Instant,
    shown: u32,
    hidden: u32,
    last: Vec<u8>,
}

impl Printer {
    const fn new(open: fn() -> Box<dyn Write>) -> Self {
        Self {
            open,
            state: Mutex::new(State::new()),
            filled: Condvar::new(),
            written: Condvar::new(),
        }
    }

    /// Sets the behaviour of a full queue; the default is [`Full::Drop`].
    pub fn when_full(&self, full: Full) {
        self.lock().full = full;
    }

    /// Queues a text.
    pub fn put(&'static self, text: Vec<u8>) {
        let mut state = self.start();
        while state.full == Full::Wait && !state.fits(&text) {
            self.written.wait(&mut state);
        }
        state.put(text);
        self.filled.notify_one();
    }

    /// Queues a line of the log, or only counts it after too many of its kind.
    fn put_repeated(&'static self, kind: Identifier, text: Vec<u8>) {
        let mut state = self.start();
        state.put_repeated(kind, text, Instant::now());
        self.filled.notify_one();
    }

    /// Waits until everything is written, but no longer than `limit` for the next text.
    ///
    /// # Errors
    /// [`ErrorKind::TimedOut`] if nobody reads; else the last error of writing. A reader that left is no error.
    pub fn finish(&self, limit: Duration) -> io::Result<()> {
        let mut state = self.lock();
        state.sum_up(None);
        self.filled.notify_one();
        let mut moved = (state.done, Instant::now());
        while state.started && (state.writing || !state.waiting.is_empty()) {
            let left = match state.full {
                Full::Wait => None,
                Full::Drop => Some(limit.saturating_sub(moved.1.elapsed())),
            };
            if left.is_some_and(|left| left.is_zero()) {
                return Err(ErrorKind::TimedOut.into());
            }
            wait(&self.written, &mut state, left);
            if state.done != moved.0 {
                moved = (state.done, Instant::now());
            }
        }
        match state.failure.take() {
            Some(ErrorKind::BrokenPipe) | None => Ok(()),
            Some(kind) => Err(kind.into()),
        }
    }

    /// Starts the thread, if it does not run yet, and returns the state.
    fn start(&'static self) -> MutexGuard<'static, State> {
        let mut state = self.lock();
        if !state.started {
            let thread = thread::Builder::new().name("print".into());
            state.started = thread.spawn(|| self.write()).is_ok();
        }
        state
    }

    fn write(&self) {
        let mut out = (self.open)();
        let mut state = self.lock();
        loop {
            let Some(text) = state.next() else {
                let due = state.due();
                wait(&self.filled, &mut state, due);
                state.sum_up(Some(Instant::now()));
                continue;
            };
            state.writing = true;
            drop(state);
            let written = out.write_all(&text).and_then(|()| out.flush());
            state = self.lock();
            state.writing = false;
            state.done += 1;
            if let Err(error) = written {
                state.failure = Some(error.kind());
            }
            self.written.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    const fn new() -> Self {
        Self {
            full: Full::Drop,
            waiting: VecDeque::new(),
            bytes: 0,
            dropped: 0,
            done: 0,
            started: false,
            writing: false,
            failure: None,
            repeats: Vec::new(),
        }
    }

    fn fits(&self, text: &[u8]) -> bool {
        self.waiting.is_empty() || self.bytes + text.len() <= MOST
    }

    fn put(&mut self, text: Vec<u8>) {
        if !self.started || !self.fits(&text) {
            self.dropped += 1;
            return;
        }
        self.bytes += text.len();
        self.waiting.push_back(text);
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        let text = self.waiting.pop_front()?;
        self.bytes -= text.len();
        if self.dropped == 0 {
            return Some(text);
        }
        // The dropped texts came after this one, but the note stands in front of it.
        let dropped = std::mem::take(&mut self.dropped);
        let note =
            format!("dmtap: this output was not read for a while, {dropped} lines were dropped\n");
        Some([note.into_bytes(), text].concat())
    }

    fn put_repeated(&mut self, kind: Identifier, text: Vec<u8>, now: Instant) {
        self.sum_up(Some(now));
        let known = self.repeats.iter_mut().find(|repeat| repeat.kind == kind);
        match known {
            Some(repeat) if repeat.shown < BURST => repeat.shown += 1,
            Some(repeat) => {
                repeat.hidden += 1;
                repeat.last = text;
                return;
            }
            None => self.repeats.push(Repeat {
                kind,
                since: now,
                shown: 1,
                hidden: 0,
                last: Vec::new(),
            }),
        }
        self.put(text);
    }

    /// Ends the spans of time that are over at `now`, or all of them, and reports the hidden warnings.
    fn sum_up(&mut self, now: Option<Instant>) {
        let is_over = |repeat: &mut Repeat| {
            now.is_none_or(|now| now.saturating_duration_since(repeat.since) >= SPAN)
        };
        let over: Vec<Repeat> = self.repeats.extract_if(.., is_over).collect();
        for repeat in over.into_iter().filter(|repeat| repeat.hidden > 0) {
            let note = format!("… {} more, the last: ", repeat.hidden);
            self.put([note.into_bytes(), repeat.last].concat());
        }
    }

    /// Returns the time until the next report of hidden warnings.
    fn due(&self) -> Option<Duration> {
        let hidden = self.repeats.iter().filter(|repeat| repeat.hidden > 0);
        hidden
            .map(|repeat| SPAN.saturating_sub(repeat.since.elapsed()))
            .min()
    }
}

fn wait(condition: &Condvar, state: &mut MutexGuard<'_, State>, limit: Option<Duration>) {
    match limit {
        None => condition.wait(state),
        Some(limit) => {
            condition.wait_for(state, limit);
        }
    }
}

/// Writes one event of the log.
pub struct LogLine {
    printer: &'static Printer,
    /// The place in the source of a warning or error.
    kind: Option<Identifier>,
}

impl Write for LogLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = log_line(bytes);
        match &self.kind {
            Some(kind) => self.printer.put_repeated(kind.clone(), line),
            None => self.printer.put(line),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns an event as one line, with control characters escaped.
fn log_line(event: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(event);
    let text = printable::coloured_line(text.trim_end_matches('\n'));
    format!("{text}\n").into_bytes()
}

impl MakeWriter<'_> for &'static Printer {
    type Writer = LogLine;

    fn make_writer(&self) -> LogLine {
        LogLine {
            printer: self,
            kind: None,
        }
    }

    fn make_writer_for(&self, event: &Metadata<'_>) -> LogLine {
        LogLine {
            printer: self,
            kind: (*event.level() <= Level::WARN).then(|| event.callsite()),
        }
    }
}

/// The limit of waiting texts, in bytes; a single text may be longer.
const MOST: usize = 1 << 20;
/// The limit of shown warnings of one kind in one span of time.
const BURST: u32 = 10;
/// The span of time for this limit.
const SPAN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Writes when it gets leave.
    struct Gate;

    static LEAVE: Mutex<Option<Receiver<()>>> = Mutex::new(None);
    static WRITTEN: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    static GATED: Printer = Printer::new(|| Box::new(Gate));

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let leave = LEAVE.lock();
            // A sender that is gone is leave for everything.
            let _ = leave.as_ref().unwrap().recv();
            WRITTEN.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_nobody_reads_is_dropped_and_counted() {
        let (sender, leave): (Sender<()>, _) = channel();
        *LEAVE.lock() = Some(leave);
        let line = format!("{}\n", "x".repeat(MOST / 4 - 1));
        for _ in 0..10 {
            GATED.put(line.clone().into_bytes());
        }
        let waited = GATED.finish(Duration::ZERO);
        assert_eq!(waited.unwrap_err().kind(), ErrorKind::TimedOut);
        drop(sender);
        GATED.finish(Duration::from_secs(30)).unwrap();
        let written = WRITTEN.lock();
        let written = String::from_utf8_lossy(&written);
        let lines = written
            .lines()
            .filter(|text| *text == line.trim_end())
            .count();
        assert!((4..=5).contains(&lines), "{lines} of 10");
        // The thread may begin to write between two drops: then two notes share the count.
        let notes = written
            .lines()
            .filter_map(|line| line.strip_prefix("dmtap: this output was not read for a while, "))
            .filter_map(|rest| rest.strip_suffix(" lines were dropped"))
            .map(|count| count.parse::<usize>().unwrap());
        assert_eq!(lines + notes.sum::<usize>(), 10);
    }

    #[test]
    fn an_event_of_the_log_is_one_line_without_what_a_terminal_obeys() {
        let event = "\x1b[33mWARN\x1b[0m a\nWARN b\u{202e}\x1b[2J\n";
        let line = "\x1b[33mWARN\x1b[0m a\\nWARN b\\u{202e}\\u{1b}[2J\n";
        assert_eq!(log_line(event.as_bytes()), line.as_bytes());
    }

    #[test]
    fn warnings_of_one_kind_are_shown_a_few_times_and_then_counted() {
        let mut state = State::new();
        state.started = true;
        let kind = tracing::callsite!(name: "k", kind: tracing::metadata::Kind::EVENT, fields: );
        let kind = tracing::Callsite::metadata(kind).callsite();
        let start = Instant::now();
        for at in 0..604 {
            state.put_repeated(kind.clone(), format!("w{at}\n").into_bytes(), start);
        }
        assert_eq!(state.waiting.len(), BURST as usize);
        state.put_repeated(kind, b"later\n".to_vec(), start + SPAN);
        let shown = Vec::from(state.waiting).concat();
        let shown = String::from_utf8(shown).unwrap();
        assert!(
            shown.ends_with("w9\n… 594 more, the last: w603\nlater\n"),
            "{shown}"
        );
    }
}
