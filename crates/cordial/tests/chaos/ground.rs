//! What a run shares: its dice, its log, and what has to be true of the log.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cordial::{Pid, process};
use fastrand::Rng;

use crate::Counts;

/// Where a run takes place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Virtual,
    Threads,
}

#[derive(Clone)]
pub(crate) struct Ground {
    pub(crate) kind: Kind,
    unit: Duration,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    rng: Rng,
    log: Vec<String>,
    counts: Counts,
    /// What may not be, and was.
    wrong: Vec<String>,
    /// The workers that live, by path.
    alive: BTreeMap<Path, Pid>,
    /// Those of tasks, which have no path of their own.
    n_tasks_alive: usize,
    /// Every pid that was seen.
    seen: Vec<Pid>,
    /// Workers do nothing by themselves any more.
    is_calm: bool,
    /// The last stop has begun.
    is_stopping: bool,
    /// In which order workers have ended since then.
    ends: Vec<Path>,
}

/// Where a worker stands: the index of each child from the top.
pub(crate) type Path = Vec<usize>;

impl Ground {
    pub(crate) fn new(seed: u64, unit: Duration, kind: Kind) -> Ground {
        let inner = Inner {
            rng: Rng::with_seed(seed),
            log: Vec::new(),
            counts: Counts::new(),
            wrong: Vec::new(),
            alive: BTreeMap::new(),
            n_tasks_alive: 0,
            seen: Vec::new(),
            is_calm: false,
            is_stopping: false,
            ends: Vec::new(),
        };
        Ground { kind, unit, inner: Arc::new(Mutex::new(inner)) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// A number below `n`.
    pub(crate) fn dice(&self, n: usize) -> usize {
        self.lock().rng.usize(..n)
    }

    pub(crate) fn chance(&self, one_in: usize) -> bool {
        self.dice(one_in) == 0
    }

    /// Up to so many units.
    pub(crate) fn time(&self, units: usize) -> Duration {
        let milli_units = self.dice(units * 1000 + 1);
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

    pub(crate) fn saw(&self, pid: Pid) {
        self.lock().seen.push(pid);
    }

    /// A worker that lives, by chance.
    pub(crate) fn anybody(&self) -> Option<Pid> {
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

    /// The calling process is the worker of this path; of a task, without a path.
    pub(crate) fn enter(&self, path: Option<Path>) -> Presence {
        let own = process::current().unwrap();
        let info = process::info(own).unwrap();
        let supervisor = info.supervisor.unwrap();
        self.saw(supervisor);
        let mut inner = self.lock();
        inner.seen.push(own);
        inner.log.push(format!("+{path:?} {own} of {supervisor}"));
        if info.incarnation > 1 {
            *inner.counts.entry("later incarnation").or_default() += 1;
        }
        match &path {
            Some(path) => {
                if let Some(other) = inner.alive.insert(path.clone(), own) {
                    inner.wrong.push(format!("{path:?} begins as {own} while {other} lives"));
                }
            }
            None => inner.n_tasks_alive += 1,
        }
        drop(inner);
        Presence { ground: self.clone(), own, supervisor, path }
    }

    pub(crate) async fn until_all_have_ended(&self) {
        loop {
            let left: Vec<Pid> = self.lock().seen.iter().copied().filter(|pid| process::info(*pid).is_some()).collect();
            let Some(pid) = left.first() else { return };
            process::monitor(*pid).await;
        }
    }

    /// Fails unless everything is as it has to be. Gives the log.
    #[track_caller]
    pub(crate) fn check(&self) -> Vec<String> {
        let mut inner = self.lock();
        let mut wrong = std::mem::take(&mut inner.wrong);
        if !inner.alive.is_empty() || inner.n_tasks_alive > 0 {
            wrong.push(format!("{:?} and {} tasks have not ended", inner.alive, inner.n_tasks_alive));
        }
        if self.kind == Kind::Virtual {
            let ends = &inner.ends;
            let pairs =
                ends.iter().enumerate().flat_map(|(at, first)| ends[at + 1..].iter().map(move |next| (first, next)));
            wrong.extend(
                pairs
                    .filter(|(first, next)| first < next)
                    .map(|(first, next)| format!("{first:?} has ended before {next:?}")),
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

/// Lives as long as a worker.
pub(crate) struct Presence {
    ground: Ground,
    own: Pid,
    supervisor: Pid,
    path: Option<Path>,
}

impl Drop for Presence {
    fn drop(&mut self) {
        let state = process::info(self.own).map(|own| own.state);
        let has_supervisor = process::info(self.supervisor).is_some();
        let mut inner = self.ground.lock();
        inner.log.push(format!("-{:?} {}", self.path, self.own));
        // One that was abandoned may.
        if !has_supervisor && state != Some(process::ProcessState::Abandoned) {
            inner.wrong.push(format!("{:?} {} outlives its supervisor {}", self.path, self.own, self.supervisor));
        }
        match &self.path {
            Some(path) => {
                if inner.alive.remove(path) != Some(self.own) {
                    inner.wrong.push(format!("{path:?} {} was not the one that lives", self.own));
                }
                if inner.is_stopping {
                    inner.ends.push(path.clone());
                }
            }
            None => inner.n_tasks_alive -= 1,
        }
    }
}
