//! Ending one task.

use std::time::Duration;

use super::handle::Task;
use super::timeout::Timeout;
use crate::exit::Exit;
use crate::process::{ABANDON_AFTER, Shutdown, abandon};

impl<T: Send> Task<T> {
    /// Ends the task and waits until it has ended, its destructors included. Removes the link to the task first, if there
    /// is one.
    ///
    /// | returns | when the task |
    /// |---|---|
    /// | `None` | ended as this call asked: with `Shutdown(None)`, or with `Killed` for [`Shutdown::BrutalKill`] |
    /// | `Some(Ok(value))` | already had a value, or returned one within its grace time; a value always wins |
    /// | `Some(Err(exit))` | ended in another way, or was killed after its grace time |
    /// | `Some(Err(Killed))` | was killed, and its poll did not return within 100 ms |
    /// | `Some(Err(NoProcess))` | had its result taken before |
    ///
    /// A task whose poll does not return is *abandoned*: this call returns 100 ms after the kill, and the task ends when
    /// its poll returns. With [`Shutdown::Infinity`] there is neither a kill nor a limit to the wait.
    ///
    /// Monitors, links and events report the first signal that ended the process. They do so also where this call returns a
    /// value that was produced in the same poll, or `Killed` because the kill came after the request.
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
        if let Some(answer) = self.take_ready() {
            return Some(answer);
        }
        let Some(source) = self.control_mut() else { return Some(Err(Exit::NoProcess)) };
        source.unlink();
        let (pid, runtime) = (source.pid(), source.runtime());
        if shutdown != Shutdown::BrutalKill {
            runtime.request_shutdown(pid);
            let grace = match shutdown {
                Shutdown::After(grace) => Timeout::After(grace),
                Shutdown::BrutalKill | Shutdown::Infinity => Timeout::Infinity,
            };
            // Without any grace, request and kill come back to back.
            if grace != Timeout::After(Duration::ZERO)
                && let Some(answer) = self.yield_for(grace).await
            {
                return unless(answer, |exit| matches!(exit, Exit::Shutdown(None)));
            }
        }
        runtime.kill(pid);
        match self.yield_for(ABANDON_AFTER).await {
            Some(answer) if shutdown == Shutdown::BrutalKill => unless(answer, |exit| matches!(exit, Exit::Killed)),
            Some(answer) => unless(answer, |exit| matches!(exit, Exit::Shutdown(None))),
            None => {
                abandon(&runtime, pid);
                self.release();
                Some(Err(Exit::Killed))
            }
        }
    }
}

/// `None` for the end that was asked for.
fn unless<T>(answer: Result<T, Exit>, is_expected: fn(&Exit) -> bool) -> Option<Result<T, Exit>> {
    match answer {
        Err(exit) if is_expected(&exit) => None,
        other => Some(other),
    }
}
