//! Limits for tests that wait: a test that hangs ends the test program, with a message that names the test.

use std::io::Write;
use std::ops::Deref;
use std::panic::Location;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use cordial::Runtime;
use cordial::process::{Builder, Inspector};
use tokio::time::Instant;

/// How long a test may use a runtime, or wait in [`wait_until`]. Only a test that hangs takes so long, on the slowest machine too.
const LIMIT: Duration = Duration::from_secs(300);

/// The limit of awaits and calls that set none, so that none of them ends early on a slow machine.
const AWAIT_LIMIT: Duration = Duration::from_secs(3600);

/// How long the program has to print its processes, once a test hangs.
const FOR_PROCESSES: Duration = Duration::from_secs(10);

/// Ends the test program if this value still exists after [`LIMIT`].
pub(crate) struct Watch {
    /// Its drop ends the thread that watches.
    _end: Sender<()>,
}

/// A runtime with threads, for tests on the real clock. The test program ends if the runtime still exists after [`LIMIT`].
pub(crate) struct LimitedRuntime {
    runtime: Runtime,
    /// Dropped after the runtime, because its shutdown may hang, too.
    _watch: Watch,
}

impl Deref for LimitedRuntime {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        &self.runtime
    }
}

/// Starts a runtime with this number of workers.
#[track_caller]
pub(crate) fn runtime(workers: usize) -> LimitedRuntime {
    start(Runtime::builder().workers(workers))
}

/// Starts a runtime with these options.
#[track_caller]
pub(crate) fn start(options: Builder) -> LimitedRuntime {
    let runtime = options.await_limit(AWAIT_LIMIT).build().unwrap();
    let watch = Watch::begin(Some(runtime.inspector()));
    LimitedRuntime { runtime, _watch: watch }
}

/// Limits the time of a simulation, in which a process may wait again and again.
#[track_caller]
pub(crate) fn watch() -> Watch {
    Watch::begin(None)
}

impl Watch {
    #[track_caller]
    fn begin(inspector: Option<Inspector>) -> Watch {
        let (sender, end) = channel::<()>();
        let begun_at = Location::caller();
        let test = std::thread::current().name().unwrap_or("of unknown name").to_owned();
        #[expect(clippy::disallowed_methods, reason = "the limit must hold even if the library hangs")]
        std::thread::spawn(move || {
            if end.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
                end_program(&test, begun_at, inspector);
            }
        });
        Watch { _end: sender }
    }
}

/// Ends the program of a test that hangs.
fn end_program(test: &str, begun_at: &Location<'_>, inspector: Option<Inspector>) {
    // Standard error directly, because libtest hides what a test prints.
    let mut stderr = std::io::stderr();
    let _ =
        writeln!(stderr, "error: the test {test} hangs: what it has begun at {begun_at} still lasts after {LIMIT:?}");
    if let Some(inspector) = inspector {
        let (printed, is_printed) = channel();
        #[expect(clippy::disallowed_methods, reason = "the snapshot may hang as well")]
        std::thread::spawn(move || {
            let _ = writeln!(std::io::stderr(), "{}", inspector.snapshot_without_details());
            let _ = printed.send(());
        });
        let _ = is_printed.recv_timeout(FOR_PROCESSES);
    }
    std::process::exit(99);
}

/// Waits until `holds` returns true, and lets other threads run meanwhile. After [`LIMIT`] it panics with the text `what`.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LIMIT, "after {LIMIT:?}, the test still waits until {what}");
        std::thread::yield_now();
    }
}
