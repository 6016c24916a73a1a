//! The children of a supervisor as its handles see them.
//!
//! ```text
//!  the process of the supervisor: each change of its table ─► publish ─┐
//!                                                                      ├─► ChildInfos ─► which_children, count_children
//!  the thread on which a child exits, before monitors ─────► exited ───┘
//! ```
//!
//! The supervisor may handle an exit later than code that monitors the child, since the supervisor does one thing at a time. So
//! the thread on which the child exits records the exit here first: code that has seen the exit of a child never sees
//! that child running.
//!
//! A restart that is due at once usually takes a few microseconds. A query waits for it, so that it
//! shows the child as running again, as in OTP. The wait is short, since a child may take long to
//! initialize.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::child::{AfterExit, TreeChild};
use super::info::{ChildInfo, ChildKind, ChildState};
use crate::pid::Pid;
use crate::process::{InactiveChild, InactiveState, RuntimeHandle};
use crate::sorted_map::SortedMap;
use crate::supervisor::child_counts::ChildCounts;
use crate::supervisor::clock::Clock;
use crate::supervisor::restart::{Restart, RestartDecision};
use crate::supervisor::restart_backoff::RestartBackoff;
use crate::supervisor::settle::Settle;

/// The children of one supervisor, by their keys, which are in start order.
#[derive(Debug)]
pub(super) struct ChildInfos {
    children: Mutex<SortedMap<u64, PublishedChild>>,
    settle: Settle,
}

/// One child: what the supervisor has published, and the last exit.
#[derive(Debug)]
struct PublishedChild {
    info: ChildInfo,
    /// The process of the present incarnation, even while `info` does not show it.
    process: Option<Pid>,
    after_exit: AfterExit,
    /// When the child is to be started again, on the clock of the supervisor.
    restart_at: Option<Duration>,
    /// How often the child has failed in a row, if it has a backoff.
    failures: Option<u32>,
    last_exit: Option<LastExit>,
    /// Since when a restart of the child that is made at once has been pending. `None` if there is none.
    pending_since: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct LastExit {
    incarnation: u32,
    is_abnormal: bool,
}

impl ChildInfos {
    pub(super) fn new(runtime: &RuntimeHandle) -> ChildInfos {
        ChildInfos { children: Mutex::default(), settle: Settle::new(runtime) }
    }

    /// Returns the clock of the supervisor.
    pub(super) fn clock(&self) -> &Clock {
        self.settle.clock()
    }

    /// Publishes the present state of a child.
    pub(super) fn publish(&self, key: u64, child: &TreeChild) {
        let (info, process, after_exit) = (child.info(), child.pid(), child.after_exit);
        let (restart_at, failures) =
            (child.restart_at(), child.restart_backoff.as_ref().map(RestartBackoff::n_failures));
        let now = self.clock().now();
        {
            let mut children = self.lock();
            let previous = children.remove(key);
            // The process may exit before it is published.
            let last_exit = previous.as_ref().and_then(|published| published.last_exit);
            let mut published =
                PublishedChild { info, process, after_exit, restart_at, failures, last_exit, pending_since: None };
            if child.is_restart_due(now) || published.has_pending_exit() {
                let since = previous.and_then(|published| published.pending_since);
                published.pending_since = Some(since.unwrap_or(now));
            }
            children.insert(key, published);
        }
        self.settle.changed();
    }

    pub(super) fn remove(&self, key: u64) {
        self.lock().remove(key);
        self.settle.changed();
    }

    /// Records that an incarnation of a child has exited at this time.
    pub(super) fn exited(&self, key: u64, incarnation: u32, is_abnormal: bool, at: Duration) {
        if let Some(child) = self.lock().get_mut(key)
            && child.last_exit.is_none_or(|last| last.incarnation <= incarnation)
        {
            child.last_exit = Some(LastExit { incarnation, is_abnormal });
            if child.has_pending_exit() {
                child.pending_since.get_or_insert(at);
            }
        }
    }

    /// Waits until the supervisor has handled the recorded exits that call for a restart, and has made the first
    /// attempt of each restart that is due. The wait ends after [`LIMIT`](crate::supervisor::settle::LIMIT) at the
    /// latest.
    pub(super) async fn settled(&self) {
        self.settle.wait(|| self.lock().values().filter_map(|child| child.pending_since).max()).await;
    }

    /// Returns the children in start order.
    pub(super) fn all(&self, runtime: &RuntimeHandle) -> Vec<ChildInfo> {
        let mut shown: Vec<ChildInfo> = self.lock().values().filter_map(PublishedChild::shown).collect();
        for child in &mut shown {
            let is_waiting_for_exit = matches!(child.state, ChildState::Abandoned | ChildState::Restarting);
            if is_waiting_for_exit && child.pid.is_some_and(|pid| !runtime.is_alive(pid)) {
                child.pid = None;
                if child.state == ChildState::Abandoned {
                    child.state = ChildState::Stopped;
                }
            }
        }
        shown
    }

    /// Returns how many children there are.
    pub(super) fn counts(&self) -> ChildCounts {
        let mut counts = ChildCounts::default();
        for child in self.lock().values().filter_map(PublishedChild::shown) {
            counts.specs += 1;
            counts.active += usize::from(child.state == ChildState::Running);
            match child.kind {
                ChildKind::Worker => counts.workers += 1,
                ChildKind::Supervisor => counts.supervisors += 1,
            }
        }
        counts
    }

    /// Returns the processes of all children that have one.
    pub(super) fn processes(&self) -> Vec<Pid> {
        self.lock().values().filter_map(PublishedChild::live_process).collect()
    }

    /// Returns how many children have a process, and how many of these have not finished starting.
    pub(super) fn n_processes(&self) -> (usize, usize) {
        let children = self.lock();
        let with_process = || children.values().filter(|child| child.live_process().is_some());
        // A child that has a process and is `Restarting` is being started again.
        let is_starting = |child: &&PublishedChild| {
            child.info.state == ChildState::Starting || child.info.state == ChildState::Restarting
        };
        (with_process().count(), with_process().filter(is_starting).count())
    }

    /// Returns the children that have no process, as they are seen at the time `now`.
    pub(super) fn inactive(&self, now: Duration) -> Vec<InactiveChild> {
        let children = self.lock();
        let without = children.values().filter(|child| child.live_process().is_none() && child.info.pid.is_none());
        let described = without.filter_map(|child| {
            let info = child.shown()?;
            let state = match info.state {
                ChildState::Restarting => InactiveState::Restarting,
                _ => InactiveState::Stopped,
            };
            let mut inactive = InactiveChild::new(info.id, state, info.incarnation);
            if state == InactiveState::Restarting {
                inactive.restart_in = child.restart_at.map(|at| at.saturating_sub(now));
            }
            inactive.failures = child.failures;
            Some(inactive)
        });
        described.collect()
    }

    /// Returns the id and the restart policy of the child with this process.
    pub(super) fn of_process(&self, pid: Pid) -> Option<(Arc<str>, Restart)> {
        let children = self.lock();
        let child = children.values().find(|child| child.process == Some(pid))?;
        Some((child.info.id.clone(), child.info.restart))
    }

    /// Returns whether this process of a child has not finished starting. A process that was not published yet has not.
    pub(super) fn is_starting(&self, pid: Pid) -> bool {
        let is_running = |child: &PublishedChild| child.process == Some(pid) && child.info.state == ChildState::Running;
        !self.lock().values().any(is_running)
    }

    /// Returns whether the present incarnation of a child is later than this one.
    pub(super) fn is_later(&self, key: u64, incarnation: u32) -> bool {
        self.lock().get(key).is_some_and(|child| child.info.incarnation > incarnation)
    }

    /// Returns whether a child that is exiting or has exited will be started again, whatever its exit is.
    pub(super) fn will_restart(&self, key: u64) -> bool {
        self.lock().get(key).is_some_and(|child| match child.shown().map(|info| info.state) {
            Some(ChildState::Restarting) => true,
            Some(ChildState::Starting | ChildState::Running) => match child.after_exit {
                AfterExit::ByPolicy => child.info.restart == Restart::Permanent,
                AfterExit::Restarting => true,
                AfterExit::Stopped | AfterExit::Removed => false,
            },
            Some(ChildState::Stopped | ChildState::Abandoned) | None => false,
        })
    }

    fn lock(&self) -> MutexGuard<'_, SortedMap<u64, PublishedChild>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PublishedChild {
    /// Returns the exit of the present incarnation, if the supervisor has not handled it yet.
    fn unhandled_exit(&self) -> Option<LastExit> {
        self.last_exit.filter(|exit| self.process.is_some() && exit.incarnation == self.info.incarnation)
    }

    /// Returns whether the child has exited, and the supervisor has to restart it.
    fn has_pending_exit(&self) -> bool {
        self.unhandled_exit().is_some() && self.shown().is_some_and(|info| info.state == ChildState::Restarting)
    }

    fn live_process(&self) -> Option<Pid> {
        self.process.filter(|_| self.unhandled_exit().is_none())
    }

    /// Returns what a handle sees of the child: `None` if it has exited and is removed.
    fn shown(&self) -> Option<ChildInfo> {
        let mut info = self.info.clone();
        let Some(exit) = self.unhandled_exit() else { return Some(info) };
        info.pid = None;
        info.state = match self.after_exit {
            AfterExit::ByPolicy => match info.restart.decide(exit.is_abnormal) {
                RestartDecision::Restart => ChildState::Restarting,
                RestartDecision::Keep => ChildState::Stopped,
                RestartDecision::Remove => return None,
            },
            AfterExit::Restarting => ChildState::Restarting,
            AfterExit::Stopped => ChildState::Stopped,
            AfterExit::Removed => return None,
        };
        Some(info)
    }
}
