//! Who runs under one incarnation of a task supervisor.
//!
//! Starting a child is a word with the shard of the calling thread, and no message to anybody: threads that start at the
//! same time do not meet. A limit on the number of children is one count that they share; without one there is none.
//!
//! ```text
//!  start ─► door of this thread's shard ─► a place in its list ─► the process stands in the table ─► `arrived`
//!             │ closed: refused                                                                       │
//!             │                                                          closed meanwhile: told to end ┘
//!  stop  ─► every door is closed ─► whoever has arrived is told to end ─► the lists are empty: `drained`
//! ```
//!
//! A place is taken while its door is open and given up when its process has ended, so lists that are empty after the doors
//! were closed stay so.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cordial_sched::shard_of_this_thread;
use crossbeam_utils::CachePadded;
use slab::Slab;
use tokio::sync::{Notify, mpsc};

use super::kept::{End, Kept};
use super::room::Room;
use crate::exit::{Exit, Refusal};
use crate::pid::Pid;
use crate::process::{Admission, ChildRegistry, ChildSlot, Parent, Shutdown};

/// The children of one incarnation.
#[derive(Debug)]
pub(super) struct Roster {
    pub(super) room: Arc<Room>,
    /// Children that may be started again.
    pub(super) kept: Arc<Kept>,
    shards: Box<[CachePadded<Shard>]>,
    /// Told when a list has become empty after the doors were closed.
    drained: Arc<Notify>,
}

/// One thread's part: its door, and the list of those who came in by it.
#[derive(Debug)]
struct Shard {
    /// `None`: closed.
    door: Mutex<Option<Arc<Parent>>>,
    list: Arc<List>,
}

/// Children that are not started again.
#[derive(Debug)]
struct List {
    members: Mutex<Members>,
    room: Arc<Room>,
    drained: Arc<Notify>,
}

#[derive(Debug)]
struct Members {
    /// `NO_PROCESS` before they have arrived.
    pids: Slab<Pid>,
    door: Admission,
}

impl Roster {
    pub(super) fn new(n_shards: usize, max_children: Option<usize>, ends: mpsc::UnboundedSender<End>) -> Roster {
        let (room, drained) = (Room::new(max_children), Arc::new(Notify::new()));
        let kept = Arc::new(Kept::new(room.clone(), ends, drained.clone()));
        let list = || {
            let members = Mutex::new(Members { pids: Slab::new(), door: Admission::Open });
            Arc::new(List { members, room: room.clone(), drained: drained.clone() })
        };
        let shards = (0..n_shards.max(1)).map(|_| CachePadded::new(Shard { door: Mutex::default(), list: list() }));
        let shards = shards.collect();
        Roster { shards, room, kept, drained }
    }

    /// Lets children in, which will be those of `pid`, unless the doors were closed already.
    pub(super) fn open(&self, pid: Pid, shutdown: Shutdown) {
        for shard in &self.shards {
            let mut door = lock(&shard.door);
            if shard.list.lock().door == Admission::Open {
                let children = shard.list.clone();
                *door = Some(Arc::new(Parent { pid, id: None, incarnation: 1, shutdown, children }));
            }
        }
    }

    /// A place for a child that is not started again, for whom there is room.
    pub(super) fn place(&self) -> Result<ChildSlot, Refusal> {
        let shard = &self.shards[shard_of_this_thread(self.shards.len())];
        let door = lock(&shard.door);
        let parent = door.as_ref().ok_or(Refusal::SupervisorStopped)?;
        let index = shard.list.lock().pids.insert(Pid::NO_PROCESS);
        let index = u32::try_from(index).expect("there are not as many processes in a runtime");
        Ok(ChildSlot::new(parent.clone(), index))
    }

    /// Lets nobody in any more. Whoever has a place and has not arrived is told to end when it does.
    pub(super) fn close(&self) {
        self.room.close();
        for shard in &self.shards {
            let mut door = lock(&shard.door);
            shard.list.lock().door = Admission::Closed;
            *door = None;
        }
        self.kept.close();
    }

    /// Whether somebody has a place and has not arrived. That is a matter of a few steps of the thread that starts it.
    pub(super) fn is_somebody_coming(&self) -> bool {
        let is_coming =
            |shard: &CachePadded<Shard>| shard.list.lock().pids.iter().any(|(_, pid)| *pid == Pid::NO_PROCESS);
        self.shards.iter().any(is_coming) || self.kept.is_somebody_coming()
    }

    /// Those that are not started again.
    pub(super) fn pids(&self) -> Vec<Pid> {
        let mut pids = Vec::new();
        for shard in &self.shards {
            pids.extend(shard.list.lock().pids.iter().map(|(_, pid)| *pid).filter(|pid| *pid != Pid::NO_PROCESS));
        }
        pids
    }

    /// How many run or are being started.
    pub(super) fn n_running(&self) -> usize {
        self.shards.iter().map(|shard| shard.list.lock().pids.len()).sum::<usize>() + self.kept.n_running()
    }

    /// Waits until nobody is left; the doors must be closed.
    pub(super) async fn until_drained(&self) {
        while self.n_running() > 0 {
            self.drained.notified().await;
        }
    }
}

impl List {
    fn lock(&self) -> MutexGuard<'_, Members> {
        lock(&self.members)
    }
}

impl ChildRegistry for List {
    fn registered(&self, index: u32, pid: Pid) -> Admission {
        let mut members = self.lock();
        if let Some(place) = members.pids.get_mut(index as usize) {
            *place = pid;
        }
        members.door
    }

    fn exited(&self, index: u32, _: Option<&Exit>) {
        let is_drained = {
            let mut members = self.lock();
            members.pids.try_remove(index as usize);
            members.door == Admission::Closed && members.pids.is_empty()
        };
        self.room.leave();
        if is_drained {
            self.drained.notify_one();
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
