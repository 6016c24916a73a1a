//! Children between `fork` and `exec`: they still run the code of `cordial`, and a stop signal may
//! have reached them.
//!
//! ```text
//! cordial (the starting thread waits for exec) ── fork ──► child (same group) ── setpgid ── unblocks signals ── exec
//!                                                                ▲                              ▲
//!                         Ctrl-Z is sent to the group of cordial ┘── the signal is pending ─────┘ and stops the child here
//! ```
//!
//! `posix_spawn` blocks the signals from before `fork` until just before `exec`.
//!
//! Only `cordial` can continue such a child: neither the terminal nor the shell knows the new group
//! of the child.

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
