//! Monitors: futures of the exit of a process.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::discard::discard;
use super::runtime::{RuntimeHandle, with_current_runtime};
use crate::exit::{Exit, Refusal};
use crate::pid::Pid;

/// A future of the [`Exit`] of a process, created by [`monitor`]. Dropping it ends the monitoring.
///
/// # Cancel safety
///
/// May be polled by reference in a `select!` loop: nothing is lost.
#[must_use = "dropping a Monitor ends the monitoring"]
#[derive(Debug)]
pub struct Monitor {
    pid: Pid,
    state: MonitorState,
}

#[derive(Debug)]
enum MonitorState {
    Monitoring { runtime: RuntimeHandle, id: u64, exit: oneshot::Receiver<Exit> },
    Refused(Refusal),
    NoProcess,
    Done,
}

/// Monitors a process from now on. Neither that process nor the calling one is affected.
///
/// Every monitor of a process is ready once, with the exit of the process. If the process has ended, is unknown, or belongs
/// to another runtime, the monitor is ready at once, with [`Exit::NoProcess`]. In a forked process, every monitor is ready at
/// once, with [`Exit::Refused`] and [`Refusal::Forked`]. `monitor` may be called outside a process.
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
    with_current_runtime(|runtime| monitor_on(runtime, pid))
}

/// Monitors a process of this runtime.
pub(crate) fn monitor_on(runtime: &RuntimeHandle, pid: Pid) -> Monitor {
    if let Err(refusal) = runtime.refuse_forked() {
        return Monitor { pid, state: MonitorState::Refused(refusal) };
    }
    let (sender, exit) = oneshot::channel();
    let id = runtime.with(pid, |entry| {
        let rare = entry.rare();
        let id = rare.next_id();
        rare.monitors.insert(id, sender);
        id
    });
    let state =
        id.map_or(MonitorState::NoProcess, |id| MonitorState::Monitoring { runtime: runtime.clone(), id, exit });
    Monitor { pid, state }
}

impl Monitor {
    /// Returns the pid of the monitored process.
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
            MonitorState::NoProcess => Exit::NoProcess,
            MonitorState::Refused(refusal) => Exit::Refused(refusal.clone()),
            // The monitored process has stayed in the parent OS process.
            MonitorState::Monitoring { runtime, .. } if runtime.is_forked() => Exit::Refused(Refusal::Forked),
            // A process that ends sends its exit. The sender is dropped without a value only if the
            // runtime drops its process table.
            MonitorState::Monitoring { exit, .. } => match Pin::new(exit).poll(cx) {
                Poll::Ready(exit) => exit.unwrap_or(Exit::NoProcess),
                Poll::Pending => return Poll::Pending,
            },
            MonitorState::Done => panic!("a Monitor is ready once; it was polled again after that"),
        };
        self.state = MonitorState::Done;
        Poll::Ready(exit)
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let state = std::mem::replace(&mut self.state, MonitorState::Done);
        if let MonitorState::Monitoring { runtime, id, exit } = state {
            // The receiver is dropped before the sender: a sender that is dropped first wakes the code that has polled this monitor.
            discard(exit);
            let sender = runtime.with(self.pid, |entry| entry.rare.as_mut().and_then(|rare| rare.monitors.remove(id)));
            drop(sender);
        }
    }
}
