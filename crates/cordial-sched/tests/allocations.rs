//! Operations that allocate nothing, or leave nothing allocated. These tests are a binary of their own, because they count with a global allocator.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::future::poll_fn;
use std::num::NonZeroU32;
use std::sync::{Arc, mpsc};
use std::task::{Poll, Waker};
use std::time::Duration;

use cordial_sched::{Executor, Hooks, Key, Options, StuckIoThreads};

struct NoHooks;

impl Hooks for NoHooks {
    fn thread_started(&self, _: &Executor) {}

    fn on_foreign_thread(&self, _: &Executor, body: &mut dyn FnMut()) {
        body();
    }

    fn long_poll(&self, _: Key, _: Duration) {}

    fn sampled(&self, _: Key, _: Duration) {}

    fn threads_exhausted(&self, _: usize) {}

    fn io_threads_stuck(&self, _: StuckIoThreads) {}

    fn threads_refused(&self, _: &std::io::Error, _: Option<&cordial_sched::ThreadLimit>) {}
}

fn start() -> Executor {
    let options = Options {
        workers: 1,
        stall_after: Duration::from_millis(4),
        max_threads: 512,
        deprioritize_long_polls: false,
        check_threads: true,
    };
    Executor::start(options, Arc::new(NoHooks)).unwrap()
}

#[test]
fn a_close_leaves_no_memory_behind() {
    let executor = start();
    executor.close(Duration::MAX);
    let info = allocation_counter::measure(|| {
        for _ in 0..1000 {
            executor.close(Duration::ZERO);
        }
    });
    assert_eq!(info.bytes_current, 0);
}

#[test]
fn a_wake_up_of_a_running_task_allocates_nothing() {
    let executor = start();
    let (wakers, waker) = mpsc::channel::<Waker>();
    let (end, may_end) = mpsc::channel::<()>();
    let task = executor.reserve(Key::new(0, NonZeroU32::MIN));
    let future = poll_fn(move |cx| {
        wakers.send(cx.waker().clone()).unwrap();
        may_end.recv().unwrap();
        Poll::Ready(())
    });
    executor.prepare_detached(task, future).start();
    let waker = waker.recv().unwrap();
    // Counts what this thread allocates.
    let info = allocation_counter::measure(|| {
        for _ in 0..1000 {
            waker.wake_by_ref();
        }
    });
    end.send(()).unwrap();
    assert_eq!(info.count_total, 0);
    executor.close(Duration::MAX);
}
