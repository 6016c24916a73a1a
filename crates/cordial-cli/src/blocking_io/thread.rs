//! Starts threads that may block.

use std::io;
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::system;

/// Held during each start of a thread, if the address space is limited: two starts at once could both find the same free room.
static STARTING: Mutex<()> = Mutex::new(());

/// Starts a thread that may block. No thread waits for its end.
///
/// # Errors
///
/// When the system refuses the thread, or the address space has no room for it.
pub(crate) fn start_thread(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let builder = thread::Builder::new().name(name.to_owned());
    if !system::has_address_space_limit() {
        return builder.spawn(body).map(drop);
    }
    let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    system::check_room_for_thread()?;
    let (starting, started) = channel::<()>();
    builder.spawn(move || {
        // The first thread-local with a destructor makes glibc map a heap for this thread: up to 128 MiB for a moment. That happens here,
        // before the next start looks for room.
        thread_local!(static DESTRUCTIBLE: Vec<u8> = const { Vec::new() });
        DESTRUCTIBLE.with(|_| {});
        drop(starting);
        body();
    })?;
    // Waits until the thread has mapped its stacks and its heap. The result is always an error: the sender is dropped, and sends nothing.
    let _ = started.recv();
    Ok(())
}
