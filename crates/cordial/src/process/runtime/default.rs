//! The default runtime: one for the whole program, started on first use.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::builder::Builder;
use super::handle::RuntimeHandle;
use crate::error::BuildError;

static DEFAULT: OnceLock<RuntimeHandle> = OnceLock::new();

/// The id of the OS process in which a thread starts the default runtime; 0 if none does. A process that was forked during a start has
/// the id of another process here.
static STARTER: AtomicU32 = AtomicU32::new(0);

/// The pause between two looks of a thread that waits until another thread has started the default runtime.
const PAUSE: Duration = Duration::from_millis(1);

/// Returns the default runtime, and starts it on first use.
///
/// # Panics
///
/// If the runtime cannot start: the operating system refuses a thread or a file, or the program has forked during the start.
pub(in crate::process) fn default_runtime() -> &'static RuntimeHandle {
    try_default_runtime().unwrap_or_else(|error| panic!("cordial's default runtime cannot start: {error:#}"))
}

/// Like [`default_runtime`], but returns an error if the runtime cannot start, or if the program has forked while it was starting. A
/// later call tries again, unless the program has forked.
pub(in crate::process) fn try_default_runtime() -> Result<&'static RuntimeHandle, BuildError> {
    if let Some(runtime) = DEFAULT.get() {
        return Ok(runtime);
    }
    let installing = Installing::begin()?;
    match DEFAULT.get() {
        Some(runtime) => Ok(runtime),
        None => installing.start(Builder::default()),
    }
}

/// Returns the default runtime, if it has started.
pub(in crate::process) fn started_default_runtime() -> Option<&'static RuntimeHandle> {
    DEFAULT.get()
}

/// Starts the default runtime with these options, unless it runs already.
pub(in crate::process) fn set_default_runtime(builder: Builder) -> Result<(), BuildError> {
    let installing = Installing::begin()?;
    match DEFAULT.get() {
        Some(runtime) if runtime.is_forked() => Err(BuildError::Forked),
        Some(_) => Err(BuildError::AlreadyInUse),
        None => installing.start(builder).map(drop),
    }
}

/// Returns whether the program has forked while the default runtime was starting.
pub(super) fn is_default_runtime_forked() -> bool {
    DEFAULT.get().is_none() && ![0, std::process::id()].contains(&STARTER.load(Ordering::Relaxed))
}

/// The right to start the default runtime, which one thread has at a time. There is no lock: in a forked process, a lock that another
/// thread held at the fork would stay locked.
struct Installing(());

impl Installing {
    /// Waits until no other thread starts the default runtime.
    ///
    /// # Errors
    ///
    /// If that thread has stayed in the process from which this one was forked.
    fn begin() -> Result<Installing, BuildError> {
        let own = std::process::id();
        loop {
            match STARTER.compare_exchange(0, own, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Ok(Installing(())),
                Err(starter) if starter != own => return Err(BuildError::Forked),
                Err(_) => std::thread::sleep(PAUSE),
            }
        }
    }

    fn start(self, builder: Builder) -> Result<&'static RuntimeHandle, BuildError> {
        builder.start().map(|runtime| DEFAULT.get_or_init(|| runtime))
    }
}

impl Drop for Installing {
    fn drop(&mut self) {
        STARTER.store(0, Ordering::Release);
    }
}
