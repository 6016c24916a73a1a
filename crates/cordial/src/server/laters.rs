//! The tasks of `reply_later`, which run after the handler has returned. They are asked to shut down when the process of the server
//! ends.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::mailbox::{Envelope, exit_of_unanswered};
use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::RuntimeHandle;

/// The tasks of one server.
#[derive(Debug)]
pub(super) struct Laters<T> {
    runtime: RuntimeHandle,
    tasks: Mutex<Vec<LaterTask<T>>>,
}

#[derive(Debug)]
struct LaterTask<T> {
    server: Pid,
    task: Pid,
    /// The call that the task answers. `None` for a message that was cast.
    call: Option<T>,
}

impl<T: Envelope> Laters<T> {
    pub(super) fn new(runtime: RuntimeHandle) -> Laters<T> {
        Laters { runtime, tasks: Mutex::default() }
    }

    /// Records a task of the process `server`.
    pub(super) fn add(&self, server: Pid, task: Pid, call: Option<T>) {
        let mut tasks = self.lock();
        // Tasks that have ended are removed when the number of entries is a power of two, and so not at every call.
        if tasks.len() >= 8 && tasks.len().is_power_of_two() {
            let ended = tasks.extract_if(.., |known| !self.runtime.is_alive(known.task)).collect::<Vec<_>>();
            tasks.push(LaterTask { server, task, call });
            drop(tasks);
            drop(ended);
            return;
        }
        tasks.push(LaterTask { server, task, call });
    }

    /// Answers the calls of the process `server`, which has ended, and asks its tasks to shut down.
    pub(super) fn end(&self, server: Pid, exit: &Exit) {
        let ended: Vec<_> = self.lock().extract_if(.., |known| known.server == server).collect();
        for LaterTask { task, call, .. } in ended {
            if let Some(call) = call {
                call.fail(&exit_of_unanswered(exit));
            }
            self.runtime.request_shutdown(task);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<LaterTask<T>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
