//! Signals to `cordial`: to stop the run, to suspend it, to continue it, and to change how many commands run at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::signal::Signal as NixSignal;
use rustix::process::Signal as RawSignal;
use signal_hook::flag;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::group_table::GroupTable;
use super::job::can_be_continued;
use crate::system::limit_change::LimitChange;
use crate::system::stop_signal::StopSignal;

/// Receives the signals that ask the run to stop, from the call of `listen` on.
pub(crate) struct StopSignals {
    /// `None` if SIGINT is known to have been ignored when `cordial` was started, as by a script that has started it with `&`.
    interrupt: Option<Signal>,
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
            interrupt: unless_ignored(NixSignal::SIGINT)?,
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
            () = receive(&mut self.interrupt) => StopSignal::Interrupt,
            _ = self.terminate.recv() => StopSignal::Terminate,
            () = receive(&mut self.hangup) => StopSignal::Hangup,
        }
    }
}

/// Sends this program the signal of Ctrl-C.
pub(crate) fn interrupt_this_program() {
    // `kill_process` fails only if the process does not exist, and this program does.
    let _ = rustix::process::kill_process(rustix::process::getpid(), RawSignal::INT);
}

/// Suspends this program, and the other programs of its job, as Ctrl-Z does. Without a `JobControl`, returns when this program is
/// continued, or at once if no shell could continue it. It has to be called on the main thread then, to which the system delivers the
/// signal. With a `JobControl`, returns at once, and [`JobControl::forward`] suspends this program.
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

/// Makes the system keep the exit statuses of commands. The system discards them in a program that ignores SIGCHLD, and some parents
/// start programs with SIGCHLD ignored. If the system refuses, or `/proc` does not show that the signal is ignored, items fail with a message.
pub(crate) fn keep_exit_statuses() {
    if is_ignored(NixSignal::SIGCHLD) {
        handle_from_now_on(NixSignal::SIGCHLD);
    }
}

/// Makes a write beyond `ulimit -f` fail with a message, instead of killing this program. Has to be called before the first file is
/// written.
pub(crate) fn survive_file_size_limit() {
    if !is_ignored(NixSignal::SIGXFSZ) {
        handle_from_now_on(NixSignal::SIGXFSZ);
    }
}

/// Installs a handler without an effect, for the rest of the program. Commands do not inherit it. The handler is not tokio's, because
/// tokio would open files for it, and panic if the system refuses them.
fn handle_from_now_on(which: NixSignal) {
    // `register` fails only for signals that no program may handle, such as SIGKILL.
    let _ = flag::register(which as i32, Arc::default());
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
    /// `None` if SIGTSTP is known to have been ignored when `cordial` was started.
    suspend: Option<Signal>,
    resume: Signal,
    /// Which of the two signals was delivered last: `SUSPENDED` or `RESUMED`. Signals that come together are received in any order, and to
    /// suspend this process after its SIGCONT would suspend it for good.
    last: Arc<AtomicUsize>,
}

/// The values of `JobControl::last`.
const RESUMED: usize = 0;
const SUSPENDED: usize = 1;

impl JobControl {
    /// Installs the signal handlers.
    ///
    /// # Errors
    ///
    /// When the system refuses to install a handler.
    pub(crate) fn listen() -> io::Result<Self> {
        let last = Arc::new(AtomicUsize::new(RESUMED));
        // Before the handlers that wake `forward`, which reads `last`.
        if !is_ignored(NixSignal::SIGTSTP) {
            flag::register_usize(NixSignal::SIGTSTP as i32, Arc::clone(&last), SUSPENDED)?;
        }
        flag::register_usize(NixSignal::SIGCONT as i32, Arc::clone(&last), RESUMED)?;
        Ok(JobControl { suspend: unless_ignored(NixSignal::SIGTSTP)?, resume: signal(kind(RawSignal::CONT))?, last })
    }

    /// Forwards these signals to the groups for as long as the future is polled. Ctrl-Z also suspends this process, unless no shell could
    /// continue it. Never returns.
    ///
    /// # Cancel safety
    ///
    /// Groups that were suspended stay so if the future is dropped, and a Ctrl-Z that is being handled may be lost: this future is for the
    /// whole run.
    pub(crate) async fn forward(&mut self, groups: &GroupTable) {
        let mut paused = None;
        loop {
            let is_suspend = tokio::select! {
                () = receive(&mut self.suspend) => true,
                _ = self.resume.recv() => false,
            };
            if is_suspend && !can_be_continued(groups) {
                // A command that has the terminal was suspended.
                groups.signal(RawSignal::CONT);
                continue;
            }
            if is_suspend && self.last.load(Ordering::SeqCst) == SUSPENDED {
                if paused.is_none() {
                    paused = groups.pause_starts().await;
                }
                groups.signal(RawSignal::TSTP);
                if self.last.load(Ordering::SeqCst) == SUSPENDED {
                    // Starts stay paused until SIGCONT: a thread of this process may run for a moment after the signal.
                    let _ = rustix::process::kill_process(rustix::process::getpid(), RawSignal::STOP);
                }
            }
            // Otherwise SIGTSTP came after the SIGCONT that was received, and is received next, or this process is suspended.
            if self.last.load(Ordering::SeqCst) == RESUMED {
                groups.signal(RawSignal::CONT);
                paused = None;
            }
        }
    }
}

fn kind(signal: RawSignal) -> SignalKind {
    SignalKind::from_raw(signal.as_raw())
}
