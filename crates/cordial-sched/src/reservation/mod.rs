//! Threads and files that are taken for a moment, to see whether the system grants them all.
//!
//! tokio cannot be asked to start all of its threads or none: if the system grants some of them only, its `build` panics,
//! prints the panic, and waits for the threads that it has started, which never end. So an executor first takes as many threads
//! as it will need, gives them back, and starts its own. If a thread is refused, nothing has been built yet, and the error can
//! name the number of granted threads and the limit that was reached.
//!
//! Between giving back and starting, another program may take what was free. `executor/start.rs`
//! says what happens then.

use std::io::{self, PipeReader, PipeWriter};
use std::sync::{Arc, LazyLock, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use self::system::KernelThread;
use crate::sync::Mutex;
use crate::thread::spawn;
use crate::thread_limit::{self, NewThread, ThreadsRefused, reached_limit};

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "other.rs")]
mod system;

/// Held while an executor starts. Another executor or a stand-in, which would take threads that this executor has reserved, waits for the lock
/// before it starts, but not longer than a second.
pub(crate) static STARTING: LazyLock<Mutex<()>> = LazyLock::new(|| Mutex::new(()));

/// The pause between two checks whether a thread is gone, and how many checks are made.
const PAUSE: Duration = Duration::from_micros(50);
const MAX_CHECKS: usize = 2000;

/// Threads that wait to be given back. When dropped, they end without being waited for.
struct ReservedThreads {
    threads: Vec<JoinHandle<KernelThread>>,
    is_over: Arc<OnceLock<()>>,
}

/// Checks that the system grants this many threads at once.
///
/// # Errors
///
/// If the system refuses one of them, or the address space has no room for it.
pub(crate) fn check_threads(needed: usize) -> Result<(), ThreadsRefused> {
    let mut taken = ReservedThreads { threads: Vec::new(), is_over: Arc::default() };
    let refused = (0..needed).find_map(|_| taken.take_one().err());
    // The limit is read while the threads exist: `reached_limit` looks for a limit without room.
    let refused = refused.map(|error| {
        let (granted, limit) = (taken.threads.len(), reached_limit(&error));
        ThreadsRefused { needed, granted, limit, error }
    });
    taken.give_back();
    refused.map_or(Ok(()), Err)
}

/// Checks that the system grants this many files at once, rounded up to an even number.
///
/// # Errors
///
/// If it does not.
pub(crate) fn check_files(needed: usize) -> io::Result<()> {
    let pipes: io::Result<Vec<(PipeReader, PipeWriter)>> = (0..needed.div_ceil(2)).map(|_| io::pipe()).collect();
    pipes.map(drop)
}

/// Calls `f` on a thread of its own. Then waits, for a limited time, until the system no longer counts that thread.
///
/// # Errors
///
/// If the system refuses the thread, or `f` panics.
pub(crate) fn on_own_thread<R: Send>(f: impl FnOnce() -> R + Send) -> io::Result<R> {
    let (result, thread) = thread::scope(|scope| {
        let thread = thread::Builder::new().name("cordial-start".to_owned());
        let thread = thread.spawn_scoped(scope, || (f(), KernelThread::current()))?;
        thread.join().map_err(|_| io::Error::other("a panic while the executor was started"))
    })?;
    wait_until_gone(&[thread]);
    Ok(result)
}

impl ReservedThreads {
    fn take_one(&mut self) -> io::Result<()> {
        thread_limit::check_address_space(NewThread::First)?;
        let is_over = self.is_over.clone();
        let thread = spawn("cordial-reserved".to_owned(), move || {
            is_over.wait();
            KernelThread::current()
        })?;
        self.threads.push(thread);
        Ok(())
    }

    /// Lets the threads end. Then waits, for a limited time, until the system no longer counts them.
    fn give_back(mut self) {
        let _ = self.is_over.set(());
        let threads: Vec<KernelThread> = self.threads.drain(..).filter_map(|thread| thread.join().ok()).collect();
        wait_until_gone(&threads);
    }
}

impl Drop for ReservedThreads {
    fn drop(&mut self) {
        let _ = self.is_over.set(());
    }
}

/// Waits until the system no longer counts these threads: joining a thread returns a moment before that. Waits for a limited time:
/// at worst, a thread that is still counted afterwards takes the place of one that the executor needs.
fn wait_until_gone(threads: &[KernelThread]) {
    for _ in 0..MAX_CHECKS {
        if threads.iter().all(|thread| thread.is_gone()) {
            return;
        }
        thread::sleep(PAUSE);
    }
}
