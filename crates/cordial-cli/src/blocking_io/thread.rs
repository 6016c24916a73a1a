//! Starts the threads of this program.

use std::io;
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::system;

/// Held while a thread starts where a limit leaves little address space, so that no other thread takes the room that was found for it.
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
    let (running, runs) = channel::<()>();
    builder.spawn(move || {
        // Its first use in a thread registers destructors, for which glibc maps up to 128 MiB for a moment. Nothing maps as much later.
        thread_local!(static DESTRUCTIBLE: Vec<u8> = const { Vec::new() });
        DESTRUCTIBLE.with(|_| {});
        drop(running);
        body();
    })?;
    // Once the thread runs, it has all of its stacks. Always an error, because nothing is sent.
    let _ = runs.recv();
    Ok(())
}
