//! Monitors: one-way watches that resolve once.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::context;
use super::handle::Handle;
use crate::exit::Exit;
use crate::pid::Pid;

/// A future of the [`Exit`] of a process. Made by [`monitor`]; dropping it ends the watch.
///
/// # Cancel safety
///
/// May be polled in a `select!` loop by reference: nothing is lost.
#[must_use = "dropping a Monitor ends the watch"]
#[derive(Debug)]
pub struct Monitor {
    pid: Pid,
    state: State,
}

#[derive(Debug)]
enum State {
    Watching { runtime: Handle, id: u64, exit: oneshot::Receiver<Exit> },
    NoProcess,
    Done,
}

/// Watches a process from now on. The watch affects neither side.
///
/// Of a process that is dead, unknown, or of another runtime, the monitor answers [`Exit::NoProcess`] at once. Several
/// monitors of one process each get its exit. Works from anywhere.
///
/// # Elixir
///
/// `Process.monitor/1`; the `:DOWN` message is the output of the future.
///
/// # Examples
///
/// ```
/// use cordial::{Exit, Task, process};
///
/// cordial::testing::run(async {
///     let pid = Task::start(async {});
///     assert_eq!(process::monitor(pid).await, Exit::Normal);
///     assert_eq!(process::monitor(pid).await, Exit::NoProcess);
/// });
/// ```
pub fn monitor(pid: Pid) -> Monitor {
    context::with_current_runtime(|runtime| monitor_on(runtime, pid))
}

pub(crate) fn monitor_on(runtime: &Handle, pid: Pid) -> Monitor {
    let (sender, exit) = oneshot::channel();
    let id = runtime.with(pid, |entry| {
        let rare = entry.rare();
        let id = rare.next_id();
        rare.monitors.insert(id, sender);
        id
    });
    let state = id.map_or(State::NoProcess, |id| State::Watching { runtime: runtime.clone(), id, exit });
    Monitor { pid, state }
}

impl Monitor {
    /// The process that is watched.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }
}

impl Future for Monitor {
    type Output = Exit;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Exit> {
        let exit = match &mut self.state {
            State::NoProcess => Exit::NoProcess,
            // The sender is gone without a word only if the whole runtime is.
            State::Watching { exit, .. } => match Pin::new(exit).poll(cx) {
                Poll::Ready(exit) => exit.unwrap_or(Exit::NoProcess),
                Poll::Pending => return Poll::Pending,
            },
            State::Done => panic!("a Monitor answers once; it was polled again after its answer"),
        };
        self.state = State::Done;
        Poll::Ready(exit)
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        if let State::Watching { runtime, id, .. } = &self.state {
            let sender = runtime.with(self.pid, |entry| entry.rare.as_mut().and_then(|rare| rare.monitors.remove(id)));
            drop(sender);
        }
    }
}
