//! The thread on which timeouts elapse. It also looks for threads of tokio that are stuck.
//!
//! Sysmon does not do this, because the wakers of timeouts are user code, and a waker that blocks
//! must not delay the rounds of sysmon.

use std::io;
use std::sync::Arc;

use crate::executor::handle::Executor;
use crate::io_watch::{Activity, IoThreadSamples, IoWatch};
use crate::sync::Parker;
use crate::thread;
use crate::thread_limit::{self, NewThread};
use crate::timeout::Instant;

/// Starts the timer thread of an executor, which waits with `parker`.
pub(super) fn start(executor: &Executor, io_watch: Arc<IoWatch>, parker: Parker) -> io::Result<()> {
    let executor = executor.with_local_count();
    let run = move || {
        let _entered = executor.tokio().enter();
        executor.hooks_dyn().thread_started(&executor);
        let io_threads = executor.tokio().metrics();
        let mut samples = IoThreadSamples::new(io_threads.num_workers(), Instant::now());
        executor.common().timeouts.run_timer_thread(&parker, |now| {
            let (next, stuck) = samples.sample(&io_watch, now, |thread| activity(&io_threads, thread));
            if let Some(stuck) = stuck {
                executor.call_hooks_later(move |hooks| hooks.io_threads_stuck(stuck));
            }
            next
        });
    };
    thread_limit::check_address_space(NewThread::First)?;
    thread::start("cordial-timer".to_owned(), Box::new(run))
}

/// Reads the counters of tokio. The number of parks and unparks is odd while the thread is parked.
fn activity(io_threads: &tokio::runtime::RuntimeMetrics, thread: usize) -> Activity {
    let n_parked_and_unparked = io_threads.worker_park_unpark_count(thread);
    if n_parked_and_unparked % 2 == 1 {
        return Activity::Parked;
    }
    Activity::Awake(n_parked_and_unparked, io_threads.worker_total_busy_duration(thread))
}
