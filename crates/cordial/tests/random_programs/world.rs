//! What the processes of one run share: the log, the names, the ways to each other. And the probes that write the log.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use cordial::process::{self, Monitor};
use cordial::{Exit, Pid, Task};
use futures::FutureExt;
use tokio::sync::{Notify, mpsc};

use crate::event::{Cause, Event, Keeper};
use crate::program::{Name, Program};

/// One run.
pub(crate) struct World {
    pub(crate) program: Program,
    log: Mutex<Vec<Event>>,
    people: Mutex<Vec<Person>>,
    /// Monitors for the stage to await, with their numbers.
    watches: mpsc::UnboundedSender<(usize, Monitor)>,
    /// Something was done, so the checker has something to look at.
    pub(crate) changed: Notify,
}

#[derive(Clone)]
struct Person {
    pid: Pid,
    inbox: mpsc::UnboundedSender<Held>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    /// And the monitors that the stage has to await.
    pub(crate) fn new(program: Program) -> (Arc<World>, mpsc::UnboundedReceiver<(usize, Monitor)>) {
        let (watches, to_stage) = mpsc::unbounded_channel();
        // Who is not born yet has the pid of nobody, and an inbox that is closed.
        let nobody = Person { pid: Task::completed(()).pid(), inbox: mpsc::unbounded_channel().0 };
        let people = Mutex::new(vec![nobody; program.names().end]);
        let world = World { program, log: Mutex::default(), people, watches, changed: Notify::new() };
        (Arc::new(world), to_stage)
    }

    /// The number of the event.
    pub(crate) fn write(&self, event: Event) -> usize {
        let mut log = lock(&self.log);
        log.push(event);
        log.len() - 1
    }

    pub(crate) fn take_log(&self) -> Vec<Event> {
        std::mem::take(&mut *lock(&self.log))
    }

    pub(crate) fn pid(&self, name: Name) -> Pid {
        lock(&self.people)[name].pid
    }

    pub(crate) fn name_of(&self, pid: Pid) -> Option<Name> {
        if pid == Task::completed(()).pid() {
            return None;
        }
        lock(&self.people).iter().position(|person| person.pid == pid)
    }

    pub(crate) fn cause(&self, exit: &Exit) -> Cause {
        Cause::of(exit, |pid| self.name_of(pid))
    }

    /// The name of the running process.
    pub(crate) fn own_name(&self) -> Name {
        process::current().and_then(|own| self.name_of(own)).expect("only processes of the program hold handles")
    }

    /// The process has a pid. It has not run yet.
    pub(crate) fn enter(&self, name: Name, pid: Pid, inbox: mpsc::UnboundedSender<Held>) {
        lock(&self.people)[name] = Person { pid, inbox };
        if name != crate::program::STAGE {
            self.watch(name, Keeper::Birth);
        }
    }

    /// Makes a monitor that the stage awaits.
    pub(crate) fn watch(&self, of: Name, keeper: Keeper) {
        let monitor = process::monitor(self.pid(of));
        let number = self.write(Event::Watched { of, keeper });
        assert!(self.watches.send((number, monitor)).is_ok(), "the stage outlives the program");
    }

    /// Moves a handle into another process. If that has ended, or never was, the handle is dropped here.
    pub(crate) fn give(&self, held: Held, to: Name) {
        let inbox = lock(&self.people)[to].inbox.clone();
        let returned = inbox.send(held);
        drop(returned);
    }

    /// Writes down who is there, and the links of each.
    pub(crate) fn look(&self) {
        let living = self.program.names().filter_map(|name| Some((name, process::info(self.pid(name))?.links)));
        let seen = living.map(|(name, links)| {
            let mut links: Vec<Name> = links.into_iter().filter_map(|pid| self.name_of(pid)).collect();
            links.sort_unstable();
            (name, links)
        });
        self.write(Event::Seen(seen.collect()));
    }
}

/// A handle that tells when it is dropped.
pub(crate) struct Held {
    pub(crate) of: Name,
    /// Whether its answer was taken, or it was given up.
    pub(crate) was_taken: bool,
    task: Option<Task<Value>>,
    world: Arc<World>,
    tells_drop: bool,
}

impl Held {
    pub(crate) fn new(world: &Arc<World>, of: Name, task: Task<Value>) -> Held {
        Held { of, was_taken: false, task: Some(task), world: world.clone(), tells_drop: true }
    }

    pub(crate) fn task(&mut self) -> &mut Task<Value> {
        self.task.as_mut().expect("it is there until it is moved out")
    }

    pub(crate) fn set_limit(&mut self, limit: cordial::Timeout) {
        self.task = self.task.take().map(|task| task.timeout(limit));
    }

    /// For a call that consumes the handle. Until `settled`, dropping this still means that the task is given up.
    pub(crate) fn move_out(&mut self) -> Task<Value> {
        self.task.take().expect("it is moved out once")
    }

    /// Dropping this means nothing any more.
    pub(crate) fn settled(mut self) {
        self.tells_drop = false;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.tells_drop && !self.was_taken {
            self.world.write(Event::GivenUp { of: self.of, by: self.world.own_name() });
        }
    }
}

/// What a process gives. Not `Clone`, and counted.
pub(crate) struct Value {
    of: Name,
    world: Arc<World>,
}

impl Value {
    pub(crate) fn new(world: &Arc<World>, of: Name) -> Value {
        world.write(Event::ValueMade(of));
        Value { of, world: world.clone() }
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.world.write(Event::ValueDropped(self.of));
    }
}

/// A future that tells of its polls and its end.
pub(crate) struct Probed<F> {
    future: Pin<Box<F>>,
    // After `future`, so that it is dropped last.
    last: Last,
}

struct Last {
    name: Name,
    world: Arc<World>,
    panics: Arc<AtomicBool>,
    /// Of its own process, and the number. Must not answer as long as a destructor runs.
    own_end: Option<(usize, Monitor)>,
}

impl<F> Probed<F> {
    /// Its last destructor panics if `panics` says so then.
    pub(crate) fn new(world: &Arc<World>, name: Name, panics: &Arc<AtomicBool>, future: F) -> Probed<F> {
        let last = Last { name, world: world.clone(), panics: panics.clone(), own_end: None };
        Probed { future: Box::pin(future), last }
    }
}

impl<F: Future> Future for Probed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.last.begin_poll();
        let polled = self.future.as_mut().poll(cx);
        if polled.is_ready() {
            self.last.world.write(Event::Returned(self.last.name));
        }
        self.last.world.changed.notify_one();
        polled
    }
}

impl Last {
    fn begin_poll(&mut self) {
        let Last { name, ref world, .. } = *self;
        world.write(Event::Polled(name));
        self.own_end.get_or_insert_with(|| {
            let number = world.write(Event::Watched { of: name, keeper: Keeper::Maker });
            (number, process::monitor(world.pid(name)))
        });
    }
}

impl Drop for Last {
    fn drop(&mut self) {
        if let Some((watch, monitor)) = &mut self.own_end
            && let Some(exit) = monitor.now_or_never()
        {
            self.world.write(Event::Down { watch: *watch, cause: self.world.cause(&exit) });
        }
        let panics = self.panics.load(Ordering::Relaxed) && !std::thread::panicking();
        let message = format!("planned panic in the last destructor of {}", self.name);
        if panics {
            self.world.write(Event::Panicked(self.name, message.clone()));
        }
        self.world.write(Event::Destroyed(self.name));
        self.world.changed.notify_one();
        assert!(!panics, "{message}");
    }
}
