//! A worker thread: find what is ready, poll it once, look again, sleep.
//!
//! ```text
//!        ┌──────────────────────────────────────────────────────────────────────┐
//!        ▼                                                                      │
//!  own slot ─► own queue ─► injected ─► stolen ─► poll once ─► was my work lent?┤
//!   (every 61st step: injected first)      │                    └ yes: rest, or leave
//!                                          └─ nothing ─► look ─► sleep ─────────┘
//! ```

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use self::progress::add;
use self::remote::{Remote, Tools};
use self::steal_policy::StealPolicy;
use crate::executor::{Core, Executor, Scheduler};
use crate::idle::{SearchResult, Searching, Slept};
use crate::pool::Pool;
use crate::priority::Thread;
use crate::sync::Ordering;
use crate::task::header::Header;
use crate::task::runnable::Runnable;
use crate::threads::{Resume, ThreadState};
use crate::{executor, unwind};

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
    /// The header of the task that is polled now.
    polled: Cell<Option<&'static Header>>,
    /// Whether it was woken by its own poll.
    is_woken: Cell<bool>,
    /// Whether what is woken now comes after all that is ready here.
    wakes_last: Cell<bool>,
    steal_policy: StealPolicy,
}

thread_local!(static LOCAL: RefCell<Option<Local>> = const { RefCell::new(None) });

/// The life of a worker thread.
pub(crate) fn work(seat_index: usize, executor: Executor) {
    let core = executor.core().clone();
    let Scheduler::Threads(pool) = &core.scheduler else { return };
    let seat = pool.queues.seat(seat_index);
    if let Some(tools) = seat.take_tools() {
        let _entered = executor.tokio().enter();
        executor.hooks_dyn().thread_started(&executor);
        *seat.thread.lock() = Some(Thread::current());
        let local = Local {
            seat_index,
            seat: seat.clone(),
            tools,
            core: core.clone(),
            slot_streak: Cell::new(0),
            steps: Cell::new(0),
            wakes_last: Cell::new(false),
            polled: Cell::new(None),
            is_woken: Cell::new(false),
            steal_policy: StealPolicy::default(),
        };
        LOCAL.set(Some(local));
        LOCAL.with_borrow(|local| {
            if let Some(local) = local {
                stay(local, pool, seat);
            }
        });
        if let Some(local) = LOCAL.take() {
            hand_over(&local, pool);
            seat.leave_tools(local.tools);
        }
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
            poll_once(local, ready, seat);
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
fn next(local: &Local, pool: &Pool, seat: &Remote) -> Option<Box<Runnable>> {
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

fn sleep(local: &Local, pool: &Pool, seat: &Remote) -> (Option<Box<Runnable>>, Option<Searching>) {
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

fn poll_once(local: &Local, mut ready: Box<Runnable>, seat: &Remote) {
    seat.progress.begin(ready.header().key());
    local.polled.set(Some(ready.header()));
    local.is_woken.set(false);
    let polled = ready.poll();
    local.polled.set(None);
    let woken = match polled {
        Poll::Ready(claim) => {
            ready.finish(claim);
            None
        }
        // Nobody else knew of this wake-up, so the task need not go header.
        Poll::Pending if local.is_woken.get() => Some(ready),
        Poll::Pending => ready.park(),
    };
    if let Some(ready) = woken {
        queue(ready, Woken::WhilePolled);
    }
    seat.progress.end();
}

/// Polls a task on a thread that is no worker.
pub(crate) fn poll_on_foreign_thread(mut ready: Box<Runnable>) {
    match ready.poll() {
        Poll::Ready(claim) => ready.finish(claim),
        Poll::Pending => {
            if let Some(ready) = ready.park() {
                queue(ready, Woken::WhilePolled);
            }
        }
    }
}

/// What only this thread would have taken is for everybody.
fn hand_over(local: &Local, pool: &Pool) {
    while let Some(ready) = local.tools.slot.pop().or_else(|| local.tools.queue.pop()) {
        pool.inject(ready);
    }
}

/// When a task was woken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Woken {
    WhilePolled,
    AtRest,
}

/// Whatever wakes a task comes here: a timer, a socket, another task.
pub(crate) fn wake(header: &'static Header) {
    let left = LOCAL.try_with(|local| {
        let local = local.borrow();
        let Some(local) = &*local else { return header.take() };
        if local.polled.get().is_some_and(|polled| std::ptr::eq(polled, header)) {
            local.is_woken.set(true);
            return None;
        }
        local.push(header.take()?, Woken::AtRest).err()
    });
    if let Some(ready) = left.unwrap_or_else(|_| header.take()) {
        executor::schedule_remote(ready);
    }
}

/// A task that is ready: into the queue of this thread, if it is a worker of the task's own executor, else wherever that is.
pub(crate) fn queue(ready: Box<Runnable>, woken: Woken) {
    let mut ready = Some(ready);
    let _ = LOCAL.try_with(|local| {
        if let Some(local) = &*local.borrow()
            && let Some(own) = ready.take()
        {
            ready = local.push(own, woken).err();
        }
    });
    if let Some(ready) = ready {
        executor::schedule_remote(ready);
    }
}

impl Local {
    fn push(&self, ready: Box<Runnable>, woken: Woken) -> Result<(), Box<Runnable>> {
        let Scheduler::Threads(pool) = &self.core.scheduler else { return Err(ready) };
        if !ready.origin().is_some_and(|origin| std::ptr::eq(origin, self.core.origin)) {
            return Err(ready);
        }
        let Tools { queue, slot, .. } = &self.tools;
        // One that yields lets the others come first. In the slot it would wait for the end of a long poll.
        if woken == Woken::WhilePolled || self.wakes_last.get() || self.seat.progress.is_in_long_poll() {
            queue.push(ready);
        } else {
            let previous = slot.pop();
            slot.push(ready);
            let Some(previous) = previous else {
                pool.idle.notify_of_slot();
                return Ok(());
            };
            queue.push(previous);
        }
        pool.idle.notify_of_queue();
        Ok(())
    }
}

/// Wakes whoever had better come after all that is ready on this thread, because that may be for it as well.
///
/// Elsewhere than on a worker it is woken as by [`Waker::wake`].
pub fn wake_last(waker: Waker) {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            set_wakes_last(self.0);
        }
    }
    let _restore = Restore(set_wakes_last(true));
    waker.wake();
}

fn set_wakes_last(wakes_last: bool) -> bool {
    let set = |local: &Local| local.wakes_last.replace(wakes_last);
    LOCAL.try_with(|local| local.borrow().as_ref().is_some_and(set)).unwrap_or(false)
}

/// Whether this thread is a worker of the pool.
pub(crate) fn is_worker_of(pool: &Pool) -> bool {
    let is_own = |local: &Local| matches!(&local.core.scheduler, Scheduler::Threads(own) if std::ptr::eq(own, pool));
    LOCAL.try_with(|local| local.borrow().as_ref().is_some_and(is_own)).unwrap_or(false)
}
