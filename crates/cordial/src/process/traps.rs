//! Trapping exits: receiving them as values.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::mpsc;

use super::context::{self, current};
use super::handle::Handle;
use crate::exit::Exit;
use crate::pid::Pid;

/// A stream of the exits that the process would otherwise have ended with. While it lives, the process traps.
///
/// Made by [`trap_exits`]. Several in one process each get everything. It ends only if it is moved out
/// of its process and outlives that.
///
/// # Cancel safety
///
/// Dropping a `next` loses nothing; dropping the stream loses what it holds.
#[must_use = "a process traps exits only while the stream lives"]
#[derive(Debug)]
pub struct Exits {
    own: Pid,
    runtime: Handle,
    id: u64,
    exits: mpsc::UnboundedReceiver<(Pid, Exit)>,
}

/// Makes the calling process receive exits instead of ending by them: those of linked processes, [`Exit::Normal`] too,
/// and requests to shut down. A request from outside any process carries the pid of the process itself.
///
/// A kill that was sent cannot be trapped. From here on the process counts as one that asked to be told: a request
/// gives it its grace time, also after the stream was dropped.
///
/// # Panics
///
/// Outside a process, which has no links.
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
        panic!("`trap_exits` is for processes, and this thread runs none; call it inside `cordial::run` or a task")
    };
    let runtime = context::current_runtime();
    let (sender, exits) = mpsc::unbounded_channel();
    let id = runtime.with(own, |entry| {
        entry.manners.wants_notice = true;
        let rare = entry.rare();
        let id = rare.next_id();
        rare.traps.insert(id, sender);
        id
    });
    Exits { own, id: id.unwrap_or_default(), exits, runtime }
}

impl Stream for Exits {
    type Item = (Pid, Exit);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<(Pid, Exit)>> {
        self.exits.poll_recv(cx)
    }
}

impl Drop for Exits {
    fn drop(&mut self) {
        let sender =
            self.runtime.with(self.own, |entry| entry.rare.as_mut().and_then(|rare| rare.traps.remove(&self.id)));
        drop(sender);
    }
}
