//! The way to a runtime that everything inside it holds: its table, and the scheduler below.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cordial_sched::{Executor, Hooks, JoinHandle, Key, Table, TaskRef};

use super::context;
use super::crashes::Crashes;
use super::entry::{Entry, EventSubject};
use super::guardian::Numbers;
use super::restart_limit_exits::RestartLimitExits;
use super::signal::{Effect, Signal, apply};
use crate::exit::Exit;
use crate::pid::Pid;
use crate::{telemetry, unwind};

const BUILT_WITH: &str = "every executor of this crate was built with a `Shared`";

/// The way to a runtime that everything inside it holds.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    executor: Executor,
    /// The layer of the executor.
    shared: Arc<Shared>,
}

/// What the scheduler keeps for this layer.
#[derive(Debug)]
pub(crate) struct Shared {
    number: NonZeroU32,
    table: Table<Entry>,
    /// The spawn places whose long polls were told.
    told_places: Mutex<BTreeSet<(&'static str, u32, u32)>>,
    /// The numbers of guardians.
    guardians: Numbers,
    crashes: Crashes,
    restart_limit_exits: RestartLimitExits,
}

impl Shared {
    pub(crate) fn new(threads: usize) -> Shared {
        // The numbers of runtimes are the only thing that they share.
        static NUMBERS: AtomicU32 = AtomicU32::new(1);
        Shared {
            number: NonZeroU32::new(NUMBERS.fetch_add(1, Ordering::Relaxed)).unwrap_or(NonZeroU32::MIN),
            table: Table::new(threads),
            told_places: Mutex::default(),
            guardians: Numbers::default(),
            crashes: Crashes::default(),
            restart_limit_exits: RestartLimitExits::default(),
        }
    }

    #[inline]
    fn pid(&self, key: Key) -> Pid {
        Pid::new(self.number, key.index(), key.generation().get())
    }

    fn key(&self, pid: Pid) -> Option<Key> {
        let generation = NonZeroU32::new(pid.generation()).filter(|_| pid.runtime() == self.number)?;
        Some(Key::new(pid.index(), generation))
    }
}

impl Hooks for Shared {
    fn thread_started(&self, executor: &Executor) {
        context::adopt(Handle::new(executor.clone()));
    }

    fn on_foreign_thread(&self, executor: &Executor, body: &mut dyn FnMut()) {
        context::within(Handle::new(executor.with_local_count()), body);
    }

    fn sampled(&self, key: Key, time: Duration) {
        let time = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.table.with(key, |entry| {
            let samples = &mut entry.rare().samples;
            samples.busy_us = samples.busy_us.saturating_add(time);
        });
    }

    fn threads_exhausted(&self, max_threads: usize) {
        telemetry::threads_exhausted(max_threads);
    }

    fn long_poll(&self, key: Key, lasted: Duration) {
        let about = self.table.with(key, |entry| {
            let samples = &mut entry.rare().samples;
            samples.long_polls = samples.long_polls.saturating_add(1);
            (EventSubject::of(entry), entry.spawned_at)
        });
        let Some((about, spawned_at)) = about else { return };
        let place = (spawned_at.file(), spawned_at.line(), spawned_at.column());
        if self.told_places.lock().unwrap_or_else(PoisonError::into_inner).insert(place) {
            telemetry::long_poll(&about.subject(self.pid(key)), lasted);
        }
    }
}

impl Handle {
    pub(crate) fn new(executor: Executor) -> Handle {
        let shared = executor.shared_hooks().expect(BUILT_WITH);
        Handle { executor, shared }
    }

    pub(crate) fn of<T>(join: &JoinHandle<T>) -> Handle {
        Handle::new(join.executor().clone())
    }

    pub(crate) fn executor(&self) -> &Executor {
        &self.executor
    }

    pub(crate) fn is_same(&self, other: &Handle) -> bool {
        self.shared.number == other.shared.number
    }

    pub(crate) fn next_guardian_number(&self) -> u64 {
        self.shared.guardians.next()
    }

    /// The latest crashes of processes here.
    pub(crate) fn crashes(&self) -> &Crashes {
        &self.shared.crashes
    }

    /// The exits of supervisors here that gave up.
    pub(crate) fn restart_limit_exits(&self) -> &RestartLimitExits {
        &self.shared.restart_limit_exits
    }

    #[inline]
    pub(crate) fn reserve(&self) -> Option<(Key, Pid)> {
        let shared = &*self.shared;
        let key = shared.table.reserve()?;
        Some((key, shared.pid(key)))
    }

    #[inline]
    pub(crate) fn pid_of(&self, task: TaskRef) -> Pid {
        self.shared.pid(task.key())
    }

    pub(crate) fn occupy(&self, key: Key, entry: impl FnOnce() -> Entry) {
        self.shared.table.occupy(key, entry);
    }

    /// Reads or changes a live process. Nothing of the user's may run inside `f`.
    pub(crate) fn with<R>(&self, pid: Pid, f: impl FnOnce(&mut Entry) -> R) -> Option<R> {
        let shared = &*self.shared;
        shared.table.with(shared.key(pid)?, f)
    }

    /// Who is in a poll that lasts, and for how long.
    pub(crate) fn long_polls(&self) -> BTreeMap<Pid, Duration> {
        self.executor.long_polls().into_iter().map(|(key, lasted)| (self.shared.pid(key), lasted)).collect()
    }

    /// The same for two at one moment.
    pub(crate) fn with_both<R>(
        &self,
        a: Pid,
        b: Pid,
        f: impl FnOnce(Option<&mut Entry>, Option<&mut Entry>) -> R,
    ) -> R {
        let shared = &*self.shared;
        shared.table.with_both(shared.key(a), shared.key(b), f)
    }

    pub(crate) fn remove(&self, pid: Pid) -> Option<Entry> {
        let shared = &*self.shared;
        shared.table.remove(shared.key(pid)?)
    }

    /// Applies a signal, and wakes whom it concerns. Nothing happens if there is no such process.
    pub(crate) fn signal(&self, pid: Pid, signal: Signal) {
        self.apply(pid, signal).act();
    }

    /// Applies a signal. Whom it concerns is woken by the effect.
    pub(crate) fn apply(&self, pid: Pid, signal: Signal) -> Effect {
        self.with(pid, |entry| apply(pid, entry, signal)).unwrap_or_default()
    }

    /// Asks a process to shut down, in the name of the caller if that is a process of this runtime.
    pub(crate) fn request_shutdown(&self, pid: Pid) {
        let from = context::current().filter(|caller| caller.runtime() == pid.runtime());
        self.signal(pid, Signal::Sent { from, reason: Exit::Shutdown(None) });
    }

    pub(crate) fn kill(&self, pid: Pid) {
        self.signal(pid, Signal::Sent { from: None, reason: Exit::Killed });
    }

    pub(crate) fn kill_all(&self) {
        for pid in self.members(|_, _| true) {
            self.kill(pid);
        }
    }

    /// The live processes that `is_member` says yes to.
    pub(crate) fn members(&self, is_member: impl Fn(Pid, &Entry) -> bool) -> Vec<Pid> {
        let mut members = Vec::new();
        self.for_each(|pid, entry| members.extend(is_member(pid, entry).then_some(pid)));
        members
    }

    pub(crate) fn for_each(&self, mut f: impl FnMut(Pid, &Entry)) {
        let shared = &*self.shared;
        shared.table.for_each(|key, entry| f(shared.pid(key), entry));
    }
}

/// The process that a claim is on.
pub(crate) fn pid_of<T>(join: &JoinHandle<T>) -> Pid {
    let shared: &Shared = join.executor().hooks().expect(BUILT_WITH);
    join.key().map_or(Pid::NO_PROCESS, |key| shared.pid(key))
}

/// Builds what `threads` threads share, as the scheduler wants it.
pub(crate) fn hooks(threads: usize) -> Arc<Shared> {
    unwind::install_hook(telemetry::has_crash_subscriber);
    Arc::new(Shared::new(threads))
}
