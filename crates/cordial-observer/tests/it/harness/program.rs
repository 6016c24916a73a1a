//! A program of its own, with an observer.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use cordial::{Runtime, Task};
use cordial_observer::{Builder, Observer};

use super::Client;
use super::client::LIMIT;

/// A runtime with an observer.
pub(crate) struct Program {
    pub(crate) runtime: Runtime,
    pub(crate) observer: Observer,
    pub(crate) client: Client,
}

impl Program {
    /// Starts a program whose observer only looks.
    pub(crate) fn new() -> Program {
        Program::with(|builder| builder)
    }

    /// Starts a program with these options of the observer.
    pub(crate) fn with(options: impl FnOnce(Builder) -> Builder) -> Program {
        Program::of(Runtime::builder().workers(2).build().unwrap(), options)
    }

    /// Observes a runtime that has processes already.
    pub(crate) fn of(runtime: Runtime, options: impl FnOnce(Builder) -> Builder) -> Program {
        let observer = options(Observer::builder().runtime(runtime.inspector())).serve("127.0.0.1:0").unwrap();
        let token = observer.token().unwrap_or("no token is needed").to_owned();
        let client = Client { address: observer.address().unwrap(), token };
        Program { runtime, observer, client }
    }

    /// Runs a future as a process of the program.
    pub(crate) fn run<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> T {
        self.runtime.block_on(future).unwrap()
    }

    /// Starts a task with a label, and returns its pid.
    pub(crate) fn start(&self, label: &'static str, future: impl Future<Output = ()> + Send + 'static) -> cordial::Pid {
        self.run(async move { Task::builder().label(label).start(future) })
    }

    /// Starts a process that makes a supervisor and keeps it, and returns the pid of the supervisor.
    pub(crate) fn keep<S, F>(&self, start: F) -> cordial::Pid
    where
        S: Send + 'static,
        F: Future<Output = (S, cordial::Pid)> + Send + 'static,
    {
        let (sender, receiver) = mpsc::channel();
        self.start("keeper", async move {
            let (_kept, pid) = start.await;
            sender.send(pid).unwrap();
            std::future::pending().await
        });
        receiver.recv_timeout(LIMIT).unwrap()
    }
}

/// Tries up to ten times, and fails with the results of all tries. For an answer that the observer makes after one or two seconds, whatever the program does
/// then: on a busy machine, a thread of the program may get no processor for that long.
pub(crate) fn try_often(mut attempt: impl FnMut() -> Result<(), String>) {
    let mut failures = Vec::new();
    while let Err(failure) = attempt() {
        failures.push(failure);
        assert!(failures.len() < 10, "{failures:#?}");
    }
}

/// Waits until `is_so` returns true; fails after [`LIMIT`].
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    wait_for(what, || is_so().then_some(()));
}

/// Waits until there is a value, and returns it; fails after [`LIMIT`].
#[expect(clippy::disallowed_methods, reason = "the observer runs in real time")]
pub(crate) fn wait_for<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(begun.elapsed() < LIMIT, "{what} did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}
