//! The signals to processes, and the one function that applies them.
//!
//! The table of `process/mod.rs` says what each signal does; this code follows it.
//!
//! [`apply`] changes the entry under the lock of the table. It does not wake or notify anything itself, but returns an
//! [`Effect`], which does so after the lock is released.

use std::sync::Arc;

use cordial_sched::TaskRef;
use tokio::sync::mpsc;

use super::entry::Entry;
use super::shutdown::Shutdown;
use super::shutdown_notice::ShutdownNotice;
use super::shutdown_state::{ExitCause, OnRequest};
use crate::exit::Exit;
use crate::pid::Pid;
use crate::unwind;

/// A signal to a process.
#[derive(Debug)]
pub(crate) enum Signal {
    /// An exit that was sent, a request to shut down, a kill, or the `NoProcess` of a new link to a process that has ended. `from` is
    /// `None` if no process of this runtime is named as the sender.
    Sent { from: Option<Pid>, reason: Exit },
    /// A linked process has ended.
    LinkEnded { from: Pid, exit: Exit },
}

impl Signal {
    /// Returns the signal with which a stop begins.
    pub(crate) fn first_of(shutdown: Shutdown) -> Signal {
        let reason = if shutdown == Shutdown::BrutalKill { Exit::Killed } else { Exit::Shutdown(None) };
        Signal::Sent { from: None, reason }
    }
}

/// The part of a signal that is carried out after the lock of the table is released.
#[must_use = "without `act`, the tasks that wait for the signal are not woken"]
#[derive(Debug, Default)]
pub(crate) struct Effect {
    wake: Option<TaskRef>,
    traps: Vec<mpsc::UnboundedSender<(Pid, Exit)>>,
    message: Option<(Pid, Exit)>,
    /// The notice of the process itself and, if it is a root, that of code outside of any process.
    notices: [Option<Arc<ShutdownNotice>>; 2],
    /// An exit that has no effect. Dropped after the lock is released, because it may hold an error of the user.
    unused: Option<Exit>,
}

impl Effect {
    /// Returns whether the process receives the signal as a message, and continues to run.
    pub(crate) fn is_message(&self) -> bool {
        self.message.is_some()
    }

    /// Returns whether the process ends because of the signal.
    pub(crate) fn ends_process(&self) -> bool {
        self.wake.is_some()
    }

    /// Gives the notices of the process, delivers the message to its traps, and wakes it if it ends. Must not be called under a
    /// lock, because it runs user wakers.
    pub(crate) fn act(self) {
        drop(self.unused);
        // The notices are given before the message is delivered: a server that traps exits must not see a request as an exit.
        self.notices.into_iter().flatten().for_each(|notice| notice.give());
        if let Some(message) = self.message {
            for trap in self.traps {
                // If the waker of one stream panics, the others still get the message. An error means that the receiver was dropped in the
                // meantime, which drops the message as well.
                unwind::ignore_panic(|| trap.send(message.clone()).is_ok());
            }
        }
        if let Some(task) = self.wake {
            task.wake();
        }
    }
}

/// Applies a signal to the process `own`.
pub(crate) fn apply(own: Pid, entry: &mut Entry, signal: Signal) -> Effect {
    let (from, reason, is_sent) = match signal {
        Signal::Sent { from, reason } => (from, reason, true),
        Signal::LinkEnded { from, exit } => {
            // If a concurrent `unlink` has removed the link, nothing is delivered.
            if !entry.rare.as_mut().is_some_and(|rare| rare.links.remove(&from)) {
                return ignore(exit);
            }
            (Some(from), exit, false)
        }
    };
    if entry.shutdown.is_exiting() {
        return ignore(reason);
    }
    match reason {
        Exit::Killed if is_sent => kill(own, entry),
        Exit::Shutdown(_) if is_sent => request(own, entry, from.unwrap_or(own), reason),
        // A guardian acts only on requests, on kills, and on exits of its owner. Dropping other exits here keeps its queue short.
        _ if entry.guardian().is_some_and(|guardian| from.is_none() || guardian.owner != from) => ignore(reason),
        _ if entry.traps_exits() => deliver(entry, from.unwrap_or(own), reason),
        Exit::Normal if !is_sent || from != Some(own) => ignore(reason),
        _ => exit(own, entry, reason),
    }
}

fn ignore(unused: Exit) -> Effect {
    Effect { unused: Some(unused), ..Effect::default() }
}

fn exit(own: Pid, entry: &mut Entry, reason: Exit) -> Effect {
    Effect { wake: Some(entry.exit_with(own, Box::new(reason), ExitCause::Signal)), ..Effect::default() }
}

/// Kills a process. A guardian is notified of the first kill instead: it ends once the processes that it owns have ended.
fn kill(own: Pid, entry: &mut Entry) -> Effect {
    match entry.guardian_mut() {
        None => exit(own, entry, Exit::Killed),
        Some(guardian) if guardian.is_killed => Effect::default(),
        Some(guardian) => {
            guardian.is_killed = true;
            deliver(entry, own, Exit::Killed)
        }
    }
}

/// Returns the effect that delivers a message to every trap of the process.
fn deliver(entry: &mut Entry, from: Pid, reason: Exit) -> Effect {
    let traps = entry.rare().traps.values().cloned().collect();
    Effect { traps, message: Some((from, reason)), ..Effect::default() }
}

fn request(own: Pid, entry: &mut Entry, from: Pid, reason: Exit) -> Effect {
    let on_request = entry.shutdown.request(&reason);
    let notices =
        entry.rare.as_ref().map(|rare| [rare.shutdown_notice.clone(), rare.root_notice.clone()]).unwrap_or_default();
    let effect = match on_request {
        OnRequest::Exits => exit(own, entry, reason),
        OnRequest::RunsOn => deliver(entry, from, reason),
    };
    Effect { notices, ..effect }
}

/// Records that a guard which defers requests was dropped. If it was the last one, a request that came in the meantime ends the
/// process now.
pub(crate) fn end_deferral(own: Pid, entry: &mut Entry) -> Effect {
    match entry.shutdown.end_deferral() {
        Some(reason) => exit(own, entry, *reason),
        None => Effect::default(),
    }
}
