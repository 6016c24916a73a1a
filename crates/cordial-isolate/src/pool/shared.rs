//! What callers and the thread of the pool share: the queue of calls and the states of the workers.
//!
//! ```text
//!  worker   Starting ─ Ready ─► Idle ─ a call ─► Busy ─ Done ─► Idle …
//!                                │                │  its last call ─ Done ─► Ending: it exits
//!                                │ idle for long  │ crash, kill, limit ────► Ending: it is reaped, and another one starts
//!                                └───────────────────────────────────────► Ending
//! ```
//!
//! Counts are computed from these states when they are needed. They are not stored, so that they cannot differ from the states.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cordial::Exit;
use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown, shutdown};
use rustix::process::Signal;
use tokio::sync::watch;

use super::call::{Call, Reply, ShutdownOutcome};
use super::clock::{later, now};
use super::config::Config;
use super::error::PoolError;
use super::oom_kills::OomKills;
use super::os_process::OsProcess;
use crate::descendants::kill_orphans;
use crate::frame::{Kind, Outgoing};
use crate::kernel;
use crate::unwind::contain;

/// How long processes that got SIGTERM have before they get SIGKILL.
const AFTER_SIGTERM: Duration = Duration::from_millis(100);

/// How long a worker that was ready may take to exit after its socket was found unusable.
const UNTIL_EXIT: Duration = Duration::from_millis(100);

/// How long a drop of the last handle waits until the thread of the pool has ended the workers.
const UNTIL_CLOSED: Duration = Duration::from_millis(200);

/// How long a worker may take to exit after it was asked to.
const TO_RETIRE: Duration = Duration::from_secs(1);

/// What callers and the thread of the pool share.
#[derive(Debug)]
pub(crate) struct PoolShared {
    pub(super) config: Config,
    pub(super) program: Arc<str>,
    /// The OS process that has started the pool. A process that is forked from it has a copy of the pool, whose workers are not its own.
    owner: u32,
    state: Mutex<PoolState>,
    calls: AtomicU64,
    /// How often the pool was stopped. Changed under the lock, before calls end for that reason.
    stops: AtomicU64,
    /// Notified when a closed pool has no workers any more.
    without_workers: Condvar,
    /// Wakes the thread of the pool.
    waker: UnixStream,
    /// The phase, for tasks that wait for another one. Only [`publish`](PoolShared::publish) changes it.
    pub(super) phases: watch::Sender<Phase>,
}

/// Whether the pool takes calls.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Phase {
    Open,
    /// It takes no calls, and ends its workers.
    Stopping,
    /// It takes no calls, and has no workers.
    Stopped,
    /// No worker starts.
    Failed(PoolError),
}

#[derive(Debug)]
pub(super) struct PoolState {
    pub(super) phase: Phase,
    /// Whether the last handle was dropped.
    pub(super) is_closed: bool,
    pub(super) workers: BTreeMap<u64, Worker>,
    /// The idle workers. The one that was idle for the shortest time is the last.
    idle: Vec<u64>,
    /// The calls that wait for a worker, in the order of their numbers.
    pub(super) queue: BTreeMap<u64, Call>,
    /// How many workers there should be.
    pub(super) target: usize,
    pub(super) counters: Counters,
    pub(super) oom_kills: OomKills,
    is_woken: bool,
}

/// The counters of the pool since its start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    pub(super) calls: u64,
    pub(super) lost: u64,
    pub(super) killed: u64,
    pub(super) started: u64,
    pub(super) recycled: u64,
    pub(super) failed_starts: u64,
}

/// One worker process.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) process: Arc<OsProcess>,
    /// The variable in the environment of everything that it has started.
    mark: Arc<str>,
    pub(super) socket: Arc<OwnedFd>,
    pub(super) state: WorkerState,
    /// The rest of a frame that the socket has not taken yet.
    pub(super) outgoing: Option<Outgoing>,
    /// Whether the thread of the pool is sending that rest, without the lock.
    pub(super) is_sending: bool,
    pub(super) call: Option<Call>,
    pub(super) calls: u64,
    /// Whether it takes no further call.
    pub(super) is_last: bool,
    pub(super) end: End,
    /// Why its socket cannot be used.
    pub(super) broken: Option<Arc<str>>,
    /// Whether it has reported that it takes calls.
    pub(super) was_ready: bool,
    /// Whether it has answered a call, or was idle for long.
    pub(super) is_proven: bool,
    pub(super) started: Instant,
    /// Since when it is in its state.
    pub(super) since: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkerState {
    Starting,
    Idle,
    Busy,
    Ending,
}

/// How far the pool has gone to end a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing was done.
    None,
    /// The call was asked to shut down; SIGTERM follows at this time.
    Asked { term_at: Instant },
    /// It got SIGTERM; SIGKILL follows at this time.
    Term { kill_at: Instant },
    /// It was asked to exit, as it runs no call; SIGKILL follows at this time.
    Retire { kill_at: Instant },
    /// Its socket is closed, or has carried bytes that are not frames; SIGKILL follows at this time.
    Broken { kill_at: Instant },
    /// It got SIGKILL.
    Killed,
}

impl PoolShared {
    /// Returns the shared state, and the socket from which the thread of the pool reads its wake-ups.
    pub(super) fn new(config: Config, program: Arc<str>) -> std::io::Result<(PoolShared, UnixStream)> {
        let (waker, woken) = UnixStream::pair()?;
        waker.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        let state = PoolState {
            phase: Phase::Open,
            is_closed: false,
            workers: BTreeMap::new(),
            idle: Vec::new(),
            queue: BTreeMap::new(),
            target: config.workers,
            counters: Counters::default(),
            oom_kills: OomKills::find(),
            is_woken: false,
        };
        let (phases, _) = watch::channel(Phase::Open);
        let (state, without_workers) = (Mutex::new(state), Condvar::new());
        let (calls, stops) = (AtomicU64::new(0), AtomicU64::new(0));
        let owner = std::process::id();
        let shared = PoolShared { config, program, owner, state, calls, stops, without_workers, waker, phases };
        Ok((shared, woken))
    }

    /// Returns whether this OS process was forked from the one that has started the pool. If so, it must not take the lock, which another thread may
    /// have held during the fork.
    pub(super) fn is_forked(&self) -> bool {
        std::process::id() != self.owner
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of the next call. 0 is no call.
    pub(super) fn next_call(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Returns how often the pool was stopped.
    pub(super) fn n_stops(&self) -> u64 {
        self.stops.load(Ordering::SeqCst)
    }

    /// Notifies the tasks that wait for a phase. The caller has changed the phase and holds no lock, because a waker may be user code,
    /// which may look at the pool, or panic.
    pub(super) fn publish(&self) {
        // Reads the phase under the lock of the sender, so that the last one that is sent is the latest one.
        let update = |sent: &mut Phase| {
            let phase = self.lock().phase.clone();
            let has_changed = *sent != phase;
            *sent = phase;
            has_changed
        };
        let _ = contain(|| self.phases.send_if_modified(update));
    }

    /// Wakes the thread of the pool.
    pub(super) fn wake(&self, state: &mut PoolState) {
        if !state.is_woken {
            state.is_woken = true;
            // If the socket is full, the thread has wake-ups to read already.
            let _ = (&self.waker).write(&[0]);
        }
    }

    /// Takes a call: gives it to an idle worker, or lets it wait for one. Refuses it in a forked process.
    pub(super) fn submit(&self, call: Call) -> Result<(), PoolError> {
        let mut state = self.lock_open()?;
        state.counters.calls += 1;
        state.queue.insert(call.id, call);
        if state.dispatch(&self.config) {
            self.wake(&mut state);
        }
        Ok(())
    }

    /// Returns why a call would be refused now.
    pub(super) fn refusal(&self) -> Option<PoolError> {
        self.lock_open().err()
    }

    /// Locks the state if calls are taken. A forked process takes none.
    fn lock_open(&self) -> Result<MutexGuard<'_, PoolState>, PoolError> {
        if self.is_forked() {
            return Err(PoolError::Stopped);
        }
        let state = self.lock();
        match &state.phase {
            Phase::Open => Ok(state),
            Phase::Stopping | Phase::Stopped => Err(PoolError::Stopped),
            Phase::Failed(error) => Err(error.clone()),
        }
    }

    /// Ends a call whose caller is gone: takes it out of the queue, or kills the worker that runs it. Does nothing in a forked process.
    pub(super) fn cancel(&self, id: u64) {
        if self.is_forked() {
            return;
        }
        let mut state = self.lock();
        if state.queue.remove(&id).is_some() {
            return;
        }
        let Some(worker) = state.worker_of(id) else { return };
        worker.kill();
        worker.call = None;
        state.counters.killed += 1;
        state.dispatch(&self.config);
        self.wake(&mut state);
    }

    /// Asks a call to shut down, or takes it out of the queue. Its worker is ended if the call takes longer than the grace time.
    pub(super) fn ask_to_stop(&self, id: u64) -> ShutdownOutcome {
        if self.is_forked() {
            return ShutdownOutcome::Ended;
        }
        let mut state = self.lock();
        if state.queue.remove(&id).is_some() {
            return ShutdownOutcome::NotStarted;
        }
        let Some(worker) = state.worker_of(id) else { return ShutdownOutcome::Ended };
        worker.ask_to_stop(self.config.grace);
        self.wake(&mut state);
        ShutdownOutcome::Running
    }

    /// Begins to stop the pool: calls that wait are answered, calls that run are asked to shut down. Does nothing in a forked process.
    pub(super) fn stop(&self, grace: Duration) {
        if self.is_forked() {
            return;
        }
        let mut state = self.lock();
        if state.phase == Phase::Open || matches!(state.phase, Phase::Failed(_)) {
            state.phase = Phase::Stopping;
        }
        self.stops.fetch_add(1, Ordering::SeqCst);
        state.target = 0;
        let waiting = std::mem::take(&mut state.queue);
        for worker in state.workers.values_mut() {
            match worker.state {
                WorkerState::Busy => worker.ask_to_stop(grace),
                WorkerState::Starting => worker.kill(),
                WorkerState::Idle => worker.retire(),
                WorkerState::Ending => {}
            }
            worker.is_last = true;
        }
        state.idle.clear();
        self.wake(&mut state);
        drop(state);
        self.publish();
        for call in waiting.into_values() {
            let _ = call.reply.send(Reply::Ended(Exit::Shutdown(Some("the pool was stopped".into()))));
        }
    }

    /// Takes calls again, after a stop or a failure. Returns `false` during a stop: the stop has to end first.
    #[must_use]
    pub(super) fn open(&self) -> bool {
        let mut state = self.lock();
        if state.phase == Phase::Stopping {
            return false;
        }
        if state.phase != Phase::Open {
            state.phase = Phase::Open;
            state.target = self.config.workers;
            self.wake(&mut state);
        }
        drop(state);
        self.publish();
        true
    }

    /// Ends all workers at once; no handle is left, and so no call. Waits for a short time until they have ended,
    /// because the program may end now, and then the thread of the pool cannot kill the processes that they have started. If the workers have not
    /// ended in that time, this function kills these processes. Does nothing in a forked process.
    pub(super) fn close(&self) {
        if self.is_forked() {
            return;
        }
        let mut state = self.lock();
        state.is_closed = true;
        state.target = 0;
        state.workers.values_mut().for_each(Worker::kill);
        state.idle.clear();
        self.wake(&mut state);
        let has_workers = |state: &mut PoolState| !state.workers.is_empty();
        let waited = self.without_workers.wait_timeout_while(state, UNTIL_CLOSED, has_workers);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        // On a busy machine, the thread of the pool may still wait for a core.
        let left: Vec<Arc<str>> = state.workers.values().map(|worker| worker.mark.clone()).collect();
        drop(state);
        left.iter().for_each(|mark| kill_orphans(mark));
    }

    /// Called by the thread of the pool when the last worker is gone.
    pub(super) fn has_no_workers(&self) {
        self.without_workers.notify_all();
    }
}

impl PoolState {
    /// Called by the thread of the pool when it has seen the wake-up.
    pub(super) fn woken(&mut self) {
        self.is_woken = false;
    }

    /// Returns the worker that runs a call.
    fn worker_of(&mut self, call: u64) -> Option<&mut Worker> {
        self.workers.values_mut().find(|worker| worker.call.as_ref().is_some_and(|running| running.id == call))
    }

    /// Returns how many workers take calls, now or later.
    pub(super) fn n_lasting(&self) -> usize {
        self.workers.values().filter(|worker| worker.is_lasting()).count()
    }

    /// Returns how many calls run.
    pub(super) fn n_running(&self) -> usize {
        self.workers.values().filter(|worker| worker.call.is_some()).count()
    }

    /// Marks a worker as idle.
    pub(super) fn becomes_idle(&mut self, id: u64) {
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.enter(WorkerState::Idle);
            worker.was_ready = true;
            self.idle.push(id);
        }
    }

    /// Takes a worker out of the idle ones.
    pub(super) fn remove_idle(&mut self, id: u64) {
        self.idle.retain(|idle| *idle != id);
    }

    /// Gives waiting calls to idle workers, and raises the target if calls still wait. Returns whether the thread of the pool has something to do.
    pub(super) fn dispatch(&mut self, config: &Config) -> bool {
        let mut has_work = false;
        while !self.queue.is_empty() && self.n_running() < config.workers {
            let Some(id) = self.idle.pop() else { break };
            let Some(worker) = self.workers.get_mut(&id).filter(|worker| worker.state == WorkerState::Idle) else {
                continue;
            };
            let Some((_, call)) = self.queue.pop_first() else { break };
            self.oom_kills.call_begins(now());
            match worker.assign(call, config) {
                Assigned::Sent => has_work |= worker.is_last,
                Assigned::Partly => has_work = true,
                Assigned::Dead(call) => {
                    self.queue.insert(call.id, *call);
                    has_work = true;
                }
            }
        }
        if !self.queue.is_empty() && self.phase == Phase::Open {
            let needed = self.queue.len().saturating_add(self.n_running()).min(config.workers);
            self.target = self.target.max(needed);
            has_work |= self.n_lasting() < self.target;
        }
        has_work
    }
}

/// The result of giving a call to a worker.
enum Assigned {
    Sent,
    /// The thread of the pool has to send the rest.
    Partly,
    /// The worker is gone, and has got nothing of the call.
    Dead(Box<Call>),
}

impl Worker {
    pub(super) fn new(process: Arc<OsProcess>, mark: Arc<str>, socket: Arc<OwnedFd>) -> Worker {
        let started = now();
        Worker {
            process,
            mark,
            socket,
            state: WorkerState::Starting,
            outgoing: None,
            is_sending: false,
            call: None,
            calls: 0,
            is_last: false,
            end: End::None,
            broken: None,
            was_ready: false,
            is_proven: false,
            started,
            since: started,
        }
    }

    pub(super) fn enter(&mut self, state: WorkerState) {
        // An end has several steps, and each of them may be the first.
        if self.state == WorkerState::Ending && state == WorkerState::Ending {
            return;
        }
        self.state = state;
        self.since = now();
    }

    /// Returns whether the worker takes calls, now, or once it has started or has ended the call that it runs.
    fn is_lasting(&self) -> bool {
        self.state != WorkerState::Ending && !self.is_last
    }

    /// Returns whether the worker takes calls, and has said so.
    pub(super) fn is_ready(&self) -> bool {
        self.is_lasting() && self.was_ready
    }

    fn assign(&mut self, mut call: Call, config: &Config) -> Assigned {
        let Some(mut frame) = call.frame.take() else { return Assigned::Sent };
        match frame.send(&self.socket, SendFlags::DONTWAIT) {
            Ok(true) => {}
            Ok(false) => self.outgoing = Some(frame),
            Err(_) if frame.is_unsent() => {
                call.frame = Some(frame);
                self.kill();
                return Assigned::Dead(Box::new(call));
            }
            // The worker has died meanwhile, which its pool is about to find.
            Err(_) => {}
        }
        self.enter(WorkerState::Busy);
        self.calls += 1;
        self.is_last |= config.recycle_after.is_some_and(|limit| self.calls >= limit);
        call.since = Some(self.since);
        self.call = Some(call);
        if self.outgoing.is_some() { Assigned::Partly } else { Assigned::Sent }
    }

    /// Sends a signal to the worker and to the processes that it has started.
    fn signal(&self, signal: Signal) {
        let sent = self.process.signal(signal);
        if signal == Signal::KILL && sent == Err(Errno::PERM) {
            // This program has given up the rights with which it has started the worker, which kills itself when its socket is closed.
            let _ = shutdown(&*self.socket, Shutdown::Both);
        }
    }

    pub(super) fn kill(&mut self) {
        if self.end != End::Killed {
            self.signal(Signal::KILL);
            self.end = End::Killed;
        }
        self.enter(WorkerState::Ending);
    }

    /// Kills a worker that has not started yet, because the pool takes no calls any more.
    pub(super) fn drop_start(&mut self) {
        self.is_last = true;
        self.kill();
    }

    /// Sends SIGTERM, and later SIGKILL.
    pub(super) fn terminate(&mut self) {
        if !matches!(self.end, End::Term { .. } | End::Killed) {
            self.signal(Signal::TERM);
            self.end = End::Term { kill_at: now() + AFTER_SIGTERM };
        }
        self.enter(WorkerState::Ending);
    }

    /// Ends a worker whose socket cannot be used, unless it is ending anyway. Most often the worker has just died,
    /// which closed its socket. A worker that is still starting may have lost its socket, and is about to report that.
    pub(super) fn end_broken(&mut self, reason: &str, config: &Config) {
        if matches!(self.end, End::None | End::Asked { .. }) {
            let kill_at = if self.was_ready { now() + UNTIL_EXIT } else { later(self.started, config.start_timeout) };
            self.end = End::Broken { kill_at };
            self.broken = Some(reason.into());
        }
        self.enter(WorkerState::Ending);
    }

    /// Takes the steps to end the worker that are due, and returns when the next one is due.
    pub(super) fn advance_end(&mut self, now: Instant) -> Option<Instant> {
        match self.end {
            End::Asked { term_at } if term_at <= now => self.terminate(),
            // The worker is dying, which has closed its socket: a kill would hide the cause.
            End::Broken { kill_at } if kill_at <= now && kernel::is_exiting(self.process.id) => {
                self.end = End::Broken { kill_at: now + UNTIL_EXIT };
            }
            End::Term { kill_at } | End::Retire { kill_at } | End::Broken { kill_at } if kill_at <= now => {
                self.kill();
                // If only its group was left, nothing else wakes the thread of the pool to finish it.
                return Some(now);
            }
            _ => {}
        }
        match self.end {
            End::Asked { term_at: time }
            | End::Term { kill_at: time }
            | End::Retire { kill_at: time }
            | End::Broken { kill_at: time } => Some(time),
            End::None | End::Killed => None,
        }
    }

    /// Returns whether the pool has ended the worker for another reason than its socket.
    pub(super) fn was_ended(&self) -> bool {
        matches!(self.end, End::Term { .. } | End::Killed) && self.broken.is_none()
    }

    /// Asks a worker that runs no call to exit, or kills it if it cannot be asked.
    pub(super) fn retire(&mut self) {
        let sent = Outgoing::new(Kind::Retire, 0, Vec::new()).send(&self.socket, SendFlags::DONTWAIT);
        if matches!(sent, Ok(true)) {
            self.end = End::Retire { kill_at: now() + TO_RETIRE };
            self.enter(WorkerState::Ending);
        } else {
            self.kill();
        }
    }

    fn ask_to_stop(&mut self, grace: Duration) {
        if self.end != End::None {
            return;
        }
        let Some(call) = &self.call else { return };
        // If the call has not reached the worker as a whole, it has not begun.
        if self.outgoing.is_some() || self.is_sending {
            return self.kill();
        }
        let sent = Outgoing::new(Kind::Stop, call.id, Vec::new()).send(&self.socket, SendFlags::DONTWAIT);
        match sent {
            Ok(true) if !grace.is_zero() => self.end = End::Asked { term_at: later(now(), grace) },
            _ => self.terminate(),
        }
    }
}

#[cfg(test)]
mod tests;
