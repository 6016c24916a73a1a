//! What others ask of us by signals: to stop, to pause, to go on.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::system::Interrupt;

/// Requests from outside to stop, from the moment of `listen` on.
pub(crate) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    /// `None` where the one who started us said that it is not for us, as `nohup` does.
    hangup: Option<Signal>,
}

impl Interrupts {
    /// # Errors
    ///
    /// When the system refuses to install a handler.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Interrupts {
            hangup: if is_hangup_ignored() { None } else { Some(signal(SignalKind::hangup())?) },
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next request, without limit: most runs never see one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Interrupt {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => Interrupt::Interrupt,
            _ = self.terminate.recv() => Interrupt::Terminate,
            _ = hangup => Interrupt::Hangup,
        }
    }
}

/// Where the system does not tell, it is not.
fn is_hangup_ignored() -> bool {
    ignored().is_some_and(|ignored| ignored & bit(nix::sys::signal::Signal::SIGHUP) != 0)
}

/// The signals that are ignored, a bit for each; `None` where the system does not tell.
pub(super) fn ignored() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(ignored.trim(), 16).ok()
}

/// The place of a signal among those.
pub(super) fn bit(signal: nix::sys::signal::Signal) -> u64 {
    1 << (signal as i32 - 1)
}

/// Ctrl-Z and what follows it, from the moment of `listen` on.
pub(crate) struct Suspensions {
    suspend: Signal,
    go_on: Signal,
}

impl Suspensions {
    /// # Errors
    ///
    /// When the system refuses to install a handler.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Suspensions {
            suspend: signal(kind(rustix::process::Signal::TSTP))?,
            go_on: signal(kind(rustix::process::Signal::CONT))?,
        })
    }

    /// Passes these signals on to the groups, for as long as it is polled: it never ends.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn pass_on(&mut self, groups: &super::group_table::Groups) {
        let mut held = None;
        loop {
            tokio::select! {
                _ = self.suspend.recv() => {
                    if held.is_none() {
                        held = groups.hold().await;
                    }
                    groups.signal(rustix::process::Signal::TSTP);
                    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
                }
                // Only this lets us go on. Until then, threads of ours that have not stopped yet start nothing.
                _ = self.go_on.recv() => {
                    groups.signal(rustix::process::Signal::CONT);
                    held = None;
                }
            }
        }
    }
}

fn kind(signal: rustix::process::Signal) -> SignalKind {
    SignalKind::from_raw(signal.as_raw())
}
