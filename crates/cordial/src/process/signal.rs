//! The signals between processes, and the one function that applies them.
//!
//! What each does is in the table of `process/mod.rs`, which this follows.
//!
//! The first signal that ends a process decides its exit. Applying one changes the entry under its lock; whom it wakes
//! is done by [`Effect::act`] after the lock is released.

use std::sync::Arc;

use cordial_sched::TaskRef;
use tokio::sync::{Notify, mpsc};

use super::entry::Entry;
use crate::exit::Exit;
use crate::pid::Pid;

/// What one process tells another about ends.
#[derive(Debug)]
pub(crate) enum Signal {
    /// `process::exit`, a request of an owner or supervisor, a kill.
    /// `from` is `None` for a thread that runs no process.
    Sent { from: Option<Pid>, reason: Exit },
    /// A linked process has ended.
    LinkEnded { from: Pid, exit: Exit },
}

/// What is left to do once the lock of the entry is released.
#[must_use = "whoever is waiting is not woken"]
#[derive(Debug, Default)]
pub(crate) struct Effect {
    wake: Option<TaskRef>,
    tell: Vec<mpsc::UnboundedSender<(Pid, Exit)>>,
    message: Option<(Pid, Exit)>,
    notify: Option<Arc<Notify>>,
    /// An error in it is the user's, and its destructor must not run under the lock.
    unused: Option<Exit>,
}

impl Effect {
    /// Wakes and tells. Must not be called under a lock: it runs the wakers of the user.
    pub(crate) fn act(self) {
        drop(self.unused);
        if let Some(message) = self.message {
            for trap in self.tell {
                // A trap that was dropped in the meantime would have been dropped with the message in it.
                let _ = trap.send(message.clone());
            }
        }
        if let Some(notify) = self.notify {
            notify.notify_waiters();
        }
        if let Some(waker) = self.wake {
            waker.wake();
        }
    }
}

/// Applies a signal to the process `own`.
pub(crate) fn apply(own: Pid, entry: &mut Entry, signal: Signal) -> Effect {
    let (from, reason, is_sent) = match signal {
        Signal::Sent { from, reason } => (from, reason, true),
        Signal::LinkEnded { from, exit } => {
            // Removed by an `unlink` that was faster: nothing is delivered.
            if !entry.rare.as_mut().is_some_and(|rare| rare.links.remove(&from)) {
                return ignore(exit);
            }
            (Some(from), exit, false)
        }
    };
    if entry.ending.is_some() {
        return ignore(reason);
    }
    match reason {
        Exit::Killed if is_sent => kill(own, entry),
        Exit::Shutdown(_) if is_sent => request(entry, from.unwrap_or(own), reason),
        // Of its own accord it is concerned with its owner only. What it does not hear it need not work off.
        _ if entry.guardian().is_some_and(|guardian| from.is_none() || guardian.owner != from) => ignore(reason),
        _ if entry.traps_exits() => tell(entry, from.unwrap_or(own), reason),
        Exit::Normal if !is_sent || from != Some(own) => ignore(reason),
        _ => end(entry, reason),
    }
}

fn ignore(unused: Exit) -> Effect {
    Effect { unused: Some(unused), ..Effect::default() }
}

fn end(entry: &mut Entry, exit: Exit) -> Effect {
    Effect { wake: Some(entry.end_with(Box::new(exit))), ..Effect::default() }
}

/// A guardian is told of its kill, and ends once what it owns has.
fn kill(own: Pid, entry: &mut Entry) -> Effect {
    match entry.guardian_mut() {
        None => end(entry, Exit::Killed),
        Some(guardian) if guardian.is_killed => Effect::default(),
        Some(guardian) => {
            guardian.is_killed = true;
            tell(entry, own, Exit::Killed)
        }
    }
}

fn tell(entry: &mut Entry, from: Pid, reason: Exit) -> Effect {
    let tell = entry.rare.as_ref().map(|rare| rare.traps.values().cloned().collect()).unwrap_or_default();
    Effect { tell, message: Some((from, reason)), ..Effect::default() }
}

fn request(entry: &mut Entry, from: Pid, reason: Exit) -> Effect {
    entry.manners.is_asked = true;
    if !entry.manners.wants_notice {
        return end(entry, reason);
    }
    let notify = entry.rare.as_ref().map(|rare| rare.asked.clone());
    Effect { notify, ..tell(entry, from, reason) }
}
