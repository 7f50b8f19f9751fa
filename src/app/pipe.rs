//! Standard output whose reader may leave (`| head`), which is no error: the rest is dropped.

use std::io::{self, ErrorKind, Write};

/// A writer that drops everything after its reader has left.
#[derive(Debug)]
pub struct Pipe<W> {
    out: W,
    /// Whether the reader is still there.
    open: bool,
}

impl<W: Write> Pipe<W> {
    /// Creates a pipe into `out`.
    pub fn new(out: W) -> Self {
        Self { out, open: true }
    }

    /// Returns the result of writing, or `left` if the reader has left.
    fn after<T>(&mut self, written: io::Result<T>, left: T) -> io::Result<T> {
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.open = false;
                Ok(left)
            }
            written => written,
        }
    }
}

impl<W: Write> Write for Pipe<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.open {
            return Ok(bytes.len());
        }
        let written = self.out.write(bytes);
        self.after(written, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.open {
            return Ok(());
        }
        let flushed = self.out.flush();
        self.after(flushed, ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails in one way, at each try.
    struct Failing(ErrorKind, usize);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_reader_that_left_is_no_error_and_a_full_disk_is_one() {
        let mut pipe = Pipe::new(Failing(ErrorKind::BrokenPipe, 0));
        for _ in 0..3 {
            pipe.write_all(b"lost").unwrap();
            pipe.flush().unwrap();
        }
        assert_eq!(pipe.out.1, 1, "it is not tried again");
        let mut pipe = Pipe::new(Failing(ErrorKind::StorageFull, 0));
        assert!(pipe.write_all(b"kept").is_err() && pipe.flush().is_err());
    }
}
