//! Those children of a task supervisor that may be started again: there is a factory for each, and a record.

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use slab::Slab;
use tokio::sync::{Notify, mpsc};

use super::room::Room;
use super::roster::lock;
use crate::backoff::{Backoff, Waits};
use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::{Admission, ChildRegistry, Lineage, Shutdown, discard};
use crate::supervisor::factory::Factory;
use crate::supervisor::order::{Fate, fate};
use crate::supervisor::spec::Restart;

/// The records of one incarnation of the supervisor.
#[derive(Debug)]
pub(super) struct Kept {
    records: Mutex<Records>,
    ends: mpsc::UnboundedSender<End>,
    drained: Arc<Notify>,
    room: Arc<Room>,
}

/// A child that may be started again has ended. There is at most one for each child that runs.
#[derive(Debug)]
pub(super) struct End {
    pub(super) index: u32,
    pub(super) pid: Pid,
    pub(super) exit: Exit,
}

#[derive(Debug)]
struct Records {
    records: Slab<Record>,
    door: Admission,
}

/// One child that may be started again.
pub(super) struct Record {
    pub(super) id: Arc<str>,
    pub(super) factory: Factory,
    pub(super) restart: Restart,
    pub(super) shutdown: Shutdown,
    pub(super) spawned_at: &'static Location<'static>,
    pub(super) backoff: Option<Backoff>,
    pub(super) waits: Option<Waits>,
    pub(super) lineage: Option<Arc<Lineage>>,
    pub(super) incarnation: u32,
    /// When the present incarnation started, on the clock of the runtime.
    pub(super) started: Duration,
    /// Its present process, or its last.
    pub(super) pid: Pid,
    pub(super) state: State,
}

/// How it stands with a child that may be started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Runs,
    /// It runs, and was told to end for good.
    Terminated,
    /// It has ended, and a restart may be due.
    Waits,
}

impl Kept {
    pub(super) fn new(room: Arc<Room>, ends: mpsc::UnboundedSender<End>, drained: Arc<Notify>) -> Kept {
        Kept { records: Mutex::new(Records { records: Slab::new(), door: Admission::Open }), ends, drained, room }
    }

    /// Keeps the record of a child that is about to start. `None` if the door is closed.
    pub(super) fn add(&self, record: Record) -> Option<u32> {
        let mut unwanted = Some(record);
        let index = {
            let mut records = self.lock();
            match records.door {
                Admission::Open => unwanted.take().map(|record| records.records.insert(record)),
                Admission::Closed => None,
            }
        };
        discard(unwanted);
        index.map(|index| u32::try_from(index).expect("there are not as many processes in a runtime"))
    }

    /// Reads or changes a record. Nothing of the user's may run or be dropped inside `f`.
    pub(super) fn with<R>(&self, index: u32, f: impl FnOnce(&mut Record) -> R) -> Option<R> {
        self.lock().records.get_mut(index as usize).map(f)
    }

    pub(super) fn remove(&self, index: u32) -> Option<Record> {
        self.lock().records.try_remove(index as usize)
    }

    /// The child in this place, whose process is this one, is not to be started again.
    pub(super) fn terminate(&self, index: u32, pid: Pid) {
        self.with(index, |record| {
            if record.pid == pid && record.state == State::Runs {
                record.state = State::Terminated;
            }
        });
    }

    /// The child that waits for a restart, or is about to, and whose last process was this one, is not to be started again.
    /// Its record, if it waits.
    pub(super) fn take_waiting(&self, pid: Pid) -> Option<Option<Record>> {
        let mut records = self.lock();
        let (index, record) = records.records.iter_mut().find(|(_, record)| record.pid == pid)?;
        if record.state == State::Waits {
            return Some(records.records.try_remove(index));
        }
        // It has left the table, and is about to say that it has ended.
        record.state = State::Terminated;
        Some(None)
    }

    /// Starts nobody again. Those that wait for it are forgotten.
    pub(super) fn close(&self) {
        let forgotten = {
            let mut records = self.lock();
            records.door = Admission::Closed;
            let waiting = records.records.iter().filter(|(_, record)| record.state == State::Waits);
            let waiting: Vec<usize> = waiting.map(|(index, _)| index).collect();
            waiting.into_iter().map(|index| records.records.remove(index)).collect::<Vec<Record>>()
        };
        self.forget(forgotten);
    }

    pub(super) fn is_somebody_coming(&self) -> bool {
        self.lock().records.iter().any(|(_, record)| record.state == State::Runs && record.pid == Pid::NO_PROCESS)
    }

    pub(super) fn pids(&self) -> Vec<Pid> {
        let records = self.lock();
        let running = records.records.iter().filter(|(_, record)| record.state != State::Waits);
        running.map(|(_, record)| record.pid).filter(|pid| *pid != Pid::NO_PROCESS).collect()
    }

    pub(super) fn n_running(&self) -> usize {
        self.lock().records.iter().filter(|(_, record)| record.state != State::Waits).count()
    }

    /// Whoever had these records out has done with them: there is room again.
    pub(super) fn forget(&self, records: impl IntoIterator<Item = Record>) {
        for record in records {
            self.room.leave();
            // What is in it is the user's.
            discard(record);
        }
    }

    /// The ids of those that wait for a restart.
    pub(super) fn waiting(&self) -> Vec<Arc<str>> {
        let records = self.lock();
        let waiting = records.records.iter().filter(|(_, record)| record.state == State::Waits);
        waiting.map(|(_, record)| record.id.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        lock(&self.records)
    }
}

impl ChildRegistry for Kept {
    fn registered(&self, index: u32, pid: Pid) -> Admission {
        let mut records = self.lock();
        if let Some(record) = records.records.get_mut(index as usize) {
            record.pid = pid;
        }
        records.door
    }

    fn exited(&self, index: u32, exit: Option<&Exit>) {
        let (forgotten, is_drained) = {
            let mut records = self.lock();
            let Some(record) = records.records.get_mut(index as usize) else { return };
            let is_over = record.state == State::Terminated
                || match exit {
                    Some(exit) => fate(record.restart, exit.is_abnormal()) != Fate::Restarts,
                    // The start was refused. Whoever started it sees to the rest.
                    None => false,
                };
            record.state = State::Waits;
            let (pid, is_closed) = (record.pid, records.door == Admission::Closed);
            let forgotten = (is_over || is_closed).then(|| records.records.remove(index as usize));
            if let (None, Some(exit)) = (&forgotten, exit) {
                // A supervisor that has ended meanwhile starts nobody again.
                let _ = self.ends.send(End { index, pid, exit: exit.clone() });
            }
            (forgotten, is_closed)
        };
        self.forget(forgotten);
        if is_drained {
            self.drained.notify_one();
        }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").field("id", &self.id).field("pid", &self.pid).finish_non_exhaustive()
    }
}
