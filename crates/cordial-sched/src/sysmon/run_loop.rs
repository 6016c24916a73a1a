//! The loop of sysmon, generic over its operations.
//!
//! The loom models of `idle` run this loop too, with queues that only count.

use crate::idle::Idle;

/// The operations of sysmon.
pub(crate) trait SysmonOps {
    /// Returns whether the pool has stopped: all of its threads have ended.
    fn has_ended(&self) -> bool;

    /// Returns whether all workers sleep, none is blocked or missing, and the pool is not stopping.
    fn is_all_asleep(&self) -> bool;

    /// Returns whether the workers have been asleep for long enough that sysmon should sleep as well.
    fn should_sleep(&mut self) -> bool;

    /// Parks until a worker wakes up, the pool begins to stop, or there is memory to free.
    fn park(&self);

    /// Waits for the next round.
    fn wait(&self);

    /// Looks at all workers. Returns whether tasks are starving, in which case this has woken a worker or tried to activate
    /// stand-ins.
    fn observe(&mut self) -> bool;

    /// Returns whether a task is in the injector or in the queue of a worker.
    fn has_queued(&self) -> bool;

    /// Deprioritizes blocked threads that compute.
    fn deprioritize(&mut self);

    fn idle(&self) -> &Idle;
}

/// Runs rounds until the pool has stopped.
pub(crate) fn run<S: SysmonOps>(sysmon: &mut S) {
    while !sysmon.has_ended() {
        if sysmon.should_sleep() {
            let sysmon = &*sysmon;
            sysmon.idle().sysmon_sleep(|| sysmon.is_all_asleep(), || sysmon.park());
        } else {
            sysmon.wait();
        }
        // From here on pushes into slots and queues wake workers again. For a push that came before and woke none,
        // `observe` moves the tasks out of the slots of stuck workers, and the call of `notify` covers the queues.
        sysmon.idle().clear_hints();
        let is_starving = sysmon.observe();
        if !is_starving && sysmon.has_queued() {
            sysmon.idle().notify();
        }
        sysmon.deprioritize();
    }
}
