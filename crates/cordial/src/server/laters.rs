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
    /// How many tasks have ended since those that had ended were removed.
    n_ended: usize,
}

/// A list of fewer tasks than this is not searched as soon as half of them have ended, and does not give memory back.
const MIN_SEARCHED: usize = 8;

#[derive(Debug)]
struct LaterTask<T> {
    server: Pid,
    task: Pid,
    /// The call that the task answers. `None` for a message that was cast.
    call: Option<T>,
}

impl<T: Envelope> Laters<T> {
    pub(super) fn new(runtime: RuntimeHandle) -> Laters<T> {
        Laters { runtime, state: Mutex::new(LatersState { tasks: Vec::new(), n_ended: 0 }) }
    }

    /// Records a task of the process `server`.
    pub(super) fn add(&self, server: Pid, task: Pid, call: Option<T>) {
        self.lock().tasks.push(LaterTask { server, task, call });
    }

    /// Records that a task has ended. Once half of the list may have ended, removes those that have: so each task is looked at about
    /// twice, however many are alive, and a call that was answered is not kept for long.
    pub(super) fn task_ended(&self) {
        let ended: Vec<_> = {
            let mut state = self.lock();
            let LatersState { tasks, n_ended } = &mut *state;
            *n_ended += 1;
            if 2 * *n_ended < tasks.len().max(MIN_SEARCHED) {
                return;
            }
            *n_ended = 0;
            let ended = tasks.extract_if(.., |known| !self.runtime.is_alive(known.task)).collect();
            tasks.shrink_to((2 * tasks.len()).max(MIN_SEARCHED));
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
