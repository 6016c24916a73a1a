//! The free slots of the machines of a run, and which machines have failed.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::host::Host;

/// The machines of a run.
#[derive(Debug)]
pub(crate) struct HostPool {
    machines: Mutex<Vec<Machine>>,
    freed: Notify,
}

#[derive(Debug)]
struct Machine {
    host: Arc<Host>,
    slots: usize,
    running: usize,
    has_failed: bool,
}

/// A slot on a machine, which is free again when this value is dropped.
#[derive(Debug)]
pub(crate) struct HostSlot {
    pub(crate) host: Arc<Host>,
    at: usize,
    pool: Arc<HostPool>,
}

impl HostPool {
    pub(super) fn new(machines: Vec<(Host, usize)>) -> HostPool {
        let machine = |(host, slots)| Machine { host: Arc::new(host), slots, running: 0, has_failed: false };
        HostPool { machines: Mutex::new(machines.into_iter().map(machine).collect()), freed: Notify::new() }
    }

    /// Returns all machines.
    pub(super) fn hosts(&self) -> Vec<Arc<Host>> {
        self.lock().iter().map(|machine| Arc::clone(&machine.host)).collect()
    }

    /// Waits for a free slot, on the machine that has the largest part of its slots free. Returns `None` if all machines
    /// have failed. The wait has no bound: it ends when a command ends, or when the last machine fails.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn take(self: &Arc<Self>) -> Option<HostSlot> {
        loop {
            let mut freed = pin!(self.freed.notified());
            // From here on, each slot that becomes free wakes a waiter of its own. Of several that become free while nothing waits,
            // `Notify` would keep only one.
            freed.as_mut().enable();
            if let Some(found) = self.try_take() {
                return found;
            }
            freed.await;
        }
    }

    /// Takes a free slot. The outer `None` means that no slot is free at the moment, the inner one that all machines have failed.
    fn try_take(self: &Arc<Self>) -> Option<Option<HostSlot>> {
        let mut machines = self.lock();
        if machines.iter().all(|machine| machine.has_failed) {
            return Some(None);
        }
        let free = machines.iter_mut().enumerate();
        let free = free.filter(|(_, machine)| !machine.has_failed && machine.running < machine.slots);
        let product = |a: usize, b: usize| a as u128 * b as u128;
        let (at, machine) =
            free.min_by(|(_, a), (_, b)| product(a.running, b.slots).cmp(&product(b.running, a.slots)))?;
        machine.running += 1;
        Some(Some(HostSlot { host: Arc::clone(&machine.host), at, pool: Arc::clone(self) }))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Machine>> {
        self.machines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HostSlot {
    /// Marks the machine as failed: it gets no further commands. Returns false if it was marked before.
    pub(crate) fn fail_host(&self) -> bool {
        let is_first = !std::mem::replace(&mut self.pool.lock()[self.at].has_failed, true);
        // If this was the last machine, the waiters have to return.
        self.pool.freed.notify_waiters();
        is_first
    }
}

impl Drop for HostSlot {
    fn drop(&mut self) {
        self.pool.lock()[self.at].running -= 1;
        // Wakes one waiter, or the next one to come, because one slot has become free.
        self.pool.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(slots: &[usize]) -> Arc<HostPool> {
        let hosts = slots.iter().enumerate();
        let hosts = hosts.map(|(n, &slots)| (Host::parse(&format!("host{n}"), "ssh").unwrap(), slots));
        Arc::new(HostPool::new(hosts.collect()))
    }

    #[test]
    fn slots_are_spread_over_the_machines() {
        let pool = pool(&[2, 4]);
        let taken: Vec<HostSlot> = std::iter::from_fn(|| pool.try_take().flatten()).collect();
        let names: Vec<&str> = taken.iter().map(|slot| &*slot.host.name).collect();
        assert_eq!(names, ["host0", "host1", "host1", "host0", "host1", "host1"]);
    }

    #[test]
    fn any_number_of_slots_can_be_compared() {
        let pool = pool(&[usize::MAX, 1, usize::MAX]);
        let taken: Vec<HostSlot> = std::iter::from_fn(|| pool.try_take().flatten()).take(5).collect();
        let names: Vec<&str> = taken.iter().map(|slot| &*slot.host.name).collect();
        assert_eq!(names, ["host0", "host1", "host2", "host0", "host2"]);
    }

    #[test]
    fn a_failed_machine_is_left_out() {
        let pool = pool(&[1, 1]);
        let first = pool.try_take().flatten().unwrap();
        assert!(first.fail_host() && !first.fail_host());
        drop(first);
        let second = pool.try_take().flatten().unwrap();
        assert_eq!(&*second.host.name, "host1");
        assert!(pool.try_take().is_none());
        second.fail_host();
        assert!(pool.try_take().unwrap().is_none());
    }
}
