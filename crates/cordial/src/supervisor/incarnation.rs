//! The incarnations of one supervisor: the processes, one after another, that its handles refer to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::exit::{Exit, Refusal};
use crate::pid::Pid;
use crate::process::{ReportSlot, RuntimeHandle, StopReport, discard, monitor_on};

/// The incarnations of one supervisor: at most one of them runs.
#[derive(Debug)]
pub(super) struct Incarnations {
    runtime: RuntimeHandle,
    current: Mutex<Current>,
}

/// One incarnation of a supervisor.
#[derive(Clone, Debug)]
pub(super) struct Incarnation {
    /// The first is number 1.
    pub(super) number: u32,
    /// Where its process leaves the report of its stop.
    pub(super) report: ReportSlot,
    /// Notified by each call of `stop` or `request_stop`, and when an armed `StartGuard` is dropped.
    pub(super) stop: Arc<Notify>,
}

/// The incarnation that runs, or else the last one.
#[derive(Debug)]
struct Current {
    incarnation: Incarnation,
    /// `Pid::NO_PROCESS` if it has never had a process.
    pid: Pid,
    /// `None` while it runs.
    exit: Option<Exit>,
    /// The exit of the incarnation before.
    previous_exit: Option<Exit>,
}

impl Current {
    /// Replaces the incarnation. Returns what has to be discarded outside of the lock: an exit may hold an error of the user.
    fn replace(&mut self, incarnation: &Incarnation, pid: Pid, exit: Option<Exit>) -> Current {
        let previous_exit = self.exit.take();
        std::mem::replace(self, Current { incarnation: incarnation.clone(), pid, exit, previous_exit })
    }
}

impl Incarnation {
    fn new(number: u32) -> Incarnation {
        Incarnation { number, report: ReportSlot::default(), stop: Arc::default() }
    }
}

impl Incarnations {
    pub(super) fn new(runtime: RuntimeHandle) -> Incarnations {
        let none = Current {
            incarnation: Incarnation::new(0),
            pid: Pid::NO_PROCESS,
            exit: Some(Exit::NoProcess),
            previous_exit: None,
        };
        Incarnations { runtime, current: Mutex::new(none) }
    }

    pub(super) fn runtime(&self) -> &RuntimeHandle {
        &self.runtime
    }

    /// Returns the pid of the incarnation that runs, or else of the last one. It is `Pid::NO_PROCESS` if there was none, or if the
    /// runtime has refused the last one.
    pub(super) fn pid(&self) -> Pid {
        self.read().map_or(Pid::NO_PROCESS, |current| current.pid)
    }

    /// Returns the number of the incarnation that runs, or else of the last one. It is 0 if there was none.
    pub(super) fn number(&self) -> u32 {
        self.read().map_or(0, |current| current.incarnation.number)
    }

    /// Returns the pid and the report slot of the incarnation that runs.
    pub(super) fn running(&self) -> Option<(Pid, ReportSlot)> {
        let current = self.lock();
        current.exit.is_none().then(|| (current.pid, current.incarnation.report.clone()))
    }

    /// Prepares the next incarnation. It becomes the current one when its process has started, or when its start is refused.
    pub(super) fn next(&self) -> Incarnation {
        Incarnation::new(self.number() + 1)
    }

    /// Makes an incarnation the current one: its process has started. That process and the code that starts it both
    /// call this, since either may be first.
    pub(super) fn started(&self, incarnation: &Incarnation, pid: Pid) {
        let replaced = {
            let mut current = self.lock();
            (current.incarnation.number < incarnation.number).then(|| current.replace(incarnation, pid, None))
        };
        discard(replaced);
    }

    /// Records that no process could be started for an incarnation.
    pub(super) fn start_refused(&self, incarnation: &Incarnation, exit: Exit) {
        let replaced = self.lock().replace(incarnation, Pid::NO_PROCESS, Some(exit));
        discard(replaced);
    }

    /// Returns why the current incarnation has no process, if the runtime has refused it.
    pub(super) fn start_refusal(&self) -> Option<Refusal> {
        let current = self.read()?;
        match &current.exit {
            Some(Exit::Refused(refusal)) if current.pid == Pid::NO_PROCESS => Some(refusal.clone()),
            _ => None,
        }
    }

    /// Records the exit of the current incarnation, whose process is about to exit with it.
    pub(super) fn exiting(&self, exit: Exit) {
        let replaced = self.lock().exit.replace(exit);
        discard(replaced);
    }

    /// Waits until the current incarnation has exited, and returns its exit.
    pub(super) async fn ended(&self) -> Exit {
        loop {
            if let Err(refusal) = self.runtime.refuse_forked() {
                return Exit::Refused(refusal);
            }
            let pid = self.pid();
            match monitor_on(&self.runtime, pid).await {
                Exit::NoProcess => {
                    let current = self.lock();
                    // If the pids differ, the next incarnation has started in the meantime.
                    let exit = if current.pid == pid { &current.exit } else { &current.previous_exit };
                    if current.pid == pid || pid != Pid::NO_PROCESS {
                        // A process whose future was dropped early has recorded no exit.
                        return exit.clone().unwrap_or(Exit::NoProcess);
                    }
                }
                exit => return exit,
            }
        }
    }

    /// Asks the current incarnation to stop, and does not wait for its exit.
    pub(super) fn request_stop(&self) {
        let stop = self.lock().incarnation.stop.clone();
        stop.notify_one();
    }

    /// Stops the current incarnation, waits for its exit, and returns the report of its stop.
    pub(super) async fn stop(&self) -> StopReport {
        if self.runtime.is_forked() {
            // The supervisor runs only in the parent process of the fork.
            return StopReport::default();
        }
        let (pid, Incarnation { report, stop, .. }) = {
            let current = self.lock();
            (current.pid, current.incarnation.clone())
        };
        let exit = monitor_on(&self.runtime, pid);
        stop.notify_one();
        discard(exit.await);
        report.get()
    }

    /// Takes the lock. In a forked process, where another thread may have held the lock at the fork, returns `None` instead of
    /// waiting.
    fn read(&self) -> Option<MutexGuard<'_, Current>> {
        if self.runtime.is_forked() { self.current.try_lock().ok() } else { Some(self.lock()) }
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stops a supervisor when dropped, unless disarmed. Sent with the outcome of a start, and disarmed by the code that receives it: if
/// nothing receives the outcome, the supervisor stops.
#[derive(Debug)]
pub(super) struct StartGuard(Option<Arc<Notify>>);

impl StartGuard {
    pub(super) fn new(incarnation: &Incarnation) -> StartGuard {
        StartGuard(Some(incarnation.stop.clone()))
    }

    pub(super) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for StartGuard {
    fn drop(&mut self) {
        if let Some(stop) = &self.0 {
            stop.notify_one();
        }
    }
}
