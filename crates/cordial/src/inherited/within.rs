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
/// The deadline also caps the limit of each await of a task, each item of a stream, and each call or cast to a server that `future`
/// begins. The same holds in the tasks that `future` spawns with `Task::spawn`, in streams and in sets, and in the tasks that these
/// spawn. Processes without an owner, which `Task::start` and supervisors start, are not affected. The handlers of servers are not
/// affected either: when the deadline passes, the call is given up, and a handler that has begun continues. Of nested deadlines, the
/// earliest one counts. With a limit of zero the future is polled once.
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
/// [`Exit::Timeout`] when the deadline has passed. [`Exit::Refused`] in a forked process if the future is not ready at once: no thread is
/// left there to run the timer. [`Exit::Refused`] also outside of any process while the clock of tokio is paused, as in a test with
/// `start_paused`: a deadline does not follow that clock, and the future is not polled.
///
/// # Panics
///
/// When it is first polled outside of any process, if the default runtime has to start for its timer, and the operating system refuses a
/// thread or a file for it.
///
/// # Cancel safety
///
/// That of `future`.
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
                let (scope, running) = match open(*this.limit) {
                    Ok(opened) => opened,
                    Err(refusal) => {
                        *this.state = WithinState::Done;
                        this.future.drop_future();
                        return Poll::Ready(Err(Exit::Refused(refusal)));
                    }
                };
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

/// The scope of a limit, and the timer of its deadline with the limit that the error names.
type Opened = (Option<Scope>, Option<(Timer, Duration)>);

/// Opens the scope of a limit that counts from now.
fn open(limit: Timeout) -> Result<Opened, Refusal> {
    let outer = current_scope();
    let runtime = current_runtime();
    let executor = runtime.executor();
    let now = executor.now();
    let own = match limit {
        Timeout::After(limit) => now.checked_add(limit).map(|at| ScopeDeadline { at, limit }),
        Timeout::Infinity => None,
    };
    let Some(deadline) = own else { return Ok((outer, None)) };
    runtime.refuse_paused_clock(current())?;
    let scope = Scope::with_deadline(outer.as_ref(), deadline);
    let ScopeDeadline { at, limit } = scope.deadline().expect("it was just set");
    let timer = executor.timer(at.saturating_duration_since(now)).map(|timer| (timer, limit));
    Ok((Some(scope), timer))
}

impl<F> fmt::Debug for Within<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Within").field("limit", &self.limit).finish_non_exhaustive()
    }
}
