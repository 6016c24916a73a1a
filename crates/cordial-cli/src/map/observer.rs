//! `--observe`: the observer of a run.

use std::io::ErrorKind;

use cordial::{Runtime, process};
use cordial_observer::{Observer, ServeError};

use crate::blocking_io::print_message;
use crate::system;
use crate::text::io_error;

/// Starts an observer of the runtime, and prints the address of its page. The observer ends with the program.
///
/// # Errors
///
/// A message, when the address is not valid, can be reached from other machines, or cannot be bound.
pub(super) fn observe(address: &str, runtime: &Runtime) -> Result<(), String> {
    system::check_room_for_thread().map_err(|error| format!("--observe {address}: {}", io_error::describe(&error)))?;
    let observer = Observer::builder().runtime(runtime.inspector()).name("cordial map").serve(address);
    let observer = observer.map_err(|error| match error {
        ServeError::Unprotected { .. } => format!(
            "--observe {address}: other machines can reach this address; use 127.0.0.1, and ssh -L to look from another machine"
        ),
        ServeError::Bind { ref error, .. } if error.kind() != ErrorKind::AddrInUse => {
            format!("--observe {address}: cannot listen there: {}", io_error::describe(error))
        }
        error => format!("--observe {address}: {error}"),
    })?;
    if let Some(url) = observer.url() {
        print_message(format_args!("observe this run at {url}"));
    }
    Ok(())
}

/// Names the root task of a run that is observed.
pub(super) fn name_root() {
    process::set_label("cordial map");
}
