//! A worker thread: find what is ready, poll it once, look again, sleep.
//!
//! ```text
//!        ┌──────────────────────────────────────────────────────────────────────┐
//!        ▼                                                                      │
//!  own slot ─► own queue ─► injected ─► stolen ─► poll once ─► was my work lent?┤
//!   (every 61st step: injected first)      │                    └ yes: rest, or leave
//!                                          └─ nothing ─► look ─► sleep ─────────┘
//! ```

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use self::progress::add;
use self::remote::{Remote, Tools};
use self::steal_policy::StealPolicy;
use crate::executor::{Core, Executor, Scheduler};
use crate::idle::{SearchResult, Searching, Slept};
use crate::pool::Pool;
use crate::priority::Thread;
use crate::sync::Ordering;
use crate::task::runnable::Runnable;
use crate::task::schedule::{self, LocalSchedule, Placement, SchedulerRef};
use crate::threads::{Resume, ThreadState};
use crate::unwind;

pub(crate) mod progress;
pub(crate) mod queues;
pub(crate) mod remote;
mod search;
pub(crate) mod steal_policy;

/// How often the work from outside goes before a worker's own.
const INJECTED_FIRST_EVERY: u32 = 61;

/// How often in a row the task woken last is run before the others of the queue.
const SLOT_STREAK: u32 = 3;

/// How long a thread waits to become active again before it ends.
const REST: Duration = Duration::from_secs(10);

/// What makes this thread a worker.
struct Local {
    seat_index: usize,
    seat: Arc<Remote>,
    tools: Tools,
    core: Arc<Core>,
    slot_streak: Cell<u32>,
    steps: Cell<u32>,
    steal_policy: StealPolicy,
}

/// The life of a worker thread.
pub(crate) fn work(seat_index: usize, executor: Executor) {
    let core = executor.core().clone();
    let Scheduler::Threads(pool) = &core.scheduler else { return };
    let seat = pool.queues.seat(seat_index);
    if let Some(tools) = seat.take_tools() {
        let _entered = executor.tokio().enter();
        executor.hooks_dyn().thread_started(&executor);
        *seat.thread.lock() = Some(Thread::current());
        let local = Rc::new(Local {
            seat_index,
            seat: seat.clone(),
            tools,
            core: core.clone(),
            slot_streak: Cell::new(0),
            steps: Cell::new(0),
            steal_policy: StealPolicy::default(),
        });
        schedule::enter(local.clone());
        stay(&local, pool, seat);
        schedule::leave();
        hand_over(&local, pool);
        let local = Rc::into_inner(local).expect("only the thread itself had another");
        seat.leave_tools(local.tools);
    }
    let missing = pool.threads().release(seat_index);
    if !pool.is_stopping()
        && let Some(stand_in) = missing
    {
        // If the system has no more threads, a lent one that comes back stays.
        let _ = pool.follow(stand_in);
    }
    if pool.leave() {
        pool.run_leftovers();
    }
}

/// Works until the pool stops, or has no more use for this thread.
fn stay(local: &Local, pool: &Pool, seat: &Remote) {
    while run_on(local, pool, seat) == Until::Blocked {
        seat.is_blocked.store(false, Ordering::Relaxed);
        let mut resume = pool.threads().resume(local.seat_index);
        if resume == Resume::Park {
            hand_over(local, pool);
            rest(local, pool);
            resume = pool.threads().idle_timeout(local.seat_index);
        }
        if resume == Resume::Exit {
            return;
        }
    }
}

/// Waits to be called. A token that is left from before is no call.
#[expect(clippy::disallowed_methods, reason = "a rest lasts real time")]
fn rest(local: &Local, pool: &Pool) {
    let until = std::time::Instant::now() + REST;
    while pool.threads().role(local.seat_index) == ThreadState::Parked && !pool.is_stopping() {
        local.tools.parker.park_deadline(until);
        if std::time::Instant::now() >= until {
            return;
        }
    }
}

#[derive(PartialEq, Eq)]
enum Until {
    Stopping,
    Blocked,
}

/// The layer above catches panics. One that it does not must not end the thread all the same.
fn run_on(local: &Local, pool: &Pool, seat: &Remote) -> Until {
    loop {
        if let Ok(until) = unwind::catch(|| run(local, pool, seat)) {
            return until;
        }
        seat.progress.end();
    }
}

fn run(local: &Local, pool: &Pool, seat: &Remote) -> Until {
    let mut duty: Option<Searching> = None;
    loop {
        if seat.is_blocked.load(Ordering::Relaxed) {
            stop_searching(pool, &mut duty);
            return Until::Blocked;
        }
        let mut ready = next(local, pool, seat);
        if ready.is_none() && !pool.is_stopping() {
            duty = duty.or_else(|| pool.idle.look());
            if duty.is_some() {
                local.steal_policy.begin_search();
                ready = search::look(pool, &local.tools.queue, seat, &local.steal_policy);
                pool.idle.record_search(match ready {
                    Some(_) => SearchResult::Found,
                    None if local.steal_policy.has_skipped() => SearchResult::Skipped,
                    None => SearchResult::Nothing,
                });
            }
        }
        stop_searching(pool, &mut duty);
        if ready.is_none() {
            if pool.is_stopping() && pool.queues.is_empty() {
                return Until::Stopping;
            }
            (ready, duty) = sleep(local, pool, seat);
            if ready.is_some() {
                stop_searching(pool, &mut duty);
            }
        }
        if let Some(ready) = ready {
            poll_once(ready, seat);
        }
    }
}

/// Lets pushes wake somebody again. What was pushed before is seen here, or by the last look before the sleep.
fn stop_searching(pool: &Pool, duty: &mut Option<Searching>) {
    if let Some(looking) = duty.take() {
        pool.idle.stop_searching(looking);
        if !pool.queues.is_nothing_injected() {
            pool.idle.notify();
        } else if !pool.queues.is_empty() {
            pool.idle.notify_of_queue();
        }
    }
}

/// What is this worker's own or nobody's, then what is another's.
fn next(local: &Local, pool: &Pool, seat: &Remote) -> Option<Runnable> {
    let queue = &local.tools.queue;
    let step = local.steps.get().wrapping_add(1);
    local.steps.set(step);
    if step.is_multiple_of(INJECTED_FIRST_EVERY)
        && let Some(ready) = pool.queues.take_injected(queue)
    {
        return Some(ready);
    }
    if let Some(ready) = local.tools.slot.pop() {
        let streak = local.slot_streak.get() + 1;
        local.slot_streak.set(streak);
        if streak <= SLOT_STREAK || queue.is_empty() {
            return Some(ready);
        }
        queue.push(ready);
    }
    local.slot_streak.set(0);
    queue
        .pop()
        .or_else(|| pool.queues.take_injected(queue))
        .or_else(|| pool.queues.steal(queue, seat, &local.steal_policy))
}

fn sleep(local: &Local, pool: &Pool, seat: &Remote) -> (Option<Runnable>, Option<Searching>) {
    let Tools { queue, parker, .. } = &local.tools;
    let last_look = || {
        if pool.is_stopping() {
            return Some(None);
        }
        let found = pool
            .queues
            .take_injected(queue)
            .or_else(|| pool.queues.steal(queue, seat, &local.steal_policy))
            .or_else(|| if local.steal_policy.has_skipped() { None } else { pool.queues.take_slot() });
        found.map(Some)
    };
    let park = || {
        add(&seat.progress.parks, 1);
        parker.park();
    };
    match pool.idle.sleep(local.seat_index, &seat.unparker, park, last_look) {
        Slept::Found(ready, duty) => (ready, duty),
        Slept::Woken(duty) => (None, Some(duty)),
        Slept::Spurious => (None, None),
    }
}

fn poll_once(ready: Runnable, seat: &Remote) {
    seat.progress.begin(ready.header().key());
    schedule::poll(ready);
    seat.progress.end();
}

/// What only this thread would have taken is for everybody.
fn hand_over(local: &Local, pool: &Pool) {
    while let Some(ready) = local.tools.slot.pop().or_else(|| local.tools.queue.pop()) {
        pool.inject(ready);
    }
}

impl LocalSchedule for Local {
    fn push(&self, runnable: Runnable, placement: Placement) -> Result<(), Runnable> {
        if runnable.scheduler() != Some(self.core.scheduler_ref) {
            return Err(runnable);
        }
        let Scheduler::Threads(pool) = &self.core.scheduler else { return Err(runnable) };
        let Tools { queue, slot, .. } = &self.tools;
        // In the slot it would wait for the end of a long poll.
        if placement == Placement::Last || self.seat.progress.is_in_long_poll() {
            queue.push(runnable);
        } else {
            let previous = slot.pop();
            slot.push(runnable);
            let Some(previous) = previous else {
                pool.idle.notify_of_slot();
                return Ok(());
            };
            queue.push(previous);
        }
        pool.idle.notify_of_queue();
        Ok(())
    }

    fn is_worker_of(&self, scheduler: SchedulerRef) -> bool {
        self.core.scheduler_ref == scheduler
    }
}
