//! Polling a task again at once if it wakes itself.
//!
//! A task of hyper wakes itself for each body that it collects: the half that reads the body from the connection and the
//! half that takes it belong to one task. tokio gives such a task to another thread if one is idle. Waking that thread
//! takes longer than passing the message through (`cargo bench --bench proxy -- passing`, `--stay on`).

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;

/// Runs a future. If it wakes itself while it is polled, it is polled again at once, up to [`POLLS`] times in a row.
pub(super) async fn repolled<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    std::future::poll_fn(move |cx| {
        wakes.outer_is(cx.waker());
        for _ in 0..POLLS {
            // Not a store: a wake that this one overwrites has happened before the poll.
            wakes.state.swap(POLLED, Ordering::AcqRel);
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Poll::Ready(output);
            }
            let state = &wakes.state;
            if state.compare_exchange(POLLED, IDLE, Ordering::AcqRel, Ordering::Acquire)
                == Ok(POLLED)
            {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

/// The wakes of one future.
#[derive(Default)]
struct Wakes {
    state: AtomicU8,
    /// The waker of the task.
    outer: Mutex<Option<Waker>>,
}

impl Wakes {
    fn outer_is(&self, waker: &Waker) {
        let mut outer = self.outer.lock();
        match &mut *outer {
            Some(outer) => outer.clone_from(waker),
            None => *outer = Some(waker.clone()),
        }
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(WOKEN, Ordering::AcqRel) == IDLE {
            let outer = self.outer.lock();
            if let Some(outer) = &*outer {
                outer.wake_by_ref();
            }
        }
    }
}

/// The future waits to be woken.
const IDLE: u8 = 0;
/// The future is being polled.
const POLLED: u8 = 1;
/// The future was woken since it was last polled.
const WOKEN: u8 = 2;

/// The number of polls in a row, after which the task lets others run.
const POLLS: usize = 8;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::Pin;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Counts the wakes of a task.
    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Task {
        fn poll<T>(self: &Arc<Self>, future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
            let waker = Waker::from(self.clone());
            future.poll(&mut Context::from_waker(&waker))
        }

        fn wakes(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn a_future_that_wakes_itself_is_polled_again_without_a_wake_of_its_task() {
        let task = Arc::<Task>::default();
        let mut polls = 0;
        let future = pin!(repolled(poll_fn(|cx| {
            polls += 1;
            cx.waker().wake_by_ref();
            if polls == 3 {
                Poll::Ready(polls)
            } else {
                Poll::Pending
            }
        })));
        assert_eq!((task.poll(future), task.wakes()), (Poll::Ready(3), 0));
    }

    #[test]
    fn a_future_that_wakes_itself_without_end_lets_other_tasks_run() {
        let task = Arc::<Task>::default();
        let polls = AtomicUsize::new(0);
        let future = pin!(repolled(poll_fn(|cx| {
            polls.fetch_add(1, Ordering::Relaxed);
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        })));
        assert_eq!((task.poll(future), task.wakes()), (Poll::Pending, 1));
        assert_eq!(polls.load(Ordering::Relaxed), POLLS);
    }

    #[test]
    fn a_future_that_another_task_wakes_wakes_its_task_once_for_each_poll() {
        let task = Arc::<Task>::default();
        let kept = Mutex::new(None);
        let mut future = pin!(repolled(poll_fn(|cx| {
            *kept.lock() = Some(cx.waker().clone());
            Poll::<()>::Pending
        })));
        for wakes in 1..4 {
            assert_eq!(task.poll(future.as_mut()), Poll::Pending);
            assert_eq!(task.wakes(), wakes - 1);
            let waker: Waker = kept.lock().take().unwrap();
            waker.wake_by_ref();
            waker.wake();
            assert_eq!(task.wakes(), wakes);
        }
    }
}
