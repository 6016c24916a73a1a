//! Ending one task.

use std::time::Duration;

use super::deadline::Deadline;
use super::handle::Task;
use crate::exit::Exit;
use crate::process::{self, Escalation, Shutdown, Step};
use crate::timeout::Timeout;

impl<T: Send> Task<T> {
    /// Ends the task, and waits until it has exited and its destructors have run. Removes the link to the task first, if
    /// there is one.
    ///
    /// | returns | when the task |
    /// |---|---|
    /// | `None` | exited as this call requested: with `Shutdown(None)`, or with `Killed` for [`Shutdown::BrutalKill`] |
    /// | `Some(Ok(value))` | already had a value, or its last poll returned one, even after the request or the kill |
    /// | `Some(Err(exit))` | exited in another way, or had opted in to graceful shutdown and was killed after its grace time |
    /// | `Some(Err(Killed))` | was killed, and was abandoned because its poll did not return |
    /// | `Some(Err(NoProcess))` | has no result any more, because the result was taken before |
    ///
    /// A killed task that is in one poll for 100 ms is *abandoned*: this call returns without it, and the task ends when
    /// its poll returns. A killed task that waits for a thread ends when it gets one, and this call waits for that. With
    /// [`Shutdown::Infinity`] there is neither a kill nor a limit to the wait.
    ///
    /// Monitors, links and events report the exit of the process: that of a panic, or else that of the first signal. What this call
    /// returns may differ. If the request or the kill has decided the exit, and the last poll returns a value nevertheless, this call
    /// returns the value. If the request has decided the exit, and the last poll is stuck, this call returns `Killed`: the task is killed
    /// and abandoned, but the kill comes too late to change the exit.
    ///
    /// # Cancel safety
    ///
    /// After the first poll, the request or the kill has been sent. If the future is dropped before the grace time is over,
    /// the task is not killed.
    ///
    /// # Elixir
    ///
    /// `Task.shutdown/2`.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::{Shutdown, Task};
    ///
    /// cordial::testing::run(async {
    ///     let task = Task::spawn(std::future::pending::<()>());
    ///     assert_eq!(task.shutdown(Shutdown::default()).await, None);
    /// });
    /// ```
    pub async fn shutdown(mut self, shutdown: impl Into<Shutdown>) -> Option<Result<T, Exit>> {
        self.end(shutdown.into()).await
    }

    /// Implements [`shutdown`](Task::shutdown).
    pub(super) async fn end(&mut self, shutdown: Shutdown) -> Option<Result<T, Exit>> {
        if let Some(result) = self.take_ready() {
            return Some(result);
        }
        let Some(join) = self.control_mut() else { return Some(Err(Exit::NoProcess)) };
        join.unlink();
        let (pid, runtime) = (join.pid(), join.runtime());
        let caller = process::current().filter(|caller| caller.runtime() == pid.runtime());
        let is_requested = |exit: &Exit| match shutdown {
            Shutdown::BrutalKill => matches!(exit, Exit::Killed),
            Shutdown::After(_) | Shutdown::Infinity => matches!(exit, Exit::Shutdown(None)),
        };
        let (mut escalation, first) = Escalation::begin(&runtime, pid, shutdown);
        let mut due = Some(first);
        loop {
            match due {
                // The process has left the table a moment ago, and its result is about to arrive.
                Some(Step::Abandon) if !runtime.is_alive(pid) => {}
                Some(Step::Abandon) => {
                    Step::Abandon.take(&runtime, pid, caller);
                    self.release();
                    return Some(Err(Exit::Killed));
                }
                Some(step) => step.take(&runtime, pid, caller),
                None => {}
            }
            let timeout = escalation.limit().map_or(Timeout::Infinity, Timeout::After);
            // The deadline of `within` does not count: after it, the task would have no grace time, and this loop would not wait.
            // With a grace time of zero, the kill follows the request at once.
            if timeout != Timeout::After(Duration::ZERO)
                && let Some(result) = self.yield_until(Deadline::outside_of_scopes(&runtime, timeout)).await
            {
                return Some(result).filter(|result| !matches!(result, Err(exit) if is_requested(exit)));
            }
            due = escalation.limit_passed();
        }
    }
}
