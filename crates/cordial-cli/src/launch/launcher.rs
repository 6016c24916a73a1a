//! The threads that start commands and wait for them.
//!
//! ```text
//! tasks ──► requests ──► crew: a slot for each that runs ──► answers ──► tasks
//!           (a few ahead)      its end starts the next one
//! ```
//!
//! Why threads of our own, below a library that runs tasks: the end of one command has to start the next one with nothing between, not
//! the way through a task, its consumer and another task. A few requests wait here for that, in the order of the items. And what it
//! costs to start a command, a fraction of a millisecond in which the thread stands still, holds up no task.
//!
//! This decides neither which items there are nor what comes of a failure, but for one thing: after the failure that is one too many,
//! nothing more may start, and so they are counted here.

use std::ffi::OsString;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, oneshot};

use super::throttle::Gate;
use super::workers::{self, Crew};

use crate::output::capture::{Capture, Room};
use crate::item_failure::Failure;
use crate::stop::halt::Halt;
use crate::item::Item;
use crate::output::Live;
use crate::stop::token::Stop;
use crate::system::{self, Groups, Starter};
use crate::template::Template;

/// The same for all commands.
pub(crate) struct Settings {
    pub(crate) template: Template,
    pub(crate) starter: Starter,
    pub(crate) outputs: Outputs,
    pub(crate) at_once: usize,
    pub(crate) timeout: Option<Duration>,
    pub(crate) grace: Duration,
    /// How often an item is tried.
    pub(crate) attempts: u32,
    pub(crate) gate: Gate,
    pub(crate) groups: Groups,
    pub(crate) room: Room,
    pub(crate) stop: Stop,
    pub(crate) halt: Arc<Halt>,
}

/// Where the outputs of commands go.
pub(crate) enum Outputs {
    /// Into captures, printed when an item is over.
    Captured,
    /// Line by line to whoever prints them.
    Live(Live),
    /// To our own.
    Inherited,
}

/// One attempt of an item.
pub(crate) struct Request {
    pub(crate) item: Arc<Item>,
    /// From 1.
    pub(crate) attempt: u32,
    pub(crate) answer: oneshot::Sender<Ended>,
}

/// A command that is over, with what it wrote.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) outcome: Result<(), Failure>,
    pub(crate) stdout: Capture,
    pub(crate) stderr: Capture,
    /// `None` if no process came of it.
    pub(crate) started: Option<SystemTime>,
    pub(crate) took: Duration,
    /// From 1; 0 if it never had one.
    pub(crate) slot: usize,
    /// What was run, or was to be.
    pub(crate) words: Vec<OsString>,
}

impl Ended {
    /// Without a process.
    pub(super) fn without(failure: Failure, slot: usize, room: &Room) -> Ended {
        Ended {
            outcome: Err(failure),
            stdout: Capture::new(room),
            stderr: Capture::new(room),
            started: None,
            took: Duration::ZERO,
            slot,
            words: Vec::new(),
        }
    }
}

/// Takes requests. Clones reach the same threads, which end when they are gone and nothing runs.
#[derive(Clone)]
pub(crate) struct Launcher {
    requests: mpsc::UnboundedSender<Request>,
    /// Those that were not taken yet.
    waiting: Arc<AtomicUsize>,
}

impl Launcher {
    /// How many requests should be made at once so that none of the slots waits for one.
    pub(crate) fn wanted(at_once: usize) -> usize {
        at_once.saturating_add(workers::AHEAD)
    }

    /// Starts the threads. When all have ended, the other end of the receiver is gone.
    ///
    /// # Errors
    ///
    /// When the system has no thread or no files for them.
    pub(crate) fn start(settings: Settings) -> io::Result<(Launcher, Receiver<()>)> {
        let at_once = settings.at_once;
        let threads = thread::available_parallelism().map_or(1, usize::from).min(at_once);
        // Unbounded, but whoever sends waits for an answer: there are never more than the stream has tasks.
        let (sender, requests) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let crew = Arc::new(Crew::new(settings, requests, Arc::clone(&waiting)));
        let (lives, ended) = channel();
        for n in 0..threads {
            let share = at_once / threads + usize::from(n < at_once % threads);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (crew, lives) = (Arc::clone(&crew), lives.clone());
            // A scheduler between the end of a command and the next start costs more than the start.
            thread::Builder::new().name("cordial-launch".to_owned()).spawn(move || {
                let _lives = lives;
                system::hear_ends();
                runtime.block_on(crew.work(share));
            })?;
        }
        Ok((Launcher { requests: sender, waiting }, ended))
    }

    /// Runs a command for an item, after those asked for before. The answer fails only if the threads are gone. Dropping the answer kills the
    /// command.
    pub(crate) fn request(&self, item: Arc<Item>, attempt: u32) -> oneshot::Receiver<Ended> {
        let (answer, receiver) = oneshot::channel();
        // If the threads are gone, the answer is dropped with the request, and that is what the caller sees.
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _ = self.requests.send(Request { item, attempt, answer });
        receiver
    }
}
