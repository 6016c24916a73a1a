//! Children that have not become their program yet.
//!
//! ```text
//! we (the starting thread waits) ── fork ──► a child in our group ── a group of its own ── it hears signals ── it is its program
//!                                                   ▲                                      ▲
//!                                   Ctrl-Z is for our whole group ── kept back until here ─┘ and here it stops
//! ```
//!
//! Nobody but us can let it go on: the terminal does not know its group, and whoever started us does not either.

use std::fs;

use rustix::process::{Pid, Signal, getpid, kill_process};

/// Lets our children go on that are stopped, but for those that are known.
pub(super) fn let_go_on(is_known: impl Fn(Pid) -> bool) {
    let own = getpid().as_raw_nonzero().to_string();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw) else {
            continue;
        };
        let stat = fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        // The name of the program stands in parentheses, and may have some itself.
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        if fields.next() == Some("T") && fields.next() == Some(&own) && !is_known(pid) {
            let _ = kill_process(pid, Signal::CONT);
        }
    }
}
