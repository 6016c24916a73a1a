//! The state that a run shares: its random numbers, its log, and the invariants that are checked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cordial::{Pid, process};
use fastrand::Rng;

use crate::Counts;

/// The scheduler of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Virtual,
    Threads,
}

#[derive(Clone)]
pub(crate) struct Harness {
    pub(crate) kind: Kind,
    unit: Duration,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    rng: Rng,
    log: Vec<String>,
    counts: Counts,
    /// Violated invariants.
    wrong: Vec<String>,
    /// The running workers, by path.
    alive: BTreeMap<Path, Pid>,
    /// The number of running tasks, which have no path.
    n_tasks_alive: usize,
    /// Every pid of the run.
    pids: Vec<Pid>,
    /// Workers take no random actions any more.
    is_calm: bool,
    /// The last stop has begun.
    is_stopping: bool,
    /// The paths of the workers that have exited since then, in order.
    ends: Vec<Path>,
}

/// The position of a worker in the tree: the child indexes from the top.
pub(crate) type Path = Vec<usize>;

impl Harness {
    pub(crate) fn new(seed: u64, unit: Duration, kind: Kind) -> Harness {
        let inner = Inner {
            rng: Rng::with_seed(seed),
            log: Vec::new(),
            counts: Counts::new(),
            wrong: Vec::new(),
            alive: BTreeMap::new(),
            n_tasks_alive: 0,
            pids: Vec::new(),
            is_calm: false,
            is_stopping: false,
            ends: Vec::new(),
        };
        Harness { kind, unit, inner: Arc::new(Mutex::new(inner)) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// A number below `n`.
    pub(crate) fn random(&self, n: usize) -> usize {
        self.lock().rng.usize(..n)
    }

    pub(crate) fn one_in(&self, n: usize) -> bool {
        self.random(n) == 0
    }

    /// A random duration of at most this many units.
    pub(crate) fn time(&self, units: usize) -> Duration {
        let milli_units = self.random(units * 1000 + 1);
        self.unit * u32::try_from(milli_units).unwrap() / 1000
    }

    pub(crate) fn units(&self, n: u32) -> Duration {
        self.unit * n
    }

    pub(crate) fn count(&self, what: &'static str) {
        let mut inner = self.lock();
        *inner.counts.entry(what).or_default() += 1;
        inner.log.push(what.to_owned());
    }

    pub(crate) fn add_pid(&self, pid: Pid) {
        self.lock().pids.push(pid);
    }

    /// A random running worker.
    pub(crate) fn random_worker(&self) -> Option<Pid> {
        let mut inner = self.lock();
        let Inner { alive, rng, .. } = &mut *inner;
        let n_alive = alive.len();
        if n_alive == 0 { None } else { alive.values().nth(rng.usize(..n_alive)).copied() }
    }

    pub(crate) fn calm_down(&self) {
        self.lock().is_calm = true;
    }

    pub(crate) fn stop(&self) {
        self.lock().is_stopping = true;
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.lock().is_calm
    }

    /// Registers the calling process as the worker of this path. A task has no path.
    pub(crate) fn enter(&self, path: Option<Path>) -> Registration {
        let own = process::current().unwrap();
        let info = process::info(own).unwrap();
        let supervisor = info.supervisor.unwrap();
        self.add_pid(supervisor);
        let mut inner = self.lock();
        inner.pids.push(own);
        inner.log.push(format!("+{path:?} {own} of {supervisor}"));
        if info.incarnation > 1 {
            *inner.counts.entry("later incarnation").or_default() += 1;
        }
        match &path {
            Some(path) => {
                if let Some(other) = inner.alive.insert(path.clone(), own) {
                    inner.wrong.push(format!("{path:?} starts as {own} while {other} is running"));
                }
            }
            None => inner.n_tasks_alive += 1,
        }
        drop(inner);
        Registration { harness: self.clone(), own, supervisor, path }
    }

    pub(crate) async fn wait_for_all(&self) {
        loop {
            let remaining: Vec<Pid> =
                self.lock().pids.iter().copied().filter(|pid| process::info(*pid).is_some()).collect();
            let Some(pid) = remaining.first() else { return };
            process::monitor(*pid).await;
        }
    }

    /// Fails if an invariant was violated. Returns the log.
    #[track_caller]
    pub(crate) fn check(&self) -> Vec<String> {
        let mut inner = self.lock();
        let mut wrong = std::mem::take(&mut inner.wrong);
        if !inner.alive.is_empty() || inner.n_tasks_alive > 0 {
            wrong.push(format!("{:?} and {} tasks have not exited", inner.alive, inner.n_tasks_alive));
        }
        if self.kind == Kind::Virtual {
            let ends = &inner.ends;
            let pairs =
                ends.iter().enumerate().flat_map(|(at, first)| ends[at + 1..].iter().map(move |next| (first, next)));
            wrong.extend(
                pairs
                    .filter(|(first, next)| first < next)
                    .map(|(first, next)| format!("{first:?} has exited before {next:?}")),
            );
        }
        assert!(wrong.is_empty(), "{}\n\nlog:\n{}", wrong.join("\n"), inner.log.join("\n"));
        std::mem::take(&mut inner.log)
    }

    pub(crate) fn add_to(&self, counts: &mut Counts) {
        for (what, n) in &self.lock().counts {
            *counts.entry(what).or_default() += n;
        }
    }
}

/// Held by a worker for its whole lifetime.
pub(crate) struct Registration {
    harness: Harness,
    own: Pid,
    supervisor: Pid,
    path: Option<Path>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        // Before the state: a process that is abandoned meanwhile is so before its supervisor has ended.
        let has_supervisor = process::info(self.supervisor).is_some();
        let state = process::info(self.own).map(|own| own.state);
        let mut inner = self.harness.lock();
        inner.log.push(format!("-{:?} {}", self.path, self.own));
        // An abandoned process may outlive its supervisor.
        if !has_supervisor && state != Some(process::ProcessState::Abandoned) {
            inner.wrong.push(format!("{:?} {} outlives its supervisor {}", self.path, self.own, self.supervisor));
        }
        match &self.path {
            Some(path) => {
                if inner.alive.remove(path) != Some(self.own) {
                    inner.wrong.push(format!("{path:?} {} was not registered", self.own));
                }
                if inner.is_stopping {
                    inner.ends.push(path.clone());
                }
            }
            None => inner.n_tasks_alive -= 1,
        }
    }
}
