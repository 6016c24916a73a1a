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
//! The serving thread is the thread that has called `main`, `init` or `test_main`. If that thread runs a tokio runtime, it starts another
//! thread that serves. The serving thread never runs a function, so it sees the end of file even while all other threads compute.
//!
//! While calls follow each other closely, the runtime thread that has answered a call also reads the next call. This saves a wake-up of
//! the serving thread. The serving thread checks once a millisecond whether a call was read since its last check. If none was, because a call
//! takes longer or none has come, the serving thread reads the frames again.

#[cfg_attr(target_os = "macos", path = "limits/macos.rs")]
mod limits;
mod role;
mod serve;

use crate::functions::Functions;
use role::Role;
pub(crate) use role::{VARIABLE, WorkerSettings, socket_number};

/// If this process is a worker, serves the functions and never returns.
pub(crate) fn serve_if_worker(functions: &Functions) {
    match Role::find() {
        Role::NoWorker => {}
        Role::Unable(reason) => serve::fail(reason),
        Role::Worker(settings, socket) => serve::serve(functions, &settings, socket),
    }
}
