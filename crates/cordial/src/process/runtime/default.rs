//! The default runtime: one for the whole program, started on first use.

use std::sync::{Mutex, OnceLock, PoisonError};

use super::builder::Builder;
use super::handle::Handle;
use crate::error::BuildError;

static DEFAULT: OnceLock<Handle> = OnceLock::new();

/// Returns the default runtime, and starts it on first use.
///
/// # Panics
///
/// If the operating system refuses to start the threads.
pub(in crate::process) fn default_runtime() -> &'static Handle {
    DEFAULT.get_or_init(|| match Builder::default().start() {
        Ok(runtime) => runtime,
        Err(error) => panic!("cordial's default runtime cannot start: {error}"),
    })
}

/// Starts the default runtime with these options, unless it runs already.
pub(in crate::process) fn set_default_runtime(builder: Builder) -> Result<(), BuildError> {
    // Held while the threads start, so that of two concurrent calls only one starts any.
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _installing = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    if DEFAULT.get().is_some() {
        return Err(BuildError::AlreadyInUse);
    }
    DEFAULT.set(builder.start()?).map_err(|_| BuildError::AlreadyInUse)
}
