//! The transcript: what happened, for people.
//!
//! One block for each request and response, at most about 100 columns wide. Nothing that comes from the traffic
//! can move the cursor or change a colour: control characters are written as escapes.

mod block;
mod command;
mod dump;
mod enrollment;
mod plain;
mod rule;
mod text_buffer;

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::model::{EnrollmentRecord, EventKind};
use super::{EventRecord, Masking, Sink};
use crate::flow::Event;

pub use text_buffer::Colour;
use text_buffer::TextBuffer;

/// Writes a transcript.
pub struct Transcript<W> {
    out: W,
    masking: Masking,
    page: TextBuffer,
    day: String,
    session: Option<u64>,
    /// The server of each open connection, by its number.
    servers: BTreeMap<u64, String>,
}

impl<W: Write> Transcript<W> {
    /// A transcript written to `out`. Whether colours are wanted there is the caller's to know.
    pub fn new(out: W, style: Colour, masking: Masking) -> Self {
        Self {
            out,
            masking,
            page: TextBuffer::new(style),
            day: String::new(),
            session: None,
            servers: BTreeMap::new(),
        }
    }

    /// Prints the record of one event.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn print(&mut self, telling: &EventRecord<'_>) -> io::Result<()> {
        self.page.clear();
        self.new_day(telling);
        self.new_session(telling);
        let server = self.other_server(telling);
        block::event(&mut self.page, telling, server);
        self.out.write_all(self.page.text().as_bytes())
    }

    /// What is printed of one event, without the lines that a new day or session gets.
    pub fn text(telling: &EventRecord<'_>) -> String {
        let mut page = TextBuffer::new(Colour::Plain);
        block::event(&mut page, telling, None);
        page.text().to_owned()
    }

    /// What is printed of a message of enrollment that belongs to no exchange.
    pub fn enrollment(record: &EnrollmentRecord<'_>) -> String {
        enrollment::text(record)
    }

    /// The writer again.
    pub fn into_inner(self) -> W {
        self.out
    }

    /// The server of an exchange, where it is not the one of its connection.
    fn other_server<'r>(&mut self, telling: &'r EventRecord<'_>) -> Option<&'r str> {
        let connection = &telling.connection;
        let server = connection.server.as_deref();
        match telling.event {
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

    fn new_day(&mut self, telling: &EventRecord<'_>) {
        let day = telling.at.split('T').next().unwrap_or_default();
        if day == self.day {
            return;
        }
        self.day = day.to_owned();
        block::rule_off(&mut self.page, &[&format!("{day} (times are UTC)")]);
    }

    fn new_session(&mut self, telling: &EventRecord<'_>) {
        let Some(session) = &telling.session else {
            return;
        };
        if self.session.replace(session.number) == Some(session.number) {
            return;
        }
        let number = format!("session {}", session.number);
        let id = format!("SessionID {}", session.id);
        block::rule_off(&mut self.page, &[&number, &id, &session.device]);
    }
}

/// Connections whose servers are remembered; of more, the oldest are forgotten.
const MOST_CONNECTIONS: usize = 10_000;

impl Transcript<Vec<u8>> {
    /// Prints one event into memory.
    pub fn in_memory(style: Colour, masking: Masking) -> Self {
        Self::new(Vec::new(), style, masking)
    }
}

impl<W: Write + Send> Sink for Transcript<W> {
    fn write_event(&mut self, seq: u64, event: &Event) -> io::Result<()> {
        self.print(&EventRecord::of(seq, event, self.masking))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
