//! A sink that gets only the exchanges that a filter selects.

use std::io;

use super::Exchanges;
use crate::filter::Filter;
use crate::record::{EventRecord, Sink, SinkFile};

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

/// Puts a filter, if there is one, in front of the sinks that a file makes.
pub fn sink_file(inner: Box<dyn SinkFile>, filter: Option<&Filter>) -> Box<dyn SinkFile> {
    let filter = filter.cloned();
    Box::new(SelectingFile { inner, filter })
}

struct SelectingFile {
    inner: Box<dyn SinkFile>,
    filter: Option<Filter>,
}

impl SinkFile for SelectingFile {
    fn is_away(&self) -> bool {
        self.inner.is_away()
    }

    fn is_deleted(&self) -> bool {
        self.inner.is_deleted()
    }

    fn renew(&mut self) -> io::Result<Box<dyn Sink>> {
        Ok(sink(self.inner.renew()?, self.filter.as_ref()))
    }
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
