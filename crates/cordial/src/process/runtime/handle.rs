//! The handle to a runtime that all code inside the crate uses.

use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cordial_sched::{Executor, JoinHandle, Key, PollId, TaskRef, is_tokio_clock_paused};

use super::poll_durations::PollBucket;
use super::restart_limit_exits::RestartLimitExits;
use super::roots::Roots;
use super::shared::RuntimeShared;
use crate::exit::{self, Exit, Refusal};
use crate::pid::Pid;
use crate::process::crashes::Crashes;
use crate::process::entry::Entry;
use crate::process::groups::{Group, GroupKey, GroupKind, Groups};
use crate::process::signal::{Effect, Signal, apply};
use crate::sorted_map::SortedMap;
use crate::timeout::CompactTimeout;
use crate::unwind::PanicReports;

const BUILT_WITH: &str = "every executor of this crate is built with a `RuntimeShared` as its hooks";

/// A handle to a runtime: its scheduler and its process table.
#[derive(Clone, Debug)]
pub(crate) struct RuntimeHandle {
    executor: Executor,
    /// The hooks of the executor.
    shared: Arc<RuntimeShared>,
}

impl RuntimeHandle {
    pub(crate) fn new(executor: Executor) -> RuntimeHandle {
        let shared = executor.shared_hooks().expect(BUILT_WITH);
        RuntimeHandle { executor, shared }
    }

    /// Returns the runtime that runs the task of a join handle.
    pub(crate) fn of<T>(join: &JoinHandle<T>) -> RuntimeHandle {
        RuntimeHandle::new(join.executor().clone())
    }

    pub(crate) fn executor(&self) -> &Executor {
        &self.executor
    }

    /// Sleeps on the clock of this runtime; with [`Duration::MAX`], forever. Unlike a sleep of tokio, it ends in time while user code
    /// blocks the threads of tokio.
    pub(crate) async fn sleep(&self, duration: Duration) {
        if duration.is_zero() {
            return;
        }
        match self.executor.timer(duration) {
            Some(timer) => timer.await,
            None => std::future::pending().await,
        }
    }

    pub(crate) fn is_same_runtime(&self, other: &RuntimeHandle) -> bool {
        self.shared.number() == other.shared.number()
    }

    /// Returns whether the program has forked since the runtime was started, so that this process
    /// has none of its threads, except for a worker that made the fork.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        self.executor.is_forked()
    }

    /// Checks that the calling code is not in a forked process.
    ///
    /// # Errors
    ///
    /// [`Refusal::Forked`] in a forked process. Must be called before code waits for another process, or takes a lock outside of the
    /// process table.
    #[inline]
    pub(crate) fn refuse_forked(&self) -> Result<(), Refusal> {
        if self.is_forked() { Err(Refusal::Forked) } else { Ok(()) }
    }

    /// Checks that the calling code does not run on a paused clock of tokio, which the clock of this runtime does not follow.
    ///
    /// # Errors
    ///
    /// [`Refusal::PausedClock`] outside of any process, in a tokio runtime whose clock is paused. `caller` is the calling process, if there
    /// is one: a process is never polled in such a tokio runtime.
    pub(crate) fn refuse_paused_clock(&self, caller: Option<Pid>) -> Result<(), Refusal> {
        let is_paused = caller.is_none() && !self.executor.is_simulated() && is_tokio_clock_paused();
        if is_paused { Err(Refusal::PausedClock) } else { Ok(()) }
    }

    pub(crate) fn next_guardian_number(&self) -> u64 {
        self.shared.guardian_numbers.next()
    }

    pub(crate) fn n_guardians(&self) -> u64 {
        self.shared.guardian_numbers.count()
    }

    /// Returns how the panics of the processes of this runtime are reported.
    pub(super) fn panic_reports(&self) -> PanicReports {
        self.shared.panic_reports
    }

    /// Returns how long a task of this runtime is awaited unless the await sets another limit.
    #[inline]
    pub(crate) fn await_limit(&self) -> CompactTimeout {
        self.shared.await_limit
    }

    /// Returns the most recent crashes of this runtime.
    pub(crate) fn crashes(&self) -> &Crashes {
        &self.shared.crashes
    }

    fn groups_of(&self, kind: GroupKind) -> &Groups {
        match kind {
            GroupKind::Stream => &self.shared.streams,
            GroupKind::TaskSet => &self.shared.task_sets,
        }
    }

    /// Returns the streams or the task sets that are in progress, the oldest first. There are none in a forked process.
    pub(crate) fn groups(&self, kind: GroupKind) -> Vec<Group> {
        if self.is_forked() { Vec::new() } else { self.groups_of(kind).all() }
    }

    /// Adds a stream or a task set. Must be removed with [`remove_group`](RuntimeHandle::remove_group). Returns `None` in a forked
    /// process: another thread may have held the lock at the fork.
    pub(crate) fn add_group(&self, kind: GroupKind, group: Group) -> Option<GroupKey> {
        if self.is_forked() {
            return None;
        }
        let owner = group.owner.filter(|pid| pid.runtime() == self.number());
        let index = self.groups_of(kind).add(Group { owner, since: self.executor.coarse_now(), ..group });
        Some(GroupKey { kind, index })
    }

    pub(crate) fn remove_group(&self, key: GroupKey) {
        if !self.is_forked() {
            self.groups_of(key.kind).remove(key.index);
        }
    }

    /// Returns the exits of supervisors of this runtime that exceeded their restart limit.
    pub(crate) fn restart_limit_exits(&self) -> &RestartLimitExits {
        &self.shared.restart_limit_exits
    }

    /// Returns the root processes that run on this runtime.
    pub(crate) fn roots(&self) -> &Roots {
        &self.shared.roots
    }

    /// Returns the part of every pid that names this runtime.
    pub(crate) fn number(&self) -> NonZeroU32 {
        self.shared.number()
    }

    /// Returns the time of the coarse clock. `process` is the calling process.
    pub(crate) fn coarse_now(&self, process: Option<Pid>) -> u64 {
        match process {
            Some(process) if process.runtime() == self.number() => self.executor.coarse_now_in_task(),
            _ => self.executor.coarse_now(),
        }
    }

    /// Reserves a key and the pid that belongs to it; `None` if the table is full.
    #[inline]
    pub(crate) fn reserve(&self) -> Option<(Key, Pid)> {
        let shared = &*self.shared;
        let key = shared.table.reserve()?;
        Some((key, shared.pid(key)))
    }

    /// Returns the pid that belongs to a key.
    pub(crate) fn pid_of_key(&self, key: Key) -> Pid {
        self.shared.pid(key)
    }

    #[inline]
    pub(crate) fn pid_of_task(&self, task: &TaskRef) -> Pid {
        self.shared.pid(task.key())
    }

    /// Enters a process into the table, under a reserved key.
    pub(crate) fn occupy(&self, key: Key, entry: impl FnOnce() -> Entry) {
        self.shared.table.occupy(key, entry);
    }

    /// Calls `f` with the entry of a live process, under the lock of the table: `f` must not run user code. Returns
    /// `None` if there is no such process. In a forked process there is none: another thread may have held the lock at the fork.
    pub(crate) fn with<R>(&self, pid: Pid, f: impl FnOnce(&mut Entry) -> R) -> Option<R> {
        if self.is_forked() {
            return None;
        }
        let shared = &*self.shared;
        shared.table.with(shared.key(pid)?, f)
    }

    /// Calls `f` with the entries of two processes, with both locks held, so that no other thread
    /// sees only one of them changed. A process that is not alive has no entry, and in a forked process none has.
    pub(crate) fn with_both<R>(
        &self,
        a: Pid,
        b: Pid,
        f: impl FnOnce(Option<&mut Entry>, Option<&mut Entry>) -> R,
    ) -> R {
        if self.is_forked() {
            return f(None, None);
        }
        let shared = &*self.shared;
        shared.table.with_both(shared.key(a), shared.key(b), f)
    }

    /// Returns whether a process is in the table.
    pub(crate) fn is_alive(&self, pid: Pid) -> bool {
        self.with(pid, |_| ()).is_some()
    }

    /// Returns the root process that a live process descends from, if it descends from one.
    pub(crate) fn root_of(&self, pid: Pid) -> Option<Pid> {
        self.with(pid, |entry| entry.root()).flatten()
    }

    /// Removes a process from the table.
    pub(crate) fn remove(&self, pid: Pid) -> Option<Entry> {
        let shared = &*self.shared;
        shared.table.remove(shared.key(pid)?)
    }

    /// Calls `f` with every live process, one lock at a time. There are none in a forked process.
    pub(crate) fn for_each(&self, f: &mut dyn FnMut(Pid, &Entry)) {
        if self.is_forked() {
            return;
        }
        let shared = &*self.shared;
        shared.table.for_each(|key, entry| f(shared.pid(key), entry));
    }

    /// Calls `f` with the live processes from the slot `from` on, ordered by pid, one lock at a time, until it returns `Break`. Returns
    /// the slot to continue from; `None` after the last process, and in a forked process.
    pub(crate) fn scan(&self, from: u32, f: &mut dyn FnMut(Pid, &Entry) -> ControlFlow<()>) -> Option<u32> {
        if self.is_forked() {
            return None;
        }
        let shared = &*self.shared;
        shared.table.scan(from, |key, entry| f(shared.pid(key), entry))
    }

    /// Returns how many pids this runtime has handed out so far.
    pub(crate) fn n_spawned(&self) -> u64 {
        self.shared.table.n_reserved()
    }

    /// Returns how many processes are alive.
    pub(crate) fn n_alive(&self) -> usize {
        if self.is_forked() { 0 } else { self.shared.table.len() }
    }

    /// Returns how many processes have ended, if `spawned` were spawned and `alive` are alive. The two numbers are not read at
    /// one moment, so their difference may decrease; the returned number never decreases.
    pub(crate) fn n_ended(&self, spawned: u64, alive: usize) -> u64 {
        let ended = spawned.saturating_sub(u64::try_from(alive).unwrap_or(u64::MAX));
        self.shared.n_ended.fetch_max(ended, Ordering::Relaxed).max(ended).min(spawned)
    }

    /// Calls `f` with those of `among` that are alive; with all live processes if `among` is `None`.
    pub(crate) fn for_each_of(&self, among: Option<&[Pid]>, f: &mut dyn FnMut(Pid, &Entry)) {
        match among {
            None => self.for_each(f),
            Some(pids) => pids.iter().for_each(|pid| _ = self.with(*pid, |entry| f(*pid, entry))),
        }
    }

    /// Returns the live processes for which `is_member` returns true. With `among`, only the processes with these pids are considered. Each
    /// process follows its callers, as far as they are known: up to 32. Processes that are signaled in this order get their signals before
    /// they see the end of a process that they have spawned.
    pub(crate) fn members(&self, among: Option<&[Pid]>, is_member: &dyn Fn(Pid, &Entry) -> bool) -> Vec<Pid> {
        // Grouped by the number of their callers, which is 32 at most.
        let mut members: Vec<Vec<Pid>> = Vec::new();
        self.for_each_of(among, &mut |pid, entry| {
            if is_member(pid, entry) {
                let n_callers = entry.callers().len();
                members.resize_with(members.len().max(n_callers + 1), Vec::new);
                members[n_callers].push(pid);
            }
        });
        members.concat()
    }

    /// Returns the processes whose current poll has lasted for about a millisecond or more, and how long it has lasted.
    pub(crate) fn long_polls(&self) -> SortedMap<Pid, Duration> {
        self.executor.long_polls().into_iter().map(|(key, lasted)| (self.shared.pid(key), lasted)).collect()
    }

    /// Records that a long poll of a process has ended. If it is to be reported, returns how many were left out before. In a forked
    /// process, no long poll is reported.
    pub(crate) fn long_poll_ended(&self, spawned_at: &'static Location<'static>) -> Option<u64> {
        if self.is_forked() { None } else { self.shared.long_poll_ended(spawned_at, self.executor.coarse_now()) }
    }

    /// Counts a poll that is about to return and has lasted for this long. Does nothing in a forked process.
    pub(crate) fn poll_ended(&self, spawned_at: &'static Location<'static>, lasted: Duration) {
        if !self.is_forked() {
            self.shared.poll_ended(spawned_at, lasted);
        }
    }

    /// Returns how long the polls of the processes of a spawn location have lasted. Empty in a forked process.
    pub(crate) fn poll_durations(&self, spawned_at: &exit::Location) -> Vec<PollBucket> {
        if self.is_forked() {
            return Vec::new();
        }
        self.shared.poll_durations(spawned_at.file(), spawned_at.line(), spawned_at.column())
    }

    /// Returns the processes that are in a poll at this moment, each with its poll.
    pub(crate) fn current_polls(&self) -> SortedMap<Pid, PollId> {
        self.executor.current_polls().into_iter().map(|(key, poll)| (self.shared.pid(key), poll)).collect()
    }

    /// Sends a signal to a process. Does nothing if there is no such process.
    pub(crate) fn signal(&self, pid: Pid, signal: Signal) {
        self.apply(pid, signal).act();
    }

    /// Applies a signal to a process. The returned effect wakes and notifies.
    pub(crate) fn apply(&self, pid: Pid, signal: Signal) -> Effect {
        self.with(pid, |entry| apply(pid, entry, signal)).unwrap_or_default()
    }

    pub(crate) fn kill(&self, pid: Pid) {
        self.signal(pid, Signal::Sent { from: None, reason: Exit::Killed });
    }

    pub(crate) fn kill_all(&self) {
        let kill = |pid| self.apply(pid, Signal::Sent { from: None, reason: Exit::Killed });
        // All are killed before the first one is woken, so that none of them handles the exit of another.
        let effects: Vec<Effect> = self.members(None, &|_, _| true).into_iter().map(kill).collect();
        effects.into_iter().for_each(Effect::act);
    }
}

/// Returns whether the process of a join handle stayed in the OS process from which this one was forked.
#[inline]
pub(crate) fn is_forked<T>(join: &JoinHandle<T>) -> bool {
    join.executor().is_forked()
}

/// Returns the pid of the process whose output a join handle awaits. The output must not have been taken.
pub(crate) fn pid_of<T>(join: &JoinHandle<T>) -> Pid {
    let shared: &RuntimeShared = join.executor().hooks().expect(BUILT_WITH);
    shared.pid(join.key().expect("a join handle is dropped once its output was taken"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::process::runtime::Builder;

    /// Ends a forked process that hangs.
    fn limit_time_of_forked_process() {
        #[expect(clippy::disallowed_methods, reason = "the limit must hold even if the library hangs")]
        std::thread::spawn(|| {
            std::thread::sleep(Duration::from_secs(120));
            // Not by `exit`: a handler of `atexit` may be what hangs.
            std::process::abort();
        });
    }

    #[test]
    fn a_forked_process_does_not_wait_for_the_lock_of_poll_durations() {
        let runtime = Builder::default().workers(1).start().unwrap();
        let spawned_at = Location::caller();
        // Stands for a thread that holds the lock at the fork: no thread of the forked process releases it.
        let locked = runtime.shared.long_polls.lock().unwrap();
        match fork::fork().unwrap() {
            fork::Fork::Parent(child) => {
                let status = fork::waitpid(child).unwrap();
                assert!(fork::WIFEXITED(status) && fork::WEXITSTATUS(status) == 0, "{status}");
            }
            fork::Fork::Child => {
                limit_time_of_forked_process();
                runtime.poll_ended(spawned_at, Duration::from_millis(5));
                let is_empty = runtime.poll_durations(&exit::Location::from(spawned_at)).is_empty();
                let left_out = runtime.long_poll_ended(spawned_at);
                std::process::exit(i32::from(!is_empty || left_out.is_some()));
            }
        }
        drop(locked);
        runtime.executor().close(Duration::ZERO);
    }
}
