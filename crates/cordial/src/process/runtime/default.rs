//! The default runtime: one for the whole program, started on first use.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::builder::Builder;
use super::handle::RuntimeHandle;
use crate::error::BuildError;

static DEFAULT: OnceLock<RuntimeHandle> = OnceLock::new();

/// Held while the threads start, so that only one of two concurrent calls starts them.
static INSTALLING: Mutex<()> = Mutex::new(());

/// The id of the OS process that starts the default runtime or has started it; 0 if none does. In a process that was forked during
/// the start, `INSTALLING` stays locked.
static INSTALLER: AtomicU32 = AtomicU32::new(0);

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
    if DEFAULT.get().is_some() {
        return Err(BuildError::AlreadyInUse);
    }
    installing.start(builder).map(drop)
}

/// Returns whether the program has forked while the default runtime was starting.
pub(super) fn is_default_runtime_forked() -> bool {
    DEFAULT.get().is_none() && is_installer_elsewhere()
}

fn is_installer_elsewhere() -> bool {
    ![0, std::process::id()].contains(&INSTALLER.load(Ordering::Relaxed))
}

/// The right to start the default runtime.
struct Installing(#[expect(dead_code, reason = "held until the runtime has started")] MutexGuard<'static, ()>);

impl Installing {
    /// Waits until no other thread starts the default runtime.
    ///
    /// # Errors
    ///
    /// If that thread has stayed in the process from which this one was forked.
    fn begin() -> Result<Installing, BuildError> {
        if is_installer_elsewhere() {
            return Err(BuildError::Forked);
        }
        // Before the lock, so that a fork sees it, and after it, because a start that has failed resets it.
        INSTALLER.store(std::process::id(), Ordering::Relaxed);
        let installing = Installing(INSTALLING.lock().unwrap_or_else(PoisonError::into_inner));
        INSTALLER.store(std::process::id(), Ordering::Relaxed);
        Ok(installing)
    }

    fn start(self, builder: Builder) -> Result<&'static RuntimeHandle, BuildError> {
        match builder.start() {
            Ok(runtime) => Ok(DEFAULT.get_or_init(|| runtime)),
            Err(error) => {
                // A process that is forked later can start a runtime of its own.
                INSTALLER.store(0, Ordering::Relaxed);
                Err(error)
            }
        }
    }
}
