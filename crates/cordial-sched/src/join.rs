//! The claim on a task's output.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::executor::Ticket;
use crate::{Executor, Key};

/// The claim on a task's output. Dropping it lets the task run on.
pub struct JoinHandle<T> {
    /// `None` only inside `drop`.
    task: Option<async_task::Task<T, Ticket>>,
}

impl<T> JoinHandle<T> {
    pub(crate) fn new(task: async_task::Task<T, Ticket>) -> JoinHandle<T> {
        JoinHandle { task: Some(task) }
    }

    /// The key that the task was prepared with.
    pub fn key(&self) -> Key {
        self.ticket().key
    }

    /// The executor that runs the task.
    pub fn executor(&self) -> &Executor {
        &self.ticket().executor
    }

    /// Whether the output is there, or was taken.
    pub fn is_finished(&self) -> bool {
        self.task.as_ref().is_none_or(async_task::Task::is_finished)
    }

    fn ticket(&self) -> &Ticket {
        self.task.as_ref().expect("there until the handle is dropped").metadata()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = T;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Pin::new(self.task.as_mut().expect("there until the handle is dropped")).poll(cx)
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.detach();
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("key", &self.key()).field("is_finished", &self.is_finished()).finish()
    }
}
