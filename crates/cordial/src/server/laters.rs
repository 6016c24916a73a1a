//! The tasks of `reply_later`, which run after the handler has returned. They are asked to shut down when the process of the server
//! ends.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::queue::Envelope;
use super::unanswered::exit_of_unanswered;
use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::RuntimeHandle;

/// The tasks of one server.
#[derive(Debug)]
pub(super) struct Laters<T> {
    runtime: RuntimeHandle,
    state: Mutex<LatersState<T>>,
}

#[derive(Debug)]
struct LatersState<T> {
    /// Some may have ended.
    tasks: Vec<LaterTask<T>>,
    /// Once the list has this many tasks, the next `add` removes those that have ended.
    full: usize,
}

/// A list of fewer tasks than this is not searched for ended tasks.
const MIN_FULL: usize = 8;

#[derive(Debug)]
struct LaterTask<T> {
    server: Pid,
    task: Pid,
    /// The call that the task answers. `None` for a message that was cast.
    call: Option<T>,
}

impl<T: Envelope> Laters<T> {
    pub(super) fn new(runtime: RuntimeHandle) -> Laters<T> {
        Laters { runtime, state: Mutex::new(LatersState { tasks: Vec::new(), full: MIN_FULL }) }
    }

    /// Records a task of the process `server`.
    pub(super) fn add(&self, server: Pid, task: Pid, call: Option<T>) {
        let ended = {
            let mut state = self.lock();
            let LatersState { tasks, full } = &mut *state;
            let mut ended = Vec::new();
            if tasks.len() >= *full {
                ended = tasks.extract_if(.., |known| !self.runtime.is_alive(known.task)).collect();
                // Doubled, so that each `add` looks at two tasks on average, however many of them are alive.
                *full = (2 * tasks.len()).max(MIN_FULL);
            }
            tasks.push(LaterTask { server, task, call });
            ended
        };
        drop(ended);
    }

    /// Answers the calls of the process `server`, which has ended, and asks its tasks to shut down.
    pub(super) fn end(&self, server: Pid, exit: &Exit) {
        let ended: Vec<_> = self.lock().tasks.extract_if(.., |known| known.server == server).collect();
        for LaterTask { task, call, .. } in ended {
            if let Some(call) = call {
                call.fail(&exit_of_unanswered(exit));
            }
            self.runtime.request_shutdown(task);
        }
    }

    fn lock(&self) -> MutexGuard<'_, LatersState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
