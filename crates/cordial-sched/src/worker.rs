//! A worker thread: find what is ready, poll it once, look again, sleep.
//!
//! ```text
//!        ┌────────────────────────────────────────────┐
//!        ▼                                            │
//!  own queue ─► injected ─► stolen ─► poll once ──────┤
//!   (every 61st step: injected first)                 │
//!        └─ nothing ─► sleep ─► woken: search ────────┘
//! ```

use std::cell::OnceCell;
use std::sync::Arc;

use crossbeam_deque::Worker;
use crossbeam_utils::sync::Parker;

use crate::Executor;
use crate::executor::{Core, Scheduler};
use crate::idle::Search;
use crate::pool::Pool;
use crate::queue::Ready;
use crate::unwind;

/// What makes a thread a worker.
pub(crate) struct Seat {
    pub(crate) index: usize,
    pub(crate) queue: Worker<Ready>,
    pub(crate) parker: Parker,
}

struct Local {
    seat: Seat,
    core: Arc<Core>,
}

thread_local!(static LOCAL: OnceCell<Local> = const { OnceCell::new() });

/// How often the work from outside goes before a worker's own.
const INJECTED_FIRST_EVERY: u32 = 61;

/// The life of a worker thread.
pub(crate) fn work(seat: Seat, executor: Executor) {
    let core = executor.core().clone();
    let _entered = executor.tokio().enter();
    executor.layer_dyn().thread_started(&executor);
    LOCAL.with(|local| {
        let local = local.get_or_init(|| Local { seat, core: core.clone() });
        if let Scheduler::Threads(pool) = &core.scheduler {
            run(local, pool);
            pool.leave();
        }
    });
}

fn run(local: &Local, pool: &Pool) {
    let Seat { index, queue, parker } = &local.seat;
    let mut duty: Option<Search> = None;
    let mut step: u32 = 0;
    loop {
        step = step.wrapping_add(1);
        let injected = if step.is_multiple_of(INJECTED_FIRST_EVERY) { pool.queues.take_injected(queue) } else { None };
        let ready = injected.or_else(|| queue.pop()).or_else(|| pool.queues.find(queue));
        let last_searcher = duty.take().is_some_and(|search| pool.idle.searched(search));
        match ready {
            Some(ready) => {
                if last_searcher && !pool.queues.is_empty() {
                    pool.notify();
                }
                poll_once(ready, pool, *index);
            }
            None if pool.is_stopping() => return,
            None => duty = pool.idle.sleep(*index, parker, || pool.is_stopping() || !pool.queues.is_empty()),
        }
    }
}

fn poll_once(ready: Ready, pool: &Pool, index: usize) {
    pool.progress[index].begin(ready.metadata().key);
    unwind::poll_once(ready);
    pool.progress[index].end();
}

/// Puts a task into the queue of this thread, if it is a worker of the task's own executor.
pub(crate) fn push_here(ready: Ready) -> Result<(), Ready> {
    let mut ready = Some(ready);
    let _ = LOCAL.try_with(|local| {
        let Some(local) = local.get() else { return };
        let Scheduler::Threads(pool) = &local.core.scheduler else { return };
        if let Some(own) = ready.take_if(|ready| Arc::ptr_eq(ready.metadata().executor.core(), &local.core)) {
            local.seat.queue.push(own);
            pool.notify();
        }
    });
    ready.map_or(Ok(()), Err)
}

/// Whether this thread is a worker of the pool.
pub(crate) fn is_worker_of(pool: &Pool) -> bool {
    LOCAL
        .try_with(|local| {
            local.get().is_some_and(
                |local| matches!(&local.core.scheduler, Scheduler::Threads(own) if std::ptr::eq(own, pool)),
            )
        })
        .unwrap_or(false)
}
