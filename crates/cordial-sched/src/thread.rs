//! The start of a thread, and its number in the kernel.

use std::io;
use std::thread::Builder;

#[cfg(target_os = "linux")]
pub(crate) use kernel_id::{KernelId, kernel_id};

#[cfg(target_os = "linux")]
mod kernel_id;

/// Starts a thread that calls `body`.
///
/// `body` is boxed, so that the code of the standard library that starts a thread is compiled once, and not for each closure.
///
/// # Errors
///
/// If the system refuses the thread.
pub(crate) fn start(name: String, body: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    Builder::new().name(name).spawn(body).map(drop)
}
