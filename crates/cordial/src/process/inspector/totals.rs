//! How many processes a runtime has and has had, by how they ended.

use crate::process::crashes::CrashCounts;
use crate::process::runtime::RuntimeHandle;

/// How many processes a runtime has, and has had. All but `alive` are monotonic. The numbers are read one after another while
/// processes start and end.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many processes are alive.
    pub alive: usize,
    /// How many processes were spawned.
    pub spawned: u64,
    /// How many processes have ended, crashes included.
    pub ended: u64,
    /// How many of the ended processes have crashed, by how they ended.
    pub crashed: CrashCounts,
}

impl Totals {
    pub(super) fn of(runtime: &RuntimeHandle) -> Totals {
        // In this order: a process that starts in between must not count as ended.
        let spawned = runtime.n_spawned();
        let alive = runtime.n_alive();
        let crashed = if runtime.is_forked() { CrashCounts::default() } else { runtime.crashes().counts() };
        Totals { alive, spawned, ended: runtime.n_ended(spawned, alive), crashed }
    }
}
