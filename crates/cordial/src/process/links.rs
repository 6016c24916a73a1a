//! Links: symmetric ties between two processes, created and removed under the locks of both.
//!
//! Both locks are held together, the lower slot first, so a link between two live processes is never recorded on one side
//! only. The link of a spawn is recorded in the spawner first, and in the new process before it enters the table. A process
//! that ends is removed from the table together with its links. Then each linked process is notified; a process that has
//! removed the link meanwhile ignores the notification.

use super::entry::Entry;
use super::runtime::{RuntimeHandle, current, is_in_poll, with_current_runtime};
use super::signal::{Signal, apply};
use crate::exit::Exit;
use crate::pid::Pid;

/// Links the calling process with another: if one exits with anything but [`Exit::Normal`], the
/// other ends with the same exit, unless it traps exits. A second link between the same processes
/// changes nothing.
///
/// A link to a process that has ended, is unknown, or belongs to another runtime acts as if the process ended now, with
/// [`Exit::NoProcess`]. A link of a process to itself does nothing. Outside a process, `link` does nothing.
///
/// # Elixir
///
/// `Process.link/1`. It raises if the process is dead and the caller does not trap exits; here the caller gets an exit signal
/// whether it traps exits or not.
///
/// # Examples
///
/// ```
/// use cordial::{Exit, Task, process};
///
/// cordial::testing::run(async {
///     let other = Task::start(std::future::pending::<()>());
///     let linked = Task::spawn(async move {
///         process::link(other);
///         process::exit(other, Exit::Killed);
///         std::future::pending::<()>().await
///     });
///     assert_eq!(linked.await, Err(Exit::Killed));
/// });
/// ```
pub fn link(pid: Pid) {
    let Some(own) = current() else { return };
    if own == pid {
        return;
    }
    let effect = with_current_runtime(|runtime| {
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

/// Removes the link between the calling process and another, if there is one. An exit signal over this link that has not been
/// delivered yet is never delivered.
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
        with_current_runtime(|runtime| unlink_both(runtime, own, pid));
    }
}

/// Removes the link between the calling process and `pid`, if there is one. Called when the calling process gives up its handle to
/// `pid`. Does nothing if the calling process drops the handle because it ends or unwinds: the link must pass its exit on to `pid`.
pub(crate) fn unlink_from_current(runtime: &RuntimeHandle, pid: Pid) {
    if !is_in_poll() || std::thread::panicking() {
        return;
    }
    let Some(own) = current().filter(|own| own.runtime() == pid.runtime()) else { return };
    let is_linked = |entry: &mut Entry| entry.rare.as_ref().is_some_and(|rare| rare.links.contains(&own));
    if runtime.with(pid, is_linked) == Some(true) {
        unlink_both(runtime, own, pid);
    }
}

/// Removes the link between a process and the process that spawned it.
pub(crate) fn unlink_from_caller(runtime: &RuntimeHandle, pid: Pid) {
    let caller = runtime.with(pid, |entry| entry.callers().first().copied());
    if let Some(Some(caller)) = caller {
        unlink_both(runtime, caller, pid);
    }
}

/// Removes the link between two processes.
fn unlink_both(runtime: &RuntimeHandle, a: Pid, b: Pid) {
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
