//! `within`: a deadline for a future, and for every wait that begins in it.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use cordial_sched::Timer;
use pin_project_lite::pin_project;

use super::in_scope::InScope;
use crate::exit::{Exit, Refusal, TimedOut};
use crate::pid::Pid;
use crate::process::{Scope, ScopeDeadline, current, current_runtime, current_scope, ends_at_this_await};
use crate::timeout::Timeout;

/// Runs a future with a deadline. When the deadline passes, the future is dropped, and with it all that it owns.
///
/// The deadline caps the limit of every await of a task, of every item of a stream, and of every call or cast to a server that
/// begins in the future, and in the tasks that it spawns: `Task::spawn`, streams and sets, and what these spawn. Processes
/// without an owner, which `Task::start` and supervisors start, are not affected, and neither are the handlers of servers: when
/// the deadline passes, the call is given up, and a handler that has begun continues. Of nested deadlines, the earliest
/// one counts. With a limit of zero the future is polled once.
///
/// A task whose handle is not dropped with the future, as in `within(limit, &mut task)`, can be awaited again after the deadline: the limit
/// of that await starts again.
///
/// Once the deadline has passed, the future is not polled again. So if its process is in a long poll while the deadline passes, an
/// output that has become ready meanwhile is dropped, unlike in [`tokio::time::timeout`]. The limit of an await of a task
/// ([`Task::timeout`](crate::Task::timeout)) drops no result that is ready.
///
/// # Errors
///
/// [`Exit::Timeout`] when the deadline has passed. In a forked process no thread is left to run the timer: there, [`Exit::Refused`] if
/// a poll of the future is pending.
///
/// # Cancel safety
///
/// That of the future.
///
/// # Elixir
///
/// No equivalent: there each call has a timeout of its own. In Go, a `context` with a deadline, which is passed by hand.
///
/// # Examples
///
/// ```
/// use cordial::{Task, Timeout};
/// use std::time::Duration;
///
/// cordial::testing::run(async {
///     let stuck = || Task::spawn(std::future::pending::<()>()).timeout(Timeout::Infinity);
///     let result = cordial::within(Duration::from_secs(2), async { stuck().await }).await;
///     assert!(result.unwrap_err().is_timeout());
/// });
/// ```
pub fn within<F: Future>(limit: impl Into<Timeout>, future: F) -> Within<F> {
    Within { limit: limit.into(), state: WithinState::Unpolled, future: InScope::new(None, future) }
}

pin_project! {
    /// The future of [`within`].
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct Within<F> {
        limit: Timeout,
        state: WithinState,
        #[pin]
        future: InScope<F>,
    }
}

enum WithinState {
    Unpolled,
    /// The timer of the deadline, and the limit that the error names. `None` if there is no deadline, or it is beyond the range
    /// of the clock.
    Running(Option<(Timer, Duration)>),
    Done,
}

impl<F: Future> Future for Within<F> {
    type Output = Result<F::Output, Exit>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<F::Output, Exit>> {
        let mut this = self.project();
        let exceeded = match this.state {
            WithinState::Unpolled => {
                let (scope, running) = open(*this.limit);
                *this.future.as_mut().scope() = scope;
                *this.state = WithinState::Running(running);
                None
            }
            WithinState::Running(Some((timer, limit))) => Pin::new(timer).poll(cx).is_ready().then_some(*limit),
            WithinState::Running(None) => None,
            WithinState::Done => return Poll::Pending,
        };
        let exceeded = match exceeded {
            Some(limit) => limit,
            None => {
                if let Poll::Ready(output) = this.future.as_mut().poll(cx) {
                    *this.state = WithinState::Done;
                    return Poll::Ready(Ok(output));
                }
                let WithinState::Running(Some((timer, limit))) = this.state else { return Poll::Pending };
                if !limit.is_zero() && Pin::new(&mut *timer).poll(cx).is_pending() {
                    if !timer.is_forked() {
                        return Poll::Pending;
                    }
                    *this.state = WithinState::Done;
                    this.future.drop_future();
                    return Poll::Ready(Err(Exit::Refused(Refusal::Forked)));
                }
                *limit
            }
        };
        *this.state = WithinState::Done;
        this.future.drop_future();
        if ends_at_this_await(cx) {
            return Poll::Pending;
        }
        let own = current().unwrap_or(Pid::NO_PROCESS);
        Poll::Ready(Err(Exit::Timeout(TimedOut::of_within(exceeded, own))))
    }
}

/// Opens the scope of a limit that counts from now. Returns the scope, and the timer of its deadline.
fn open(limit: Timeout) -> (Option<Scope>, Option<(Timer, Duration)>) {
    let outer = current_scope();
    let runtime = current_runtime();
    let executor = runtime.executor();
    let now = executor.now();
    let own = match limit {
        Timeout::After(limit) => now.checked_add(limit).map(|at| ScopeDeadline { at, limit }),
        Timeout::Infinity => None,
    };
    let Some(deadline) = own else { return (outer, None) };
    let scope = Scope::with_deadline(outer.as_ref(), deadline);
    let ScopeDeadline { at, limit } = scope.deadline().expect("it was just set");
    let timer = executor.timer(at.saturating_duration_since(now)).map(|timer| (timer, limit));
    (Some(scope), timer)
}

impl<F> fmt::Debug for Within<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Within").field("limit", &self.limit).finish_non_exhaustive()
    }
}
