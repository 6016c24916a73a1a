//! The worker side of a pool: what a worker process does from the first line of `main` until it exits.
//!
//! ```text
//!  serving thread   READ a frame ─ Call ─► start a task ── back to READ
//!                    │  Stop ─► ask the task to shut down
//!                    │  Retire ─► exit
//!                    │  end of file, or a signal while the parent is gone ─► kill the descendants and the own process group
//!  runtime                     the task ends ─► another task sends Done ─► READ the next frame, for some milliseconds
//! ```
//!
//! The serving thread is the one that has called `main`, `init` or `test_main`, or, inside of a runtime of tokio, one that was started for
//! this. It never runs a function, so it sees the end of file even while all other threads compute.
//!
//! While calls follow each other, a thread of the runtime reads the next one itself, so that no other thread has to be woken for it. The serving
//! thread looks once in a millisecond whether that is still so, and reads frames again once a call takes longer, or none has come.

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
