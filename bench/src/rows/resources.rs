//! What does the runtime cost while no task runs: memory per waiting task, memory after bursts, context switches?

use std::time::Duration;

use crate::measure::{Bench, Pair};
use crate::subprocess::{self, Bursts};

/// Bytes per task whose future never ends and whose handle is kept.
pub(crate) fn memory(_: &Bench) -> Pair {
    Pair { ours: subprocess::measure("memory ours"), peer: subprocess::measure("memory peer") }
}

/// Context switches of all threads of the library in 10 s, as the kernel counts them.
pub(crate) fn idle(_: &Bench) -> Pair {
    Pair { ours: subprocess::measure("idle"), peer: f64::NAN }
}

/// Resident memory, measured once: after `N` bursts of 100 000 tasks that sleep for 100 ms, and `SECONDS` without a task.
pub(crate) fn after_bursts<const N: u32, const SECONDS: u64>(_: &Bench) -> Pair {
    bursts_against("peer", Bursts { n: N, pause: Duration::from_secs(SECONDS) })
}

/// The same after 10 bursts, and the peer spawns its tasks from a task.
pub(crate) fn after_bursts_vs_peer_in_task(_: &Bench) -> Pair {
    bursts_against("peer-task", TEN_BURSTS)
}

/// The same after 10 bursts, and the peer is two threads that only allocate and free as much.
pub(crate) fn after_bursts_vs_bare_threads(_: &Bench) -> Pair {
    bursts_against("bare", TEN_BURSTS)
}

const TEN_BURSTS: Bursts = Bursts { n: 10, pause: Duration::ZERO };

fn bursts_against(peer: &str, bursts: Bursts) -> Pair {
    let measure = |side| subprocess::measure(&format!("bursts {side} {}", bursts.words()));
    Pair { ours: measure("ours"), peer: measure(peer) }
}
