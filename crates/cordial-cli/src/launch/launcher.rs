//! Starts the threads that run commands, and sends them requests.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use tokio::sync::{mpsc, oneshot};

use super::request::{LaunchConfig, Request};
use super::slot_limit::SlotLimit;
use super::workers::{WAITING_REQUESTS, Workers};
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

    /// Starts the threads. The receiver is disconnected when all of them have ended.
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
        for n in 0..threads {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (workers, alive) = (Arc::clone(&workers), alive.clone());
            thread::Builder::new().name("cordial-launch".to_owned()).spawn(move || {
                let _alive = alive;
                system::unblock_sigchld();
                runtime.block_on(workers.run(n, threads));
                // The drop of `alive` reports the end of the thread. The temporary files that these two hold are removed before.
                drop(runtime);
                drop(workers);
            })?;
        }
        Ok((Launcher { requests: sender, waiting }, ended))
    }

    /// Requests that the command of an item is run. Requests are served in order, except for those that are repeated. After the
    /// receiver is dropped, the command is not started, or killed within a few milliseconds if it runs. Receiving fails only if
    /// the threads have ended.
    pub(crate) fn request(&self, item: Arc<Item>, attempt: u32) -> oneshot::Receiver<Outcome> {
        let (reply, receiver) = oneshot::channel();
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // If the threads have ended, `reply` is dropped with the request, and receiving fails.
        let _ = self.requests.send(Request { item, attempt, connection_failures: 0, reply, is_shown: false });
        receiver
    }
}
