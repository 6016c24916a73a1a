//! The harness that the test targets of this folder share.
//!
//! - `seeds` runs a test on the virtual clock in several schedules.
//! - `exit_kind`, `probe` and `children` are data, futures and children for such tests.
//! - `subprocess` runs a test in an OS process of its own, for what is global to a process: signals,
//!   standard error, threads, the `tracing` subscriber. `events` and `records` are such
//!   subscribers, `threads` reads the threads of the process, `other_user` starts a subprocess as a
//!   user who has no other threads.
//! - `block_on` awaits a future where thread-locals may be gone.
//! - `limited` starts runtimes with threads, for tests on the real clock. It ends the program if a test hangs. `program_limit` does so for all
//!   tests.
//! - `attempts` repeats a test that a busy machine may fail.

#![allow(dead_code, reason = "each test target uses a part of it")]

pub(crate) mod attempts;
pub(crate) mod block_on;
pub(crate) mod children;
pub(crate) mod events;
pub(crate) mod exit_kind;
pub(crate) mod limited;
#[cfg(target_os = "linux")]
pub(crate) mod other_user;
pub(crate) mod probe;
mod program_limit;
pub(crate) mod records;
pub(crate) mod seeds;
#[macro_use]
pub(crate) mod subprocess;
#[cfg(target_os = "linux")]
pub(crate) mod threads;
