//! What becomes of a whole set: its first value, all its values, or its end.

use std::future::poll_fn;

use futures_util::future::join_all;

use super::set::TaskSet;
use crate::exit::Exit;
use crate::process::{Shutdown, StopOutcome, StopReport, stop_one};

impl<T, O: Send + 'static> TaskSet<T, O> {
    /// Waits for the first value. The other tasks are then asked to shut down.
    ///
    /// # Errors
    ///
    /// The exits of all tasks, in the order in which they ended, if all have failed. None of an empty set.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the set: all tasks are asked to shut down.
    pub async fn first_ok(mut self) -> Result<T, Vec<Exit>> {
        let mut exits = Vec::new();
        loop {
            match self.next().await {
                Some(Ok(value)) => return Ok(value),
                Some(Err(exit)) => exits.push(exit),
                None => return Err(exits),
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
        let mut values = Vec::with_capacity(self.len());
        while let Some((number, result)) = poll_fn(|cx| self.poll_any(cx)).await {
            match result {
                Ok(value) => values.push((number, value)),
                Err(exit) => return Err(exit),
            }
        }
        values.sort_unstable_by_key(|(number, _)| *number);
        Ok(values.into_iter().map(|(_, value)| value).collect())
    }

    /// Ends all tasks, and waits for their ends. All of them are asked at once; those that have opted in to graceful shutdown have
    /// this grace time, and are killed after it. Results are dropped. Returns the tasks that had to be killed or abandoned.
    ///
    /// # Cancel safety
    ///
    /// After the first poll all tasks have been asked. If the future is dropped before the grace time is over, none is killed.
    pub async fn shutdown(self, grace: impl Into<Shutdown>) -> StopReport {
        let mut report = StopReport::default();
        if let Some(runtime) = &self.runtime {
            let shutdown = grace.into();
            let stops = self.running.iter().map(|(_, task)| stop_one(runtime, task.pid, shutdown));
            for outcome in join_all(stops).await {
                match outcome {
                    StopOutcome::AsRequested => {}
                    StopOutcome::Killed(stopped) => report.killed.push(stopped),
                    StopOutcome::Abandoned(stopped) => report.abandoned.push(stopped),
                }
            }
        }
        report
    }
}
