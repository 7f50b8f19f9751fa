//! Counts the allocations of a task. It counts for the whole program, so nothing else may run at the same time.

use dhat::{HeapStats, Profiler};

#[global_allocator]
static COUNTING: dhat::Alloc = dhat::Alloc;

/// What was taken from the heap.
#[derive(Clone, Copy)]
pub(crate) struct Taken {
    /// How many times, growth of what was there included.
    pub(crate) allocations: u64,
    /// How many bytes at once, at most.
    pub(crate) peak: usize,
    /// How many of them the result holds.
    pub(crate) kept: usize,
}

/// What `work` takes: the least of a few times, since the thread that waits for a test allocates now and then.
pub(crate) fn taken<T>(work: impl Fn() -> T) -> Taken {
    let least = (0..5)
        .map(|_| once(&work))
        .min_by_key(|taken| taken.allocations);
    least.expect("it was done five times")
}

/// What `work` takes when it is done once.
pub(crate) fn once<T>(work: impl Fn() -> T) -> Taken {
    let _profiler = Profiler::builder().testing().build();
    let result = work();
    let stats = HeapStats::get();
    drop(result);
    Taken {
        allocations: stats.total_blocks,
        peak: stats.max_bytes,
        kept: stats.curr_bytes,
    }
}
