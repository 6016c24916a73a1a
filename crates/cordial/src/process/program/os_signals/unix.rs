//! SIGINT and SIGTERM.
//!
//! ```text
//!  signal ─► handler of `signal-hook` ─► the handler that was there before
//!                                     ─► no run: the default action, if the signal was neither handled nor ignored before the first run
//!                                     ─► sets the flag of the program, and writes to the pipe of each run
//!  waker of the run ───────────────────────────────────────► writes to the pipe ─► the thread of the run polls
//! ```
//!
//! The thread that called `run` reads the pipe itself. So a signal is noticed at once even if all threads of tokio are
//! blocked, and no thread is started for it.
//!
//! Several runs may listen at the same time, and each takes every signal. The first thread that polls after a signal clears the flag and
//! gives the signal the next number; each run knows the number of the last signal that it has taken.
//!
//! If the root process of a run has ended, the run takes a signal too late to handle it. So each run marks the signals that it has handled. When the
//! last run ends, a signal that no run has handled does what it would have done without a run.
//!
//! A handler cannot be removed without unsafe code, so the handler of `signal-hook` stays installed after the first run. Between runs it
//! does what would have happened without it.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

use signal_hook::SigId;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use super::OsSignal;
use crate::process::runtime::{RuntimeHandle, block_on_with};

const SIGNALS: [OsSignal; 2] = [OsSignal::Interrupt, OsSignal::Terminate];

fn number(signal: OsSignal) -> i32 {
    match signal {
        OsSignal::Interrupt => SIGINT,
        OsSignal::Terminate => SIGTERM,
    }
}

/// Receives both signals for one run. Dropping it ends the run: if no other run is left, the signals do again what they did before the first run.
pub(in crate::process::program) struct OsSignals {
    pipe: Arc<Pipe>,
    /// The number of the last signal of each kind that the run has taken.
    taken: Cell<Numbers>,
    /// Whether the end of this run marks all signals as handled.
    disregards_rest: Cell<bool>,
    /// The actions that wake the thread of the run after a signal.
    _wakes: Vec<Action>,
}

/// A number for each kind of signal, in the order of `SIGNALS`.
type Numbers = [u64; SIGNALS.len()];

impl OsSignals {
    /// Installs the signal handlers. `takes_unhandled`: whether the run also takes signals that have come before it, if no run has handled
    /// them.
    pub(in crate::process::program) fn listen(
        _runtime: &RuntimeHandle,
        takes_unhandled: bool,
    ) -> io::Result<OsSignals> {
        lock_program().prepare()?;
        let pipe = Arc::new(Pipe::new()?);
        let wakes = SIGNALS.map(|signal| {
            let writer = pipe.writer.try_clone()?;
            low_level::pipe::register(number(signal), writer).map(Action)
        });
        let wakes = wakes.into_iter().collect::<io::Result<_>>()?;
        // If this is the only run, a signal has ended the program before this line. After it, the run receives the signal.
        let taken = Cell::new(lock_program().begin_run(takes_unhandled));
        Ok(OsSignals { pipe, taken, disregards_rest: Cell::new(false), _wakes: wakes })
    }

    /// Polls the future on the calling thread, again after each wake-up and after each signal.
    pub(in crate::process::program) fn block_on<F: Future>(&self, future: F) -> F::Output {
        block_on_with(&Waker::from(self.pipe.clone()), || self.pipe.wait(), future)
    }

    /// Waits for the next signal, inside of `block_on`, which wakes the future. Dropping the future loses nothing.
    pub(in crate::process::program) fn next(&self) -> impl Future<Output = OsSignal> + Unpin {
        poll_fn(|_| {
            lock_program().number_received();
            self.take_numbered().map_or(Poll::Pending, Poll::Ready)
        })
    }

    /// Takes the next signal that has a number already: another run has noticed the signal, and may have handled it.
    pub(in crate::process::program) fn take_numbered(&self) -> Option<OsSignal> {
        let mut taken = self.taken.get();
        let signal = lock_program().signals.iter().zip(&mut taken).find_map(|(of_program, taken)| {
            let is_new = of_program.n_received > *taken;
            *taken += u64::from(is_new);
            is_new.then_some(of_program.signal)
        });
        self.taken.set(taken);
        signal
    }

    /// Marks the signals that the run has taken as handled, so that they have no effect after the run.
    pub(in crate::process::program) fn set_handled(&self) {
        lock_program().set_handled(self.taken.get());
    }

    /// Makes the end of the run mark all signals as handled, even those that the run has not taken.
    pub(in crate::process::program) fn disregard_rest(&self) {
        self.disregards_rest.set(true);
    }
}

impl Drop for OsSignals {
    fn drop(&mut self) {
        lock_program().end_run(self.disregards_rest.get());
    }
}

/// An action of `signal-hook`. Dropping it unregisters the action.
struct Action(SigId);

impl Drop for Action {
    fn drop(&mut self) {
        low_level::unregister(self.0);
    }
}

/// Wakes the thread of a run. Both ends live until the last waker is gone, so that no write finds its reader closed.
struct Pipe {
    reader: UnixStream,
    writer: UnixStream,
}

impl Pipe {
    fn new() -> io::Result<Pipe> {
        let (reader, writer) = UnixStream::pair()?;
        writer.set_nonblocking(true)?;
        Ok(Pipe { reader, writer })
    }

    /// Blocks the thread until something was written.
    fn wait(&self) {
        match (&self.reader).read(&mut [0; 64]) {
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Reached only if code of the program has closed a file that it does not own.
            Ok(0) | Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

impl Wake for Pipe {
    fn wake(self: Arc<Pipe>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Pipe>) {
        // An error means that the pipe is full: then the thread is about to wake up.
        let _ = (&self.writer).write(&[0]);
    }
}

/// The signals of the program. Signal handlers belong to the whole program, and so does this.
static PROGRAM: Mutex<ProgramSignals> = Mutex::new(ProgramSignals { n_runs: 0, signals: Vec::new() });

#[derive(Debug)]
struct ProgramSignals {
    n_runs: usize,
    /// Empty before the first run.
    signals: Vec<ProgramSignal>,
}

#[derive(Debug)]
struct ProgramSignal {
    signal: OsSignal,
    /// While it is set, the signal ends the program. `None` if the program had a handler for the signal before the first run, or ignored the signal.
    ends_program: Option<Arc<AtomicBool>>,
    /// Set by the signal handler.
    is_received: Arc<AtomicBool>,
    /// The number of the latest signal: how often `is_received` was set when a thread cleared it.
    n_received: u64,
    /// The number of the latest signal that a run has handled.
    handled: u64,
}

fn lock_program() -> MutexGuard<'static, ProgramSignals> {
    PROGRAM.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ProgramSignals {
    /// Registers, before the first run, the actions that stay registered until the program ends. Does nothing before later runs.
    fn prepare(&mut self) -> io::Result<()> {
        for signal in SIGNALS.into_iter().skip(self.signals.len()) {
            let number = number(signal);
            let ends_program = (!is_taken(number)).then(|| Arc::new(AtomicBool::new(true)));
            if let Some(ends_program) = &ends_program {
                flag::register_conditional_default(number, ends_program.clone())?;
            }
            // Actions are called in the order of their registration: the flag is set before the thread of a run wakes up.
            let is_received = Arc::<AtomicBool>::default();
            flag::register(number, is_received.clone())?;
            self.signals.push(ProgramSignal { signal, ends_program, is_received, n_received: 0, handled: 0 });
        }
        Ok(())
    }

    /// Begins a run. Returns, for each kind of signal, the number after which the run takes signals.
    fn begin_run(&mut self, takes_unhandled: bool) -> Numbers {
        if self.n_runs == 0 {
            // A signal that came between two runs and did not end the program was received by another handler.
            self.set_all_handled();
        }
        self.n_runs += 1;
        self.set_flags();
        let mut numbers = Numbers::default();
        for (number, signal) in numbers.iter_mut().zip(&self.signals) {
            *number = if takes_unhandled { signal.handled } else { signal.n_received };
        }
        numbers
    }

    /// Ends a run. If no other run is left, a signal that no run has handled now does what it does while no run listens. With
    /// `disregards_rest`, all signals count as handled.
    fn end_run(&mut self, disregards_rest: bool) {
        self.n_runs -= 1;
        self.set_flags();
        if disregards_rest {
            self.set_all_handled();
        }
        if self.n_runs > 0 {
            return;
        }
        // Counted after `set_flags`, so that no signal is missed: a signal that comes after `set_flags` ends the program at once.
        self.number_received();
        let is_unhandled =
            |signal: &&ProgramSignal| signal.n_received > signal.handled && signal.ends_program.is_some();
        if let Some(signal) = self.signals.iter().find(is_unhandled) {
            let _ = low_level::emulate_default_handler(number(signal.signal));
        }
    }

    /// Gives numbers to the signals that have come since the last call.
    fn number_received(&mut self) {
        for signal in &mut self.signals {
            signal.n_received += u64::from(signal.is_received.swap(false, Ordering::SeqCst));
        }
    }

    fn set_handled(&mut self, numbers: Numbers) {
        for (signal, number) in self.signals.iter_mut().zip(numbers) {
            signal.handled = signal.handled.max(number);
        }
    }

    fn set_all_handled(&mut self) {
        self.number_received();
        for signal in &mut self.signals {
            signal.handled = signal.n_received;
        }
    }

    fn set_flags(&self) {
        for ends_program in self.signals.iter().filter_map(|signal| signal.ends_program.as_ref()) {
            ends_program.store(self.n_runs == 0, Ordering::SeqCst);
        }
    }
}

/// Returns whether the program has a handler for the signal, or ignores it. Only Linux shows that; elsewhere this returns `false`.
fn is_taken(number: i32) -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return false };
    let is_in_mask = |line: &str| {
        let mask = line.strip_prefix("SigIgn:").or_else(|| line.strip_prefix("SigCgt:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.is_some_and(|mask| mask >> (number - 1) & 1 == 1)
    };
    status.lines().any(is_in_mask)
}
