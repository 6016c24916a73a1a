//! The default runtime: one for the whole program, started on first use.

use std::sync::{Mutex, OnceLock, PoisonError};

use super::builder::Builder;
use super::handle::Handle;
use crate::error::BuildError;

static DEFAULT: OnceLock<Handle> = OnceLock::new();

/// Held while the threads start, so that only one of two concurrent calls starts them.
static INSTALLING: Mutex<()> = Mutex::new(());

/// Returns the default runtime, and starts it on first use.
///
/// # Panics
///
/// If the operating system refuses to start the threads.
pub(in crate::process) fn default_runtime() -> &'static Handle {
    try_default_runtime().unwrap_or_else(|error| panic!("cordial's default runtime cannot start: {error:#}"))
}

/// Like [`default_runtime`], but returns an error if the runtime cannot start. A later call tries
/// again.
pub(in crate::process) fn try_default_runtime() -> Result<&'static Handle, BuildError> {
    if let Some(runtime) = DEFAULT.get() {
        return Ok(runtime);
    }
    let _installing = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    match DEFAULT.get() {
        Some(runtime) => Ok(runtime),
        None => Builder::default().start().map(|runtime| DEFAULT.get_or_init(|| runtime)),
    }
}

/// Returns the default runtime, if it has started.
pub(in crate::process) fn started_default_runtime() -> Option<&'static Handle> {
    DEFAULT.get()
}

/// Starts the default runtime with these options, unless it runs already.
pub(in crate::process) fn set_default_runtime(builder: Builder) -> Result<(), BuildError> {
    let _installing = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    if DEFAULT.get().is_some() {
        return Err(BuildError::AlreadyInUse);
    }
    DEFAULT.set(builder.start()?).map_err(|_| BuildError::AlreadyInUse)
}
