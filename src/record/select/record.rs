//! Filters over a record that can be read twice: its sessions are analysed first.

use std::collections::HashSet;
use std::io;

use super::{Exchanges, Linked};
use crate::filter::{About, Filter};
use crate::record::EventRecord;
use crate::record::analysis::{AnalysedSession, Analysis};

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
    let (mut run, mut last_seq) = (0, 0);
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
        if event.summary.is_none() {
            if event.seq <= last_seq {
                enter(run, analysis.finish());
                run += 1;
            }
            last_seq = event.seq;
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
    let mut selected = HashSet::new();
    let mut exchanges = of_record(filter, &read)?;
    let (mut run, mut last_seq) = (0, 0);
    let mut enter = |run: u32, passed: &EventRecord| {
        selected.extend(passed.exchange.map(|exchange| (run, exchange)));
        Ok(())
    };
    read(&mut |event| {
        if event.summary.is_none() {
            if event.seq <= last_seq {
                exchanges.finish(&mut |passed| enter(run, passed))?;
                run += 1;
            }
            last_seq = event.seq;
        }
        exchanges.event(&event, &mut |passed| enter(run, passed))
    })?;
    // Nothing that it passes on can fail.
    let _: io::Result<()> = exchanges.finish(&mut |passed| enter(run, passed));
    Ok((selected, exchanges.count()))
}
