//! Passes on or leaves out whole exchanges, together with the connections that carried them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;

use super::{Linked, Subject, selects, shown};
use crate::filter::Filter;
use crate::flow::Transaction;
use crate::record::EventRecord;
use crate::record::model::EventKind;

/// Receives each selected event.
pub type Pass<'p> = dyn FnMut(&EventRecord) -> io::Result<()> + 'p;

/// Passes on the exchanges that a filter selects.
///
/// A request waits for the end of its exchange, unless the filter already matches it. The events of a connection pass
/// together with the first exchange on it that passes.
pub struct Exchanges {
    filter: Filter,
    linked: Option<Linked>,
    /// The run of the newest event.
    run: u32,
    /// Exchanges under way, by number.
    open: BTreeMap<u64, Passage<Box<EventRecord>>>,
    waiting_bytes: u64,
    /// The newest exchanges with a response that were not selected: the device may still fail to take the response.
    answered: VecDeque<[EventRecord; 2]>,
    /// The first events of each connection.
    connections: BTreeMap<u64, Passage<Vec<EventRecord>>>,
    /// The newest sessions with an exchange that passed.
    sessions: BTreeSet<u64>,
    /// The newest exchanges that passed.
    passed: BTreeSet<u64>,
    count: u64,
}

/// The events of an exchange under way, or of a connection.
enum Passage<T> {
    /// They wait for an event that the filter matches.
    Waits(T),
    /// Some passed, and all others will.
    Passes,
}

impl Exchanges {
    /// Creates a selection with a filter. `linked` has the transactions and findings of a record that was already
    /// analysed.
    pub fn new(filter: Filter, linked: Option<Linked>) -> Self {
        Self {
            filter,
            linked,
            run: 0,
            open: BTreeMap::new(),
            waiting_bytes: 0,
            answered: VecDeque::new(),
            connections: BTreeMap::new(),
            sessions: BTreeSet::new(),
            passed: BTreeSet::new(),
            count: 0,
        }
    }

    /// Takes an event and passes on the events that are selected by now.
    ///
    /// # Errors
    /// Returns errors of `pass`.
    pub fn event(&mut self, record: &EventRecord, pass: &mut Pass<'_>) -> io::Result<()> {
        if self.run != record.run {
            self.finish(pass)?;
            self.run = record.run;
        }
        if record.event == EventKind::Session {
            // The end of a session repeats the number of the event before it.
            let number = record.summary.as_ref().and_then(|summary| summary.number);
            return match number.is_some_and(|number| self.has_passed(number)) {
                true => pass(&self.with_findings(record)),
                false => Ok(()),
            };
        }
        match (record.event, record.exchange) {
            (EventKind::Request, Some(exchange)) => self.request(exchange, record, pass),
            (EventKind::Response | EventKind::Failed, Some(exchange)) => {
                self.end(exchange, record, pass)
            }
            (EventKind::Opened | EventKind::ConnectionDecided, _) => {
                self.connection(record);
                Ok(())
            }
            (EventKind::Closed, _) => match self.connections.remove(&record.connection.id) {
                Some(Passage::Passes) => pass(record),
                _ => Ok(()),
            },
            _ => match self.selects(record, None, true) {
                true => {
                    self.pass_connection(record, pass)?;
                    pass(record)
                }
                false => Ok(()),
            },
        }
    }

    /// Decides about the exchanges that are still under way.
    ///
    /// # Errors
    /// Returns errors of `pass`.
    pub fn finish(&mut self, pass: &mut Pass<'_>) -> io::Result<()> {
        for (_, open) in std::mem::take(&mut self.open) {
            if let Passage::Waits(request) = open {
                self.decide(&[&request], pass)?;
            }
        }
        self.waiting_bytes = 0;
        self.answered.clear();
        self.connections.clear();
        self.sessions.clear();
        self.passed.clear();
        Ok(())
    }

    /// Returns the end of a session with only the findings about exchanges that passed.
    fn with_findings(&self, record: &EventRecord) -> EventRecord {
        let mut record = record.clone();
        if let Some(summary) = &mut record.summary {
            let is_passed = |exchange: &u64| self.passed.contains(exchange);
            let findings = &mut summary.findings;
            findings.retain(|finding| finding.exchanges.iter().any(is_passed));
        }
        record
    }

    /// Returns the number of exchanges so far, selected or not.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns whether a session has an exchange that passed.
    pub fn has_passed(&self, session: u64) -> bool {
        self.sessions.contains(&session)
    }

    fn request(
        &mut self,
        exchange: u64,
        record: &EventRecord,
        pass: &mut Pass<'_>,
    ) -> io::Result<()> {
        self.count += 1;
        if self.selects(record, None, false) {
            self.open.insert(exchange, Passage::Passes);
            self.pass_connection(record, pass)?;
            return pass(record);
        }
        self.waiting_bytes += weight(record);
        self.open
            .insert(exchange, Passage::Waits(Box::new(record.clone())));
        while self.open.len() > MOST_OPEN
            || self.waiting_bytes > WAITING_BYTES && self.open.len() > 1
        {
            let Some((_, Passage::Waits(oldest))) = self.open.pop_first() else {
                continue;
            };
            self.waiting_bytes = self.waiting_bytes.saturating_sub(weight(&oldest));
            self.decide(&[&oldest], pass)?;
        }
        Ok(())
    }

    fn end(&mut self, exchange: u64, record: &EventRecord, pass: &mut Pass<'_>) -> io::Result<()> {
        match self.open.remove(&exchange) {
            Some(Passage::Passes) => pass(record),
            Some(Passage::Waits(request)) => {
                self.waiting_bytes = self.waiting_bytes.saturating_sub(weight(&request));
                self.decide(&[&request, record], pass)?;
                if record.event == EventKind::Response && !self.passed.contains(&exchange) {
                    self.answered.push_back([*request, record.clone()]);
                }
                let weights = |it: &Self| it.answered.iter().flatten().map(weight).sum::<u64>();
                while self.answered.len() > MOST_ANSWERED || weights(self) > WAITING_BYTES {
                    self.answered.pop_front();
                }
                Ok(())
            }
            // The device did not take a response that passed.
            None if self.passed.contains(&exchange) => pass(record),
            None => {
                self.count += u64::from(record.event == EventKind::Response);
                let mut answered = self.answered.iter();
                let at = answered.position(|[request, _]| request.exchange == Some(exchange));
                let Some([request, response]) = at.and_then(|at| self.answered.remove(at)) else {
                    return self.decide(&[record], pass);
                };
                // The device did not take the response. The exchange may be selected for that.
                self.decide(&[&request, &response, record], pass)
            }
        }
    }

    /// Passes on the events of an exchange that is over, if the filter matches one of them.
    fn decide(&mut self, events: &[&EventRecord], pass: &mut Pass<'_>) -> io::Result<()> {
        let (Some(first), Some(last)) = (events.first(), events.last()) else {
            return Ok(());
        };
        // What the last event lacks, the first may have, and the reverse.
        let is_selected = events.iter().enumerate().any(|(number, event)| {
            let is_last = number + 1 == events.len();
            let other = if is_last { first } else { last };
            self.selects(event, (events.len() > 1).then_some(*other), true)
        });
        if !is_selected {
            return Ok(());
        }
        self.pass_connection(first, pass)?;
        events.iter().try_for_each(|event| pass(event))
    }

    fn selects(&self, event: &EventRecord, other: Option<&EventRecord>, is_over: bool) -> bool {
        let key = (self.run, event.exchange.unwrap_or_default());
        let linked = self.linked.as_ref();
        let transactions = linked.map_or(&[][..], |linked| linked.of(key));
        let mut shown = shown::in_message(event);
        // The sender's message shows the command, the receiver's messages show the answers.
        let stands = |it: &Transaction| match event.from.as_deref() == Some(it.from.name()) {
            true => it.asked.exchange == key.1,
            false => it.answers.iter().any(|it| it.place.exchange == key.1),
        };
        let stand = transactions.iter().filter(|it| stands(it));
        shown.extend(stand.flat_map(|it| shown::of(it)));
        let subject = Subject {
            event,
            other,
            is_over,
            shown: None,
            findings: linked.map(|linked| linked.findings(key)),
        };
        selects(&self.filter, subject, &shown)
    }

    fn connection(&mut self, record: &EventRecord) {
        let entry = self.connections.entry(record.connection.id);
        let connection = entry.or_insert_with(|| Passage::Waits(Vec::new()));
        if let Passage::Waits(events) = connection
            && events.len() < MOST_OF_CONNECTION
        {
            events.push(record.clone());
        }
        while self.connections.len() > MOST_OPEN {
            self.connections.pop_first();
        }
    }

    fn pass_connection(&mut self, record: &EventRecord, pass: &mut Pass<'_>) -> io::Result<()> {
        self.sessions
            .extend(record.session.as_ref().map(|session| session.number));
        if self.sessions.len() > MOST_SESSIONS {
            self.sessions.pop_first();
        }
        self.passed.extend(record.exchange);
        if self.passed.len() > MOST_OPEN {
            self.passed.pop_first();
        }
        let before = self
            .connections
            .insert(record.connection.id, Passage::Passes);
        match before {
            Some(Passage::Waits(events)) => events.iter().try_for_each(pass),
            _ => Ok(()),
        }
    }
}

/// Returns about how many bytes a waiting record takes.
fn weight(record: &EventRecord) -> u64 {
    512 + 2 * record.bytes.unwrap_or_default() + record.bytes_sent.unwrap_or_default()
}

/// The most exchanges under way, connections and passed exchanges that are remembered, each. Beyond, the oldest
/// exchange is decided without its end, and the oldest connection or passed exchange is forgotten.
const MOST_OPEN: usize = 10_000;

/// The most exchanges that are remembered after their response. The device takes a response or leaves before it goes on.
const MOST_ANSWERED: usize = 64;

/// The most bytes of requests that wait. Beyond, the oldest request is decided without the end of its exchange.
const WAITING_BYTES: u64 = 64 << 20;

/// The most events of a connection that wait for its first exchange.
const MOST_OF_CONNECTION: usize = 4;

/// The most sessions that are remembered as selected.
const MOST_SESSIONS: usize = 10_000;
