//! A queue for one kind of input of a supervisor's process (calls, or exits of children), in the order of arrival.

use std::collections::VecDeque;

use tokio::sync::mpsc;

/// A channel whose inputs may be taken out of order. The queue has no bound: `TreeCall` and `ChildExits` say why none is needed.
#[derive(Debug)]
pub(super) struct Inbox<T> {
    receiver: mpsc::UnboundedReceiver<T>,
    /// Inputs that were received from the channel and are not handled yet. They precede those in the channel.
    deferred: VecDeque<T>,
}

impl<T> Inbox<T> {
    pub(super) fn new(receiver: mpsc::UnboundedReceiver<T>) -> Inbox<T> {
        Inbox { receiver, deferred: VecDeque::new() }
    }

    /// Returns whether no input waits.
    pub(super) fn is_empty(&self) -> bool {
        self.deferred.is_empty() && self.receiver.is_empty()
    }

    /// Returns the next input, if one has arrived.
    pub(super) fn try_next(&mut self) -> Option<T> {
        self.deferred.pop_front().or_else(|| self.receiver.try_recv().ok())
    }

    /// Waits for the next input. Cancel safe.
    ///
    /// # Panics
    ///
    /// If the channel is closed, which cannot be while the state of the supervisor holds a sender.
    pub(super) async fn next(&mut self) -> T {
        self.next_after(0).await
    }

    /// Waits for the next input after the first `n` deferred ones. Cancel safe.
    pub(super) async fn next_after(&mut self, n: usize) -> T {
        match self.deferred.remove(n) {
            Some(input) => input,
            None => self.receiver.recv().await.expect("the channel is open, since the supervisor holds a sender"),
        }
    }

    /// Waits for the first input that is `wanted`. Defers the inputs that arrive before it. Cancel safe.
    pub(super) async fn next_where(&mut self, wanted: impl Fn(&T) -> bool) -> T {
        let mut n = self.deferred.iter().position(&wanted).unwrap_or(self.deferred.len());
        loop {
            let input = self.next_after(n).await;
            if wanted(&input) {
                return input;
            }
            self.deferred.push_back(input);
            n = self.deferred.len();
        }
    }

    /// Returns the first input that is `wanted`, if it has arrived. The input stays in the queue.
    pub(super) fn peek_where(&mut self, wanted: impl Fn(&T) -> bool) -> Option<&T> {
        while let Ok(input) = self.receiver.try_recv() {
            self.deferred.push_back(input);
        }
        self.deferred.iter().find(|input| wanted(input))
    }

    /// Returns the deferred inputs, oldest first.
    pub(super) fn deferred(&self) -> impl Iterator<Item = &T> {
        self.deferred.iter()
    }

    /// Inserts an input behind the first `n` deferred ones.
    pub(super) fn defer_after(&mut self, n: usize, input: T) {
        self.deferred.insert(n, input);
    }

    /// Inserts an input before all others, so that it is the next one.
    pub(super) fn put_back(&mut self, input: T) {
        self.deferred.push_front(input);
    }

    /// Refuses further inputs, and passes each one that has arrived to `f`.
    pub(super) async fn close(&mut self, mut f: impl FnMut(T)) {
        self.receiver.close();
        self.deferred.drain(..).for_each(&mut f);
        // After `close` this waits only for inputs that are being sent at this moment.
        while let Some(input) = self.receiver.recv().await {
            f(input);
        }
    }
}
