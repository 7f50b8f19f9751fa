//! The time that work takes by itself, however busy the machine is.

use std::time::Duration;

/// How long this thread has run on a processor. Zero where the system does not say: there a bound holds nothing up.
pub fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_default())
}
