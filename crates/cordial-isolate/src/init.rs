//! `main`, `init` and `test_main`: the first line of a program or a test that has a pool. In a worker process they never return.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::OnceLock;

use cordial::process::Outcome;

use crate::dispatch::Carried;
use crate::functions::Functions;
use crate::worker;

/// What a pool needs to know to start this program as a worker.
static INITIALIZED: OnceLock<Initialized> = OnceLock::new();

#[derive(Debug)]
#[cfg_attr(not(any(target_os = "linux", target_os = "macos")), allow(dead_code, reason = "no pool starts here"))]
pub(crate) struct Initialized {
    pub(crate) functions: Functions,
    /// The arguments of a worker process.
    pub(crate) arguments: Vec<OsString>,
    /// The test that a worker process runs.
    pub(crate) test: Option<String>,
}

/// Runs a program that may start a [`Pool`](crate::Pool). In a worker process it serves the functions and never returns; in any other it does
/// what [`cordial::main`] does.
///
/// A worker process runs the code before this call as well, so make it the only statement of `main`.
///
/// # Examples
///
/// ```no_run
/// use cordial::Exit;
/// use cordial_isolate::{Function, Functions, Pool};
/// use std::process::ExitCode;
///
/// const SQUARE: Function<u64, u64> = Function::new("square");
///
/// fn functions() -> Functions {
///     Functions::new().add_blocking(SQUARE, |n| n * n)
/// }
///
/// fn main() -> ExitCode {
///     cordial_isolate::main(functions(), async {
///         let pool = Pool::builder().workers(2).start()?;
///         println!("{}", pool.call(SQUARE, 12).await?);
///         Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
///     })
/// }
/// ```
#[track_caller]
pub fn main<F>(functions: Functions, future: F) -> ExitCode
where
    F: Future + Send + 'static,
    F::Output: Outcome + Send + 'static,
{
    init(functions);
    cordial::main(future)
}

/// Does what [`main`] does before it runs the program: in a worker process it serves the functions and never returns; in any other it returns
/// at once. For programs whose `main` is not [`cordial::main`]. Make it the first line: a worker process runs the code before it as well.
///
/// A later call changes nothing.
pub fn init(functions: Functions) {
    initialize(functions, std::env::args_os().skip(1).collect(), None);
}

/// Stores what a pool needs, also in a worker process, whose functions may start a pool. A worker process then serves the functions.
fn initialize(functions: Functions, arguments: Vec<OsString>, test: Option<String>) {
    let _ = INITIALIZED.set(Initialized { functions: functions.clone(), arguments, test });
    worker::serve_if_worker(&functions);
}

/// Does what [`init`] does, in a test: make it the first line of each test that starts a pool, with the same functions in all tests of
/// one binary. A worker process then runs the test that was the first to call this function, up to that call.
///
/// The test is found by the name of its thread, which the test harness of Rust has set. On the main thread, this function does what [`init`]
/// does: a test binary without that harness calls `test_main` or `init` in its `main`.
///
/// # Panics
///
/// On a thread without a name, such as one that the test has started: a worker could not find the test.
///
/// # Examples
///
/// ```
/// use cordial_isolate::{Function, Functions, Pool};
///
/// const SQUARE: Function<u64, u64> = Function::new("square");
///
/// fn functions() -> Functions {
///     Functions::new().add_blocking(SQUARE, |n| n * n)
/// }
///
/// #[test]
/// fn twelve_squared() {
///     cordial_isolate::test_main(functions());
///     cordial::run(async {
///         let pool = Pool::builder().workers(1).start().unwrap();
///         assert_eq!(pool.call(SQUARE, 12).await, Ok(144));
///     })
///     .unwrap();
/// }
/// ```
#[expect(clippy::test_attr_in_doctest, reason = "it is a test that the example shows")]
#[track_caller]
pub fn test_main(functions: Functions) {
    let thread = std::thread::current();
    let Some(test) = thread.name() else {
        panic!(
            "`cordial_isolate::test_main` was called on a thread without a name, so a worker process cannot find the test: make it the first line of the test itself"
        )
    };
    if test == "main" {
        return init(functions);
    }
    let options = ["--exact", "--nocapture", "--include-ignored", "--test-threads=1"];
    let arguments = std::iter::once(test).chain(options).map(OsString::from).collect();
    initialize(functions, arguments, Some(test.to_owned()));
}

/// Returns the values and the trace context that the calling process sends with a call, according to the functions that were passed to [`main`],
/// [`init`] or [`test_main`]. The result is empty if none of them was called. For crates that carry calls over other connections, as the
/// [`dispatch`](crate::dispatch) module says.
#[must_use]
pub fn carried() -> Carried {
    initialized().map(|initialized| initialized.functions.carried()).unwrap_or_default()
}

/// Returns what `main`, `init` or `test_main` has stored. `None` if none of them was called.
#[cfg_attr(not(any(target_os = "linux", target_os = "macos")), allow(dead_code, reason = "no pool starts here"))]
pub(crate) fn initialized() -> Option<&'static Initialized> {
    INITIALIZED.get()
}
