//! Filters over a record that can be read twice: its sessions are analysed first.

use std::collections::HashSet;
use std::io;

use super::{Exchanges, Linked};
use crate::filter::{About, Filter};
use crate::record::analysis::{AnalysedSession, Analysis};
use crate::record::model::EventKind;
use crate::record::{EventRecord, Runs};

/// What is done with each event of a record.
pub type Each<'e> = dyn FnMut(EventRecord) -> io::Result<()> + 'e;

/// The exchanges of a record that a filter selects, with the commands linked to their answers. `read` reads the record.
///
/// # Errors
/// Those of reading.
pub fn of_record<E>(
    filter: &Filter,
    read: impl Fn(&mut Each<'_>) -> Result<(), E>,
) -> Result<Exchanges, E> {
    let needs_sessions = filter.is_about(About::Transaction) || filter.is_about(About::Session);
    if !needs_sessions {
        return Ok(Exchanges::new(filter.clone(), None));
    }
    let mut linked = Linked::default();
    let mut analysis = Analysis::default();
    let (mut runs, mut run) = (Runs::default(), 0);
    let mut enter = |run: u32, over: Vec<AnalysedSession>| {
        for session in over {
            for finding in &session.summary.findings {
                for id in std::iter::once(&finding.id).chain(&finding.also) {
                    linked.finding(run, id, &finding.exchanges);
                }
            }
            for transaction in session.transactions {
                linked.transaction(filter, run, transaction);
            }
        }
    };
    read(&mut |event| {
        let next = runs.of(&event);
        if next != run {
            enter(run, analysis.finish());
            run = next;
        }
        enter(run, analysis.event(&event));
        Ok(())
    })?;
    enter(run, analysis.finish());
    Ok(Exchanges::new(filter.clone(), Some(linked)))
}

/// The numbers of the exchanges that a filter selects, with that of their run, from 0; and how many exchanges there are.
///
/// # Errors
/// Those of [`of_record`].
pub fn exchanges<E>(
    filter: &Filter,
    read: impl Fn(&mut Each<'_>) -> Result<(), E>,
) -> Result<(HashSet<(u32, u64)>, u64), E> {
    let mut selected = Selected::new(of_record(filter, &read)?);
    read(&mut |event| {
        selected.event(&event);
        Ok(())
    })?;
    Ok(selected.finish())
}

/// The exchanges that pass, by run and number.
pub struct Selected {
    exchanges: Exchanges,
    runs: Runs,
    run: u32,
    passed: HashSet<(u32, u64)>,
}

impl Selected {
    /// None so far.
    pub fn new(exchanges: Exchanges) -> Self {
        Self {
            exchanges,
            runs: Runs::default(),
            run: 0,
            passed: HashSet::new(),
        }
    }

    /// Takes in an event.
    pub fn event(&mut self, event: &EventRecord) {
        let next = self.runs.of(event);
        if next != self.run {
            self.close();
            self.run = next;
        }
        let (run, passed) = (self.run, &mut self.passed);
        // Entering a number cannot fail.
        let _: io::Result<()> = self.exchanges.event(event, &mut |event| {
            enter(passed, run, event);
            Ok(())
        });
    }

    /// All of them, at the end of the record, and how many exchanges were looked at.
    pub fn finish(mut self) -> (HashSet<(u32, u64)>, u64) {
        self.close();
        (self.passed, self.exchanges.count())
    }

    /// Decides on what is under way.
    fn close(&mut self) {
        let (run, passed) = (self.run, &mut self.passed);
        let _: io::Result<()> = self.exchanges.finish(&mut |event| {
            enter(passed, run, event);
            Ok(())
        });
    }
}

/// Enters the exchange of a message. The end of a session has the number of the last exchange, which need not have passed.
fn enter(passed: &mut HashSet<(u32, u64)>, run: u32, event: &EventRecord) {
    if event.event != EventKind::Session {
        passed.extend(event.exchange.map(|exchange| (run, exchange)));
    }
}
