//! Children between `fork` and `exec`: they still run the code of `cordial`, and a stop signal may
//! have reached them.
//!
//! 1. `posix_spawn` blocks signals and forks. The child is in the group of `cordial`, and the starting thread waits for its `exec`.
//! 2. Ctrl-Z sends a signal to that group. For the child, the signal is pending.
//! 3. The child moves to a group of its own and unblocks signals. The pending signal stops it before `exec`.
//!
//! Only `cordial` can continue such a child: neither the terminal nor the shell knows the new group of the child.

use rustix::process::{Pid, Signal, kill_process};

use super::processes::Processes;

/// Continues the stopped children of this process, except for those whose start is complete, for which `is_known` returns true.
/// The others may not have called `exec` yet.
pub(super) fn continue_stopped_children(is_known: impl Fn(Pid) -> bool) {
    let Some(processes) = Processes::new() else { return };
    let Some(own) = Processes::own().and_then(|own| own.number()) else { return };
    let stopped = Processes::all().filter(|process| process.state == 'T' && process.parent == own);
    for child in stopped.filter_map(|process| processes.pid(&process)).filter(|child| !is_known(*child)) {
        let _ = kill_process(child, Signal::CONT);
    }
}
