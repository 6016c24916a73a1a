//! What a handle knows of the process behind it, one incarnation after the other.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::{Handle, ReportSlot, StopReport, monitor_on};

/// The process behind a handle.
#[derive(Debug)]
pub(super) struct Life {
    runtime: Handle,
    current: Mutex<Incarnation>,
}

/// One process of a supervisor.
#[derive(Clone, Debug)]
pub(super) struct Incarnation {
    pub(super) pid: Pid,
    /// From 1; 0 before there was any.
    pub(super) number: u32,
    pub(super) report: ReportSlot,
    pub(super) stop: Arc<Notify>,
    exit: Option<Exit>,
}

/// A supervisor that has just started, for whoever waits for that. Dropped before it is taken, it stops it.
#[derive(Debug)]
pub(super) struct Fresh(Option<Arc<Notify>>);

impl Fresh {
    pub(super) fn new(incarnation: &Incarnation) -> Fresh {
        Fresh(Some(incarnation.stop.clone()))
    }

    pub(super) fn take(mut self) {
        self.0 = None;
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if let Some(stop) = &self.0 {
            stop.notify_one();
        }
    }
}

impl Life {
    pub(super) fn new(runtime: Handle) -> Life {
        let never = Incarnation {
            pid: Pid::NO_PROCESS,
            number: 0,
            report: ReportSlot::default(),
            stop: Arc::default(),
            exit: Some(Exit::NoProcess),
        };
        Life { runtime, current: Mutex::new(never) }
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// The present incarnation, or, if there is none, the last.
    pub(super) fn current(&self) -> Incarnation {
        self.lock().clone()
    }

    /// The next incarnation, whose process is not there yet. Nobody sees it before that.
    pub(super) fn next(&self) -> Incarnation {
        let number = self.lock().number + 1;
        Incarnation { pid: Pid::NO_PROCESS, number, report: ReportSlot::default(), stop: Arc::default(), exit: None }
    }

    /// The process of an incarnation has started. Whoever starts it says so, and so does the process, which may be faster.
    pub(super) fn started(&self, incarnation: &Incarnation, pid: Pid) {
        let mut current = self.lock();
        if current.number < incarnation.number {
            *current = Incarnation { pid, ..incarnation.clone() };
        }
    }

    /// The process of the present incarnation is about to end.
    pub(super) fn ending(&self, exit: Exit) {
        self.lock().exit = Some(exit);
    }

    /// No process was started for an incarnation.
    pub(super) fn refused(&self, incarnation: &Incarnation, exit: Exit) {
        *self.lock() = Incarnation { exit: Some(exit), ..incarnation.clone() };
    }

    pub(super) fn is_over(&self) -> bool {
        self.lock().exit.is_some()
    }

    pub(super) async fn ended(&self) -> Exit {
        loop {
            let pid = self.current().pid;
            match monitor_on(&self.runtime, pid).await {
                Exit::NoProcess => {
                    let current = self.lock();
                    // Else the next incarnation has started meanwhile.
                    if current.pid == pid {
                        return current.exit.clone().unwrap_or(Exit::NoProcess);
                    }
                }
                exit => return exit,
            }
        }
    }

    pub(super) async fn stop(&self) -> StopReport {
        let Incarnation { pid, stop, report, .. } = self.current();
        let end = monitor_on(&self.runtime, pid);
        stop.notify_one();
        end.await;
        report.get()
    }

    fn lock(&self) -> MutexGuard<'_, Incarnation> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
