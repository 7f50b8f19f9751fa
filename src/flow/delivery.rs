//! How bytes leave: a small program the wire carries out.

use std::time::Duration;

/// What to do instead of, or around, sending a message whole. Empty: send it at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// The operations in order; after the last one the message is sent, unless one ended the connection.
    pub ops: Vec<Op>,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Op {
    /// Wait before going on.
    Wait(Duration),
    /// Reset the device's connection: a TCP RST in HTTP/1.1, RST_STREAM in HTTP/2. Nothing follows.
    Reset,
}

impl Delivery {
    /// Whether the message is sent at once and whole.
    pub fn is_plain(&self) -> bool {
        self.ops.is_empty()
    }
}
