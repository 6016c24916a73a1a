//! A worker process: from the first line of `main` to its end.
//!
//! ```text
//!  serving thread   READ a frame ─ Call ─► start a task ── back to READ         end of file, or the parent-death signal:
//!                    │  Stop ─► ask the task to shut down                        SIGKILL to its own process group
//!                    │  Retire ─► exit
//!  runtime                     the task ends ─► another task sends Done
//! ```
//!
//! The serving thread is the one that has called `init`, or, inside of a runtime of tokio, one that was started for this. It never runs a
//! function, so it sees the end of file even while all other threads compute.

#[cfg_attr(target_os = "macos", path = "limits/macos.rs")]
mod limits;
mod role;
mod serve;

use crate::functions::Functions;
use role::Role;
pub(crate) use role::{VARIABLE, WorkerSettings, socket_number};

/// Serves the functions if this process is a worker, and then never returns.
pub(crate) fn serve_if_worker(functions: &Functions) {
    match Role::find() {
        Role::NoWorker => {}
        Role::Unable(reason) => serve::fail(reason),
        Role::Worker(settings, socket) => serve::serve(functions, &settings, socket),
    }
}
