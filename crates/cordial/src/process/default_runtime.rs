//! The default runtime: one for the whole program, started on first use. This and the panic hook are the only globals.

use std::sync::{Mutex, OnceLock, PoisonError};

use super::builder::Builder;
use super::handle::Handle;
use super::runtime::Runtime;
use crate::error::BuildError;

static DEFAULT: OnceLock<Runtime> = OnceLock::new();

/// # Panics
///
/// If the system refuses the threads that it needs.
pub(crate) fn get() -> &'static Handle {
    let runtime = DEFAULT.get_or_init(|| match Builder::default().build() {
        Ok(runtime) => runtime,
        Err(error) => panic!("cordial's default runtime cannot start: {error}"),
    });
    runtime.handle()
}

pub(crate) fn install(builder: Builder) -> Result<(), BuildError> {
    // Two at once must not both start threads.
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    if DEFAULT.get().is_some() {
        return Err(BuildError::AlreadyInUse);
    }
    DEFAULT.set(builder.build()?).map_err(|_| BuildError::AlreadyInUse)
}
