//! Starts the threads that run commands, and sends them requests.

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, OnceLock};
use std::thread;

use tokio::sync::{mpsc, oneshot};

use super::request::{LaunchConfig, Request};
use super::slot_limit::SlotLimit;
use super::workers::{WAITING_REQUESTS, Workers};
use crate::blocking_io::start_thread;
use crate::item::Item;
use crate::outcome::Outcome;
use crate::system;

/// Sends requests to the threads that run commands. Clones send to the same threads, which end when all clones are dropped and
/// all requests have been served.
#[derive(Clone)]
pub(crate) struct Launcher {
    requests: mpsc::UnboundedSender<Request>,
    /// The number of requests that were sent and not started.
    waiting: Arc<AtomicUsize>,
}

impl Launcher {
    /// Returns the number of requests that should exist at once, so that a free slot finds a waiting request.
    pub(crate) fn wanted_requests(limit: &SlotLimit) -> usize {
        limit.max().saturating_add(WAITING_REQUESTS)
    }

    /// Starts the threads: fewer of them, but at least one, if the address space has no room for all. The receiver is disconnected when
    /// all of them have ended.
    ///
    /// # Errors
    ///
    /// When the system cannot start a thread or open the files of its event loop.
    pub(crate) fn start(config: LaunchConfig) -> io::Result<(Launcher, Receiver<()>)> {
        // A thread can serve any number of slots, so a limit that grows needs no more threads.
        let threads = thread::available_parallelism().map_or(1, usize::from).min(config.limit.get());
        // The channel is unbounded, but each task that sends a request waits for the reply, and the stream limits its tasks.
        let (sender, receiver) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let workers = Arc::new(Workers::new(config, receiver, Arc::clone(&waiting)));
        let (alive, ended) = channel();
        let n_started: Arc<OnceLock<usize>> = Arc::default();
        let start = |n: usize| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (workers, alive, n_started) = (Arc::clone(&workers), alive.clone(), Arc::clone(&n_started));
            start_thread("cordial-launch", move || {
                let _alive = alive;
                system::unblock_sigchld();
                // Each thread has a share of the slots, which depends on the number of threads. Zero if a thread was refused.
                match *n_started.wait() {
                    0 => {}
                    threads => runtime.block_on(workers.run(n, threads)),
                }
                // `runtime` and `workers` may hold temporary files, which are removed before the drop of `_alive` reports the end of the thread.
                drop(runtime);
                drop(workers);
            })
        };
        let (mut started, mut refused) = (0, None);
        while started < threads && refused.is_none() {
            match start(started) {
                Ok(()) => started += 1,
                Err(error) => refused = Some(error),
            }
        }
        let refused = refused.filter(|error: &io::Error| started == 0 || error.kind() != ErrorKind::OutOfMemory);
        n_started.get_or_init(|| if refused.is_some() { 0 } else { started });
        if let Some(error) = refused {
            return Err(error);
        }
        Ok((Launcher { requests: sender, waiting }, ended))
    }

    /// Requests that the command of an item is run. Requests are served in order, except for those that are repeated. After the
    /// receiver is dropped, the command is not started, or, if it runs, killed within a few milliseconds; a command that is being stopped keeps
    /// its grace period. Receiving fails only if the threads have ended.
    pub(crate) fn request(&self, item: Arc<Item>, attempt: u32) -> oneshot::Receiver<Outcome> {
        let (reply, receiver) = oneshot::channel();
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // If the threads have ended, `reply` is dropped with the request, and receiving fails.
        let _ = self.requests.send(Request { item, attempt, connection_failures: 0, reply, is_shown: false });
        receiver
    }
}
