//! Children between `fork` and `exec`: they still run the code of `cordial`, and a stop signal may
//! have reached them.
//!
//! ```text
//! cordial (the starting thread waits for exec) ── fork ──► child (same group) ── setpgid ── unblocks signals ── exec
//!                                                                ▲                              ▲
//!                        Ctrl-Z is sent to the group of cordial ┘── the signal is pending ─────┘ and stops the child here
//! ```
//!
//! Signals are blocked from before `fork` until just before `exec`.
//!
//! Only `cordial` can continue such a child: neither the terminal nor the shell knows the new group
//! of the child.

use std::fs;

use rustix::process::{Pid, Signal, getpid, kill_process};

/// Continues the stopped children of this process that are still before `exec`. `is_known` returns true for children
/// whose start is complete, which this function leaves stopped.
pub(super) fn continue_stopped_children(is_known: impl Fn(Pid) -> bool) {
    let own = getpid().as_raw_nonzero().to_string();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw) else {
            continue;
        };
        let stat = fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        // The name of the program is in parentheses, and may contain parentheses. State and parent follow it.
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        if fields.next() == Some("T") && fields.next() == Some(&own) && !is_known(pid) {
            let _ = kill_process(pid, Signal::CONT);
        }
    }
}
