//! The state that the processes of one run share (the log, the pids, the inboxes), and futures,
//! handles and values that log their drops.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use cordial::process::{self, Monitor};
use cordial::{Exit, Pid, Task};
use futures::FutureExt;
use tokio::sync::{Notify, mpsc};

use crate::event::{AwaitedBy, Cause, Event};
use crate::program::{Name, Program};

/// The shared state of one run.
pub(crate) struct Harness {
    pub(crate) program: Program,
    log: Mutex<Vec<Event>>,
    entries: Mutex<Vec<ProcessEntry>>,
    /// Sends monitors, with their numbers, to the runner.
    monitors: mpsc::UnboundedSender<(usize, Monitor)>,
    /// Wakes the checker, which logs the process table.
    pub(crate) changed: Notify,
    /// Whether a process is in a poll. False while the future of a process is only dropped.
    is_in_poll: AtomicBool,
}

#[derive(Clone)]
struct ProcessEntry {
    pid: Pid,
    inbox: mpsc::UnboundedSender<LoggedHandle>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Harness {
    /// Returns also the receiver of the monitors that the runner has to await.
    pub(crate) fn new(program: Program) -> (Arc<Harness>, mpsc::UnboundedReceiver<(usize, Monitor)>) {
        let (monitors, to_runner) = mpsc::unbounded_channel();
        // A process that is not spawned yet has the pid of no process, and a closed inbox.
        let not_spawned = ProcessEntry { pid: Task::completed(()).pid(), inbox: mpsc::unbounded_channel().0 };
        let entries = Mutex::new(vec![not_spawned; program.names().end]);
        let harness = Harness {
            program,
            log: Mutex::default(),
            entries,
            monitors,
            changed: Notify::new(),
            is_in_poll: AtomicBool::new(false),
        };
        (Arc::new(harness), to_runner)
    }

    /// Appends an event to the log. Returns its index.
    pub(crate) fn write(&self, event: Event) -> usize {
        let mut log = lock(&self.log);
        log.push(event);
        log.len() - 1
    }

    pub(crate) fn take_log(&self) -> Vec<Event> {
        std::mem::take(&mut *lock(&self.log))
    }

    pub(crate) fn pid(&self, name: Name) -> Pid {
        lock(&self.entries)[name].pid
    }

    pub(crate) fn name_of(&self, pid: Pid) -> Option<Name> {
        if pid == Task::completed(()).pid() {
            return None;
        }
        lock(&self.entries).iter().position(|entry| entry.pid == pid)
    }

    pub(crate) fn cause(&self, exit: &Exit) -> Cause {
        Cause::of(exit, |pid| self.name_of(pid))
    }

    /// The name of the calling process.
    pub(crate) fn own_name(&self) -> Name {
        process::current().and_then(|own| self.name_of(own)).expect("called by a process of the program")
    }

    /// Registers a process that was spawned and has not run yet.
    pub(crate) fn register(&self, name: Name, pid: Pid, inbox: mpsc::UnboundedSender<LoggedHandle>) {
        lock(&self.entries)[name] = ProcessEntry { pid, inbox };
        if name != crate::program::ROOT {
            self.monitor(name, AwaitedBy::RunnerFromSpawn);
        }
    }

    /// Creates a monitor that the runner awaits.
    pub(crate) fn monitor(&self, of: Name, awaited_by: AwaitedBy) {
        let monitor = process::monitor(self.pid(of));
        let number = self.write(Event::MonitorCreated { of, awaited_by });
        assert!(self.monitors.send((number, monitor)).is_ok(), "the runner outlives the program");
    }

    /// Moves a handle into another process. If that process is not running, the handle is dropped here.
    pub(crate) fn give(&self, held: LoggedHandle, to: Name) {
        let inbox = lock(&self.entries)[to].inbox.clone();
        let returned = inbox.send(held);
        drop(returned);
    }

    /// Logs the process table: the running processes, and the links of each.
    pub(crate) fn log_table(&self) {
        let living = self.program.names().filter_map(|name| Some((name, process::info(self.pid(name))?.links)));
        let seen = living.map(|(name, links)| {
            let mut links: Vec<Name> = links.into_iter().filter_map(|pid| self.name_of(pid)).collect();
            links.sort_unstable();
            (name, links)
        });
        self.write(Event::Table(seen.collect()));
    }
}

/// A handle that logs its drop.
pub(crate) struct LoggedHandle {
    pub(crate) of: Name,
    /// Whether its result was taken.
    pub(crate) was_taken: bool,
    task: Option<Task<Value>>,
    harness: Arc<Harness>,
    logs_drop: bool,
}

impl LoggedHandle {
    pub(crate) fn new(harness: &Arc<Harness>, of: Name, task: Task<Value>) -> LoggedHandle {
        LoggedHandle { of, was_taken: false, task: Some(task), harness: harness.clone(), logs_drop: true }
    }

    pub(crate) fn task(&mut self) -> &mut Task<Value> {
        self.task.as_mut().expect("present until `take_handle`")
    }

    pub(crate) fn set_limit(&mut self, limit: cordial::Timeout) {
        self.task = self.task.take().map(|task| task.timeout(limit));
    }

    /// Takes the handle for a call that consumes it. Until `settled` is called, a drop of `self` is still logged.
    pub(crate) fn take_handle(&mut self) -> Task<Value> {
        self.task.take().expect("called once")
    }

    /// The consuming call has returned, so the drop of `self` is not logged.
    pub(crate) fn settled(mut self) {
        self.logs_drop = false;
    }
}

impl Drop for LoggedHandle {
    fn drop(&mut self) {
        if self.logs_drop && !self.was_taken {
            let is_in_poll = self.harness.is_in_poll.load(Ordering::Relaxed) && !std::thread::panicking();
            self.harness.write(Event::HandleDropped { of: self.of, by: self.harness.own_name(), is_in_poll });
        }
    }
}

/// The value that a process returns. It logs its creation and its drop.
pub(crate) struct Value {
    of: Name,
    harness: Arc<Harness>,
}

impl Value {
    pub(crate) fn new(harness: &Arc<Harness>, of: Name) -> Value {
        harness.write(Event::ValueMade(of));
        Value { of, harness: harness.clone() }
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.harness.write(Event::ValueDropped(self.of));
    }
}

/// A future that logs its polls and its drop.
pub(crate) struct LoggedFuture<F> {
    future: Pin<Box<F>>,
    // Declared after `future`, so that it is dropped last.
    drop_logger: DropLogger,
}

struct DropLogger {
    name: Name,
    harness: Arc<Harness>,
    panics: Arc<AtomicBool>,
    /// A monitor of the own process, with its number. It must not resolve before the last destructor has run.
    own_monitor: Option<(usize, Monitor)>,
}

impl<F> LoggedFuture<F> {
    /// The last destructor panics if `panics` is set at that time.
    pub(crate) fn new(harness: &Arc<Harness>, name: Name, panics: &Arc<AtomicBool>, future: F) -> LoggedFuture<F> {
        let drop_logger = DropLogger { name, harness: harness.clone(), panics: panics.clone(), own_monitor: None };
        LoggedFuture { future: Box::pin(future), drop_logger }
    }
}

impl<F: Future> Future for LoggedFuture<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.drop_logger.begin_poll();
        let harness = self.drop_logger.harness.clone();
        let _in_poll = InPoll::begin(&harness.is_in_poll);
        let polled = self.future.as_mut().poll(cx);
        if polled.is_ready() {
            self.drop_logger.harness.write(Event::Returned(self.drop_logger.name));
        }
        self.drop_logger.harness.changed.notify_one();
        polled
    }
}

/// Clears the mark of a poll that has returned or unwound.
struct InPoll<'a>(&'a AtomicBool);

impl InPoll<'_> {
    fn begin(is_in_poll: &AtomicBool) -> InPoll<'_> {
        is_in_poll.store(true, Ordering::Relaxed);
        InPoll(is_in_poll)
    }
}

impl Drop for InPoll<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl DropLogger {
    fn begin_poll(&mut self) {
        let DropLogger { name, ref harness, .. } = *self;
        harness.write(Event::Polled(name));
        self.own_monitor.get_or_insert_with(|| {
            let number = harness.write(Event::MonitorCreated { of: name, awaited_by: AwaitedBy::Process });
            (number, process::monitor(harness.pid(name)))
        });
    }
}

impl Drop for DropLogger {
    fn drop(&mut self) {
        if let Some((number, monitor)) = &mut self.own_monitor
            && let Some(exit) = monitor.now_or_never()
        {
            self.harness.write(Event::Down { number: *number, cause: self.harness.cause(&exit) });
        }
        let panics = self.panics.load(Ordering::Relaxed) && !std::thread::panicking();
        let message = format!("planned panic in the last destructor of {}", self.name);
        if panics {
            self.harness.write(Event::Panicked(self.name, message.clone()));
        }
        self.harness.write(Event::Destroyed(self.name));
        self.harness.changed.notify_one();
        assert!(!panics, "{message}");
    }
}
