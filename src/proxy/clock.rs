//! The two clocks of the proxy.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime};

use crate::flow::Timestamp;

/// Returns the current time.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    // u64 is enough for the microseconds of half a million years.
    Timestamp(since.map_or(0, |since| since.as_micros() as u64))
}

/// Returns the time of a clock that nobody sets, for what goes on. The first call is its beginning.
pub(super) fn steady_now() -> Timestamp {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    Timestamp(START.elapsed().as_micros() as u64)
}
