//! The transcript: a record for people to read.
//!
//! One block for each request and response, at most about 100 columns wide. Nothing from the traffic can move the
//! cursor or change a colour: control characters are escaped.

mod block;
mod client_certificate;
mod command;
mod enrollment;
mod failures;
mod head;
mod hex_dump;
mod rule;
mod session;
mod text_buffer;
mod undecoded;
mod whole_value;

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::model::{EventKind, SessionSummary};
use super::{EventRecord, Sink};

pub use enrollment::text as enrollment;
pub use failures::Failures;
use text_buffer::TextBuffer;
pub use text_buffer::{Colour, Layout};
pub use whole_value::unfolded;

/// A sink that writes a transcript.
pub struct Transcript<W> {
    out: W,
    buffer: TextBuffer,
    day: String,
    /// The run of the newest event.
    run: u32,
    session: Option<u64>,
    failures: Failures,
    /// The server of each open connection, by the number of the connection.
    servers: BTreeMap<u64, String>,
}

impl<W: Write> Transcript<W> {
    /// Creates a transcript written to `out`. The caller decides about colours.
    pub fn new(out: W, colour: Colour) -> Self {
        Self {
            out,
            buffer: TextBuffer::new(colour),
            day: String::new(),
            run: 0,
            session: None,
            failures: Failures::default(),
            servers: BTreeMap::new(),
        }
    }

    /// Replaces the layout.
    #[must_use]
    pub fn with_layout(mut self, layout: Layout) -> Self {
        self.buffer.layout = layout;
        self
    }

    /// Returns the writer.
    pub fn into_inner(self) -> W {
        self.out
    }

    /// Returns the server of an exchange if it differs from the server of the connection.
    fn other_server<'r>(&mut self, event: &'r EventRecord) -> Option<&'r str> {
        let connection = &event.connection;
        let server = connection.server.as_deref();
        match event.event {
            EventKind::Opened => {
                self.servers
                    .extend(server.map(|server| (connection.id, server.to_owned())));
                while self.servers.len() > MOST_CONNECTIONS {
                    self.servers.pop_first();
                }
                None
            }
            EventKind::Closed => {
                self.servers.remove(&connection.id);
                None
            }
            _ => {
                let own = self.servers.get(&connection.id)?;
                server.filter(|server| server != own)
            }
        }
    }

    fn new_day(&mut self, event: &EventRecord) {
        let day = event.at.split('T').next().unwrap_or_default();
        // Imported logs may have no times.
        if day == self.day || event.at_us == 0 {
            return;
        }
        self.day = day.to_owned();
        block::across(&mut self.buffer, &[format!("{day} (times are UTC)")]);
        self.buffer.end();
    }

    fn new_run(&mut self, event: &EventRecord) {
        if event.run == self.run {
            return;
        }
        self.run = event.run;
        self.session = None;
        self.servers.clear();
        let words = [&run_name(event.run), "all numbers begin again"];
        block::across(&mut self.buffer, &words);
        self.buffer.end();
    }

    fn new_session(&mut self, event: &EventRecord) {
        let Some(session) = &event.session else {
            return;
        };
        if self.session.replace(session.number) == Some(session.number) {
            return;
        }
        let number = format!("session {}", session.number);
        let id = format!("SessionID {}", session.id);
        block::across(&mut self.buffer, &[&number, &id, session.device.as_str()]);
        self.buffer.end();
    }
}

/// Returns the text of one event, without the lines for a new day or session.
pub fn text(event: &EventRecord) -> String {
    let mut buffer = TextBuffer::new(Colour::Plain);
    block::event(&mut buffer, event, None);
    buffer.text().to_owned()
}

/// Returns the text of a session that is over. `run` is its run, from 0, if the record has several.
pub fn session(
    summary: &SessionSummary,
    run: Option<u32>,
    of_several: bool,
    colour: Colour,
) -> String {
    let mut buffer = TextBuffer::new(colour);
    session::summary(&mut buffer, summary, run, of_several);
    buffer.text().to_owned()
}

/// Returns the name of a run of a record that has several: `run 2`.
fn run_name(run: u32) -> String {
    format!("run {}", run + 1)
}

/// The most connections whose servers are remembered; beyond, the oldest are forgotten.
const MOST_CONNECTIONS: usize = 10_000;

impl<W: Write + Send> Sink for Transcript<W> {
    fn write_event(&mut self, record: &EventRecord) -> io::Result<()> {
        self.buffer.clear();
        self.new_run(record);
        self.new_day(record);
        if record.event != EventKind::Session {
            self.new_session(record);
        }
        if let Some(summary) = &record.summary {
            self.failures.enter(summary, record.run);
        }
        let server = self.other_server(record);
        block::event(&mut self.buffer, record, server);
        self.out.write_all(self.buffer.text().as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        if !self.failures.is_empty() {
            self.buffer.clear();
            self.failures.print(&mut self.buffer);
            self.out.write_all(self.buffer.text().as_bytes())?;
        }
        self.flush()
    }
}
