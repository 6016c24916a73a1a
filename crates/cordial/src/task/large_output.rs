//! Large outputs. Each function that returns a value copies it to its stack, and copies of a large value would overflow the stack. So
//! the process returns the output in a box, and the handle takes it out of the box.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::join::{JoinControl, PollJoin};
use crate::exit::Exit;

pin_project! {
    /// A future whose output is put into a box as soon as it is ready.
    pub(super) struct BoxOutput<F> {
        #[pin]
        future: F,
    }
}

impl<F> BoxOutput<F> {
    pub(super) fn new(future: F) -> BoxOutput<F> {
        BoxOutput { future }
    }
}

impl<F: Future> Future for BoxOutput<F> {
    type Output = Box<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Box<F::Output>> {
        self.project().future.poll(cx).map(Box::new)
    }
}

/// A join handle that takes the output out of its box.
pub(super) struct UnboxedOutput<J> {
    join: J,
}

impl<J> UnboxedOutput<J> {
    pub(super) fn new(join: J) -> UnboxedOutput<J> {
        UnboxedOutput { join }
    }
}

impl<J, T> PollJoin<T> for UnboxedOutput<J>
where
    J: PollJoin<Box<T>>,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Exit>> {
        self.join.poll(cx).map(|result| result.map(|output| *output))
    }

    fn control(&self) -> &dyn JoinControl {
        self.join.control()
    }

    fn control_mut(&mut self) -> &mut dyn JoinControl {
        self.join.control_mut()
    }
}
