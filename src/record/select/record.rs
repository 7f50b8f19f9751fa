//! Filters over a record that can be read twice: its sessions are analysed first.

use std::collections::HashSet;
use std::io;

use super::{Exchanges, Linked};
use crate::filter::{About, Filter};
use crate::record::analysis::Analysis;
use crate::record::model::EventKind;
use crate::record::{EventRecord, Runs};

/// What is done with each event of a record.
pub type Each<'e> = dyn FnMut(EventRecord) -> io::Result<()> + 'e;

/// Exchanges by the number of their run in the record, from 0, and their own.
pub type ExchangeNumbers = HashSet<(u32, u64)>;

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
    read(&mut |event| {
        if runs.begins(&event) {
            linked.enter(filter, run, analysis.finish());
            run += 1;
        }
        linked.enter(filter, run, analysis.event(&event));
        Ok(())
    })?;
    linked.enter(filter, run, analysis.finish());
    Ok(Exchanges::new(filter.clone(), Some(linked)))
}

/// The exchanges that a filter selects, and how many there are.
///
/// # Errors
/// Those of [`of_record`].
pub fn exchanges<E>(
    filter: &Filter,
    read: impl Fn(&mut Each<'_>) -> Result<(), E>,
) -> Result<(ExchangeNumbers, u64), E> {
    let mut selected = of_record(filter, &read)?;
    let mut numbers = ExchangeNumbers::new();
    read(&mut |event| selected.event(&event, &mut |run, event| enter(&mut numbers, run, event)))?;
    finish(&mut selected, &mut numbers);
    Ok((numbers, selected.count()))
}

/// Enters the exchange of an event that is selected. The end of a session has the number of the last exchange, which need
/// not be selected.
///
/// # Errors
/// None: this is a [`super::Pass`].
pub fn enter(numbers: &mut ExchangeNumbers, run: u32, event: &EventRecord) -> io::Result<()> {
    if event.event != EventKind::Session {
        numbers.extend(event.exchange.map(|exchange| (run, exchange)));
    }
    Ok(())
}

/// Decides on what is under way at the end of a record.
pub fn finish(selected: &mut Exchanges, numbers: &mut ExchangeNumbers) {
    // Entering a number cannot fail.
    let _: io::Result<()> = selected.finish(&mut |run, event| enter(numbers, run, event));
}
