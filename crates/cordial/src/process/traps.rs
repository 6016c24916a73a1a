//! Trapping exits: receiving them as values.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::mpsc;

use super::discard::discard;
use super::runtime::{RuntimeHandle, current, current_runtime};
use crate::exit::Exit;
use crate::pid::Pid;
use crate::unwind;

/// A stream of the exits that a process traps, created by [`trap_exits`]. While the stream lives,
/// the process traps exits.
///
/// If one process has several of these streams, each receives every exit. A stream ends when its process has ended, so only
/// code outside of the process sees that end. In a forked process, a new stream ends at once.
///
/// # Cancel safety
///
/// Dropping the future of `next` loses nothing. Dropping the stream loses the exits that it has not yet returned.
#[must_use = "a process traps exits only while the stream lives"]
#[derive(Debug)]
pub struct Exits {
    own: Pid,
    runtime: RuntimeHandle,
    id: Option<u64>,
    exits: mpsc::UnboundedReceiver<(Pid, Exit)>,
}

/// Makes the calling process trap exits: it receives them instead of ending. These are the exits of
/// linked processes, [`Exit::Normal`] included, and the exits that are sent to the process, such as
/// requests to shut down. An exit arrives with the pid of its sender, or with the pid of the calling process itself, if no process of
/// the same runtime is the sender or if a supervisor requests the shutdown of its child.
///
/// A kill cannot be trapped. The exit `Killed` of a linked process can: it is an exit like any other. Trapping exits opts
/// the process in to graceful shutdown for the rest of its life.
///
/// # Panics
///
/// Outside a process.
///
/// # Elixir
///
/// `Process.flag(:trap_exit, true)`; the messages are the items of the stream.
///
/// # Examples
///
/// ```
/// use cordial::{Task, process};
/// use futures::StreamExt;
///
/// cordial::testing::run(async {
///     let mut exits = process::trap_exits();
///     let child = Task::start_link(async { panic!("no luck") });
///     let (pid, exit) = exits.next().await.unwrap();
///     assert_eq!(pid, child);
///     assert!(exit.is_abnormal());
/// });
/// ```
#[track_caller]
pub fn trap_exits() -> Exits {
    let Some(own) = current() else {
        panic!(
            "`trap_exits` is for processes, and this thread runs no process; call it inside `cordial::run` or a task"
        )
    };
    let runtime = current_runtime();
    let (sender, exits) = mpsc::unbounded_channel();
    // `None` in a forked process, and in a `tracing` subscriber that receives the events of a process that has ended. In both
    // cases the sender is dropped here, so the stream ends at once.
    let id = runtime.with(own, |entry| {
        entry.shutdown.opt_in();
        let rare = entry.rare();
        let id = rare.next_id();
        rare.traps.insert(id, sender);
        id
    });
    Exits { own, id, exits, runtime }
}

impl Stream for Exits {
    type Item = (Pid, Exit);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<(Pid, Exit)>> {
        self.exits.poll_recv(cx)
    }
}

impl Drop for Exits {
    fn drop(&mut self) {
        let Some(id) = self.id else { return };
        let sender = self.runtime.with(self.own, |entry| entry.rare.as_mut().and_then(|rare| rare.traps.remove(id)));
        // Dropping the last sender wakes the code that has polled this stream. The waker may be user code.
        unwind::ignore_panic(|| drop(sender));
        while let Ok(exit) = self.exits.try_recv() {
            discard(exit);
        }
    }
}
