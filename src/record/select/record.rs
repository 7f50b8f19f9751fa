//! Applies a filter to a record that can be read twice: the first pass analyses its sessions.

use std::collections::HashSet;
use std::io;

use super::{Exchanges, Linked};
use crate::filter::{About, Filter};
use crate::record::EventRecord;
use crate::record::analysis::Analysis;
use crate::record::model::EventKind;

/// The action for each event of a record.
pub type Each<'e> = dyn FnMut(EventRecord) -> io::Result<()> + 'e;

/// Exchanges, each by the number of its run in the record, from 0, and its own number.
pub type ExchangeNumbers = HashSet<(u32, u64)>;

/// Prepares the selection of exchanges of a record, with commands linked to their answers. `read` reads the record.
///
/// # Errors
/// Returns errors of `read`.
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
    let mut run = 0;
    read(&mut |event| {
        if run != event.run {
            linked.enter(filter, run, analysis.finish());
            run = event.run;
        }
        linked.enter(filter, run, analysis.event(&event));
        Ok(())
    })?;
    linked.enter(filter, run, analysis.finish());
    Ok(Exchanges::new(filter.clone(), Some(linked)))
}

/// Returns the exchanges that a filter selects, and the number of all exchanges.
///
/// # Errors
/// The same as for [`of_record`].
pub fn exchanges<E>(
    filter: &Filter,
    read: impl Fn(&mut Each<'_>) -> Result<(), E>,
) -> Result<(ExchangeNumbers, u64), E> {
    let mut selected = of_record(filter, &read)?;
    let mut numbers = ExchangeNumbers::new();
    read(&mut |event| selected.event(&event, &mut |event| enter(&mut numbers, event)))?;
    finish(&mut selected, &mut numbers);
    Ok((numbers, selected.count()))
}

/// Adds the exchange of a selected event. The end of a session carries the number of the last exchange, which need not
/// be selected, and is left out.
///
/// # Errors
/// Never fails; the return type is the one that [`super::Pass`] needs.
pub fn enter(numbers: &mut ExchangeNumbers, event: &EventRecord) -> io::Result<()> {
    if event.event != EventKind::Session {
        numbers.extend(event.exchange.map(|exchange| (event.run, exchange)));
    }
    Ok(())
}

/// Decides about the exchanges under way at the end of a record.
pub fn finish(selected: &mut Exchanges, numbers: &mut ExchangeNumbers) {
    // Entering a number cannot fail.
    let _: io::Result<()> = selected.finish(&mut |event| enter(numbers, event));
}
