//! The loop of sysmon, generic over its operations.
//!
//! The loom models of `idle` run this loop too. Their queues are only counters of tasks.

use crate::idle::Idle;

/// The operations of sysmon.
pub(crate) trait SysmonOps {
    /// Returns whether the pool has stopped: all of its threads have ended.
    fn has_ended(&self) -> bool;

    /// Returns whether all workers sleep, none is missing, no thread is blocked, and the pool is not stopping.
    fn is_all_asleep(&self) -> bool;

    /// Returns whether the workers have been asleep for long enough that sysmon should sleep as well.
    fn should_sleep(&mut self) -> bool;

    /// Parks until a worker wakes up, the pool begins to stop, or there is memory to free.
    fn park(&self);

    /// Waits until the next round is due.
    fn wait(&self);

    /// Looks at all workers. If tasks are starving, wakes a worker or tries to activate stand-ins, and returns true.
    fn observe(&mut self) -> bool;

    /// Returns whether a task is in the injector or in the queue of a worker.
    fn has_queued(&self) -> bool;

    /// Lowers the priority of the blocked threads that use processor time, if there are too many of them.
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
        // After `clear_hints`, each push into a LIFO slot or a queue wakes a worker again. An earlier push may have woken none.
        // If its task is in the LIFO slot of a stuck worker, `observe` moves it to the injector. `notify` then wakes a worker for the
        // tasks in the injector and in the queues.
        sysmon.idle().clear_hints();
        let is_starving = sysmon.observe();
        if !is_starving && sysmon.has_queued() {
            sysmon.idle().notify();
        }
        sysmon.deprioritize();
    }
}
