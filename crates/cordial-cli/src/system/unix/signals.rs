//! Signals to `cordial`: to stop the run, to suspend it, to continue it, and to change how many commands run at once.

use std::io;

use rustix::process::Signal as RawSignal;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::group_table::GroupTable;
use crate::system::limit_change::LimitChange;
use crate::system::stop_signal::StopSignal;

/// Receives the signals that ask the run to stop, from the call of `listen` on.
pub(crate) struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    /// `None` if SIGHUP is known to have been ignored when `cordial` was started, as under `nohup`.
    hangup: Option<Signal>,
}

impl StopSignals {
    /// Installs the signal handlers.
    ///
    /// # Errors
    ///
    /// When the system refuses to install a handler.
    pub(crate) fn listen() -> io::Result<Self> {
        // A write beyond `ulimit -f` then fails, instead of killing this program. The handler stays after the drop, and commands do not
        // inherit it.
        unless_ignored(nix::sys::signal::Signal::SIGXFSZ)?;
        Ok(StopSignals {
            hangup: unless_ignored(nix::sys::signal::Signal::SIGHUP)?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next signal. The wait has no bound: most runs receive none.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> StopSignal {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => StopSignal::Interrupt,
            _ = self.terminate.recv() => StopSignal::Terminate,
            () = receive(&mut self.hangup) => StopSignal::Hangup,
        }
    }
}

/// Sends this program the signal of Ctrl-C.
pub(crate) fn interrupt_this_program() {
    // Fails only for a process that does not exist.
    let _ = rustix::process::kill_process(rustix::process::getpid(), RawSignal::INT);
}

/// Installs a handler, unless the system reports that the signal was ignored when `cordial` was started. Then the signal stays
/// ignored, here and in the commands.
fn unless_ignored(which: nix::sys::signal::Signal) -> io::Result<Option<Signal>> {
    let is_ignored = ignored_signals().is_some_and(|ignored| ignored & signal_bit(which) != 0);
    if is_ignored { Ok(None) } else { signal(SignalKind::from_raw(which as i32)).map(Some) }
}

/// Makes the system keep the exit statuses of commands, which it discards in a program that ignores SIGCHLD: some parents let the
/// programs that they start ignore it. If the system refuses, items fail with a message.
pub(crate) fn keep_exit_statuses() {
    let is_ignored =
        ignored_signals().is_some_and(|ignored| ignored & signal_bit(nix::sys::signal::Signal::SIGCHLD) != 0);
    if is_ignored && let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() {
        // The handler stays when the runtime, without which tokio installs none, has ended. Commands do not inherit it.
        let _context = runtime.enter();
        let _ = signal(SignalKind::child());
    }
}

/// Waits for the next signal, or forever if the signal is ignored.
async fn receive(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Returns the signals that this process ignores, one bit each; `None` where the system does not report them in `/proc`.
pub(super) fn ignored_signals() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(ignored.trim(), 16).ok()
}

/// Returns the bit of a signal in the result of `ignored_signals`.
pub(super) fn signal_bit(signal: nix::sys::signal::Signal) -> u64 {
    1 << (signal as i32 - 1)
}

/// Receives SIGUSR1 and SIGUSR2, from the call of `listen` on. Each is `None` if it is known to have been ignored when `cordial` was
/// started.
pub(crate) struct LimitSignals {
    more: Option<Signal>,
    fewer: Option<Signal>,
}

impl LimitSignals {
    /// Installs the signal handlers.
    ///
    /// # Errors
    ///
    /// When the system refuses to install a handler.
    pub(crate) fn listen() -> io::Result<Self> {
        use nix::sys::signal::Signal::{SIGUSR1, SIGUSR2};
        Ok(LimitSignals { more: unless_ignored(SIGUSR1)?, fewer: unless_ignored(SIGUSR2)? })
    }

    /// Waits for the next signal. The wait has no bound: most runs receive none.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> LimitChange {
        tokio::select! {
            () = receive(&mut self.more) => LimitChange::More,
            () = receive(&mut self.fewer) => LimitChange::Fewer,
        }
    }
}

/// Receives Ctrl-Z (SIGTSTP) and SIGCONT, from the call of `listen` on.
pub(crate) struct JobControl {
    suspend: Signal,
    resume: Signal,
}

impl JobControl {
    /// Installs the signal handlers.
    ///
    /// # Errors
    ///
    /// When the system refuses to install a handler.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(JobControl { suspend: signal(kind(RawSignal::TSTP))?, resume: signal(kind(RawSignal::CONT))? })
    }

    /// Forwards these signals to the groups for as long as the future is polled. Ctrl-Z also suspends this process. Never returns.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn forward(&mut self, groups: &GroupTable) {
        let mut paused = None;
        loop {
            tokio::select! {
                _ = self.suspend.recv() => {
                    if paused.is_none() {
                        paused = groups.pause_starts().await;
                    }
                    groups.signal(RawSignal::TSTP);
                    let _ = rustix::process::kill_process(rustix::process::getpid(), RawSignal::STOP);
                }
                // Starts stay paused until here, so that a thread of this process that has not stopped yet starts nothing.
                _ = self.resume.recv() => {
                    groups.signal(RawSignal::CONT);
                    paused = None;
                }
            }
        }
    }
}

fn kind(signal: RawSignal) -> SignalKind {
    SignalKind::from_raw(signal.as_raw())
}
