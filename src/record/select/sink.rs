//! A sink that gets only the exchanges that a filter selects.

use std::io;

use super::Exchanges;
use crate::filter::Filter;
use crate::record::{EventRecord, Renew, Sink};

/// Puts a filter, if there is one, in front of a sink.
pub fn sink(inner: Box<dyn Sink>, filter: Option<&Filter>) -> Box<dyn Sink> {
    match filter {
        Some(filter) => Box::new(Selecting {
            inner,
            exchanges: Exchanges::new(filter.clone(), None),
        }),
        None => inner,
    }
}

/// Puts a filter, if there is one, in front of the sinks that a renewal makes.
pub fn renewal(mut inner: Renew, filter: Option<&Filter>) -> Renew {
    let filter = filter.cloned();
    Box::new(move || Ok(inner()?.map(|renewed| sink(renewed, filter.as_ref()))))
}

/// A sink that writes only the exchanges that a filter selects.
struct Selecting {
    inner: Box<dyn Sink>,
    exchanges: Exchanges,
}

impl Sink for Selecting {
    fn begin(&mut self) -> io::Result<()> {
        self.inner.begin()
    }

    fn write_event(&mut self, record: &EventRecord) -> io::Result<()> {
        let inner = &mut self.inner;
        self.exchanges
            .event(record, &mut |record| inner.write_event(record))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        let inner = &mut self.inner;
        self.exchanges
            .finish(&mut |record| inner.write_event(record))?;
        self.inner.finish()
    }
}
