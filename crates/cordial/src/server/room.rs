//! The wait of one sender for room in the mailbox.

use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::exit::Exit;
use crate::unwind;

/// The result of a message that waits for room, for the future of its cast.
#[derive(Debug, Default)]
pub(super) struct Room(Mutex<RoomState>);

#[derive(Debug, Default)]
struct RoomState {
    result: Option<Result<(), Exit>>,
    waker: Option<Waker>,
}

impl Room {
    /// Reports that the message is in the mailbox.
    pub(super) fn admitted(&self) {
        self.set(Ok(()));
    }

    /// Reports why the message will not be handled.
    pub(super) fn failed(&self, exit: Exit) {
        self.set(Err(exit));
    }

    fn set(&self, result: Result<(), Exit>) {
        let waker = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.result = Some(result);
            state.waker.take()
        };
        if let Some(waker) = waker {
            unwind::ignore_panic(|| waker.wake());
        }
    }

    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<Result<(), Exit>> {
        // Cloned and dropped outside of the lock, because a waker may run user code.
        let waker = cx.waker().clone();
        let _replaced = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(result) = state.result.take() {
                return Poll::Ready(result);
            }
            state.waker.replace(waker)
        };
        Poll::Pending
    }
}
