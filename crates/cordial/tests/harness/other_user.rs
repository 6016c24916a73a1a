//! Commands for a user who has no other threads, so that a limit on the threads of a user can be
//! set exactly.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A command that starts this test binary as such a user. `None`, and a line on standard error, if
/// that is not possible here.
///
/// The superuser runs the command with a user id that is not in use. Every other user starts it in
/// a user namespace, where threads are counted from zero.
pub(crate) fn command() -> Option<Command> {
    static USERS: AtomicU32 = AtomicU32::new(0);
    let exe = std::env::current_exe().unwrap();
    let command = || {
        if rustix::process::geteuid().is_root() {
            let user = 1_000_000 + std::process::id() % 10_000 * 100 + USERS.fetch_add(1, Ordering::Relaxed) % 100;
            let mut command = Command::new(&exe);
            command.uid(user).gid(user);
            command
        } else {
            let mut command = Command::new("unshare");
            command.args(["--user", "--map-current-user", "--"]).arg(&exe);
            command
        }
    };
    // Standard error directly, because libtest hides what a successful test prints.
    let skip = |why: &str| {
        let _ = writeln!(std::io::stderr(), "skipped: this test needs a user without other threads, but {why}");
    };
    match command().args(["--list"]).stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Ok(status) if status.success() => return Some(command()),
        Ok(status) => skip(&format!("a command for one ended with {status}")),
        Err(error) => skip(&format!("a command for one cannot be started: {error}")),
    }
    None
}
