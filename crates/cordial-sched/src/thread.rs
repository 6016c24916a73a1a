//! The start of a thread, and its number in the kernel.

use std::io;
use std::sync::mpsc::channel;
use std::thread::{Builder, JoinHandle};

use crate::thread_limit;

#[cfg(target_os = "linux")]
pub(crate) use kernel_id::{KernelId, kernel_id};

#[cfg(target_os = "linux")]
mod kernel_id;

/// A value with a destructor.
struct Destructible;

impl Drop for Destructible {
    fn drop(&mut self) {}
}

thread_local! {
    /// Its first use in a thread registers the destructors of the thread, for which glibc allocates.
    static REGISTERS_DESTRUCTORS: Destructible = const { Destructible };
}

/// Starts a thread that calls `body`.
///
/// `body` is boxed, so that the code of the standard library that starts a thread is compiled once, and not for each closure.
///
/// # Errors
///
/// If the system refuses the thread.
pub(crate) fn start(name: String, body: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    spawn(name, body).map(drop)
}

/// Starts a thread that calls `body` and can be joined.
///
/// Where the address space is limited, returns when the thread runs, so that threads start one after the other. For each new thread, glibc
/// maps up to 128 MiB for a moment. If another new thread then finds no room for its signal stack, the standard library ends the program.
///
/// # Errors
///
/// If the system refuses the thread.
pub(crate) fn spawn<T: Send + 'static>(
    name: String,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let builder = Builder::new().name(name);
    if !thread_limit::is_address_space_limited() {
        return builder.spawn(body);
    }
    let (running, runs) = channel::<()>();
    let thread = builder.spawn(move || {
        // Nothing in the thread maps as much after this.
        REGISTERS_DESTRUCTORS.with(|_| {});
        drop(running);
        body()
    })?;
    // Always an error, because nothing is sent.
    let _ = runs.recv();
    Ok(thread)
}
