//! The children of a task supervisor that may be started again. Each has a factory and a record.
//!
//! ```text
//!            ┌────────────────────────────────────────┐
//!            ▼                                        │ restart
//!  add ─► Running ── exit that calls for a restart ─► Waiting
//!            │                                        │
//!            ├─ any other exit ──────────► removed ◄──┤ terminate, close
//!            └─ terminate ─► Terminated ─ exit ─► removed
//! ```

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use slab::Slab;
use tokio::sync::{Notify, mpsc};

use super::child_limit::ChildLimit;
use super::waiting_child::WaitingChild;
use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::{Admission, ChildRegistry, Handle, Lineage, Shutdown, discard};
use crate::supervisor::factory::{Factory, InitResult};
use crate::supervisor::pace::Pace;
use crate::supervisor::restart::{Restart, RestartDecision};
use crate::supervisor::settle::Settle;

/// The restartable children of one incarnation of the supervisor.
#[derive(Debug)]
pub(super) struct RestartableChildren {
    table: Mutex<Table>,
    /// Receives the exits that call for a restart. At most one for each child is in the channel.
    exits: mpsc::UnboundedSender<RestartableExit>,
    /// Notified when a child is removed after `close`.
    drained: Arc<Notify>,
    limit: Arc<ChildLimit>,
    settle: Settle,
}

/// The exit of a child that calls for a restart.
#[derive(Debug)]
pub(super) struct RestartableExit {
    pub(super) index: u32,
    /// The process that has exited. The index alone may name another child by now.
    pub(super) pid: Pid,
    pub(super) exit: Exit,
}

#[derive(Debug)]
struct Table {
    children: Slab<RestartableChild>,
    admission: Admission,
}

/// The record of one child.
pub(super) struct RestartableChild {
    pub(super) id: Arc<str>,
    pub(super) factory: Factory,
    pub(super) restart: Restart,
    pub(super) shutdown: Shutdown,
    pub(super) spawned_at: &'static Location<'static>,
    /// The pace of the restarts; `None` if they are counted instead.
    pub(super) pace: Option<Pace>,
    pub(super) lineage: Option<Arc<Lineage>>,
    pub(super) incarnation: u32,
    /// When the present incarnation finished starting. `None` before that, and after its exit.
    pub(super) started_at: Option<Duration>,
    /// The process of the present incarnation, or of the last one while the child waits. `None` while it starts.
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
    /// The first attempt is to be made, or is being made, since this time.
    FirstAttempt { since: Duration },
    /// The restart is delayed, or an attempt has failed.
    Later,
}

/// What remains of a child that was terminated after its process had exited.
#[must_use = "a process may have to be stopped"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Terminated {
    /// Nothing.
    Removed,
    /// The process of a restart, which is to be stopped.
    Running(Pid, Shutdown),
    /// A restart whose process is not in the process table yet. That lasts for a few steps of the supervisor.
    Starting,
}

/// What a restartable child is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RestartableState {
    /// It is running or being started.
    Running,
    /// It is running, and is removed when it exits.
    Terminated,
    /// It has exited, and waits for the decision about its restart or for the restart itself.
    Waiting,
}

impl RestartableChildren {
    pub(super) fn new(
        limit: Arc<ChildLimit>,
        exits: mpsc::UnboundedSender<RestartableExit>,
        drained: Arc<Notify>,
        runtime: &Handle,
    ) -> RestartableChildren {
        let table = Mutex::new(Table { children: Slab::new(), admission: Admission::Open });
        RestartableChildren { table, exits, drained, limit, settle: Settle::new(runtime) }
    }

    /// Adds a child that is about to start, and returns its index. Returns `None` if the supervisor stops.
    pub(super) fn add(&self, child: RestartableChild) -> Option<u32> {
        let mut refused = Some(child);
        let index = {
            let mut table = self.lock();
            match table.admission {
                Admission::Open => refused.take().map(|child| table.children.insert(child)),
                Admission::Closed | Admission::Killed => None,
            }
        };
        discard(refused);
        index.map(|index| u32::try_from(index).expect("a runtime has fewer than 2^32 processes"))
    }

    /// Reads or changes a child, if it has not been removed. `f` runs under the lock, so it must neither run user code
    /// nor drop user values.
    pub(super) fn with<R>(&self, index: u32, f: impl FnOnce(&mut RestartableChild) -> R) -> Option<R> {
        self.lock().children.get_mut(index as usize).map(f)
    }

    /// Removes a child that failed to start.
    pub(super) fn remove_unstarted(&self, index: u32) {
        // `close` may have removed the child.
        let removed = self.lock().children.try_remove(index as usize);
        self.release(removed);
    }

    /// Prevents the restart of a running child.
    pub(super) fn terminate_running(&self, index: u32, pid: Pid) {
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
            let is_named = |child: &RestartableChild| child.pid == Some(pid) || child.known_pid == Some(pid);
            let (index, child) = table.children.iter_mut().find(|(_, child)| is_named(child))?;
            if child.state != RestartableState::Waiting {
                child.state = RestartableState::Terminated;
                return Some(match child.pid {
                    // The process has left the process table and is about to call `exited`.
                    Some(exited) if exited == pid => Terminated::Removed,
                    Some(starting) => Terminated::Running(starting, child.shutdown),
                    None => Terminated::Starting,
                });
            }
            table.children.remove(index)
        };
        self.release([removed]);
        Some(Terminated::Removed)
    }

    /// Handles the acknowledgment of a child: its process has finished starting, or says that it is not needed.
    pub(super) fn acknowledged(&self, index: u32, result: InitResult) {
        let now = self.settle.clock().now();
        self.with(index, |child| match result {
            InitResult::Started => {
                child.started_at = Some(now);
                child.has_started = true;
                child.known_pid = child.pid;
                child.restart_progress = RestartProgress::Done;
            }
            InitResult::Ignored => child.state = RestartableState::Terminated,
        });
        self.settle.changed();
    }

    /// Prevents the restart of a child that has never finished starting, unless it has a backoff.
    pub(super) fn not_started(&self, index: u32) {
        self.with(index, |child| {
            if !child.has_started && child.pace.is_none() {
                child.state = RestartableState::Terminated;
            }
        });
    }

    /// Prevents all further starts, and removes the children that wait for a restart.
    pub(super) fn close(&self, admission: Admission) {
        let removed = {
            let mut table = self.lock();
            table.admission = admission;
            let waiting = table.children.iter().filter(|(_, child)| child.state == RestartableState::Waiting);
            let waiting: Vec<usize> = waiting.map(|(index, _)| index).collect();
            waiting.into_iter().map(|index| table.children.remove(index)).collect::<Vec<RestartableChild>>()
        };
        self.release(removed);
    }

    /// Returns whether the process of a child is being started, and is not in the process table yet.
    pub(super) fn is_starting(&self) -> bool {
        let is_starting = |child: &RestartableChild| child.state == RestartableState::Running && child.pid.is_none();
        self.lock().children.iter().any(|(_, child)| is_starting(child))
    }

    /// Returns the processes of the children, also those of restarts that are starting.
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

    /// Delays the restart of a child that waits.
    pub(super) fn delayed(&self, index: u32) {
        self.with(index, |child| child.restart_progress = RestartProgress::Later);
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

    /// Returns the children that have no process.
    pub(super) fn without_process(&self) -> Vec<WaitingChild> {
        self.describe(|child| child.state == RestartableState::Waiting)
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

    /// Returns the permits of children that have been removed, and drops their factories.
    fn release(&self, removed: impl IntoIterator<Item = RestartableChild>) {
        for child in removed {
            self.limit.release();
            discard(child);
        }
        self.settle.changed();
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ChildRegistry for RestartableChildren {
    fn registered(&self, index: u32, pid: Pid) -> Admission {
        let mut table = self.lock();
        let admission = table.admission;
        let child = table.children.get_mut(index as usize).expect("a child that starts is not removed");
        child.pid = Some(pid);
        child.known_pid.get_or_insert(pid);
        match child.state {
            // Terminated while it was being started.
            RestartableState::Terminated if admission == Admission::Open => Admission::Closed,
            _ => admission,
        }
    }

    fn exited(&self, index: u32, exit: Option<&Exit>) {
        let now = self.settle.clock().now();
        let (removed, is_closed) = {
            let mut table = self.lock();
            let is_closed = table.admission != Admission::Open;
            let child = table.children.get_mut(index as usize).expect("a child that runs is not removed");
            let is_last = child.state == RestartableState::Terminated
                || match exit {
                    Some(exit) => child.restart.decide(exit.is_abnormal()) != RestartDecision::Restart,
                    // No process was started. The caller removes the child or schedules another attempt.
                    None => false,
                };
            if let (Some(started_at), Some(pace)) = (child.started_at.take(), &mut child.pace) {
                pace.has_run_for(now.saturating_sub(started_at));
            }
            child.state = RestartableState::Waiting;
            child.restart_progress = match child.restart_progress {
                RestartProgress::Done => RestartProgress::FirstAttempt { since: now },
                // The attempt has failed.
                RestartProgress::FirstAttempt { .. } | RestartProgress::Later => RestartProgress::Later,
            };
            if is_last || is_closed {
                (Some(table.children.remove(index as usize)), is_closed)
            } else {
                if let Some(exit) = exit {
                    let pid = child.pid.expect("a process is registered before it exits");
                    // A supervisor that has exited restarts no child.
                    let _ = self.exits.send(RestartableExit { index, pid, exit: exit.clone() });
                }
                (None, is_closed)
            }
        };
        self.release(removed);
        if is_closed {
            self.drained.notify_one();
        }
    }
}

impl RestartableChild {
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
