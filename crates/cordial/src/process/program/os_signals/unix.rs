//! SIGINT and SIGTERM.
//!
//! ```text
//!  signal ─► handler of `signal-hook` ─► the handler that was there before
//!                                     ─► no run: the default action, if there was no other handler before the first run
//!                                     ─► a run:  sets a flag, and writes to the pipe
//!  waker of the run ───────────────────────────────────────► writes to the pipe ─► the thread of the run polls
//! ```
//!
//! The thread that called `run` reads the pipe itself. So a signal is noticed at once even if all threads of tokio are
//! blocked, and no thread is started for it.
//!
//! A handler cannot be removed without unsafe code, so the handler of `signal-hook` stays installed after the first run. Between runs it
//! does what would have happened without it.

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use signal_hook::SigId;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use super::OsSignal;
use crate::process::runtime::RuntimeHandle;

const SIGNALS: [OsSignal; 2] = [OsSignal::Interrupt, OsSignal::Terminate];

fn number(signal: OsSignal) -> i32 {
    match signal {
        OsSignal::Interrupt => SIGINT,
        OsSignal::Terminate => SIGTERM,
    }
}

/// Receives both signals for one run. Dropping it gives the handlers back.
pub(in crate::process::program) struct OsSignals {
    pipe: Arc<Pipe>,
    received: Vec<(OsSignal, Arc<AtomicBool>)>,
    actions: Vec<Action>,
    /// Whether the run was counted, so that its end is counted too.
    is_counted: bool,
}

impl OsSignals {
    /// Installs the signal handlers.
    pub(in crate::process::program) fn listen(_runtime: &RuntimeHandle) -> io::Result<OsSignals> {
        lock_defaults().prepare()?;
        let pipe = Arc::new(Pipe::new()?);
        let mut signals = OsSignals { pipe, received: Vec::new(), actions: Vec::new(), is_counted: false };
        for signal in SIGNALS {
            let received = Arc::<AtomicBool>::default();
            // Actions are called in the order of their registration: the flag is set before the thread of the run wakes up.
            signals.actions.push(Action(flag::register(number(signal), received.clone())?));
            let writer = signals.pipe.writer.try_clone()?;
            signals.actions.push(Action(low_level::pipe::register(number(signal), writer)?));
            signals.received.push((signal, received));
        }
        // Until here a signal ends the program. From here on it is received.
        lock_defaults().begin_run();
        signals.is_counted = true;
        Ok(signals)
    }

    /// Polls the future on the calling thread, again after each signal.
    pub(in crate::process::program) fn block_on<F: Future>(&self, future: F) -> F::Output {
        let waker = Waker::from(self.pipe.clone());
        let mut cx = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            match future.as_mut().poll(&mut cx) {
                Poll::Ready(output) => return output,
                Poll::Pending => self.pipe.wait(),
            }
        }
    }

    /// Waits for the next signal, inside of `block_on`, which wakes the future. Dropping the future loses nothing.
    pub(in crate::process::program) fn next(&self) -> impl Future<Output = OsSignal> + Unpin {
        poll_fn(|_| self.take().map_or(Poll::Pending, Poll::Ready))
    }

    fn take(&self) -> Option<OsSignal> {
        let mut received = self.received.iter().filter(|(_, received)| received.swap(false, Ordering::SeqCst));
        received.next().map(|(signal, _)| *signal)
    }
}

impl Drop for OsSignals {
    fn drop(&mut self) {
        let is_last = self.is_counted && lock_defaults().end_run();
        self.actions.clear();
        // A signal that came after the last poll of the run, and before its end.
        if is_last && let Some(signal) = self.take() {
            lock_defaults().act(signal);
        }
    }
}

/// A registered action, until it is dropped.
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

/// What the signals do while no run listens. Signal handlers belong to the whole program, and so does this.
static DEFAULTS: Mutex<Defaults> = Mutex::new(Defaults { n_runs: 0, actions: Vec::new() });

#[derive(Debug)]
struct Defaults {
    n_runs: usize,
    /// Empty before the first run.
    actions: Vec<DefaultAction>,
}

/// What one signal does while no run listens.
#[derive(Debug)]
struct DefaultAction {
    signal: OsSignal,
    /// While it is set, the signal ends the program. `None` if another handler decides, or if the signal is ignored.
    ends_program: Option<Arc<AtomicBool>>,
}

fn lock_defaults() -> MutexGuard<'static, Defaults> {
    DEFAULTS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Defaults {
    /// Registers the default actions, before the first run.
    fn prepare(&mut self) -> io::Result<()> {
        for signal in SIGNALS.into_iter().skip(self.actions.len()) {
            let number = number(signal);
            let ends_program = (!is_taken(number)).then(|| Arc::new(AtomicBool::new(true)));
            if let Some(ends_program) = &ends_program {
                flag::register_conditional_default(number, ends_program.clone())?;
            }
            self.actions.push(DefaultAction { signal, ends_program });
        }
        Ok(())
    }

    fn begin_run(&mut self) {
        self.n_runs += 1;
        self.set_flags();
    }

    /// Returns whether no run is left.
    fn end_run(&mut self) -> bool {
        self.n_runs -= 1;
        self.set_flags();
        self.n_runs == 0
    }

    fn set_flags(&self) {
        for ends_program in self.actions.iter().filter_map(|action| action.ends_program.as_ref()) {
            ends_program.store(self.n_runs == 0, Ordering::SeqCst);
        }
    }

    /// Does what the signal does while no run listens.
    fn act(&self, signal: OsSignal) {
        let ends_program = |action: &DefaultAction| {
            action.signal == signal && action.ends_program.as_ref().is_some_and(|ends| ends.load(Ordering::SeqCst))
        };
        if self.actions.iter().any(ends_program) {
            let _ = low_level::emulate_default_handler(number(signal));
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
