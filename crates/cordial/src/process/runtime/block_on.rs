//! Blocking a thread until a future is ready, where that is allowed.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crossbeam_utils::sync::{Parker, Unparker};

use super::context::own_runtime;
use crate::{telemetry, unwind};

struct Unpark(Unparker);

impl Wake for Unpark {
    fn wake(self: Arc<Unpark>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Unpark>) {
        self.0.unpark();
    }
}

/// Polls the future on the calling thread, and parks the thread until the future is woken.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let parker = Parker::new();
    let waker = Waker::from(Arc::new(Unpark(parker.unparker().clone())));
    block_on_with(&waker, || parker.park(), future)
}

/// Polls the future on the calling thread, and calls `wait` between two polls. `wait` returns once `waker` was woken.
pub(crate) fn block_on_with<F: Future>(waker: &Waker, wait: impl Fn(), future: F) -> F::Output {
    let mut cx = Context::from_waker(waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            Poll::Pending => wait(),
        }
    }
}

/// Checks that the calling thread may block.
///
/// # Panics
///
/// On a worker of tokio and on the thread of a simulation, because other tasks could not run meanwhile. The message names
/// `call`.
#[track_caller]
pub(crate) fn assert_may_block(call: &str) {
    assert!(
        !own_runtime().is_some_and(|runtime| runtime.executor().is_simulated()),
        "`{call}` would block the only thread of the simulation, so nothing could ever wake it; use `.await` instead"
    );
    assert!(
        !is_tokio_worker(),
        "`{call}` would block a thread that drives tokio's tasks; use `.await`, or call it inside `spawn_blocking`"
    );
}

/// Returns whether the calling thread is a worker of tokio. The only way to find out is to call tokio's own `block_on` and to
/// see whether it panics.
fn is_tokio_worker() -> bool {
    let Ok(tokio) = tokio::runtime::Handle::try_current() else { return false };
    // The panic hook of this crate suppresses the message of that panic.
    unwind::install_hook(telemetry::has_crash_subscriber);
    let panicked = unwind::catch_silently(|| tokio.block_on(std::future::ready(())));
    // While the thread ends, `block_on` also panics, because the thread-locals are gone.
    panicked.is_some_and(|message| !message.starts_with("failed to park thread"))
}
