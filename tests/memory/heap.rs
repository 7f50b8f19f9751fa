//! What a piece of work allocates. The count is the program's: nothing may go on beside it.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What was taken from the heap.
#[derive(Clone, Copy)]
pub(crate) struct Taken {
    /// How many times, growth of what was there included.
    pub(crate) allocations: usize,
    /// How many bytes in all: what is there at once at most is no more.
    pub(crate) bytes: usize,
    /// How many of them the result holds.
    pub(crate) kept: usize,
}

/// What `work` takes: the least of a few times, since the thread that waits for a test allocates now and then.
pub(crate) fn taken<T>(work: impl Fn() -> T) -> Taken {
    let once = |_| {
        let region = Region::new(COUNTING);
        let result = work();
        let stats = region.change();
        drop(result);
        Taken {
            allocations: stats.allocations + stats.reallocations,
            bytes: stats.bytes_allocated,
            kept: stats
                .bytes_allocated
                .saturating_sub(stats.bytes_deallocated),
        }
    };
    let least = (0..5).map(once).min_by_key(|taken| taken.allocations);
    least.expect("it was done five times")
}
