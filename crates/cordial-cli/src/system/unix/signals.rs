//! Signals to `cordial`: to stop the run, to suspend it, to continue it, and to change how many commands run at once.

use std::io;
use std::sync::Arc;

use nix::sys::signal::Signal as NixSignal;
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
        Ok(StopSignals {
            hangup: unless_ignored(NixSignal::SIGHUP)?,
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

/// Suspends this program, and the other programs of its job, as Ctrl-Z does. Returns when it is continued; at once, if no shell could
/// continue it. Called on the main thread, which the system prefers for a signal.
pub(crate) fn suspend_this_job() {
    let _ = rustix::process::kill_current_process_group(RawSignal::TSTP);
}

/// Receives SIGCONT, from the call of `listen` on.
pub(crate) struct ResumeSignals(Signal);

impl ResumeSignals {
    /// Installs the signal handler.
    ///
    /// # Errors
    ///
    /// When the system refuses to install a handler.
    pub(crate) fn listen() -> io::Result<Self> {
        signal(kind(RawSignal::CONT)).map(ResumeSignals)
    }

    /// Waits for the next signal. The wait has no bound: most programs are never suspended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) {
        self.0.recv().await;
    }
}

/// Installs a handler, unless the system reports that the signal was ignored when `cordial` was started. Then the signal stays
/// ignored, here and in the commands.
fn unless_ignored(which: NixSignal) -> io::Result<Option<Signal>> {
    if is_ignored(which) { Ok(None) } else { signal(SignalKind::from_raw(which as i32)).map(Some) }
}

/// Makes the system keep the exit statuses of commands, which it discards in a program that ignores SIGCHLD: some parents let the
/// programs that they start ignore it. If the system refuses, items fail with a message.
pub(crate) fn keep_exit_statuses() {
    if is_ignored(NixSignal::SIGCHLD) {
        handle_from_now_on(NixSignal::SIGCHLD);
    }
}

/// Makes a write beyond `ulimit -f` fail with a message, instead of killing this program. Has to be called before the first file is
/// written.
pub(crate) fn survive_file_limit() {
    if !is_ignored(NixSignal::SIGXFSZ) {
        handle_from_now_on(NixSignal::SIGXFSZ);
    }
}

/// Installs a handler without an effect, for the rest of the program. Commands do not inherit it. tokio would open files for it, and panic
/// if the system refuses them.
fn handle_from_now_on(which: NixSignal) {
    // Fails only for signals that no program may handle.
    let _ = signal_hook::flag::register(which as i32, Arc::default());
}

/// Returns whether this process is known to ignore a signal.
fn is_ignored(which: NixSignal) -> bool {
    ignored_signals().is_some_and(|ignored| ignored & signal_bit(which) != 0)
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
pub(super) fn signal_bit(signal: NixSignal) -> u64 {
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
        Ok(LimitSignals { more: unless_ignored(NixSignal::SIGUSR1)?, fewer: unless_ignored(NixSignal::SIGUSR2)? })
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
