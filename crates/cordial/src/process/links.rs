//! Links: symmetric rare, made and removed under the locks of both sides.
//!
//! Both locks are held together, the lower slot first, so a link is never half made. A process that ends takes its
//! links with it out of the table; then each peer is told, and a peer that no longer has the link ignores it.

use super::context::{self, current};
use super::handle::Handle;
use super::signal::{Signal, apply};
use crate::exit::Exit;
use crate::pid::Pid;

/// Links the calling process with another: any exit of one but [`Exit::Normal`] ends the other with the same exit,
/// unless the other traps exits. Linking twice is linking once.
///
/// A link to a process that is dead, unknown, or of another runtime acts as if it ended now with [`Exit::NoProcess`].
/// A link to oneself does nothing. Outside a process there is nobody to link, and nothing happens.
///
/// # Elixir
///
/// `Process.link/1`, which raises for a dead process when the caller does not trap; here both cases are an exit.
///
/// # Examples
///
/// ```
/// use cordial::{Exit, Task, process};
///
/// cordial::testing::run(async {
///     let other = Task::start(std::future::pending::<()>());
///     let tied = Task::spawn(async move {
///         process::link(other);
///         process::exit(other, Exit::Killed);
///         std::future::pending::<()>().await
///     });
///     assert_eq!(tied.await, Err(Exit::Killed));
/// });
/// ```
pub fn link(pid: Pid) {
    let Some(own) = current() else { return };
    if own == pid {
        return;
    }
    let effect = context::with_current_runtime(|runtime| {
        runtime.with_both(own, pid, |mine, theirs| match (mine, theirs) {
            (Some(mine), Some(theirs)) => {
                mine.rare().links.insert(pid);
                theirs.rare().links.insert(own);
                None
            }
            (Some(mine), None) => Some(apply(own, mine, Signal::Sent { from: Some(pid), reason: Exit::NoProcess })),
            (None, _) => None,
        })
    });
    if let Some(effect) = effect {
        effect.act();
    }
}

/// Removes the link to a process, if there is one. What has not been delivered by now never will be.
///
/// # Elixir
///
/// `Process.unlink/1`.
///
/// # Examples
///
/// ```
/// use cordial::{Task, process};
///
/// cordial::testing::run(async {
///     let child = Task::start_link(std::future::pending::<()>());
///     process::unlink(child);
///     process::exit(child, cordial::Exit::Killed);
///     assert_eq!(process::monitor(child).await, cordial::Exit::Killed);
///     // This process is still alive.
/// });
/// ```
pub fn unlink(pid: Pid) {
    if let Some(own) = current() {
        context::with_current_runtime(|runtime| unlink_both(runtime, own, pid));
    }
}

/// Removes the link of a process to the one that spawned it.
pub(crate) fn unlink_from_caller(runtime: &Handle, pid: Pid) {
    let caller = runtime.with(pid, |entry| entry.callers().first().copied());
    if let Some(Some(caller)) = caller {
        unlink_both(runtime, caller, pid);
    }
}

/// Removes the link between two processes.
pub(crate) fn unlink_both(runtime: &Handle, a: Pid, b: Pid) {
    if a == b {
        return;
    }
    runtime.with_both(a, b, |first, second| {
        for (entry, peer) in [(first, b), (second, a)] {
            if let Some(rare) = entry.and_then(|entry| entry.rare.as_mut()) {
                rare.links.remove(&peer);
            }
        }
    });
}
