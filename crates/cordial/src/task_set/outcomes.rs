//! The outcome of a whole set: its first value, all its values, or its end.

use std::future::poll_fn;

use super::set::TaskSet;
use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::{HeldValues, Shutdown, StopReport, stop_these, unlink_from_current};

impl<T, O: Send + 'static> TaskSet<T, O> {
    /// Waits for the first value. The other tasks are then asked to shut down.
    ///
    /// # Errors
    ///
    /// If all tasks have failed, their exits, in the order in which they ended. For an empty set, an empty list.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the set: all tasks are asked to shut down.
    pub async fn first_ok(mut self) -> Result<T, Vec<Exit>> {
        let mut exits = HeldValues::new();
        loop {
            match self.next().await {
                Some(Ok(value)) => return Ok(value),
                Some(Err(exit)) => exits.push(exit),
                None => return Err(exits.into_vec()),
            }
        }
    }

    /// Waits for all values, and returns them in the order of the spawns.
    ///
    /// # Errors
    ///
    /// The exit of the first task that fails. The other tasks are then asked to shut down.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the set: all tasks are asked to shut down.
    pub async fn all(mut self) -> Result<Vec<T>, Exit> {
        let mut values = HeldValues::new();
        while let Some((number, result)) = poll_fn(|cx| self.poll_any(cx)).await {
            match result {
                Ok(value) => values.push((number, value)),
                Err(exit) => return Err(exit),
            }
        }
        let mut values = values.into_vec();
        values.sort_unstable_by_key(|(number, _)| *number);
        Ok(values.into_iter().map(|(_, value)| value).collect())
    }

    /// Ends all tasks, and waits for their ends. All of them are asked to shut down at once; those that have opted in to graceful
    /// shutdown have this grace time, and are killed after it. Results are dropped. Returns the tasks that had to be killed or
    /// abandoned.
    ///
    /// [`Shutdown::BrutalKill`] kills all tasks at once, and only abandoned ones are returned. In a forked process nothing is done.
    ///
    /// # Cancel safety
    ///
    /// After the first poll all tasks have been asked. If the future is dropped before the grace time is over, none is killed for
    /// exceeding it.
    pub async fn shutdown(self, grace: impl Into<Shutdown>) -> StopReport {
        let Some(runtime) = self.runtime.as_ref().filter(|_| !self.is_forked()) else { return StopReport::default() };
        let shutdown = grace.into();
        let pids: Vec<Pid> = self.tasks.iter().map(|(_, task)| task.pid).collect();
        pids.iter().for_each(|pid| unlink_from_current(runtime, *pid));
        let mut report = stop_these(runtime, &pids, shutdown).await;
        if shutdown == Shutdown::BrutalKill {
            // These tasks were killed as the caller has requested.
            report.killed.clear();
        }
        report
    }
}
