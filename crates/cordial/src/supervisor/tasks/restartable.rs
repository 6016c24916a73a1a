//! The children of a task supervisor that were started with a specification. Each has a factory and a record, and may be started
//! again unless it is temporary.
//!
//! ```text
//!            ┌────────────────────────────────────────┐
//!            ▼                                        │ restart
//!  add ─► Running ── exit that calls for a restart ─► Waiting
//!            │                                        │
//!            ├─ other exit, or after close ► removed ◄┤ terminate, close
//!            └─ terminate, not needed, ─► Terminated ─ exit ─► removed
//!               first start has failed
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::select;
use slab::Slab;
use tokio::sync::{Notify, mpsc};

use super::child_limit::ChildLimit;
use super::waiting_child::WaitingChild;
use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::{
    Admission, ChildRegistry, InactiveChild, InactiveState, Lineage, NextIncarnation, RuntimeHandle, Scope, Shutdown,
    discard,
};
use crate::supervisor::due_children::DueChildren;
use crate::supervisor::factory::{Factory, InitResult};
use crate::supervisor::restart::{Restart, RestartDecision};
use crate::supervisor::restart_backoff::RestartBackoff;
use crate::supervisor::settle::Settle;
use crate::supervisor::start_watch::{StartStep, StartWatch};
use crate::timeout::Timeout;

/// The children with a specification of one incarnation of the supervisor.
#[derive(Debug)]
pub(super) struct RestartableChildren {
    table: Mutex<RestartableTable>,
    /// Receives the exits that call for a restart. At most one for each child is in the channel.
    exits: mpsc::UnboundedSender<RestartableExit>,
    /// Notified when the last child has exited after `close`.
    drained: Arc<Notify>,
    limit: Arc<ChildLimit>,
    settle: Settle,
    /// Notified when the first child of `RestartableTable::starting` has changed.
    watch_changed: Notify,
    /// Whether the supervisor was handed over.
    pub(super) is_handed_over: AtomicBool,
}

/// The exit of a child that calls for a restart.
#[derive(Debug)]
pub(super) struct RestartableExit {
    pub(super) index: u64,
    /// The process that has exited. The index alone may name another child by now.
    pub(super) pid: Pid,
    pub(super) exit: Exit,
}

#[derive(Debug)]
struct RestartableTable {
    children: Slab<RestartableChild>,
    /// The children by the processes that name them: `pid` and `known_pid`.
    by_pid: BTreeMap<Pid, u64>,
    /// The children that have not finished starting, by the time of the next step of their watch. If a step is due while the process
    /// is not in the process table yet, the child is left out until the process is there.
    starting: DueChildren,
    admission: Admission,
}

/// The record of one child.
pub(super) struct RestartableChild {
    pub(super) id: Arc<str>,
    pub(super) factory: Factory,
    pub(super) restart: Restart,
    pub(super) shutdown: Shutdown,
    pub(super) spawned_at: &'static Location<'static>,
    /// The backoff of the restarts; `None` if they are counted instead.
    pub(super) restart_backoff: Option<RestartBackoff>,
    pub(super) lineage: Option<Arc<Lineage>>,
    pub(super) scope: Option<Scope>,
    pub(super) incarnation: u32,
    /// When the next incarnation starts, on the clock of the supervisor. Set once the restart is scheduled, until it begins.
    pub(super) restart_at: Option<Duration>,
    /// When the present incarnation finished starting. `None` before that, and after its exit.
    pub(super) started_at: Option<Duration>,
    pub(super) start_timeout: Timeout,
    /// Watches the present start, until it has ended. Set by the table.
    pub(super) watch: Option<StartWatch>,
    /// The process of the present incarnation, or of the last one while the child waits. `None` until the process of a start is in
    /// the process table.
    pub(super) pid: Option<Pid>,
    /// The first process, or the latest one that has finished starting. If restarts fail, callers know the child by this
    /// process, since they cannot have seen the later processes.
    pub(super) known_pid: Option<Pid>,
    pub(super) state: RestartableState,
    /// Whether a process of the child has finished starting.
    pub(super) has_started: bool,
    pub(super) restart_progress: RestartProgress,
}

/// How far the restart of a child is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RestartProgress {
    /// The child has finished starting, or this is its first start.
    Done,
    /// The first attempt has been due, or under way, since this time.
    FirstAttempt { since: Duration },
    /// The restart is delayed, or an attempt has failed.
    Later,
}

/// What `terminate_child` has found of a child whose process had exited.
#[must_use = "a process may have to be stopped"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Terminated {
    /// No process that could be stopped: the child was removed, or is removed in a moment by its process, which is exiting.
    Removed,
    /// The process of a restart, which is to be stopped.
    Running(Pid, Shutdown),
    /// A restart whose process is not in the process table yet. That lasts for a few steps of the supervisor.
    Starting,
}

/// A start that has not finished, and the step that is due.
pub(super) struct SlowStart {
    pub(super) id: Arc<str>,
    pub(super) spawned_at: &'static Location<'static>,
    pub(super) incarnation: u32,
    pub(super) pid: Pid,
    pub(super) timeout: Timeout,
    pub(super) step: StartStep,
}

/// What a restartable child is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RestartableState {
    /// It is running or being started.
    Running,
    /// It is running or being started, and is removed when it exits.
    Terminated,
    /// It has exited, and waits for the decision about its restart or for the restart itself.
    Waiting,
}

impl RestartableChildren {
    pub(super) fn new(
        limit: Arc<ChildLimit>,
        exits: mpsc::UnboundedSender<RestartableExit>,
        drained: Arc<Notify>,
        runtime: &RuntimeHandle,
    ) -> RestartableChildren {
        let table = RestartableTable {
            children: Slab::new(),
            by_pid: BTreeMap::new(),
            starting: DueChildren::default(),
            admission: Admission::Open,
        };
        let (settle, watch_changed) = (Settle::new(runtime), Notify::new());
        let (table, is_handed_over) = (Mutex::new(table), AtomicBool::new(false));
        RestartableChildren { table, exits, drained, limit, settle, watch_changed, is_handed_over }
    }

    /// Adds a child that is about to start, and returns its index. Returns `None` if the supervisor stops.
    pub(super) fn add(&self, child: RestartableChild) -> Option<u64> {
        let (mut refused, now) = (Some(child), self.settle.clock().now());
        let index = {
            let mut table = self.lock();
            match table.admission {
                Admission::Open => refused.take().map(|child| {
                    let index = table.children.insert(child) as u64;
                    (index, table.watch_start(index, now))
                }),
                Admission::Closed | Admission::Killed => None,
            }
        };
        discard(refused);
        let (index, is_first) = index?;
        if is_first {
            self.watch_changed.notify_one();
        }
        Some(index)
    }

    /// Prepares the next incarnation of the child whose last process was `last`. Calls `f` with the child under the lock, as
    /// [`with`](RestartableChildren::with) does. Returns `None` if the child has been terminated or removed.
    pub(super) fn begin_restart<R>(&self, index: u64, last: Pid, f: impl FnOnce(&RestartableChild) -> R) -> Option<R> {
        let now = self.settle.clock().now();
        let mut table = self.lock();
        let child = table.children.get_mut(index as usize)?;
        if !child.is_waiting_after(last) {
            return None;
        }
        child.state = RestartableState::Running;
        child.restart_at = None;
        child.incarnation = child.incarnation.saturating_add(1);
        child.pid = None;
        let (result, is_known) = (f(child), child.known_pid == Some(last));
        if !is_known {
            table.by_pid.remove(&last);
        }
        table.watch_start(index, now);
        Some(result)
    }

    /// Restores the last process of a child whose next process was not started. Returns `None` if the child has been removed; another
    /// child may have its index by now.
    pub(super) fn restart_refused<R>(
        &self,
        index: u64,
        last: Pid,
        f: impl FnOnce(&RestartableChild) -> R,
    ) -> Option<R> {
        let mut table = self.lock();
        let child = table.children.get_mut(index as usize)?;
        if child.state != RestartableState::Waiting || child.pid.is_some() {
            return None;
        }
        child.pid = Some(last);
        let result = f(child);
        table.by_pid.insert(last, index);
        Some(result)
    }

    /// Waits until a step of a start is due, or until another start is the first one to have a step. Cancel safe.
    pub(super) async fn next_watch(&self, runtime: &RuntimeHandle) {
        let mut changed = pin!(self.watch_changed.notified());
        changed.as_mut().enable();
        let due = self.lock().starting.first().map(|(due, ..)| due);
        match due {
            Some(due) => _ = select(changed, pin!(runtime.sleep(due.saturating_sub(self.settle.clock().now())))).await,
            None => changed.await,
        }
    }

    /// Returns the starts of which a step is due. A child whose start has exceeded its timeout is not started again if it has
    /// never started and has no backoff.
    pub(super) fn slow_starts(&self) -> Vec<SlowStart> {
        let (now, mut slow) = (self.settle.clock().now(), Vec::new());
        let mut table = self.lock();
        let RestartableTable { children, starting, .. } = &mut *table;
        while let Some((_, index, _)) = starting.pop_due(now) {
            let child = children.get_mut(index as usize).expect("a child that is removed is not watched");
            // Otherwise the process is about to enter the process table, and `registered` adds the child again.
            let Some(pid) = child.pid else { continue };
            let watch = child.watch.as_mut().expect("a child in `starting` is watched");
            let (step, next) = (watch.step(now), watch.due());
            if step != StartStep::Wait {
                let &mut RestartableChild { ref id, spawned_at, incarnation, start_timeout: timeout, .. } = child;
                slow.push(SlowStart { id: id.clone(), spawned_at, incarnation, pid, timeout, step });
            }
            if matches!(step, StartStep::End(_)) {
                child.watch = None;
                child.prevent_restart_if_never_started();
            } else {
                starting.insert(next, index);
            }
        }
        slow
    }

    /// Reads or changes a child, if it has not been removed. `f` runs under the lock, so it must neither run user code
    /// nor drop user values.
    pub(super) fn with<R>(&self, index: u64, f: impl FnOnce(&mut RestartableChild) -> R) -> Option<R> {
        self.lock().children.get_mut(index as usize).map(f)
    }

    /// Removes a child whose process now belongs to another parent.
    pub(super) fn remove_handed_over(&self, index: u64) {
        let removed = self.lock().remove(index);
        self.release(removed);
    }

    /// Prevents the restart of a running child.
    pub(super) fn terminate_running(&self, index: u64, pid: Pid) {
        self.with(index, |child| {
            if child.pid == Some(pid) && child.state == RestartableState::Running {
                child.state = RestartableState::Terminated;
            }
        });
    }

    /// Prevents the restart of the child that is known by the process `pid`, which has exited. Returns `None` if there is
    /// no such child.
    pub(super) fn terminate_exited(&self, pid: Pid) -> Option<Terminated> {
        let removed = {
            let mut table = self.lock();
            let index = *table.by_pid.get(&pid)?;
            let child = table.children.get_mut(index as usize)?;
            if child.state != RestartableState::Waiting {
                child.state = RestartableState::Terminated;
                return Some(match child.pid {
                    // The process has left the process table and is about to call `exited`.
                    Some(exited) if exited == pid => Terminated::Removed,
                    Some(starting) => Terminated::Running(starting, child.shutdown),
                    None => Terminated::Starting,
                });
            }
            table.remove(index)
        };
        self.release(removed);
        Some(Terminated::Removed)
    }

    /// Handles the acknowledgment of a child: its process has finished starting, or says that it is not needed.
    pub(super) fn acknowledged(&self, index: u64, result: InitResult) {
        let now = self.settle.clock().now();
        {
            let mut table = self.lock();
            table.unwatch(index);
            let table = &mut *table;
            let Some(child) = table.children.get_mut(index as usize) else { return };
            match result {
                InitResult::Started => {
                    if let Some(known) = child.known_pid.filter(|known| child.pid != Some(*known)) {
                        table.by_pid.remove(&known);
                    }
                    child.started_at = Some(now);
                    child.has_started = true;
                    child.known_pid = child.pid;
                    child.restart_progress = RestartProgress::Done;
                }
                InitResult::Ignored => child.state = RestartableState::Terminated,
            }
        }
        self.settle.changed();
    }

    /// Prevents the restart of a child that has never finished starting, unless it has a backoff.
    pub(super) fn not_started(&self, index: u64) {
        self.with(index, RestartableChild::prevent_restart_if_never_started);
    }

    /// Prevents all further starts, and removes the children that wait for a restart.
    pub(super) fn close(&self, admission: Admission) {
        let removed = self.lock().close(admission);
        self.release(removed);
    }

    /// Does what [`close`](RestartableChildren::close) does if all children wait for a restart, and returns them, for
    /// [`release`](RestartableChildren::release). Otherwise returns `None`.
    pub(super) fn close_while_waiting(&self) -> Option<Vec<RestartableChild>> {
        let mut table = self.lock();
        let are_waiting = table.children.iter().all(|(_, child)| child.state == RestartableState::Waiting);
        are_waiting.then(|| table.close(Admission::Closed))
    }

    /// Returns whether the process of a child is being started, and is not in the process table yet.
    pub(super) fn is_starting(&self) -> bool {
        let is_starting = |child: &RestartableChild| child.state == RestartableState::Running && child.pid.is_none();
        self.lock().children.iter().any(|(_, child)| is_starting(child))
    }

    /// Returns the processes of the children, including those of restarts that are starting.
    pub(super) fn pids(&self) -> Vec<Pid> {
        let table = self.lock();
        let running = table.children.iter().filter(|(_, child)| child.state != RestartableState::Waiting);
        running.filter_map(|(_, child)| child.pid).collect()
    }

    /// Returns the processes of the children that are running. A child whose restart is starting is not running.
    pub(super) fn running(&self) -> Vec<Pid> {
        let table = self.lock();
        let running = table.children.iter().filter(|(_, child)| !child.is_restarting());
        running.filter_map(|(_, child)| child.pid).collect()
    }

    /// Records that the restart of the child whose last process was `last` is delayed, so that queries do not wait for it. Another child
    /// may have the index by now.
    pub(super) fn delayed(&self, index: u64, last: Pid) {
        self.with(index, |child| {
            if child.is_waiting_after(last) {
                child.restart_progress = RestartProgress::Later;
            }
        });
        self.settle.changed();
    }

    /// Waits until the first attempt of each restart that is due has been made, but not for longer than
    /// [`LIMIT`](crate::supervisor::settle::LIMIT). Cancel safe.
    pub(super) async fn settled(&self) {
        let pending_since = || {
            let table = self.lock();
            let since = table.children.iter().filter_map(|(_, child)| match child.restart_progress {
                RestartProgress::FirstAttempt { since } => Some(since),
                RestartProgress::Done | RestartProgress::Later => None,
            });
            since.max()
        };
        self.settle.wait(pending_since).await;
    }

    /// Returns how many processes the children have.
    pub(super) fn n_running(&self) -> usize {
        self.lock().children.iter().filter(|(_, child)| child.state != RestartableState::Waiting).count()
    }

    /// Returns how many children are running, and how many are restarting.
    pub(super) fn counts(&self) -> (usize, usize) {
        let table = self.lock();
        let n_restarting = table.children.iter().filter(|(_, child)| child.is_restarting()).count();
        (table.children.len() - n_restarting, n_restarting)
    }

    /// Returns the children that wait for a restart, or whose restart is starting.
    pub(super) fn restarting(&self) -> Vec<WaitingChild> {
        self.describe(RestartableChild::is_restarting)
    }

    fn describe(&self, is_described: impl Fn(&RestartableChild) -> bool) -> Vec<WaitingChild> {
        let table = self.lock();
        let described = table.children.iter().filter(|(_, child)| is_described(child));
        let describe = |child: &RestartableChild| {
            // A child whose first process was not started is not in the table for long.
            let last_pid = child.known_pid?;
            Some(WaitingChild { id: child.id.clone(), last_pid, incarnation: child.incarnation })
        };
        described.filter_map(|(_, child)| describe(child)).collect()
    }

    /// Returns how many children have not finished starting.
    pub(super) fn n_starting(&self) -> usize {
        self.lock().children.iter().filter(|(_, child)| child.watch.is_some()).count()
    }

    /// Returns the children that wait for a restart, as they are seen at the time `now` of the supervisor.
    pub(super) fn inactive(&self, now: Duration) -> Vec<InactiveChild> {
        let table = self.lock();
        let waiting =
            table.children.iter().map(|(_, child)| child).filter(|child| child.state == RestartableState::Waiting);
        let described = waiting.map(|child| {
            let mut inactive = InactiveChild::new(child.id.clone(), InactiveState::Restarting, child.incarnation);
            inactive.restart_in = child.restart_at.map(|at| at.saturating_sub(now));
            inactive.failures = child.restart_backoff.as_ref().map(RestartBackoff::n_failures);
            inactive
        });
        described.collect()
    }

    /// Returns the permits of children that have been removed, and drops their factories.
    pub(super) fn release(&self, removed: impl IntoIterator<Item = RestartableChild>) {
        for child in removed {
            self.limit.release();
            discard(child);
        }
        self.settle.changed();
    }

    fn lock(&self) -> MutexGuard<'_, RestartableTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RestartableTable {
    /// Prevents all further starts, and removes the children that wait for a restart.
    fn close(&mut self, admission: Admission) -> Vec<RestartableChild> {
        self.admission = admission;
        let waiting = self.children.iter().filter(|(_, child)| child.state == RestartableState::Waiting);
        let waiting: Vec<u64> = waiting.map(|(index, _)| index as u64).collect();
        waiting.into_iter().filter_map(|index| self.remove(index)).collect()
    }

    /// Removes a child, if it has not been removed.
    fn remove(&mut self, index: u64) -> Option<RestartableChild> {
        self.unwatch(index);
        let removed = self.children.try_remove(index as usize)?;
        for pid in [removed.pid, removed.known_pid].into_iter().flatten() {
            self.by_pid.remove(&pid);
        }
        Some(removed)
    }

    /// Begins to watch the start of a child. Returns whether its step is the next one that is due.
    fn watch_start(&mut self, index: u64, now: Duration) -> bool {
        let Some(child) = self.children.get_mut(index as usize) else { return false };
        let watch = child.watch.insert(StartWatch::new(child.start_timeout, now));
        let due = watch.due();
        self.starting.insert(due, index);
        self.starting.is_first(due, index)
    }

    /// Ends the watch of a child, if it is watched.
    fn unwatch(&mut self, index: u64) {
        if let Some(watch) = self.children.get_mut(index as usize).and_then(|child| child.watch.take()) {
            self.starting.remove(watch.due(), index);
        }
    }
}

impl ChildRegistry for RestartableChildren {
    fn next_incarnation(&self, index: u64) -> NextIncarnation {
        // Another child may have the index by now. Then the mailbox of the removed child is closed when its factory is dropped.
        match self.lock().children.get(index as usize) {
            Some(_) => NextIncarnation::Expected,
            None => NextIncarnation::Never,
        }
    }

    fn registered(&self, index: u64, pid: Pid) -> Admission {
        let (admission, state, is_watched_again) = {
            let mut table = self.lock();
            let RestartableTable { children, by_pid, starting, admission } = &mut *table;
            let child = children.get_mut(index as usize).expect("a child that starts is not removed");
            child.pid = Some(pid);
            child.known_pid.get_or_insert(pid);
            by_pid.insert(pid, index);
            let is_watched_again = child.watch.is_some_and(|watch| starting.insert(watch.due(), index));
            (*admission, child.state, is_watched_again)
        };
        if is_watched_again {
            self.watch_changed.notify_one();
        }
        match state {
            // Terminated while it was being started.
            RestartableState::Terminated if admission == Admission::Open => Admission::Closed,
            _ => admission,
        }
    }

    fn is_handed_over(&self) -> bool {
        self.is_handed_over.load(Ordering::Relaxed)
    }

    fn exited(&self, index: u64, exit: Option<&Exit>) {
        let now = self.settle.clock().now();
        let (removed, is_drained) = {
            let mut table = self.lock();
            let is_closed = table.admission != Admission::Open;
            table.unwatch(index);
            let child = table.children.get_mut(index as usize).expect("a child that runs is not removed");
            let is_last = child.state == RestartableState::Terminated
                || match exit {
                    Some(exit) => child.restart.decide(exit.is_abnormal()) != RestartDecision::Restart,
                    // No process was started. A child that never had a process is removed and not tried again. For a restart, the
                    // caller schedules another attempt.
                    None => child.known_pid.is_none(),
                };
            if let (Some(started_at), Some(backoff)) = (child.started_at.take(), &mut child.restart_backoff) {
                backoff.record_run(now.saturating_sub(started_at));
            }
            child.state = RestartableState::Waiting;
            child.restart_progress = match child.restart_progress {
                RestartProgress::Done => RestartProgress::FirstAttempt { since: now },
                // The attempt has failed.
                RestartProgress::FirstAttempt { .. } | RestartProgress::Later => RestartProgress::Later,
            };
            if is_last || is_closed {
                let removed = table.remove(index);
                (removed, is_closed && table.children.is_empty())
            } else {
                if let Some(exit) = exit {
                    let pid = child.pid.expect("a process is registered before it exits");
                    // A supervisor that has exited restarts no child.
                    let _ = self.exits.send(RestartableExit { index, pid, exit: exit.clone() });
                }
                (None, false)
            }
        };
        self.release(removed);
        if is_drained {
            self.drained.notify_one();
        }
    }
}

impl RestartableChild {
    /// Prevents the restart if the child has never finished starting and has no backoff.
    fn prevent_restart_if_never_started(&mut self) {
        if !self.has_started && self.restart_backoff.is_none() {
            self.state = RestartableState::Terminated;
        }
    }

    /// Returns whether the child waits for a restart, and its last process was `last`.
    pub(super) fn is_waiting_after(&self, last: Pid) -> bool {
        self.pid == Some(last) && self.state == RestartableState::Waiting
    }

    /// Returns whether the child waits for a restart, or its restart is starting.
    fn is_restarting(&self) -> bool {
        let is_starting_again = self.restart_progress != RestartProgress::Done;
        self.state == RestartableState::Waiting || self.state == RestartableState::Running && is_starting_again
    }
}

impl fmt::Debug for RestartableChild {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestartableChild").field("id", &self.id).field("pid", &self.pid).finish_non_exhaustive()
    }
}
